"""The network, its layers, losses and scores in PyTorch and NumPy, for tests/train_torch.rs to be held against.

    reference.py MODE IN.safetensors OUT.safetensors [KEY=VALUE ...]

Modes: block, pool, head, loss, unet, scores. Nothing here is copied from the Rust code: layers are torch's own, the
losses and scores follow the formulas of their papers and of the Keras code in wide use.
"""

import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

IGNORED = 255


def convolve(x, weight, bias):
    """'Same' as Keras pads it: before (k - 1) // 2, after k // 2."""
    k = weight.shape[-1]
    before, after = (k - 1) // 2, k // 2
    return F.conv2d(F.pad(x, (before, after, before, after)), weight, bias)


def block(x, p, prefix="", running=None, momentum=0.9):
    """Convolution, ReLU, batch norm; in training where `running` is None or to be moved."""
    y = F.relu(convolve(x, p[prefix + "weight"], p[prefix + "bias"]))
    if running == "evaluate":
        mean, var = p[prefix + "running_mean"], p[prefix + "running_variance"]
        return F.batch_norm(y, mean, var, p[prefix + "gamma"], p[prefix + "beta"], False, eps=1e-5)
    if running == "move":
        with torch.no_grad():
            mean, var = y.mean((0, 2, 3)), y.var((0, 2, 3), unbiased=False)
            for name, value in (("running_mean", mean), ("running_variance", var)):
                p[prefix + name].mul_(momentum).add_(value * (1 - momentum))
    return F.batch_norm(y, None, None, p[prefix + "gamma"], p[prefix + "beta"], True, eps=1e-5)


def source(tensors, kind):
    if kind == "joined":
        return torch.cat([tensors["x"], tensors["skip"]], 1)
    if kind == "upsampled":
        return F.interpolate(tensors["x"], scale_factor=2, mode="nearest")
    return tensors["x"]


def group(x, p, prefix):
    return block(block(x, p, prefix + "first.", p["_mode"]), p, prefix + "second.", p["_mode"])


def unet(x, p):
    depth = 1 + max(int(name.split(".")[1]) for name in p if name.startswith("encoder."))
    skips = []
    for level in range(depth):
        x = group(x, p, f"encoder.{level}.")
        if level + 1 < depth:
            skips.append(x)
            x = F.max_pool2d(x, 2)
    for step in range(depth - 1):
        x = F.interpolate(x, scale_factor=2, mode="nearest")
        x = block(x, p, f"decoder.{step}.up.", p["_mode"])
        x = group(torch.cat([skips.pop(), x], 1), p, f"decoder.{step}.join.")
    if "keras.weight" in p:
        x = block(x, p, "keras.", p["_mode"])
    return convolve(x, p["head.weight"], p["head.bias"])


def loss(logits, labels, kind, weights, gamma=2.0, alpha=0.3, beta=0.7):
    classes = logits.shape[1]
    p = torch.softmax(logits, 1)
    counted = (labels != IGNORED).unsqueeze(1).to(logits.dtype)
    t = F.one_hot(torch.where(labels == IGNORED, 0, labels), classes).permute(0, 3, 1, 2) * counted
    p = p * counted
    w = weights.view(1, -1, 1, 1)
    if kind == "dice":
        sums = lambda v: (w * v).sum((1, 2, 3))
        return (1 - (2 * sums(p * t) + 1) / (sums(p) + sums(t) + 1)).mean()
    hit, predicted, truth = ((v).sum((0, 2, 3)) for v in (p * t, p, t))
    share = weights / weights.sum()
    macro = 1 - (share * (2 * hit + 1) / (predicted + truth + 1)).sum()
    entropy = F.cross_entropy(logits, labels, weight=weights, ignore_index=IGNORED)
    if kind == "tversky":
        below = hit + alpha * (predicted - hit) + beta * (truth - hit) + 1
        return 1 - (share * (hit + 1) / below).sum()
    if kind == "focal":
        terms = -((1 - p) ** gamma) * torch.log_softmax(logits, 1) * t * w
        return terms.sum() / (t * w).sum()
    return {"dice_macro": macro, "ce": entropy, "dice_ce": macro + entropy}[kind]


