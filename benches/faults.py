"""Do the rules find what is wrong, and keep quiet where nothing is? Plants faults and counts the findings.

    python benches/faults.py target/release/sweepscope [--tiles DIR] [--seeds 0-9] [--write docs/calibration.md]

Each fault is trained with ten seeds (split and initial weights) on synthetic images and, with --tiles, on tiles of
sandstone (a folder with images/, masks/ and manifest.csv), all cut to 48 × 48 pixels. A fault is found when its rule
fires in the run; on healthy runs every warning is counted. The same command again trains nothing anew and applies the
program's rules to the records of the first time. Needs numpy and pillow.
"""

import argparse
import concurrent.futures
import csv
import json
import os
import pathlib
import random
import subprocess
import sys

import numpy as np
from PIL import Image

BEGIN, END = "<!-- written by benches/faults.py -->", "<!-- end -->"
RULES_OF_A_RUN = 23  # of 27; the others are about a sweep
SIDE = 48
GROUPS, OF_GROUP = 10, 8
SYNTHETIC = ["background", "cell", "vesicle", "crystal"]
SANDSTONE = ["pore", "clay", "quartz", "mineral"]

SWEEP = """
[sweep]
name = "run"
[data]
images = "{images}"
masks = "{masks}"
{groups}
classes = {classes}
background = "{background}"
normalize = "dataset"
input_size = {input_size}
[split]
{split}
seed = {seed}
[model]
base_width = 8
depth = 3
dropout = 0.0
[train]
init_seed = {seed}
epochs = {epochs}
batch_size = {batch_size}
learning_rate = {rate}
lr_schedule = "{schedule}"
{train}
[augment]
{augment}
[schedule]
threads = 1
"""


class Data:
    """One data set of small images, with what is needed to change copies of it."""

    def __init__(self, folder, classes, rare, pair):
        self.folder, self.classes, self.rare, self.pair = folder, classes, rare, pair
        with open(folder / "manifest.csv") as file:
            self.groups = {row["image"]: row["group"] for row in csv.DictReader(file)}
        self.masks = {name: np.array(Image.open(folder / "masks" / name)) for name in self.groups}
        self.names = sorted(self.groups)

    def has(self, name, label):
        return (self.masks[name] == label).sum() >= 20

    def split(self, seed, counts):
        """Whole groups at random into test (two of them), val (two) and train, then cut to `counts` (train, val)."""
        draw = random.Random(seed)
        groups = sorted(set(self.groups.values()))
        draw.shuffle(groups)
        place = {group: ["test", "test", "val", "val"][i] if i < 4 else "train" for i, group in enumerate(groups)}
        split = {name: place[group] for name, group in self.groups.items()}
        for part, count in zip(("train", "val"), counts):
            names = [name for name in self.names if split[name] == part]
            for name in draw.sample(names, max(0, len(names) - (count or len(names)))):
                split[name] = "test"
        return split


def cut(source, target, names, draw, classes):
    """Copies a SIDE × SIDE window of each image and its mask, one of twenty that has the most of its scarcest class, so
    that hardly an image lacks one. Labels beyond the first `classes` become background."""
    for kind in ("images", "masks"):
        (target / kind).mkdir(parents=True)
    for name in names:
        image, mask = (np.array(Image.open(source / kind / name)) for kind in ("images", "masks"))
        mask = np.where(mask < classes, mask, 0).astype(np.uint8)
        places = [[draw.randrange(size - SIDE + 1) for size in mask.shape] for _ in range(20)]
        windows = [np.s_[top:top + SIDE, left:left + SIDE] for top, left in places]
        window = max(windows, key=lambda window: np.bincount(mask[window].ravel(), minlength=classes).min())
        Image.fromarray(image[window]).save(target / "images" / name)
        Image.fromarray(mask[window]).save(target / "masks" / name)


def synthetic(program, work):
    whole = work / "data" / "whole"
    if not whole.exists():
        subprocess.run([program, "data", "synth", whole, "--images", str(10 * GROUPS), "--seed", "1"], check=True,
                       stdout=subprocess.DEVNULL)
    folder = small(whole, work / "data" / "synthetic", "image", "group", len(SYNTHETIC))
    return Data(folder, SYNTHETIC, rare=3, pair=(1, 3))


def sandstone(tiles, work):
    folder = small(tiles, work / "data" / "sandstone", "tile", "source_image", len(SANDSTONE))
    return Data(folder, SANDSTONE, rare=3, pair=(0, 1))


