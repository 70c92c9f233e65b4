"""Learning curves of sweepscope and of PyTorch: one network, split, schedule and normalisation, on sandstone tiles.

    python benches/learn.py PROGRAM TILES OUT [EPOCHS [SEEDS]]

PROGRAM is the sweepscope binary, TILES the folder with images, masks and manifest.csv, OUT where everything is put.
Both train the U-Net of width 16 on 128 x 128 pixels for EPOCHS (30) epochs from SEEDS (3) seeds, without
augmentation, one thread each and both at once. Val dice_macro comes from integer counts over the split, at the
images' own size (the tiles' 128 pixels). What is done is not done again. Prints the table and draws OUT/curves.png.
"""

import csv
import math
import pathlib
import statistics
import subprocess
import sys
import time

CLASSES, BACKGROUND = ["pore", "clay", "quartz", "mineral"], 0
WIDTH, BATCH, RATE, DROPOUT = 16, 8, 1e-2, 0.5

SWEEP = """
[sweep]
name = "learn"
[data]
images = "{tiles}/images"
masks = "{tiles}/masks"
groups = {{ file = "{tiles}/manifest.csv", image = "tile", group = "source_image" }}
classes = {classes}
background = "pore"
normalize = "dataset"
[grid]
"train.init_seed" = {seeds}
learning_rate = [{rate}]
batch_size = [{batch}]
input_size = [128]
split_seed = [0]
[model]
base_width = {width}
dropout = {dropout}
[loss]
kind = "dice_ce"
[train]
epochs = {epochs}
lr_schedule = "cosine"
[schedule]
devices = "cpu"
threads = 1
runs_per_device = 1
"""


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def load(tiles, names):
    """Grey values [images, 1, side, side] and labels [images, side, side]."""
    import numpy as np
    import torch
    from PIL import Image

    pixels = lambda folder, name: np.asarray(Image.open(tiles / folder / name))
    grey = np.stack([pixels("images", name) for name in names]).astype(np.float32)
    labels = np.stack([pixels("masks", name) for name in names]).astype(np.int64)
    return torch.from_numpy(grey)[:, None], torch.from_numpy(labels)


def val_dice(net, images, labels):
    """Macro Dice over the foreground classes, from counts over the whole split."""
    import torch

    net.eval()
    with torch.inference_mode():
        predicted = torch.cat([net(batch).argmax(1) for batch in images.split(BATCH)])
    net.train()
    dice = []
    for c in range(len(CLASSES)):
        p, t = predicted == c, labels == c
        if c != BACKGROUND and t.any():
            dice.append(2 * (p & t).sum().item() / (p.sum() + t.sum()).item())
    return statistics.mean(dice)


def train_twin(tiles, split_csv, out, epochs, seed):
    """Trains PyTorch's network on the split that sweepscope has written; a row an epoch in `out`."""
    import torch
    import torch.nn.functional as F
    from twin import UNet, macro_dice_loss

    torch.set_num_threads(1)
    torch.manual_seed(seed)
    names = {split: [row["image"] for row in read(split_csv) if row["split"] == split] for split in ("train", "val")}
    (x, t), (val_x, val_t) = load(tiles, names["train"]), load(tiles, names["val"])
    mean, deviation = x.mean(), x.std(unbiased=False)
    x, val_x = (x - mean) / deviation, (val_x - mean) / deviation
    net = UNet(WIDTH, len(CLASSES), DROPOUT)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE, eps=1e-7)
    rows = []
    for epoch in range(1, epochs + 1):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 + math.cos(math.pi * (epoch - 1) / epochs)) / 2
        for batch in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            logits, labels = net(x[batch]), t[batch]
            truth = F.one_hot(labels, len(CLASSES)).permute(0, 3, 1, 2).float()
            loss = macro_dice_loss(torch.softmax(logits, 1), truth) + F.cross_entropy(logits, labels)
            loss.backward()
            optimizer.step()
        rows.append(val_dice(net, val_x, val_t))
        print(f"PyTorch seed {seed} epoch {epoch}: {rows[-1]:.4f}", file=sys.stderr, flush=True)
    text = "epoch,dice_macro\n" + "".join(f"{epoch},{dice}\n" for epoch, dice in enumerate(rows, 1))
    out.write_text(text)


