"""A photo's file, opened with care: content decides the format, and what would take too much memory or time is refused.

Only the header is read here. What is opened is a list: Pillow reads forty formats more, of which some start other programs
(EPS starts Ghostscript) and none holds photos. The bounds are on what one photo may take: memory by its pixels and what is
made of them, time by the scans of a JPEG and by what Pillow decodes in Python; a phone's 108 megapixels pass.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import io
import logging
import os
import stat
import struct
import time
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from label_image.errors import PhotoError
from label_image.jpeg_scans import check_scans
from label_image.no_picture import not_a_picture

MAX_PIXELS = 178_956_970  # Pillow's own limit against decompression bombs; a phone's 108 megapixels pass
MAX_SIDE = 100_000  # pixels; a resize holds 16 bytes and more for each, and a JPEG has at most 65,535
MAX_MEMORY = 1536 << 20  # bytes that one photo may take
MAX_SLOW_PIXELS = 10_000_000  # of what Pillow decodes in Python: run-length BMP, PPM as text

_COMMON = ("PNG", "GIF", "BMP", "PPM")  # that `preinit` loads; the first tried is JPEG, which opens MPO too
_PLUGINS = {  # the others, and where Pillow has them; HEIF is pillow-heif's
    "WEBP": "WebPImagePlugin", "TIFF": "TiffImagePlugin", "AVIF": "AvifImagePlugin", "JPEG2000": "Jpeg2KImagePlugin",
    "ICO": "IcoImagePlugin", "TGA": "TgaImagePlugin",
}  # fmt: skip
_BYTES = {"1": 1, "L": 1, "P": 1}  # of a pixel in Pillow's memory, by mode; of the others 2 or 4
# What a decoder holds beside the picture itself, bytes a pixel; measured with Pillow 12.3.
_DECODER_BYTES = {"WEBP": 12, "AVIF": 8, "HEIF": 8, "JPEG2000": 16}
_PIPE_S, _PIPE_BYTES = 20, 50_000_000  # as for a download

# Pillow warns from half its limit on; between the two a photo is large, not an attack. And it warns or logs what is odd
# about a file, without naming it: what matters of that ends in a PhotoError here.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
logging.getLogger("PIL").addHandler(logging.NullHandler())

_FILE_TROUBLE = {  # what the system says -> (reason, detail)
    errno.EACCES: ("no permission", "the file may not be read"),
    errno.EPERM: ("no permission", "the file may not be read"),
    errno.ENOENT: ("not there", "no such file"),
    errno.EISDIR: ("a folder", "not a file"),
}


def open_photo(source: str | Path | bytes) -> Image.Image:
    """Opens a photo and reads its header only.

    Args:
      source: a path, or the file's bytes. A pipe is read to its end, for at most 20 s and 50 MB.

    Raises:
      PhotoError: no picture of a format in the list, too large, too slow, or not to be read.
    """
    piped = not isinstance(source, bytes) and _is_pipe(source)
    try:
        image = _opened(_through(source) if piped and not isinstance(source, bytes) else source)
    except PhotoError:
        raise
    except Image.DecompressionBombError:
        raise PhotoError("too large", f"more than {MAX_PIXELS:,} pixels") from None
    except OSError as error:
        if error.errno is None:  # Pillow's own
            raise not_a_picture(None if piped else _head(source), error) from None
        raise PhotoError(*_FILE_TROUBLE.get(error.errno, ("not to be read", error.strerror or ""))) from None
    except Exception as error:  # decoders raise anything at all on broken bytes
        raise not_a_picture(None if piped else _head(source), error) from None
    try:
        check_size(image)
        check_scans(image)
    except PhotoError:
        image.close()
        raise
    return image


def _opened(source: str | Path | bytes) -> Image.Image:
    """The picture, of the formats in the list: tried in groups, since loading Pillow's plugins takes milliseconds."""
    importlib.import_module("PIL.JpegImagePlugin")
    with contextlib.suppress(UnidentifiedImageError):
        return Image.open(_file(source), formats=("JPEG",))
    Image.preinit()
    with contextlib.suppress(UnidentifiedImageError):
        return Image.open(_file(source), formats=_COMMON)
    _check_webp(_head(source) or b"", source)
    return Image.open(_file(source), formats=_others())