def small(whole, folder, image, group, classes):
    """A few images of each group, cut small."""
    if not folder.exists():
        with open(whole / "manifest.csv") as file:
            rows = [(row[image], row[group]) for row in csv.DictReader(file)]
        draw = random.Random(0)
        of_group = [[row for row in rows if row[1] == name] for name in sorted({group for _, group in rows})]
        rows = [row for rows in of_group[:GROUPS] for row in sorted(draw.sample(rows, OF_GROUP))]
        cut(whole, folder, [name for name, _ in rows], draw, classes)
        with open(folder / "manifest.csv", "w", newline="") as file:
            csv.writer(file).writerows([("image", "group"), *rows])
    return folder


def split_file(path, split):
    with open(path, "w", newline="") as file:
        csv.writer(file).writerows([("image", "split"), *sorted(split.items())])


class Fault:
    """What is changed from a healthy run, and the rules of which one must fire."""

    def __init__(self, name, rules, change=None, **settings):
        self.name, self.rules, self.change, self.settings = name, rules, change, settings


def own_split(counts=(None, None)):
    def change(data, work, seed):
        split_file(work / "split.csv", data.split(seed, counts))
        return {"split": work / "split.csv"}
    return change


def leak(data, work, seed):
    """Five training images are in val once more, under other names and with other noise."""
    folder = work / "data"
    split = data.split(seed, (None, None))
    if not folder.exists():
        (folder / "images").mkdir(parents=True)
        (folder / "masks").mkdir()
        for name in data.names:
            for kind in ("images", "masks"):
                os.link(data.folder / kind / name, folder / kind / name)
    noise = np.random.default_rng(seed)
    train = [name for name in data.names if split[name] == "train"]
    for i, name in enumerate(random.Random(seed).sample(train, 5)):
        copy = f"copy-{i}.png"
        image = np.array(Image.open(data.folder / "images" / name)).astype(float)
        image = np.clip(image + noise.normal(0, 2, image.shape), 0, 255)
        Image.fromarray(image.astype(np.uint8)).save(folder / "images" / copy)
        Image.open(data.folder / "masks" / name).save(folder / "masks" / copy)
        split[copy] = "val"
    split_file(folder / "split.csv", split)
    return {"split": folder / "split.csv", "images": folder / "images", "masks": folder / "masks"}


def missing(data, work, seed):
    """The labels of the rare class are taken out of the masks of val."""
    split = data.split(seed, (None, None))
    split_file(work / "split.csv", split)
    relabel(data, work / "masks", lambda name, mask: np.where(
        (mask == data.rare) & (split[name] == "val"), 0, mask))
    return {"split": work / "split.csv", "masks": work / "masks"}


def unlabelled(data, work, seed):
    """In the training masks the rare class is not told from the background."""
    split = data.split(seed, (None, None))
    split_file(work / "split.csv", split)
    relabel(data, work / "masks", lambda name, mask: np.where(
        (mask == data.rare) & (split[name] == "train"), 0, mask))
    return {"split": work / "split.csv", "masks": work / "masks"}


def relabel(data, folder, change):
    folder.mkdir(exist_ok=True)
    for name in data.names:
        Image.fromarray(change(name, data.masks[name]).astype(np.uint8)).save(folder / name)


