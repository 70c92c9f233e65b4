"""What examples/twin.py makes of an exported file.

    python twin.py WEIGHTS.safetensors IN.safetensors OUT.safetensors IMAGE...

IN holds `x` [batch, channels, height, width]; OUT gets its `logits` and, for image number N, `mask-N`.
"""

import sys
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "examples"))
import twin

weights, read, write, *images = sys.argv[1:]
network, about = twin.load(weights)
with torch.no_grad():
    out = {"logits": network(load_file(read)["x"])}
for number, image in enumerate(images):
    out[f"mask-{number}"] = torch.from_numpy(twin.predict(network, about, Image.open(image))).float()
save_file(out, write)