def scores(logits, labels):
    """dice_coef and iou_coef of the Keras code in wide use: flattened over pixels and classes, smooth 1."""
    e = np.exp(logits - logits.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    t = (labels[:, None] == np.arange(logits.shape[1])[None, :, None, None]).astype(np.float64)
    dice, iou = [], []
    for p_image, t_image in zip(p, t):
        intersection = (p_image.ravel() * t_image.ravel()).sum()
        union = p_image.sum() + t_image.sum()
        dice.append((2 * intersection + 1) / (union + 1))
        iou.append((intersection + 1) / (union - intersection + 1))
    return np.array([np.mean(dice), np.mean(iou)])


def gradients_of(value, leaves):
    value.backward()
    return {"grad." + name: leaf.grad for name, leaf in leaves.items() if leaf.grad is not None}


def main():
    mode, read, write = sys.argv[1:4]
    options = dict(argument.split("=") for argument in sys.argv[4:])
    torch.set_num_threads(1)
    tensors = load_file(read)
    labels = tensors.pop("labels", torch.zeros(0)).long()
    weights = tensors.pop("class_weights", torch.ones(4))
    if "double" in options:
        tensors, weights = {name: v.double() for name, v in tensors.items()}, weights.double()
    if mode == "scores":
        out = {"scores": torch.from_numpy(scores(tensors["logits"].double().numpy(), labels.numpy()).astype(np.float32))}
        save_file(out, write)
        return
    fixed = ("pull", "images", "running_mean", "running_variance")
    leaves = {name: v.requires_grad_() for name, v in tensors.items() if not name.endswith(fixed)}
    if mode == "block":
        y = block(source(tensors, options["kind"]), tensors)
        out = {"y": y.detach(), **gradients_of((y * tensors["pull"]).sum(), leaves)}
    elif mode == "pool":
        y = F.max_pool2d(tensors["x"], 2)
        out = {"y": y.detach(), **gradients_of((y * tensors["pull"]).sum(), leaves)}
    elif mode == "head":
        y = convolve(tensors["x"], tensors["weight"], tensors["bias"])
        out = {"y": y.detach(), **gradients_of((y * tensors["pull"]).sum(), leaves)}
    elif mode == "loss":
        value = loss(tensors["logits"], labels, options["kind"], weights)
        out = {"y": value.detach().view(1), **gradients_of(value, leaves)}
    elif mode == "unet":
        out = train(tensors, leaves, labels, weights, options)
    save_file({name: value.float().contiguous() for name, value in out.items()}, write)


def train(tensors, leaves, labels, weights, options):
    p = dict(tensors, _mode="move")
    optimizer = {
        "adam": lambda: torch.optim.Adam(leaves.values(), lr=float(options["rate"]), eps=1e-7),
        "adamw": lambda: torch.optim.AdamW(leaves.values(), lr=float(options["rate"]), eps=1e-7, weight_decay=0.01),
        "sgd": lambda: torch.optim.SGD(leaves.values(), lr=float(options["rate"]), momentum=0.9, weight_decay=0.01),
    }[options["optimizer"]]()
    out, losses = {}, []
    for step in range(10):
        optimizer.zero_grad()
        logits = unet(tensors["images"], p)
        value = loss(logits, labels, options["kind"], weights)
        value.backward()
        if step == 0:
            out["logits"] = logits.detach()
            out.update({"grad." + name: leaf.grad.clone() for name, leaf in leaves.items()})
        if "clip" in options:
            torch.nn.utils.clip_grad_norm_(leaves.values(), float(options["clip"]))
        optimizer.step()
        losses.append(value.detach())
    p["_mode"] = "evaluate"
    with torch.no_grad():
        out["evaluated"] = unet(tensors["images"], p)
    return dict(out, losses=torch.stack(losses))


if __name__ == "__main__":
    main()
