"""Decodes photos to pixels, uint8 [height, width, 3], and converts the pixels to a network's float32 input.

Training and labelling both use this code. The content decides the format, the EXIF orientation is applied, grey, palette, CMYK,
16-bit and transparent pictures are converted to RGB, and the picture is resized to the requested size without keeping its
proportions (as in the original script) with Pillow's antialiased bilinear filter. RECIPE changes whenever the numbers change.
"""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from label_image.errors import PhotoError
from label_image.no_picture import one_line, reason_of
from label_image.photo_file import MAX_MEMORY, MAX_PIXELS, needed, open_photo

__all__ = [
    "MAX_PIXELS", "RECIPE", "Float32Image", "UInt8Image", "decode", "encoded", "in_order", "laid_out", "normalise",
    "open_photo", "to_rgb", "whole",
]  # fmt: skip

RECIPE = "pixels/1"  # part of every cache key: change it whenever decode() returns other numbers

UInt8Image = npt.NDArray[np.uint8]  # [height, width, 3], 0..255, RGB
Float32Image = npt.NDArray[np.float32]  # [height, width, channels]

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258  # TIFF
_TURNS = {  # EXIF orientation -> the operation that makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_IN_TURN = 512 << 20  # bytes; photos that need more memory are decoded one at a time, however many workers there are
_BAND = 4 << 20  # pixels that are converted to RGB at a time
_large = threading.Lock()


def decode(source: str | Path | bytes, height_px: int, width_px: int, crop_px: int = 0) -> UInt8Image:
    """Reads one photo.

    Args:
      source: a path, or the file's bytes.
      height_px: rows of the result.
      width_px: columns of the result.
      crop_px: if not 0, the central square is resized to this size, and the result is cropped from its centre.

    Returns:
      uint8 [height_px, width_px, 3], RGB.

    Raises:
      PhotoError: the photo cannot be read; the reason says why.
    """
    with open_photo(source) as image:
        try:
            # A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size: the smallest that still has two pixels for each pixel of
            # the result in either orientation, so that the antialiased resize hides the difference.
            side = 2 * max(height_px, width_px, crop_px)
            image.draft("RGB", (side, side))
            with _in_turn(image):
                # Loaded before EXIF is read: a TIFF applies its own orientation, and reading EXIF would load a PNG and hide its error.
                image.load()
                turn = _orientation(image)
                upright = (height_px, width_px) if turn in _SIDEWAYS else (width_px, height_px)
                small = _cropped(to_rgb(image), crop_px, upright) if crop_px else _resized(to_rgb(image), upright)
        except PhotoError:
            raise
        except MemoryError:
            raise PhotoError("too large", f"{image.width} x {image.height} pixels do not fit into memory") from None
        except Exception as error:  # decoders may raise any exception for damaged bytes
            raise PhotoError(reason_of(error), one_line(error)) from None
    if turn in _TURNS:
        small = small.transpose(_TURNS[turn])
    return np.asarray(small)


def _resized(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.BILINEAR)


def _cropped(image: Image.Image, side: int, size: tuple[int, int]) -> Image.Image:
    """Crops the central square, resizes it to at least `side`, and crops the centre of `size` (width, height) from it."""
    edge = min(image.size)
    left, top = image.width // 2 - edge // 2, image.height // 2 - edge // 2
    square = image.crop((left, top, left + edge, top + edge))
    side = max(side, *size)
    square = square.resize((side, side), Image.Resampling.BILINEAR)
    left, top = side // 2 - size[0] // 2, side // 2 - size[1] // 2
    return square.crop((left, top, left + size[0], top + size[1]))


def whole(source: str | Path | bytes, longest_px: int) -> UInt8Image:
    """Reads one photo for viewing: upright and in its own proportions.

    Args:
      source: a path, or the file's bytes.
      longest_px: a larger photo is reduced so that its longer side has this length.

    Returns:
      uint8 [height, width, 3], RGB.

    Raises:
      PhotoError: the photo cannot be read.
    """
    with open_photo(source) as image:
        try:
            image.draft("RGB", (longest_px, longest_px))
            with _in_turn(image):
                image.load()
                turn = _orientation(image)
                seen = to_rgb(image)
                seen.thumbnail((longest_px, longest_px), Image.Resampling.BILINEAR)
        except PhotoError:
            raise
        except Exception as error:  # decoders may raise any exception for damaged bytes
            raise PhotoError(reason_of(error), one_line(error)) from None
    return np.asarray(seen.transpose(_TURNS[turn]) if turn in _TURNS else seen)


def encoded(source: str | Path | bytes) -> bytes:
    """Encodes a photo for TensorFlow's own decoders: an upright RGB JPEG stays as it is, anything else becomes PNG.

    Raises:
      PhotoError: the photo cannot be read.
    """
    with open_photo(source) as image:
        try:
            with _in_turn(image):
                image.load()
                turn = _orientation(image)
                if image.format == "JPEG" and image.mode == "RGB" and turn not in _TURNS:
                    return source if isinstance(source, bytes) else _bytes(source)
                upright = to_rgb(image)
                whole = io.BytesIO()
                (upright.transpose(_TURNS[turn]) if turn in _TURNS else upright).save(whole, "PNG", compress_level=1)
        except PhotoError:
            raise
        except Exception as error:  # decoders may raise any exception for damaged bytes
            raise PhotoError(reason_of(error), one_line(error)) from None
    return whole.getvalue()


@contextlib.contextmanager
def _in_turn(image: Image.Image) -> Iterator[None]:
    """Decodes large photos one at a time, so that many workers need no more memory than one."""
    with _large if needed(image) > _IN_TURN else contextlib.nullcontext():
        yield


def _bytes(path: str | Path) -> bytes:
    """Reads a whole file.

    Raises:
      PhotoError: the file has gigabytes.
    """
    with Path(path).open("rb") as file:
        if os.fstat(file.fileno()).st_size > MAX_MEMORY:
            raise PhotoError("too large", f"a file of {os.fstat(file.fileno()).st_size >> 20:,} MB")
        return file.read()


def in_order(pixels: UInt8Image, order: str) -> UInt8Image:
    """Converts RGB [height, width, 3] to the channels of a network's input: "RGB", "BGR", or "grey" [height, width, 1].

    >>> in_order(np.uint8([[[255, 0, 0]]]), "BGR").tolist(), in_order(np.uint8([[[255, 0, 0]]]), "grey").tolist()
    ([[[0, 0, 255]]], [[[76]]])
    """
    if order == "BGR":
        return pixels[..., ::-1]
    if order == "grey":  # Pillow's own weights (ITU-R 601-2), so that a grey photo keeps its values
        red, green, blue = (pixels[..., channel].astype(np.uint32) for channel in range(3))
        grey: UInt8Image = ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).astype(np.uint8)[..., None]
        return grey
    return pixels


