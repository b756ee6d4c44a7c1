"""A photo's file or bytes in, uint8 [height, width, 3] out, then float32 as a network wants it.

The one way from a file to numbers, for training and labelling alike: content decides the format, EXIF orientation is
applied, grey, palette, CMYK, 16-bit and transparent pictures become RGB, and the picture is squashed to the size asked
(as the original did) with Pillow's antialiased bilinear filter. Any change of the numbers changes RECIPE.
"""

from __future__ import annotations

import errno
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from label_image.errors import PhotoError

RECIPE = "pixels/1"  # part of every key of the store: raise it when decode() gives other numbers
MAX_PIXELS = 178_956_970  # Pillow's own limit against decompression bombs; a phone's 108 megapixels pass

UInt8Image = npt.NDArray[np.uint8]  # [height, width, 3], 0..255, RGB
Float32Image = npt.NDArray[np.float32]  # [height, width, channels]

# Pillow warns from half its limit on; between the two a photo is large, not an attack. And it warns or logs what is odd
# about a file, without naming it: what matters of that ends in a PhotoError here.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258  # TIFF
_TURNS = {  # EXIF orientation -> what makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_FILE_TROUBLE = {  # what the system says -> (reason, detail)
    errno.EACCES: ("no permission", "the file may not be read"),
    errno.EPERM: ("no permission", "the file may not be read"),
    errno.ENOENT: ("not there", "no such file"),
    errno.EISDIR: ("a folder", "not a file"),
}
_NOT_PICTURES = (  # first bytes -> (reason, detail)
    (b"%PDF", "a PDF document", "export its pages as JPEG"),
    (b"PK\x03\x04", "a zip archive", "unpack it into the folder"),
    (b"\x1aE\xdf\xa3", "a video", "save frames of it as JPEG"),
    (b"\xff\x0a", "JPEG XL photo", "save it as JPEG"),
    (b"\0\0\0\x0cJXL ", "JPEG XL photo", "save it as JPEG"),
    (b"#!", "a program", ""),
)
_PICTURES = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)


def decode(source: str | Path | bytes, height_px: int, width_px: int, crop_px: int = 0) -> UInt8Image:
    """Reads one photo.

    Args:
      source: a path, or the file's bytes.
      height_px: rows of the result.
      width_px: columns of the result.
      crop_px: where not 0, the middle square is cut out, made this large, and the result is cut out of its middle.

    Returns:
      uint8 [height_px, width_px, 3], RGB.

    Raises:
      PhotoError: the photo can not be read; the reason says why.
    """
    with open_photo(source) as image:
        try:
            # A large JPEG is decoded at 1/2, 1/4 or 1/8 of its size, the smallest that still has two pixels for each
            # one asked, upright or not: the antialiased resize then hides the difference.
            side = 2 * max(height_px, width_px, crop_px)
            image.draft("RGB", (side, side))
            image.load()  # before EXIF is asked: a TIFF turns itself, and a PNG would load unseen and lose its error
            turn = _orientation(image)
            upright = (height_px, width_px) if turn in _SIDEWAYS else (width_px, height_px)
            small = _middle(to_rgb(image), crop_px, upright) if crop_px else _squashed(to_rgb(image), upright)
        except MemoryError:
            raise PhotoError("too large", f"{image.width} x {image.height} pixels do not fit in memory") from None
        except Exception as error:  # decoders raise anything at all on broken bytes
            raise PhotoError(_reason(error), _one_line(error)) from None
    if turn in _TURNS:
        small = small.transpose(_TURNS[turn])
    return np.asarray(small)


