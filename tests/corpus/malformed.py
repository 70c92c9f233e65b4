"""Files that are wrong, each in its own way, in one data set of otherwise sound pairs."""

import json
import os
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image


def chunk(kind, data, crc=None):
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(width, height, bits=8, color=0, interlace=0, data=None, palette=None, extra=b""):
    """A PNG from its parts; `data` is what is compressed."""
    if data is None:
        data = b"".join(b"\0" + bytes(width) for _ in range(height)) if width * height < 1e6 else b"\0" * 1000
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color, 0, 0, interlace))
    colors = chunk(b"PLTE", palette) if palette else b""
    return b"\x89PNG\r\n\x1a\n" + header + colors + extra + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def bmp(width, height, bits=24, compression=0, data=b"\0" * 300):
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + len(data), 0, 0, 54) + header + data


def tiff(tags, data=b"\0" * 4096, following=0):
    """A little-endian TIFF of one directory; each tag is (number, type, count, value)."""
    entries = b"".join(struct.pack("<HHI", *tag[:3]) + (struct.pack("<I", tag[3])) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", len(tags)) + entries + struct.pack("<I", following) + data


def tags(width=8, height=8, bits=8, compression=1, photometric=1, offset=200, samples=1, count=None, **changed):
    """The tags of a plain grey TIFF in one strip."""
    count = width * height if count is None else count
    found = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, bits), 259: (3, 1, compression), 262: (3, 1, photometric),
             273: (4, 1, offset), 277: (3, 1, samples), 278: (4, 1, height), 279: (4, 1, count)}
    for key, value in changed.items():
        found[int(key[1:])] = value
    return [(number, *rest) for number, rest in found.items() if rest is not None]


