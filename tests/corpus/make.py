"""Writes the corpus of the data tests with Pillow, tifffile and, where it is installed, ImageMagick: good/CASE/ with what NumPy reads there, and bad/.

    python make.py FOLDER

Each good case has images/, masks/, case.json (settings of [data], and for each image its name and the files of
expected values) and, an image, labels as bytes and values as 32-bit floats scaled to mean 0 and deviation 1.
bad/ is one data set in which every image and mask is wrong in its own way; bad/wrong.json lists the files.
bad-objects/ is one of masks of objects that are wrong.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image, ImageOps

import malformed

H, W = 21, 34
ROOT = Path(sys.argv[1])
RNG = np.random.default_rng(7)
CLASSES = ["rest", "clay", "quartz", "thin"]
GREYS = {"rest": 33, "clay": 201, "quartz": 231, "thin": 65}
COLORS = {"rest": (0, 0, 255), "clay": (0, 255, 0), "quartz": (255, 0, 0), "thin": (255, 255, 0)}


def labels():
    """Blocks of the four classes with a thin line."""
    y, x = np.mgrid[:H, :W]
    mask = (x // 9 + y // 8) % 3
    mask[(x + y) % 13 == 0] = 3
    return mask.astype(np.uint8)


def grey(bits=8):
    """Noise on a gradient, over the type's whole range."""
    y, x = np.mgrid[:H, :W]
    value = (x / W + y / H) / 2 + RNG.normal(0, 0.1, (H, W))
    top = 2**bits - 1
    return (np.clip(value, 0, 1) * top).astype(np.uint8 if bits == 8 else np.uint16)


def rgb():
    return np.stack([grey(), grey()[::-1], grey()[:, ::-1]], -1)


def hexed(color):
    return "#%02x%02x%02x" % tuple(color)


class Case:
    """One data set of one image or more."""

    def __init__(self, name, **config):
        self.folder = ROOT / "good" / name
        for kind in ["images", "masks"]:
            (self.folder / kind).mkdir(parents=True)
        self.config = {"classes": [{"name": name} for name in CLASSES], "input_size": [H, W], **config}
        self.expected = []

    def path(self, relative):
        path = self.folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def expect(self, name, values, mask):
        """values [height, width] or [height, width, channels >= 3] as a reader of the file gets them."""
        values = np.asarray(values).astype(np.float64)
        if values.ndim == 3 and (values[..., 0] == values[..., 1]).all() and (values[..., 1] == values[..., 2]).all():
            values = values[..., 0]
        planes = values[None] if values.ndim == 2 else np.moveaxis(values[..., :3], -1, 0)
        scaled = (planes - planes.mean()) / planes.std()
        stem = f"expected-{len(self.expected)}"
        scaled.astype("<f4").tofile(self.folder / f"{stem}.values")
        np.asarray(mask).astype(np.uint8).tofile(self.folder / f"{stem}.labels")
        self.expected.append({"name": name, "channels": len(planes), "file": stem})

    def done(self, tolerance=1e-4):
        case = {"config": self.config, "images": self.expected, "tolerance": tolerance}
        (self.folder / "case.json").write_text(json.dumps(case))


def image_form(name, file, save, read, tolerance=1e-4):
    """An image form with a plain index mask."""
    case = Case("image-" + name)
    path = case.path("images/" + file)
    save(path)
    Image.fromarray(labels()).save(case.path("masks/" + Path(file).stem + ".png"))
    case.expect(file, read(path), labels())
    case.done(tolerance)


def pil(path):
    """What Pillow reads, without alpha."""
    image = Image.open(path)
    if image.mode == "P":
        image = image.convert("RGB")
    values = np.asarray(image)
    if image.mode in ("LA", "RGBA"):
        values = values[..., :-1]
    return values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values


