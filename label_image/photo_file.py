"""Opens a photo's file safely: the content decides the format, and photos that need too much memory or time are refused.

Only the header is read here. Only listed formats are opened, because Pillow supports forty more, of which some start other
programs (EPS starts Ghostscript) and none is used for photos. Memory is limited by the number of pixels and of the copies made
of them; time is limited by the scans of a JPEG and by formats that Pillow decodes in Python. A phone's 108 megapixels are allowed.
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
import threading
import time
import warnings
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from label_image.errors import PhotoError
from label_image.jpeg_scans import check_scans
from label_image.no_picture import not_a_picture
from label_image.process import is_ours

MAX_PIXELS = 178_956_970  # raised by Pillow, not by the system limit against decompression bombs; a phone's 108 megapixels are below it
MAX_SIDE = 100_000  # pixels; a resize needs at least 16 bytes for each, and a JPEG has at most 65,535
MAX_MEMORY = 1536 << 20  # largest memory for one photo, in bytes
MAX_SLOW_PIXELS = 10_000_000  # for formats that Pillow decodes in Python: run-length BMP, PPM as text

_COMMON = ("PNG", "GIF", "BMP", "PPM")  # loaded by `preinit`; JPEG is tried before them and opens MPO too
_PLUGINS = {  # the other formats and their modules in Pillow; HEIF comes from pillow-heif
    "WEBP": "WebPImagePlugin", "TIFF": "TiffImagePlugin", "AVIF": "AvifImagePlugin", "JPEG2000": "Jpeg2KImagePlugin",
    "ICO": "IcoImagePlugin", "TGA": "TgaImagePlugin",
}  # fmt: skip
_BYTES = {"1": 1, "L": 1, "P": 1}  # bytes per pixel in Pillow's memory, by mode; other modes take 2 or 4
# Memory of a decoder in addition to the picture, in bytes per pixel; measured with Pillow 12.3.
_DECODER_BYTES = {"WEBP": 12, "AVIF": 8, "HEIF": 8, "JPEG2000": 16}
_PIPE_S, _PIPE_BYTES = 20, 50_000_000  # the same limits as for a download

_WARNINGS_HIDDEN = is_ours()  # for the whole process, which is a program of ours then
_ONE_AT_A_TIME = threading.Lock()
if _WARNINGS_HIDDEN:
    # Pillow warns above half of its limit, where a photo is large but not an attack. It also warns and logs about oddities
    # of a file without naming the file; those that matter become a PhotoError here.
    warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    logging.getLogger("PIL").addHandler(logging.NullHandler())

_FILE_TROUBLE = {  # the system's error -> (reason, detail)
    errno.EACCES: ("no permission", "the permissions do not allow reading the file"),
    errno.EPERM: ("no permission", "the permissions do not allow reading the file"),
    errno.ENOENT: ("not found", "no such file"),
    errno.EISDIR: ("a folder", "not a file"),
}


def open_photo(source: str | Path | bytes) -> Image.Image:
    """Opens a photo and reads its header only.

    Args:
      source: a path, or the file's bytes. A pipe is read to its end, for at most 20 s and 50 MB.

    Raises:
      PhotoError: the file is no picture of a listed format, too large, too slow to decode, or unreadable.
    """
    piped = not isinstance(source, bytes) and _is_pipe(source)
    try:
        image = _opened(_through(source) if piped and not isinstance(source, bytes) else source)
    except PhotoError:
        raise
    except Image.DecompressionBombError:
        raise PhotoError("too large", f"more than {MAX_PIXELS:,} pixels") from None
    except OSError as error:
        if error.errno is None:  # raised by Pillow, not by the system
            raise not_a_picture(None if piped else _head(source), error) from None
        raise PhotoError(*_FILE_TROUBLE.get(error.errno, ("unreadable", error.strerror or ""))) from None
    except Exception as error:  # decoders may raise any exception for damaged bytes
        raise not_a_picture(None if piped else _head(source), error) from None
    try:
        check_size(image)
        check_scans(image)
    except PhotoError:
        image.close()
        raise
    return image


def _opened(source: str | Path | bytes) -> Image.Image:
    """Opens a picture of a listed format; the formats are tried in groups, because loading Pillow's plugins takes milliseconds."""
    importlib.import_module("PIL.JpegImagePlugin")
    with contextlib.suppress(UnidentifiedImageError):
        return _open(source, ("JPEG",))
    Image.preinit()
    with contextlib.suppress(UnidentifiedImageError):
        return _open(source, _COMMON)
    _check_webp(_head(source) or b"", source)
    return _open(source, _others())


