"""A small U-Net in PyTorch that sweepscope can sweep: `sweepscope run examples/pytorch.toml`.

Exact after any interruption: what is random in an epoch depends on the seed and the epoch alone.
"""
import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F

import sweepscope_run as run

TRAIN = run.SETTINGS["train"]


def load(split):
    """Images (n, 1, h, w) from 0 to 1, true classes (n, h, w) and names."""
    pairs = run.images(split)
    read = lambda path, how: np.array(Image.open(path).convert("L").resize((run.WIDTH, run.HEIGHT), how))
    images = np.stack([read(image, Image.BILINEAR) for image, _ in pairs])[:, None] / 255
    masks = np.stack([read(mask, Image.NEAREST) for _, mask in pairs])
    return torch.tensor(images, dtype=torch.float32), torch.tensor(masks).long(), [image.name for image, _ in pairs]


def block(before, after):
    return nn.Sequential(nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())


class UNet(nn.Module):
    def __init__(self, classes, width=8):
        super().__init__()
        self.down, self.middle = block(1, width), block(width, 2 * width)
        self.up, self.last = block(3 * width, width), nn.Conv2d(width, classes, 1)

    def forward(self, images):
        wide = self.down(images)
        deep = F.interpolate(self.middle(F.max_pool2d(wide, 2)), scale_factor=2)
        return self.last(self.up(torch.cat([wide, deep], dim=1)))


def evaluate(model, images, masks):
    model.eval()
    with torch.no_grad():
        logits = model(images)
    return F.cross_entropy(logits, masks).item(), logits.argmax(dim=1).numpy()


def main():
    data = {split: load(split) for split in ["train", "val"]}
    torch.manual_seed(TRAIN["init_seed"])
    model = UNet(len(run.CLASSES))
    optimizer = torch.optim.Adam(model.parameters(), lr=TRAIN["learning_rate"])
    if run.RESUME_EPOCH:
        state = torch.load(run.saved(run.RESUME_EPOCH, ".pt"))
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
    run.say("start", epoch=run.RESUME_EPOCH, epochs=TRAIN["epochs"])
    for epoch in range(run.RESUME_EPOCH + 1, TRAIN["epochs"] + 1):
        images, masks, _ = data["train"]
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(TRAIN["init_seed"] + epoch))
        model.train()
        for batch in order.split(TRAIN["batch_size"]):
            optimizer.zero_grad()
            F.cross_entropy(model(images[batch]), masks[batch]).backward()
            optimizer.step()
        for split, (images, masks, names) in data.items():
            loss, found = evaluate(model, images, masks)
            run.tell_epoch(epoch, split, loss, zip(names, masks.numpy(), found))
        state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
        run.checkpoint(epoch, lambda path: torch.save(state, path), ".pt")
    run.say("done")


main()