def image_forms():
    save = lambda array, mode=None: lambda path: Image.fromarray(array, mode).save(path) if mode else Image.fromarray(array).save(path)
    alpha = grey()[..., None]
    image_form("png-grey8", "a.png", save(grey()), pil)
    image_form("png-grey16", "a.png", save(grey(16)), pil)
    image_form("png-grey-alpha", "a.png", save(np.concatenate([grey()[..., None], alpha], -1)), pil)
    image_form("png-rgb", "a.PNG", save(rgb()), pil)
    image_form("png-rgba", "a.png", save(np.concatenate([rgb(), alpha], -1)), pil)
    image_form("png-grey-as-rgb", "a.png", save(np.repeat(grey()[..., None], 3, -1)), pil)
    image_form("png-palette", "a.png", lambda p: Image.fromarray(rgb()).quantize(60).save(p), pil)
    image_form("png-1-bit", "a.png", lambda p: Image.fromarray(grey() > 120).save(p), lambda p: pil(p) * 1)
    image_form("bmp-rgb", "a.bmp", save(rgb()), pil)
    image_form("bmp-grey", "a.BMP", save(grey()), pil)
    image_form("jpeg-grey", "a.jpg", save(grey()), pil, 0.05)
    image_form("jpeg-rgb", "a.jpeg", lambda p: Image.fromarray(rgb()).save(p, quality=95, subsampling=0), pil, 0.05)
    turned = Image.Exif()
    turned[274] = 3
    image_form("jpeg-turned", "a.jpg", lambda p: Image.fromarray(rgb()).save(p, quality=95, subsampling=0, exif=turned),
               lambda p: np.asarray(ImageOps.exif_transpose(Image.open(p))), 0.05)
    tiff = lambda array, **options: lambda path: tifffile.imwrite(path, array, **options)
    image_form("tiff-u8", "a.tif", tiff(grey()), tifffile.imread)
    image_form("tiff-u16", "a.tiff", tiff(grey(16)), tifffile.imread)
    image_form("tiff-u16-big-endian", "a.tif", tiff(grey(16), byteorder=">"), tifffile.imread)
    image_form("tiff-i16", "a.tif", tiff(grey(16).astype(np.int32).__sub__(32768).astype(np.int16)), tifffile.imread)
    image_form("tiff-u32", "a.tif", tiff(grey(16).astype(np.uint32) * 70000), tifffile.imread)
    image_form("tiff-f16", "a.tif", tiff(grey().astype(np.float16) / 7), tifffile.imread)
    image_form("tiff-f32", "a.TIF", tiff(grey().astype(np.float32) / 300 - 0.3), tifffile.imread)
    image_form("tiff-f64", "a.tif", tiff(grey().astype(np.float64) * 1e3), tifffile.imread)
    image_form("tiff-lzw", "a.tif", tiff(grey(), compression="lzw"), tifffile.imread)
    image_form("tiff-lzw-predictor", "a.tif", tiff(grey(16), compression="lzw", predictor=2), tifffile.imread)
    image_form("tiff-deflate", "a.tif", tiff(grey(16), compression="zlib"), tifffile.imread)
    image_form("tiff-f32-predictor", "a.tif", tiff(grey() / np.float32(9), compression="zlib", predictor=3), tifffile.imread)
    image_form("tiff-packbits", "a.tif", tiff(grey(), compression="packbits"), tifffile.imread)
    image_form("tiff-strips", "a.tif", tiff(grey(), rowsperstrip=4), tifffile.imread)
    image_form("tiff-tiled", "a.tif", tiff(grey(16), tile=(16, 16), compression="lzw"), tifffile.imread)
    image_form("tiff-rgb", "a.tif", tiff(rgb(), photometric="rgb"), tifffile.imread)
    planes = lambda p: np.moveaxis(tifffile.imread(p), 0, -1)
    by_plane = np.moveaxis(rgb(), -1, 0)
    image_form("tiff-planar", "a.tif", tiff(by_plane, photometric="rgb", planarconfig="separate"), planes)
    image_form("tiff-big", "a.tif", tiff(grey(), bigtiff=True), tifffile.imread)
    image_form("tiff-rgba", "a.tif", lambda p: Image.fromarray(np.concatenate([rgb(), alpha], -1)).save(p), pil)
    image_form("tiff-grey-alpha", "a.tif", tiff(np.concatenate([grey()[..., None], alpha], -1), photometric="minisblack", extrasamples=["unassalpha"]), lambda p: tifffile.imread(p)[..., 0])
    image_form("tiff-turned", "a.tif", lambda p: Image.fromarray(grey()).save(p, tiffinfo={274: 4}), lambda p: tifffile.imread(p)[::-1])
    image_form("tiff-white-is-zero", "a.tif", tiff(grey(), photometric="miniswhite"), lambda p: 255.0 - tifffile.imread(p))
    image_form("tiff-1-bit", "a.tif", lambda p: Image.fromarray(grey() > 120).save(p), lambda p: pil(p) * 1)


