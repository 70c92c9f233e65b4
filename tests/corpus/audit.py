"""Counts with NumPy what an audit counts: for each of the four classes pixels, 8-connected components, pixels of the
largest one, and pixels that 64 x 64 and back takes away. Prints JSON.

    python audit.py MASKS
"""

import json
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def component_sizes(mask):
    """Sizes of the 8-connected components: each pixel takes the largest number among its neighbours until none changes."""
    numbers = np.where(mask, np.arange(1, mask.size + 1).reshape(mask.shape), 0)
    while True:
        padded = np.pad(numbers, 1)
        around = [padded[y : y + mask.shape[0], x : x + mask.shape[1]] for y in range(3) for x in range(3)]
        new = np.where(mask, np.max(around, 0), 0)
        if (new == numbers).all():
            return np.unique(numbers[mask], return_counts=True)[1]
        numbers = new


def there_and_back(mask, side):
    """Nearest neighbour down by pixel centres, then bilinear one-hot maps up (Pillow) and the largest."""
    rows, columns = (((np.arange(side) + 0.5) * n / side).astype(int) for n in mask.shape)
    small = mask[rows][:, columns]
    maps = [Image.fromarray((small == c).astype(np.float32)).resize(mask.shape[::-1], Image.BILINEAR) for c in range(4)]
    return np.argmax(maps, 0)


totals = np.zeros((4, 4), int)
for path in sorted(Path(sys.argv[1]).glob("*.png")):
    mask = np.asarray(Image.open(path))
    back = there_and_back(mask, 64)
    for c in range(4):
        sizes = component_sizes(mask == c)
        totals[c, 0] += (mask == c).sum()
        totals[c, 1] += len(sizes)
        totals[c, 2] = max(totals[c, 2], sizes.max(initial=0))
        totals[c, 3] += ((mask == c) & (back != c)).sum()
print(json.dumps(totals.tolist()))
