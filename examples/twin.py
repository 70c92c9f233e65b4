"""The U-Net in PyTorch, from a file that `sweepscope export RUN_DIR --out unet.safetensors` wrote.

    python examples/twin.py unet.safetensors image.png mask.png

Needs torch, safetensors, numpy and pillow. The names of the weights are those of `src/model/weights.rs`; everything
else about the network (depth, widths, norm, head) follows from them.
"""

import json
import sys

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from safetensors import safe_open
from torch import nn

EPSILON = 1e-5


class Block(nn.Module):
    """'Same' convolution, ReLU, batch norm by the running statistics or group norm."""

    def __init__(self, weight, batch_norm):
        super().__init__()
        outputs = weight.shape[0]
        self.weight = nn.Parameter(torch.empty_like(weight))
        for name in ["bias", "gamma", "beta"]:
            self.register_parameter(name, nn.Parameter(torch.empty(outputs)))
        for name in ["running_mean", "running_variance"] if batch_norm else []:
            self.register_buffer(name, torch.empty(outputs))
        self.groups = 0 if batch_norm else max(n for n in [8, 4, 2, 1] if outputs % n == 0)

    def forward(self, x):
        side = self.weight.shape[-1]
        before, after = (side - 1) // 2, side // 2
        y = F.relu(F.conv2d(F.pad(x, (before, after, before, after)), self.weight, self.bias))
        if self.groups:
            return F.group_norm(y, self.groups, self.gamma, self.beta, EPSILON)
        return F.batch_norm(y, self.running_mean, self.running_variance, self.gamma, self.beta, eps=EPSILON)


class UNet(nn.Module):
    """Logits [batch, classes, height, width] of images [batch, channels, height, width]."""

    def __init__(self, weights):
        super().__init__()
        block = lambda name: Block(weights[name + ".weight"], name + ".running_mean" in weights)
        double = lambda name: nn.ModuleDict({part: block(f"{name}.{part}") for part in ["first", "second"]})
        depth = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("encoder."))
        self.encoder = nn.ModuleList(double(f"encoder.{level}") for level in range(depth))
        self.decoder = nn.ModuleList(
            nn.ModuleDict({"up": block(f"decoder.{step}.up"), "join": double(f"decoder.{step}.join")})
            for step in range(depth - 1)
        )
        if "keras.weight" in weights:
            self.keras = block("keras")
        classes, inputs = weights["head.weight"].shape[:2]
        self.head = nn.Conv2d(inputs, classes, 1)
        self.load_state_dict(weights)

    def forward(self, x):
        skipped = []
        for level in self.encoder:
            x = level["second"](level["first"](x))
            skipped.append(x)
            x = F.max_pool2d(x, 2)
        x = skipped.pop()
        for step in self.decoder:
            x = step["up"](F.interpolate(x, scale_factor=2, mode="nearest"))
            x = torch.cat([skipped.pop(), x], 1)
            x = step["join"]["second"](step["join"]["first"](x))
        return self.head(self.keras(x) if hasattr(self, "keras") else x)


def load(path):
    """The network, ready to predict, and what new images need (classes, input_size, normalize, scale)."""
    with safe_open(path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
        about = json.loads(file.metadata()["sweepscope"])
    return UNet(weights).eval(), about


def prepare(image, channels, about):
    """A Pillow image as the network was trained to see it: [1, channels, height, width]."""
    assert about["input_mode"] == "resize", "a network trained on crops wants a sliding window"
    height, width = about["input_size"]
    planes = image.convert("RGB").split() if channels == 3 else [image.convert("L")]
    resized = [np.asarray(plane.convert("F").resize((width, height), Image.BILINEAR)) for plane in planes]
    x = np.stack(resized).astype(np.float64)
    if about["normalize"] == "percentile":
        low, high = np.percentile(x, [1, 99])
        x = (x - low) / (high - low)
    elif about["normalize"] == "image":
        x = (x - x.mean()) / x.std()
    else:
        x = (x - about["scale"]["shift"]) / about["scale"]["spread"]
    return torch.from_numpy(x.astype(np.float32))[None]


def predict(network, about, image):
    """Class of each pixel, [height, width] of the Pillow image."""
    channels = network.encoder[0]["first"].weight.shape[1]
    with torch.no_grad():
        probabilities = network(prepare(image, channels, about)).softmax(1)
        probabilities = F.interpolate(probabilities, (image.height, image.width), mode="bilinear")
    return probabilities[0].argmax(0).byte().numpy()


if __name__ == "__main__":
    weights, image, mask = sys.argv[1:]
    network, about = load(weights)
    Image.fromarray(predict(network, about, Image.open(image))).save(mask)
    print("classes:", ", ".join(f"{index} {name}" for index, name in enumerate(about["classes"])))