def _squashed(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    return image.resize(size, Image.Resampling.BILINEAR)


def _middle(image: Image.Image, side: int, size: tuple[int, int]) -> Image.Image:
    """The middle square, made `side` large; of that the middle of `size` (width, height), or all of it where it is larger."""
    edge = min(image.size)
    left, top = image.width // 2 - edge // 2, image.height // 2 - edge // 2
    square = image.crop((left, top, left + edge, top + edge))
    side = max(side, *size)
    square = square.resize((side, side), Image.Resampling.BILINEAR)
    left, top = side // 2 - size[0] // 2, side // 2 - size[1] // 2
    return square.crop((left, top, left + size[0], top + size[1]))


def whole(source: str | Path | bytes, longest_px: int) -> UInt8Image:
    """Reads one photo as people see it: upright, in its own proportions.

    Args:
      source: a path, or the file's bytes.
      longest_px: a larger photo is made this long on its longer side.

    Returns:
      uint8 [height, width, 3], RGB.

    Raises:
      PhotoError: the photo can not be read.
    """
    with open_photo(source) as image:
        try:
            image.draft("RGB", (longest_px, longest_px))
            image.load()
            turn = _orientation(image)
            seen = to_rgb(image)
            seen.thumbnail((longest_px, longest_px), Image.Resampling.BILINEAR)
        except Exception as error:  # decoders raise anything at all on broken bytes
            raise PhotoError(_reason(error), _one_line(error)) from None
    return np.asarray(seen.transpose(_TURNS[turn]) if turn in _TURNS else seen)


def encoded(source: str | Path | bytes) -> bytes:
    """A photo as the bytes that TensorFlow's own decoders read: an upright RGB JPEG as it is, anything else as PNG.

    Raises:
      PhotoError: the photo can not be read.
    """
    with open_photo(source) as image:
        try:
            image.load()
            turn = _orientation(image)
            if image.format == "JPEG" and image.mode == "RGB" and turn not in _TURNS:
                return source if isinstance(source, bytes) else Path(source).read_bytes()
            upright = to_rgb(image)
            whole = io.BytesIO()
            (upright.transpose(_TURNS[turn]) if turn in _TURNS else upright).save(whole, "PNG", compress_level=1)
        except Exception as error:  # decoders raise anything at all on broken bytes
            raise PhotoError(_reason(error), _one_line(error)) from None
    return whole.getvalue()


def in_order(pixels: UInt8Image, order: str) -> UInt8Image:
    """RGB [height, width, 3] -> the channels that a network wants: "RGB", "BGR", or "grey" [height, width, 1].

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
    """[height, width, channels] -> the axes that a network wants: "NHWC", "NCHW", "NHW" or "flat"; the batch is not there yet."""
    if layout == "NCHW":
        return np.ascontiguousarray(values.transpose(2, 0, 1))
    if layout == "NHW":
        return values[..., 0]
    return values.reshape(-1) if layout == "flat" else values


def open_photo(source: str | Path | bytes) -> Image.Image:
    """Opens a photo and reads its header only.

    Raises:
      PhotoError: no picture that Pillow knows, too large, or not to be read.
    """
    try:
        image = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)
    except Image.DecompressionBombError:
        raise PhotoError("too large", f"more than {MAX_PIXELS:,} pixels") from None
    except OSError as error:
        if error.errno is None:  # Pillow's own
            raise _not_a_picture(_head(source), error) from None
        raise PhotoError(*_FILE_TROUBLE.get(error.errno, ("not to be read", error.strerror or ""))) from None
    except Exception as error:  # as above
        raise _not_a_picture(_head(source), error) from None
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise PhotoError("too large", f"{image.width} x {image.height} pixels")
    return image


def normalise(pixels: npt.NDArray[Any], mean: tuple[float, ...], std: tuple[float, ...]) -> npt.NDArray[np.float32]:
    """Scales pixels as a network was trained: (pixels - mean) / std.

    Args:
      pixels: uint8 or float32 [..., channels], 0..255.
      mean: one number, or one a channel.
      std: the same.

    >>> normalise(np.uint8([[[0, 127, 255]]]), (127.0,), (128.0,)).tolist()
    [[[-0.9921875, 0.0, 1.0]]]
    """
    scaled: npt.NDArray[np.float32] = pixels.astype(np.float32)
    scaled -= np.asarray(mean, np.float32)
    scaled /= np.asarray(std, np.float32)
    return scaled


def to_rgb(image: Image.Image) -> Image.Image:
    """A picture of any mode -> RGB: 16-bit is scaled to 8, what is transparent becomes white."""
    if image.mode == "RGB" and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return Image.fromarray(_eight_bit(image)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        seen = (image.convert("LA") if image.mode == "La" else image).convert("RGBA")
        paper = Image.new("RGBA", seen.size, "white")
        paper.alpha_composite(seen)
        return paper.convert("RGB")
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> npt.NDArray[np.uint8]:
    """Pixels of 16 or 32 bits, or floats in 0..1 or 0..255 -> uint8 [height, width]; the transparent grey becomes white."""
    values = np.asarray(image)
    wide = np.nan_to_num(values.astype(np.float32))
    white = np.float32(_white(image, values.dtype.kind == "f", float(wide.max(initial=0))))
    grey: npt.NDArray[np.uint8] = np.rint(np.clip(wide, 0, white) * (255 / white)).astype(np.uint8)
    if "transparency" in image.info:
        grey[values == image.info["transparency"]] = 255
    return grey


def _white(image: Image.Image, is_float: bool, top: float) -> float:
    """The value that is white. Nobody means 8-bit values when he writes 16-bit files, so 255 of 65535 is dark.

    A TIFF may say 10, 12 or 14 bits, as scanners and microscopes write them.
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
    except Exception:  # broken EXIF does not make a photo unreadable
        return 1


def _head(source: str | Path | bytes) -> bytes | None:
    """The first bytes; None of a pipe or device, which is not to be read twice, and of what does not open."""
    if isinstance(source, bytes):
        return source[:512]
    try:
        if not Path(source).is_file():
            return None
        with Path(source).open("rb") as file:
            return file.read(512)
    except (OSError, ValueError):
        return None


def _not_a_picture(head: bytes | None, error: Exception) -> PhotoError:
    """What a file is that Pillow does not open, judged by its first bytes."""
    if head is None:
        return PhotoError("not to be read", _one_line(error))
    if not head:
        return PhotoError("empty file", "0 bytes")
    if head[4:8] == b"ftyp" or head.startswith(b"RIFF"):
        return _container(head, error)
    for start, reason, detail in _NOT_PICTURES:
        if head.startswith(start):
            return PhotoError(reason, detail)
    magic = next((name for start, name in _PICTURES if head.startswith(start)), "")
    if magic:
        return _damaged(magic, error)
    return _not_binary(head) or PhotoError("no picture", f"begins with {head[:4].hex(' ')}")


def _container(head: bytes, error: Exception) -> PhotoError:
    """The same of the forms that hold pictures, films or sound: ISO media and RIFF."""
    brand = head[8:12]
    if brand[:3] in (b"hei", b"hev", b"mif", b"msf"):
        if "HEIF" in Image.OPEN:
            return _damaged("HEIC", error)
        return PhotoError("HEIC photo", "pip install pillow-heif, and it will be read; or save it as JPEG")
    if brand[:3] == b"avi":
        if "AVIF" in Image.OPEN:
            return _damaged("AVIF", error)
        return PhotoError("AVIF photo", "pip install 'pillow>=11.3', and it will be read; or save it as JPEG")
    if brand == b"WEBP":
        return _damaged("WebP", error)
    if brand == b"WAVE":
        return PhotoError("a sound", "")
    if brand == b"crx ":
        return PhotoError("a camera's raw photo", "save it as JPEG")
    return PhotoError("a video", "save frames of it as JPEG")


def _damaged(magic: str, error: Exception) -> PhotoError:
    unknown = isinstance(error, UnidentifiedImageError)  # its text names the file, or where its bytes lie in memory
    what = "its header can not be read" if unknown else _one_line(error)
    return PhotoError(_reason(error), f"{what} ({magic} by its first bytes)")


def _not_binary(head: bytes) -> PhotoError | None:
    """What a file is that holds text or nothing; None if it is neither."""
    if not head.strip(b"\0"):
        return PhotoError("no picture", "the file holds only zeros")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return PhotoError("a web page", "a download that failed?")
    if b"<svg" in text:
        return PhotoError("an SVG drawing", "save it as PNG")
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        return PhotoError("a text file", repr(head[:24].decode("ascii")))
    return None


def _reason(error: Exception) -> str:
    text = str(error).lower()
    if "truncated" in text or "end of data" in text or "not enough image data" in text:
        return "cut short"
    return "too large" if isinstance(error, Image.DecompressionBombError) else "damaged"


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:120]


def _register_heif() -> None:
    """HEIC photos are read where the user has installed pillow-heif."""
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


_register_heif()