def _open(source: str | Path | bytes, formats: list[str] | tuple[str, ...]) -> Image.Image:
    """Reads a photo's header with the decoders of some formats, without Pillow's warning about a large photo.

    In another program the filters of warnings are as before afterwards; it takes 0.1 ms.
    """
    if _WARNINGS_HIDDEN:
        return Image.open(_file(source), formats=formats)
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(_file(source), formats=formats)


def _file(source: str | Path | bytes) -> Any:
    return io.BytesIO(source) if isinstance(source, bytes) else source


def _others() -> list[str]:
    """Lists the less common formats that the installed Pillow supports."""
    for module in _PLUGINS.values():
        try:
            importlib.import_module(f"PIL.{module}")
        except ImportError:  # AVIF came with Pillow 11.3
            continue
    return [name for name in (*_PLUGINS, "HEIF") if name in Image.OPEN]


def _is_pipe(path: str | Path) -> bool:
    """Returns whether a path is a pipe.

    Raises:
      PhotoError: it is a device, whose data may never end.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116
    except (OSError, ValueError):
        return False  # opening it will report why
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise PhotoError("not a file", "a device")
    return stat.S_ISFIFO(mode)


def _through(path: str | Path) -> bytes:
    """Reads a pipe to its end.

    Raises:
      PhotoError: the data is not complete in time, or too large.
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
                raise PhotoError("unreadable", f"a pipe that delivered no complete photo within {_PIPE_S} s")
            piece = os.read(descriptor, 1 << 20)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
    finally:
        os.close(descriptor)
    raise PhotoError("too large", f"more than {_PIPE_BYTES // 1_000_000} MB through a pipe")


def check_size(image: Image.Image) -> None:
    """Refuses a picture that is too large according to its header.

    Raises:
      PhotoError: the message states the size found and the size allowed.
    """
    _check_numbers(*image.size, needed(image))
    pixels = image.width * image.height
    tiles = getattr(image, "tile", ())
    if pixels > MAX_SLOW_PIXELS and any(tile[0] in Image.DECODERS for tile in tiles):
        detail = f"{image.width} x {image.height} pixels in a format that is decoded slowly; at most {MAX_SLOW_PIXELS:,} are allowed"
        raise PhotoError("too large", detail)


def _check_numbers(width: int, height: int, memory: int) -> None:
    if width * height > MAX_PIXELS:
        raise PhotoError("too large", f"{width} x {height} pixels")
    if max(width, height) > MAX_SIDE:
        raise PhotoError("too large", f"{width} x {height} pixels; a side may have at most {MAX_SIDE:,}")
    if memory > MAX_MEMORY:
        detail = f"{width} x {height} pixels would take {memory >> 20:,} MB of memory; at most {MAX_MEMORY >> 20:,} MB are allowed"
        raise PhotoError("too large", detail)


def needed(image: Image.Image) -> int:
    """Computes the bytes of memory needed to read a picture: the picture, its RGB copy and its decoder."""
    mode = image.mode
    own = _BYTES.get(mode, 2 if mode.startswith("I;16") else 4)
    made = 0 if mode == "RGB" and "transparency" not in image.info else 4
    decoder = _DECODER_BYTES.get(image.format or "", 0)
    if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
        decoder = 2 * len(image.getbands())  # the decoder keeps all coefficients until the last scan
    return image.width * image.height * (own + made + decoder)


def _check_webp(head: bytes, source: str | Path | bytes) -> None:
    """Refuses a WebP that is too large before Pillow opens it, because opening reads the whole file and allocates its frames.

    Raises:
      PhotoError: the message states the size found.
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
    """Reads the first bytes; None for a pipe or device, which cannot be read twice, and for a file that cannot be opened."""
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
    """Adds support for HEIC photos if pillow-heif is installed."""
    try:
        import pillow_heif
    except ImportError:
        return
    pillow_heif.register_heif_opener()


_register_heif()
