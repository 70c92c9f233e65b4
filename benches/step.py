"""Training and evaluation steps of sweepscope on the CPU against PyTorch's, alternated on one machine.

    cargo build --release --bench step && python benches/step.py target/release/deps/step-HASH [ROUNDS]

Prints for each shape the medians over rounds, the ratio to PyTorch's better memory layout, and peak memory.
"""

import json
import resource
import statistics
import subprocess
import sys
import time

SHAPES = [(8, 64, 8), (16, 128, 4), (64, 128, 2), (16, 256, 9)]
THREADS, STEPS, CLASSES = 2, 7, 4


def twin(width, side, batch, channels_last):
    import torch
    import torch.nn as nn
    import torch.nn.functional as F

    torch.set_num_threads(THREADS)

    def block(inputs, outputs, kernel=3):
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding="same"), nn.ReLU(), nn.BatchNorm2d(outputs))

    def double(inputs, outputs):
        return nn.Sequential(block(inputs, outputs), block(outputs, outputs))

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            w = [width << level for level in range(5)]
            self.encoder = nn.ModuleList([double(1 if level == 0 else w[level - 1], w[level]) for level in range(5)])
            self.up = nn.ModuleList([block(w[level + 1], w[level], 2) for level in (3, 2, 1, 0)])
            self.join = nn.ModuleList([double(2 * w[level], w[level]) for level in (3, 2, 1, 0)])
            self.head = nn.Conv2d(width, CLASSES, 1)

        def forward(self, x):
            skips = []
            for level, blocks in enumerate(self.encoder):
                x = blocks(x)
                if level >= 3:
                    x = F.dropout(x, 0.5, self.training)
                if level < 4:
                    skips.append(x)
                    x = F.max_pool2d(x, 2)
            for up, join in zip(self.up, self.join):
                x = join(torch.cat([skips.pop(), up(F.interpolate(x, scale_factor=2))], 1))
            return torch.softmax(self.head(x), 1)

    def loss(p, t):
        hit, total = (p * t).sum((0, 2, 3)), p.sum((0, 2, 3)) + t.sum((0, 2, 3))
        return 1 - ((2 * hit + 1) / (total + 1)).mean()

    net, x = Net(), torch.rand(batch, 1, side, side)
    t = F.one_hot(torch.randint(0, CLASSES, (batch, side, side)), CLASSES).permute(0, 3, 1, 2).float().contiguous()
    if channels_last:
        net, x, t = (v.to(memory_format=torch.channels_last) for v in (net, x, t))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, eps=1e-7)

    def step():
        optimizer.zero_grad()
        value = loss(net(x), t)
        value.item()
        value.backward()
        optimizer.step()

    def evaluate():
        with torch.inference_mode():
            net(x).sum().item()

    train = timed(step)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    net.eval()
    print(json.dumps({"train": train, "eval": timed(evaluate), "peak_mib": peak}))


def timed(call):
    call()
    times = []
    for _ in range(STEPS):
        started = time.perf_counter()
        call()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def main():
    if sys.argv[1] == "--twin":
        twin(*map(int, sys.argv[2:]))
        return
    program, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print("width side batch | train ms: ours, torch NCHW, channels last, ratio | eval ms: the same | peak MiB")
    for shape in SHAPES:
        text = [str(v) for v in shape]
        commands = {
            "ours": [program, *text, "1", str(THREADS), str(STEPS)],
            "nchw": [sys.executable, __file__, "--twin", *text, "0"],
            "last": [sys.executable, __file__, "--twin", *text, "1"],
        }
        found = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                found[name].append(json.loads(output.splitlines()[-1]))
        cells = []
        for figure in ("train", "eval"):
            value = {name: statistics.median(run[figure] for run in runs) for name, runs in found.items()}
            ratio = value["ours"] / min(value["nchw"], value["last"])
            cells.append(" ".join(f"{value[name]:8.1f}" for name in commands) + f" {ratio:5.2f}")
        peak = " ".join(str(max(run["peak_mib"] for run in found[name])) for name in commands)
        print(*(f"{v:4d}" for v in shape), "|", " | ".join(cells), "|", peak, flush=True)


if __name__ == "__main__":
    main()