def _file(source: str | Path | bytes) -> Any:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _others() -> list[str]:
    """The formats that Pillow loads when they are asked for, as far as this one has them."""
    for module in _PLUGINS.values():
        try:
            importlib.import_module(f"PIL.{module}")
        except ImportError:  # AVIF came with Pillow 11.3
            continue
    return [name for name in (*_PLUGINS, "HEIF") if name in Image.OPEN]


def _is_pipe(path: str | Path) -> bool:
    """Whether a path is no regular file, and no folder either.

    Raises:
      PhotoError: it is a device, of which nobody knows the end.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False  # and opening it will say why
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise PhotoError("not a file", "a device")
    return stat.S_ISFIFO(mode)


def _through(path: str | Path) -> bytes:
    """All that comes through a pipe.

    Raises:
      PhotoError: nothing more came for some time, or too much.
    """
    import select

    until = time.monotonic() + _PIPE_S
    pieces: list[bytes] = []
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        waiting = select.poll()
        waiting.register(descriptor, select.POLLIN)
        while sum(map(len, pieces)) <= _PIPE_BYTES:
            left = until - time.monotonic()
            if left <= 0 or not waiting.poll(left * 1000):
                raise PhotoError("not to be read", f"a pipe through which no whole photo came in {_PIPE_S} s")
            piece = os.read(descriptor, 1 << 20)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
    finally:
        os.close(descriptor)
    raise PhotoError("too large", f"more than {_PIPE_BYTES // 1_000_000} MB through a pipe")


def check_size(image: Image.Image) -> None:
    """Refuses a picture that is too large, by its header.

    Raises:
      PhotoError: with the size found and the size allowed.
    """
    _check_numbers(*image.size, needed(image))
    pixels = image.width * image.height
    tiles = getattr(image, "tile", ())
    if pixels > MAX_SLOW_PIXELS and any(tile[0] in Image.DECODERS for tile in tiles):
        detail = f"{image.width} x {image.height} pixels in a form that is decoded slowly; at most {MAX_SLOW_PIXELS:,}"
        raise PhotoError("too large", detail)


def _check_numbers(width: int, height: int, memory: int) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError("too large", f"{width} x {height} pixels")
    if max(width, height) > MAX_SIDE:
        raise PhotoError("too large", f"{width} x {height} pixels; a side has at most {MAX_SIDE:,}")
    if memory > MAX_MEMORY:
        detail = f"{width} x {height} pixels would take {memory >> 20:,} MB of memory; at most {MAX_MEMORY >> 20:,}"
        raise PhotoError("too large", detail)


def needed(image: Image.Image) -> int:
    """Bytes of memory that reading a picture takes: itself, what is made of it as RGB, and what its decoder holds."""
    mode = image.mode
    own = _BYTES.get(mode, 2 if mode.startswith("I;16") else 4)
    made = 0 if mode == "RGB" and "transparency" not in image.info else 4
    decoder = _DECODER_BYTES.get(image.format or "", 0)
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        decoder = 2 * len(image.getbands())  # all coefficients, until the last scan
    return image.width * image.height * (own + made + decoder)


def _check_webp(head: bytes, source: str | Path | bytes) -> None:
    """Refuses a WebP that is too large before Pillow opens it, which reads the whole file and makes room for its frames.

    Raises:
      PhotoError: with the size found.
    """
    if not (head.startswith(b"RIFF") and head[8:12] == b"WEBP") or len(head) < 30:
        return
    kind = head[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(head[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (size & 0x3FFF for size in struct.unpack_from("<HH", head, 26))
    stored = len(source) if isinstance(source, bytes) else os.stat(source).st_size  # noqa: PTH116
    _check_numbers(width, height, width * height * (4 + _DECODER_BYTES["WEBP"]) + stored)


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


def _register_heif() -> None:
    """HEIC photos are read where the user has installed pillow-heif."""
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


_register_heif()
