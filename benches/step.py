"""Training and evaluation steps of sweepscope on the CPU against PyTorch's, alternated on one machine.

    cargo build --release --bench step && python benches/step.py target/release/deps/step-HASH [ROUNDS] [SHAPE ...]

A SHAPE is WIDTHxSIDExBATCH, such as 8x64x8; without one, all four are measured. Prints for each the medians over
rounds, the ratio to PyTorch's better memory layout, peak memory, and the share of the machine's rate for a large
matrix product that a plain way to compute the step would need to run at (above 1: fewer products were made). With
`--steps N` in front, sweepscope alone makes N steps of each shape and its memory's growth is printed.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

SHAPES = ["8x64x8", "16x128x4", "64x128x2", "16x256x9"]
THREADS, STEPS, CLASSES = 2, 7, 4


def twin(width, side, batch, channels_last):
    import torch
    import torch.nn.functional as F
    from twin import UNet, macro_dice_loss

    torch.set_num_threads(THREADS)
    net, x = UNet(width, CLASSES), torch.rand(batch, 1, side, side)
    t = F.one_hot(torch.randint(0, CLASSES, (batch, side, side)), CLASSES).permute(0, 3, 1, 2).float().contiguous()
    if channels_last:
        net, x, t = (v.to(memory_format=torch.channels_last) for v in (net, x, t))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4, eps=1e-7)

    def step():
        optimizer.zero_grad()
        value = macro_dice_loss(torch.softmax(net(x), 1), t)
        value.item()
        value.backward()
        optimizer.step()

    def evaluate():
        with torch.inference_mode():
            torch.softmax(net(x), 1).sum().item()

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


def answer(command):
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return json.loads(output.splitlines()[-1])


def compare(program, rounds, shapes):
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, {THREADS} threads, {rounds} rounds of {STEPS} steps")
    print("width side batch | train ms: ours, torch NCHW, channels last, ratio | eval ms: the same | peak MiB, ratio"
          " | share of matrix product rate: train, eval")
    for shape in shapes:
        commands = {
            "ours": [program, *shape, str(THREADS), str(STEPS)],
            "nchw": [sys.executable, __file__, "--twin", *shape, "0"],
            "last": [sys.executable, __file__, "--twin", *shape, "1"],
        }
        found = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                found[name].append(answer(command))
        cells = [" ".join(f"{int(v):4d}" for v in shape)]
        for figure in ("train", "eval"):
            value = {name: statistics.median(run[figure] for run in runs) for name, runs in found.items()}
            each = [ours[figure] / min(nchw[figure], last[figure]) for ours, nchw, last in zip(*found.values())]
            ratio = value["ours"] / min(value["nchw"], value["last"])
            cells.append(" ".join(f"{value[name]:8.1f}" for name in commands) +
                         f" {ratio:5.2f} (rounds {min(each):.2f} to {max(each):.2f})")
        peak = {name: max(run["peak_mib"] for run in found[name]) for name in commands}
        cells.append(" ".join(f"{v:.0f}" for v in peak.values()) +
                     f" {peak['ours'] / min(peak['nchw'], peak['last']):.2f}")
        middle = lambda figure: statistics.median(run[figure] for run in found["ours"])
        cells.append(f"{middle('train_share'):.2f} {middle('eval_share'):.2f} of {middle('gflops'):.0f} GFLOP/s")
        print(" | ".join(cells), flush=True)


def grow(program, steps, shapes):
    for shape in shapes:
        found = answer([program, *shape, str(THREADS), steps])
        print(f"{'x'.join(shape)}: {found['grown_mib']:+.1f} MiB from the 6th to the {steps}th step, "
              f"peak {found['peak_mib']:.0f} MiB", flush=True)


def main():
    arguments = sys.argv[1:]
    if arguments[0] == "--twin":
        twin(*map(int, arguments[1:]))
        return
    steps = arguments[1] if arguments[0] == "--steps" else None
    program, *rest = arguments[2:] if steps else arguments
    rounds = int(rest.pop(0)) if rest and rest[0].isdigit() else 3
    shapes = [shape.split("x") for shape in rest or SHAPES]
    if steps:
        grow(program, steps, shapes)
    else:
        compare(program, rounds, shapes)


if __name__ == "__main__":
    main()