def laid_out(values: npt.NDArray[np.float32], layout: str) -> npt.NDArray[np.float32]:
    """Converts [height, width, channels] to the axes of a network's input, without the batch: "NHWC", "NCHW", "NHW" or "flat"."""
    if layout == "NCHW":
        return np.ascontiguousarray(values.transpose(2, 0, 1))
    if layout == "NHW":
        return values[..., 0]
    return values.reshape(-1) if layout == "flat" else values


def normalise(pixels: npt.NDArray[Any], mean: tuple[float, ...], std: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Normalises pixels: (pixels - mean) / std.

    Args:
      pixels: uint8 or float32 [..., channels], 0..255.
      mean: one number, or one per channel.
      std: the same.

    >>> normalise(np.uint8([[[0, 127, 255]]]), (127.0,), (128.0,)).tolist()
    [[[-0.9921875, 0.0, 1.0]]]
    """
    scaled: npt.NDArray[np.float32] = pixels.astype(np.float32)
    scaled -= np.asarray(mean, np.float32)
    scaled /= np.asarray(std, np.float32)
    return scaled


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts a picture of any mode to RGB: 16-bit values are scaled to 8 bits, and transparent pixels become white.

    A large picture is converted in bands to save memory; the numbers are the same.
    """
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    bands = list(_bands(image))
    white = _white(image, bands) if image.mode.startswith(("I", "F")) else np.float32(0)
    if len(bands) == 1:
        return _as_rgb(image, white)
    made = Image.new("RGB", image.size)
    for box in bands:
        made.paste(_as_rgb(image.crop(box), white), box)
    return made


def _bands(image: Image.Image) -> Iterator[tuple[int, int, int, int]]:
    rows = max(1, _BAND // max(image.width, 1))
    for top in range(0, max(image.height, 1), rows):
        yield 0, top, image.width, min(top + rows, image.height)


def _as_rgb(image: Image.Image, white: np.float32) -> Image.Image:
    """Converts a picture, or a band of one, to RGB."""
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bit(image, white)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        seen = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        paper.alpha_composite(seen)
        return paper.convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image, white: np.float32) -> npt.NDArray[np.uint8]:
    """Converts pixels of 16 or 32 bits, or floats in 0..1 or 0..255, to uint8 [height, width]; the transparent grey becomes white."""
    values = np.asarray(image)
    wide = np.nan_to_num(values.astype(np.float32))
    grey: npt.NDArray[np.uint8] = np.rint(np.clip(wide, 0, white) * (255 / white)).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return grey


def _white(image: Image.Image, bands: list[tuple[int, int, int, int]]) -> np.float32:
    """Finds the value of white in a picture of wide integers or floats."""
    parts = (np.asarray(image if len(bands) == 1 else image.crop(box)) for box in bands)
    tops = [(part.dtype.kind == "f", float(np.nan_to_num(part.astype(np.float32)).max(initial=0))) for part in parts]
    return np.float32(_white_of(image, tops[0][0], max(top for _, top in tops)))


def _white_of(image: Image.Image, is_float: bool, top: float) -> float:
    """Returns the value of white. A 16-bit file is assumed to use all 16 bits, so that 255 of 65535 is dark.

    A TIFF may declare 10, 12 or 14 bits, as scanners and microscopes do.
    """
    if is_float:
        return 1 if top <= 1 else 255
    bits = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE, (16,))[0]
    if 8 < bits < 16 and top < 2**bits:
        return float(2**bits - 1)
    return 65535 if top <= 65535 else 4294967295


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # invalid EXIF data does not make a photo unreadable
        return 1