def exchanged(data, work, seed):
    """In a tenth of the masks the labels of two classes are exchanged."""
    a, b = data.pair
    both = [name for name in data.names if data.has(name, a) and data.has(name, b)]
    chosen = random.Random(seed).sample(both, len(data.names) // 10)
    relabel(data, work / "masks", lambda name, mask: np.where(
        mask == a, b, np.where(mask == b, a, mask)) if name in chosen else mask)
    return {"masks": work / "masks"}


RATE, EPOCHS, BATCH = 4e-3, 16, 4
BRIEF = 4  # epochs for a fault that shows without a trained network

FAULTS = [
    Fault("leak of near copies into val", ["leak"], leak, epochs=BRIEF),
    Fault("class missing from val", ["class_missing_from_split"], missing, epochs=BRIEF),
    Fault("two labels exchanged in a tenth of the masks", ["bad_images"], exchanged, epochs=24),
    Fault("learning rate × 100", ["learning_rate_too_high"], rate=RATE * 100, schedule="constant"),
    Fault("learning rate / 1,000", ["learning_rate_too_low"], rate=RATE / 1000, schedule="constant"),
    Fault("4 validation images", ["too_few_validation_images"], own_split((None, 4)), epochs=BRIEF),
    Fault("batch norm at batch 1", ["batch_norm_statistics_wrong"], batch_size=1, epochs=BRIEF),
    Fault("8 training images", ["overfitting", "gap_grows"], own_split((8, None)), epochs=80, augment=""),
    Fault("structures lost by resizing", ["resizing_destroys_structures"], input_size=16, epochs=BRIEF),
    Fault("class never predicted (not labelled in train)", ["class_never_predicted"], unlabelled),
    Fault("early stopping on training accuracy", ["wrong_monitor"], epochs=BRIEF,
          train='early_stopping = { monitor = "train_accuracy", patience = 10 }'),
]
HEALTHY = Fault("healthy", [])


def sweep_file(fault, data, work, seed):
    settings = {"rate": RATE, "epochs": EPOCHS, "batch_size": BATCH, "input_size": SIDE, "train": "",
                "schedule": "cosine",
                "augment": "flip = true\nrotate90 = true", "split": 'strategy = "stratified"', **fault.settings}
    files = {"images": data.folder / "images", "masks": data.folder / "masks"}
    if fault.change:
        files |= fault.change(data, work, seed)
    if "split" in files:
        settings["split"] = f'strategy = "file"\nfile = "{files["split"]}"\nallow_missing_class = true'
    groups = f'groups = {{ file = "{data.folder}/manifest.csv", image = "image", group = "group" }}'
    text = SWEEP.format(seed=seed, images=files["images"], masks=files["masks"], classes=json.dumps(data.classes),
                        groups="" if "split" in files else groups, background=data.classes[0], **settings)
    path = work / "sweep.toml"
    path.write_text(text)
    return path


def findings(program, fault, data, work, seed):
    """What the program finds in one run with the fault."""
    work.mkdir(parents=True, exist_ok=True)
    path = sweep_file(fault, data, work, seed)
    run = subprocess.run([program, "run", path, "-j", "1", "--devices", "cpu", "--results", work],
                         capture_output=True, text=True)
    if run.returncode not in (0, 1):  # 1: the run failed, as a fault may make it
        raise RuntimeError(f"{fault.name}: {run.stderr}{run.stdout}")
    text = subprocess.run([program, "diagnose", work / "run", "--json"], capture_output=True, text=True, check=True)
    return [finding for finding in json.loads(text.stdout) if finding["run"]]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("--tiles", type=pathlib.Path, help="sandstone: images/, masks/, manifest.csv")
    parser.add_argument("--work", type=pathlib.Path, default=pathlib.Path("target/faults"))
    parser.add_argument("--seeds", default="0-9")
    parser.add_argument("--only", help="faults whose name has this")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once, a thread each")
    parser.add_argument("--write", type=pathlib.Path)
    arguments = parser.parse_args()
    program, work = arguments.program.resolve(), arguments.work.resolve()
    first, last = map(int, arguments.seeds.split("-"))
    seeds = range(first, last + 1)
    sets = {"synthetic": synthetic(program, work)}
    if arguments.tiles:
        sets["sandstone"] = sandstone(arguments.tiles.resolve(), work)
    chosen = [fault for fault in [HEALTHY, *FAULTS] if not arguments.only or arguments.only in fault.name]
    jobs = [(name, fault, seed) for seed in seeds for fault in chosen for name in sets]

    def look(job):
        name, fault, seed = job
        slug = "".join(c if c.isalnum() else "-" for c in fault.name)
        return findings(program, fault, sets[name], work / f"{name}-{slug}-{seed}", seed)

    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        found = dict(zip(jobs, pool.map(look, jobs)))
    lines = table(found, sets, chosen, seeds)
    print("\n".join(lines))
    if arguments.write:
        text = arguments.write.read_text()
        head, tail = text.split(BEGIN)[0], text.split(END)[1]
        arguments.write.write_text("\n".join([head + BEGIN, *lines, END]) + tail)


def table(found, sets, faults, seeds):
    """A row a fault: in how many runs its rule fired; then what was warned of on healthy runs."""
    lines = ["| fault | rule | " + " | ".join(sets) + " |", "| --- | --- |" + " --- |" * len(sets)]
    for fault in faults:
        fired = [sum(any(f["rule"] in fault.rules for f in found[name, fault, seed]) for seed in seeds) for name in sets]
        if fault.rules:
            cells = [f"{count} of {len(seeds)}" for count in fired]
            lines.append(f"| {fault.name} | {' or '.join(fault.rules)} | {' | '.join(cells)} |")
    healthy = {job: runs for job, runs in found.items() if job[1] is HEALTHY}
    loud = [(job, f) for job, runs in healthy.items() for f in runs if f["severity"] != "info"]
    if healthy:
        checks = len(healthy) * RULES_OF_A_RUN
        lines += ["", f"Healthy runs: {len(healthy)}, warnings: {len(loud)} in {checks} checks "
                  f"({len(healthy)} runs × {RULES_OF_A_RUN} rules): {100 * len(loud) / checks:.1f} %; "
                  f"{len({job for job, _ in loud})} of the runs have one."]
        lines += [f"- {name}, seed {seed}: {f['rule']}: {f['evidence']}" for (name, _, seed), f in loud]
    return lines


if __name__ == "__main__":
    main()