def mask_form(name, file, save, read, values=None, **config):
    case = Case("mask-" + name, **config)
    Image.fromarray(grey()).save(case.path("images/a.png"))
    path = case.path("masks/" + file)
    save(path)
    case.expect("a.png", pil(case.path("images/a.png")), read(path))
    case.done()


def decoded(values):
    """Class indices from a mask's values or colours by a table."""

    def read(array):
        found = np.full(array.shape[:2], 99, np.uint8)
        for index, name in enumerate(CLASSES):
            same = array == values[name] if array.ndim == 2 else (array[..., :3] == values[name]).all(-1)
            found[same] = index
        assert (found != 99).all()
        return found

    return read


def mask_forms():
    by_grey = [{"name": name, "value": GREYS[name]} for name in CLASSES]
    by_color = [{"name": name, "color": hexed(COLORS[name])} for name in CLASSES]
    greys = np.array([GREYS[name] for name in CLASSES], np.uint8)[labels()]
    colors = np.array([COLORS[name] for name in CLASSES], np.uint8)[labels()]
    read = lambda path: np.asarray(Image.open(path))
    mask_form("index", "a.png", lambda p: Image.fromarray(labels()).save(p), read)
    mask_form("index-bmp", "a.bmp", lambda p: Image.fromarray(labels()).save(p), read)
    mask_form("index-tiff-f32", "a.tif", lambda p: tifffile.imwrite(p, labels().astype(np.float32)), tifffile.imread)
    mask_form("index-tiff-i32", "a.tif", lambda p: tifffile.imwrite(p, labels().astype(np.int32)), tifffile.imread)
    mask_form("index-tiff-i64", "a.tif", lambda p: tifffile.imwrite(p, labels().astype(np.int64)), tifffile.imread)
    mask_form("grey-coded", "a.png", lambda p: Image.fromarray(greys).save(p), lambda p: decoded(GREYS)(read(p)), classes=by_grey)
    coded16 = [{"name": name, "value": 1000 * GREYS[name] // 5} for name in CLASSES]
    mask_form("grey-coded-16", "a.png", lambda p: Image.fromarray((1000 * greys.astype(np.uint32) // 5).astype(np.uint16)).save(p),
              lambda p: decoded({c["name"]: c["value"] for c in coded16})(read(p)), classes=coded16)
    as_rgb = np.repeat(greys[..., None], 3, -1)
    mask_form("grey-as-rgb", "a.png", lambda p: Image.fromarray(as_rgb).save(p), lambda p: decoded(GREYS)(read(p)[..., 0]), classes=by_grey)

    def palette(path, bits=8):
        image = Image.fromarray(labels(), "P")
        image.putpalette([part for name in CLASSES for part in COLORS[name]])
        image.save(path, bits=bits)

    for bits in [2, 4, 8]:
        mask_form(f"palette-{bits}-index", "a.png", lambda p: palette(p, bits), read)
    mask_form("palette-color", "a.png", palette, lambda p: decoded(COLORS)(np.asarray(Image.open(p).convert("RGB"))), classes=by_color)
    mask_form("rgb", "a.png", lambda p: Image.fromarray(colors).save(p), lambda p: decoded(COLORS)(read(p)), classes=by_color)
    mask_form("rgb-tiff", "a.tif", lambda p: tifffile.imwrite(p, colors, photometric="rgb"), lambda p: decoded(COLORS)(tifffile.imread(p)), classes=by_color)
    wide = colors.astype(np.uint16)
    mask_form("rgb-16", "a.tif", lambda p: tifffile.imwrite(p, wide, photometric="rgb"), lambda p: decoded(COLORS)(tifffile.imread(p)), classes=by_color)
    mask_form("rgb-16-scaled", "a.tif", lambda p: tifffile.imwrite(p, wide * 257, photometric="rgb"), lambda p: decoded(COLORS)(tifffile.imread(p) // 257), classes=by_color)
    off = np.clip(colors.astype(int) + RNG.integers(-9, 10, colors.shape), 0, 255).astype(np.uint8)

    def nearest(path):
        table = np.array([COLORS[name] for name in CLASSES])
        return np.abs(read(path)[:, :, None].astype(int) - table).max(-1).argmin(-1)

    mask_form("rgb-tolerance", "a.png", lambda p: Image.fromarray(off).save(p), nearest, classes=by_color, color_tolerance=9)
    alpha = RNG.integers(0, 256, (H, W, 1)).astype(np.uint8)
    mask_form("rgba", "a.png", lambda p: Image.fromarray(np.concatenate([colors, alpha], -1)).save(p), lambda p: decoded(COLORS)(read(p)), classes=by_color)
    cells = [{"name": "background"}, {"name": "cell"}]
    ids = (labels() > 0) * (1 + np.arange(H * W).reshape(H, W) // 50 * 300)
    mask_form("instances-16", "a.png", lambda p: Image.fromarray(ids.astype(np.uint16)).save(p), lambda p: read(p) > 0, classes=cells, instances=True)
    mask_form("instances-i32", "a.tif", lambda p: tifffile.imwrite(p, ids.astype(np.int32)), lambda p: tifffile.imread(p) > 0, classes=cells, instances=True)
    mask_form("1-bit", "a.png", lambda p: Image.fromarray(labels() > 1).save(p), lambda p: read(p) * 1, classes=cells)
    both = [{"name": "background"}, {"name": "cell", "value": 255}]
    mask_form("0-255", "a.png", lambda p: Image.fromarray(((labels() > 1) * 255).astype(np.uint8)).save(p), lambda p: read(p) > 0, classes=both)
    ignored = labels()
    ignored[3:7, 5:20] = 200
    mask_form("ignored", "a.png", lambda p: Image.fromarray(ignored).save(p), lambda p: np.where(read(p) == 200, 255, read(p)), ignore_index=200)
    layers(cells)


def layers(cells):
    """A folder a class, and a folder an image."""
    case = Case("mask-class-folders", mask_layout="class_folders", background="rest")
    Image.fromarray(grey()).save(case.path("images/a.png"))
    expected = np.zeros((H, W), np.uint8)
    for index, name in enumerate(CLASSES[1:], 1):
        Image.fromarray(((labels() == index) * 255).astype(np.uint8)).save(case.path(f"masks/{name}/a.png"))
        expected[np.asarray(Image.open(case.path(f"masks/{name}/a.png"))) > 0] = index
    case.expect("a.png", pil(case.path("images/a.png")), expected)
    case.done()
    case = Case("mask-object-folders", mask_layout="object_folders", classes=cells)
    Image.fromarray(grey()).save(case.path("images/a.png"))
    union = np.zeros((H, W), bool)
    for i in range(5):
        one = np.zeros((H, W), np.uint8)
        one[3 * i : 3 * i + 4, 6 * i : 6 * i + 5] = 255
        Image.fromarray(one).save(case.path(f"masks/a/object {i}.png"))
        union |= np.asarray(Image.open(case.path(f"masks/a/object {i}.png"))) > 0
    case.expect("a.png", pil(case.path("images/a.png")), union)
    case.done()


def by_magick(array, *options):
    """Saves by ImageMagick instead of Pillow."""

    def save(path):
        with tempfile.NamedTemporaryFile(suffix=".png") as plain:
            Image.fromarray(array).save(plain.name)
            subprocess.run([MAGICK, plain.name, *options, str(path)], check=True)

    return save


def magick_forms():
    """Forms that ImageMagick writes, read by Pillow and tifffile."""
    image_form("magick-png-interlaced", "a.png", by_magick(rgb(), "-interlace", "PNG"), pil)
    image_form("magick-png16", "a.png", by_magick(grey(16), "-depth", "16"), pil)
    image_form("magick-png-grey-alpha", "a.png", by_magick(grey(), "-alpha", "set", "-channel", "A", "-evaluate", "set", "40%"), pil)
    image_form("magick-bmp3", "a.BMP", by_magick(rgb(), "-type", "TrueColor"), pil)
    image_form("magick-jpeg-progressive", "a.jpg", by_magick(rgb(), "-interlace", "JPEG", "-quality", "96", "-sampling-factor", "1x1"), pil, 0.05)
    image_form("magick-tiff-zip", "a.tif", by_magick(rgb(), "-compress", "Zip"), tifffile.imread)
    image_form("magick-tiff-lzw-16", "a.tif", by_magick(grey(16), "-depth", "16", "-compress", "LZW"), tifffile.imread)
    image_form("magick-tiff-rle", "a.tif", by_magick(grey(), "-compress", "RLE"), tifffile.imread)
    image_form("magick-tiff-big-endian", "a.tif", by_magick(grey(16), "-depth", "16", "-endian", "MSB"), tifffile.imread)
    colors = np.array([COLORS[name] for name in CLASSES], np.uint8)[labels()]
    by_color = [{"name": name, "color": hexed(COLORS[name])} for name in CLASSES]
    mask_form("magick-palette", "a.png", by_magick(colors, "-type", "Palette"), lambda p: decoded(COLORS)(pil(p)), classes=by_color)
    # ImageMagick saves four greys as a PNG of 2 bits, black and white as one of 1 bit.
    greys = [{"name": name, "value": 85 * index} for index, name in enumerate(CLASSES)]
    mask_form("magick-2-bit", "a.png", by_magick(labels() * 85), lambda p: pil(p) // 85, classes=greys)
    grey_colors = [{"name": name, "color": hexed([85 * index] * 3)} for index, name in enumerate(CLASSES)]
    mask_form("magick-2-bit-color", "a.png", by_magick(labels() * 85), lambda p: pil(p) // 85, classes=grey_colors)
    two = np.where(labels() > 1, 255, 0).astype(np.uint8)
    black_and_white = [{"name": "background", "color": "#000000"}, {"name": "cell", "color": "#ffffff"}]
    mask_form("magick-1-bit-color", "a.png", by_magick(two), lambda p: pil(p) * 1, classes=black_and_white)
    coded = [{"name": "background"}, {"name": "cell", "value": 255}]
    mask_form("magick-tiff", "a.tif", by_magick(two, "-compress", "LZW"), lambda p: tifffile.imread(p) > 0, classes=coded)


def naming_form(name, files, table=None, **config):
    """files: pairs of image file and mask file, in the order of the image's name."""
    case = Case("names-" + name, **config)
    for image, mask in files:
        save = lambda array, path: tifffile.imwrite(path, array) if path.suffix == ".tif" else Image.fromarray(array).save(path)
        values, classes = grey(), np.roll(labels(), len(case.expected), 1)
        save(values, case.path(image))
        save(classes, case.path(mask))
        case.expect(str(Path(image).relative_to(config.get("images", "images"))), values, classes)
    if table:
        case.path("pairs.csv").write_text(table)
    case.done()


def naming_forms():
    naming_form("odd", sorted((f"images/{n}", f"masks/{n}") for n in ["a b.png", "[c] (1).png", "é ü.png", "日本.png", "x.y.png", "-n.png", "#3.png"]))
    naming_form("mixed", [("images/a.TIF", "masks/a.png"), ("images/b.png", "masks/b.tif")])
    naming_form("folders", [("images/p1/a.png", "masks/p1/a.png"), ("images/p2/a.png", "masks/p2/a.png")])
    naming_form("suffix", [("images/a.png", "masks/a_mask.png"), ("images/b.png", "masks/b_mask.png")], mask_name="{stem}_mask")
    naming_form("prefix", [("images/img_1.png", "masks/seg_1.png")], image_name="img_{stem}", mask_name="seg_{stem}")
    naming_form("one-folder", [("images/a.png", "images/a-mask.png"), ("images/b.png", "images/b-mask.png")], mask_name="{stem}-mask", masks="images")
    naming_form("csv", [("images/x.png", "masks/17.png"), ("images/y.png", "masks/04.png")], "picture,truth\nx.png,17.png\ny.png,04.png\n",
                pairs={"file": "pairs.csv", "image": "picture", "mask": "truth"})


def stack():
    case = Case("image-stack")
    values = np.stack([grey(16) for _ in range(11)])
    classes = np.stack([np.roll(labels(), i, 0) for i in range(11)])
    tifffile.imwrite(case.path("images/z.tif"), values, photometric="minisblack", compression="lzw")
    tifffile.imwrite(case.path("masks/z.tif"), classes, photometric="minisblack")
    for i in range(11):
        case.expect(f"z.tif#{i + 1:02}", tifffile.imread(case.path("images/z.tif"), key=i), tifffile.imread(case.path("masks/z.tif"), key=i))
    case.done()


image_forms()
mask_forms()
MAGICK = shutil.which("magick") or shutil.which("convert")
if MAGICK:
    magick_forms()
naming_forms()
stack()
malformed.write(ROOT / "bad", labels(), grey())
malformed.write_objects(ROOT / "bad-objects", labels(), grey())