def broken_images(good_png, good_jpeg, good_tiff):
    """File name -> bytes."""
    middle = len(good_png) // 2
    sof = good_jpeg.index(b"\xff\xc0")
    files = {
        "png-empty.png": b"",
        "png-signature-only.png": good_png[:8],
        "png-half-a-signature.png": good_png[:4],
        "png-cut-in-header.png": good_png[:20],
        "png-cut-in-data.png": good_png[:middle],
        "png-cut-at-end.png": good_png[:-30],
        "png-bad-header-checksum.png": good_png[:29] + b"\0\0\0\0" + good_png[33:],
        "png-flipped-data.png": good_png[:middle] + bytes(255 - b for b in good_png[middle : middle + 20]) + good_png[middle + 20 :],
        "png-zero-width.png": png(0, 8),
        "png-zero-height.png": png(8, 0),
        "png-60000.png": png(60000, 60000),
        "png-2-31.png": png(2**31 - 1, 2**31 - 1),
        "png-too-little-data.png": png(64, 64, data=b"\0" * 100),
        "png-bits-3.png": png(8, 8, bits=3),
        "png-color-5.png": png(8, 8, color=5),
        "png-interlace-7.png": png(8, 8, interlace=7),
        "png-filter-9.png": png(8, 8, data=(b"\x09" + bytes(8)) * 8),
        "png-no-palette.png": png(8, 8, color=3),
        "png-index-beyond-palette.png": png(8, 8, color=3, palette=bytes(6), data=(b"\0" + bytes([1, 7] * 4)) * 8),
        "png-no-data.png": good_png[:33] + chunk(b"IEND", b""),
        "png-endless-chunk.png": good_png[:33] + struct.pack(">I", 2**31 - 1) + b"IDAT" + bytes(50),
        "png-not-zlib.png": good_png[:33] + chunk(b"IDAT", b"nothing compressed") + chunk(b"IEND", b""),
        "text.png": b"this is no image\n" * 9,
        "html.tif": b"<html><body>404 not found</body></html>",
        "webp-inside.png": b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40),
        "jpeg-cut.jpg": good_jpeg[: len(good_jpeg) * 2 // 3],
        "jpeg-start-only.jpg": b"\xff\xd8",
        "jpeg-noise.jpg": b"\xff\xd8" + bytes(range(7, 200)),
        "jpeg-65500.jpg": good_jpeg[: sof + 5] + struct.pack(">HH", 65500, 65500) + good_jpeg[sof + 9 :],
        "jpeg-zero.jpg": good_jpeg[: sof + 5] + struct.pack(">HH", 0, 0) + good_jpeg[sof + 9 :],
        "bmp-header-only.bmp": bmp(8, 8)[:20],
        "bmp-cut.bmp": bmp(64, 64),
        "bmp-zero.bmp": bmp(0, 8),
        "bmp-60000.bmp": bmp(60000, 60000),
        "bmp-bits-7.bmp": bmp(8, 8, bits=7),
        "bmp-compression-77.bmp": bmp(8, 8, compression=77),
        "tiff-header-only.tif": good_tiff[:8],
        "tiff-directory-beyond.tif": b"II*\0" + struct.pack("<I", 10**8) + bytes(40),
        "tiff-cut.tif": good_tiff[: len(good_tiff) // 2],
        "tiff-in-a-circle.tif": tiff(tags(), following=8),
        "tiff-zero-width.tif": tiff(tags(width=0)),
        "tiff-zero-height.tif": tiff(tags(height=0)),
        "tiff-60000.tif": tiff(tags(width=60000, height=60000)),
        "tiff-2-32.tif": tiff(tags(width=2**32 - 1, height=2**32 - 1, count=64)),
        "tiff-no-strips.tif": tiff(tags(t273=None, t279=None)),
        "tiff-strip-beyond.tif": tiff(tags(offset=10**9)),
        "tiff-strip-4-gib.tif": tiff(tags(count=2**32 - 1, offset=2**31)),
        "tiff-lzw-noise.tif": tiff(tags(compression=5), data=bytes(i * 97 % 251 for i in range(4096))),
        "tiff-deflate-noise.tif": tiff(tags(compression=8), data=bytes(i * 97 % 251 for i in range(4096))),
        "tiff-compression-9999.tif": tiff(tags(compression=9999)),
        "tiff-bits-3.tif": tiff(tags(bits=3)),
        "tiff-bits-0.tif": tiff(tags(bits=0)),
        "tiff-bits-999.tif": tiff(tags(bits=999)),
        "tiff-samples-0.tif": tiff(tags(samples=0)),
        "tiff-samples-60000.tif": tiff(tags(samples=60000)),
        "tiff-rgb-of-one-sample.tif": tiff(tags(photometric=2)),
        "tiff-cmyk.tif": tiff(tags(photometric=5, samples=4)),
        "tiff-palette.tif": tiff(tags(photometric=3)),
        "tiff-tile-0.tif": tiff(tags(t322=(4, 1, 0), t323=(4, 1, 0), t324=(4, 1, 200), t325=(4, 1, 64), t273=None, t279=None)),
        "tiff-rows-0.tif": tiff(tags(t278=(4, 1, 0))),
        "tiff-65535-tags.tif": b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(400),
        "tiff-4-gib-tag.tif": tiff(tags(t270=(2, 2**32 - 1, 300))),
    }
    return files


def write(folder, labels, grey):
    """Fills `folder` and lists in wrong.json what must be named: the files that are wrong."""
    images, masks = folder / "images", folder / "masks"
    images.mkdir(parents=True)
    masks.mkdir()
    Image.fromarray(grey).save(images / "sound.png")
    Image.fromarray(labels).save(masks / "sound.png")
    Image.fromarray(grey).save(folder / "good.jpg")
    tifffile.imwrite(folder / "good.tif", grey, compression="lzw")
    parts = [folder / "images" / "sound.png", folder / "good.jpg", folder / "good.tif"]
    wrong = []
    for name, data in broken_images(*(part.read_bytes() for part in parts)).items():
        (images / name).write_bytes(data)
        Image.fromarray(labels).save(masks / (name.rsplit(".", 1)[0] + ".png"))
        wrong.append(f"images/{name}")
    lonely = dict(folder=lambda p: p.mkdir(), dangling=lambda p: p.symlink_to("nowhere"), pipe=os.mkfifo)
    for name, make in lonely.items():
        make(images / f"{name}.png")
        Image.fromarray(labels).save(masks / f"{name}.png")
        wrong.append(f"images/{name}.png")
    if os.geteuid() != 0:
        (images / "secret.png").write_bytes(parts[0].read_bytes())
        (images / "secret.png").chmod(0)
        Image.fromarray(labels).save(masks / "secret.png")
        wrong.append("images/secret.png")
    (images / "movie.gif").write_bytes(b"GIF89a")
    wrong.append("images/movie.gif")
    nan = grey.astype(np.float32)
    nan[3, 4] = np.nan
    tifffile.imwrite(images / "nan.tif", nan)
    Image.fromarray(labels).save(masks / "nan.png")
    wrong.append("images/nan.tif")
    planes = np.stack([grey] * 3)
    tifffile.imwrite(images / "planar-tiles.tif", planes, photometric="rgb", planarconfig="separate", tile=(16, 16))
    Image.fromarray(labels).save(masks / "planar-tiles.png")
    wrong.append("images/planar-tiles.tif")
    tifffile.imwrite(images / "channels.tif", np.stack([grey, grey]), imagej=True, metadata={"axes": "CYX"})
    tifffile.imwrite(masks / "channels.tif", np.stack([labels, labels]), photometric="minisblack")
    wrong.append("images/channels.tif")
    for name, extra in [("two-colours", 2), ("four-colours", 4)]:
        photometric = "rgb" if extra == 4 else "minisblack"
        tifffile.imwrite(images / f"{name}.tif", np.stack([grey] * extra, -1), photometric=photometric, extrasamples=["unspecified"], planarconfig="contig")
        Image.fromarray(labels).save(masks / f"{name}.png")
        wrong.append(f"images/{name}.tif")
    wrong += wrong_masks(images, masks, labels, grey)
    (folder / "wrong.json").write_text(json.dumps(sorted(wrong)))


def wrong_masks(images, masks, labels, grey):
    forms = {
        "mask-jpeg.jpg": lambda p: Image.fromarray(labels).save(p),
        "mask-smaller.png": lambda p: Image.fromarray(labels[1:]).save(p),
        "mask-turned.png": lambda p: Image.fromarray(np.ascontiguousarray(labels.T)).save(p),
        "mask-value-9.png": lambda p: Image.fromarray(np.where(labels == 2, 9, labels).astype(np.uint8)).save(p),
        "mask-negative.tif": lambda p: tifffile.imwrite(p, labels.astype(np.int16) - 1),
        "mask-fractions.tif": lambda p: tifffile.imwrite(p, labels / np.float32(2)),
        "mask-nan.tif": lambda p: tifffile.imwrite(p, np.where(labels == 2, np.nan, labels).astype(np.float32)),
        "mask-colored.png": lambda p: Image.fromarray(np.stack([labels, labels * 0, labels], -1)).save(p),
        "mask-colored-16.tif": lambda p: tifffile.imwrite(p, np.stack([labels, labels * 60, labels], -1).astype(np.uint16), photometric="rgb"),
        "mask-stack.tif": lambda p: tifffile.imwrite(p, np.stack([labels] * 3), photometric="minisblack"),
        "mask-cut.png": lambda p: p.write_bytes((masks / "sound.png").read_bytes()[:70]),
    }
    for name, save in forms.items():
        save(masks / name)
        Image.fromarray(grey).save(images / (name.rsplit(".", 1)[0] + ".png"))
    Image.fromarray(labels).save(masks / "mask-lonely.png")
    return [f"masks/{name}" for name in forms] + ["masks/mask-lonely.png"]


def write_objects(folder, labels, grey):
    """A sound pair and two masks of objects in which it cannot be told where nothing is."""
    images, masks = folder / "images", folder / "masks"
    images.mkdir(parents=True)
    masks.mkdir()
    for name in ["sound", "nan", "inverted"]:
        Image.fromarray(grey).save(images / f"{name}.png")
    Image.fromarray((labels > 1).astype(np.uint8)).save(masks / "sound.png")
    tifffile.imwrite(masks / "nan.tif", np.where(labels == 2, np.nan, 0).astype(np.float32))
    inverted = Image.fromarray((labels < 2).astype(np.uint8), "P")
    inverted.putpalette([255, 255, 255, 0, 0, 0])
    inverted.save(masks / "inverted.png")
