"""The U-Net of src/model in PyTorch, layer by layer, with the losses that the benches train it on."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def block(inputs, outputs, kernel=3):
    """Convolution, ReLU, batch norm; weights drawn as Keras draws them (He-normal, cut off at two deviations)."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding="same")
    deviation = (2 / (inputs * kernel * kernel)) ** 0.5 / 0.8796256610342398
    nn.init.trunc_normal_(convolution.weight, std=deviation, a=-2 * deviation, b=2 * deviation)
    nn.init.zeros_(convolution.bias)
    return nn.Sequential(convolution, nn.ReLU(), nn.BatchNorm2d(outputs, momentum=0.1))


def double(inputs, outputs):
    return nn.Sequential(block(inputs, outputs), block(outputs, outputs))


class UNet(nn.Module):
    """Five levels, dropout after the two deepest, logits of `classes` classes from one grey channel."""

    def __init__(self, width, classes, dropout=0.5):
        super().__init__()
        w = [width << level for level in range(5)]
        self.dropout = dropout
        self.encoder = nn.ModuleList([double(1 if level == 0 else w[level - 1], w[level]) for level in range(5)])
        self.up = nn.ModuleList([block(w[level + 1], w[level], 2) for level in (3, 2, 1, 0)])
        self.join = nn.ModuleList([double(2 * w[level], w[level]) for level in (3, 2, 1, 0)])
        self.head = nn.Conv2d(width, classes, 1)
        nn.init.trunc_normal_(self.head.weight, std=(2 / width) ** 0.5)
        nn.init.zeros_(self.head.bias)

    def forward(self, x):
        skips = []
        for level, blocks in enumerate(self.encoder):
            x = blocks(x)
            if level >= 3:
                x = F.dropout(x, self.dropout, self.training)
            if level < 4:
                skips.append(x)
                x = F.max_pool2d(x, 2)
        for up, join in zip(self.up, self.join):
            x = join(torch.cat([skips.pop(), up(F.interpolate(x, scale_factor=2))], 1))
        return self.head(x)


def macro_dice_loss(p, t):
    """One minus the mean over classes of the batch's soft Dice, smooth 1; both [batch, classes, height, width]."""
    hit, total = (p * t).sum((0, 2, 3)), p.sum((0, 2, 3)) + t.sum((0, 2, 3))
    return 1 - ((2 * hit + 1) / (total + 1)).mean()