def curve(path):
    rows = [row for row in read(path) if row.get("split", "val") == "val"]
    return [float(row["dice_macro"]) for row in rows]


def report(curves, out):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    print("val dice_macro  | best epoch of each seed, mean | last epoch of each seed, mean")
    figure, axes = plt.subplots(figsize=(7, 4.5))
    for name, color in (("sweepscope", "tab:blue"), ("PyTorch", "tab:orange")):
        cells = []
        for pick in (max, lambda values: values[-1]):
            values = [pick(values) for values in curves[name]]
            cells.append(" ".join(f"{v:.4f}" for v in values) + f"  {statistics.mean(values):.4f}")
        print(f"{name:15s} | " + " | ".join(cells))
        for seed, values in enumerate(curves[name]):
            axes.plot(range(1, len(values) + 1), values, color=color, lw=0.7, alpha=0.5)
        mean = [statistics.mean(values) for values in zip(*curves[name])]
        axes.plot(range(1, len(mean) + 1), mean, color=color, lw=2, label=f"{name}, mean of {len(curves[name])} seeds")
    axes.set(xlabel="epoch", ylabel="val dice_macro", title="Sandstone tiles, 128 pixels, width 16")
    axes.legend(loc="lower right")
    axes.grid(alpha=0.3)
    figure.savefig(out / "curves.png", dpi=120, bbox_inches="tight")


def train_all_twins(tiles, out, epochs, seeds):
    """PyTorch's runs that are not done yet, on the split that sweepscope's first run has written."""
    split_csv = next((out / "learn" / "runs").glob("*/split.csv"))
    for seed in range(seeds):
        path = out / f"pytorch-{epochs}-{seed}.csv"
        if not path.exists():
            command = [sys.executable, __file__, "--twin", tiles, split_csv, path, str(epochs), str(seed)]
            subprocess.run(command, check=True)


def main():
    if sys.argv[1] == "--twin":
        tiles, split_csv, path, epochs, seed = sys.argv[2:]
        train_twin(pathlib.Path(tiles), split_csv, pathlib.Path(path), int(epochs), int(seed))
        return
    program, tiles, out, *rest = sys.argv[1:]
    tiles, out = pathlib.Path(tiles).resolve(), pathlib.Path(out).resolve()
    epochs = int(rest[0]) if rest else 30
    seeds = int(rest[1]) if len(rest) > 1 else 3
    out.mkdir(parents=True, exist_ok=True)
    sweep, runs = out / "learn.toml", out / "learn" / "runs"
    settings = dict(width=WIDTH, batch=BATCH, rate=RATE, dropout=DROPOUT, epochs=epochs, seeds=list(range(seeds)))
    sweep.write_text(SWEEP.format(tiles=tiles, classes=CLASSES, **settings).replace("'", '"'))
    ours = subprocess.Popen([program, "run", str(sweep), "--results", str(out)])
    while not any(runs.glob("*/split.csv")) and ours.poll() is None:
        time.sleep(1)
    train_all_twins(tiles, out, epochs, seeds)
    if ours.wait() != 0:
        sys.exit(f"{program} ended with {ours.returncode}")
    kept = {row["run"] for row in read(out / "learn" / "runs.csv") if row["epochs"] == str(epochs)}
    curves = {
        "sweepscope": [curve(run / "epochs.csv") for run in sorted(runs.iterdir()) if run.name in kept],
        "PyTorch": [curve(out / f"pytorch-{epochs}-{seed}.csv") for seed in range(seeds)],
    }
    report(curves, out)


if __name__ == "__main__":
    main()
