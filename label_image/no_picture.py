"""Explains why a file cannot be read as a picture, by its first bytes and the decoder's error."""

from __future__ import annotations

from PIL import Image, UnidentifiedImageError

from label_image.errors import PhotoError
from label_image.extras import install

_NOT_PICTURES = (  # first bytes -> (reason, detail)
    (b"%PDF", "a PDF document", "export its pages as JPEG"),
    (b"PK\x03\x04", "a zip archive", "unpack it into the folder"),
    (b"\x1aE\xdf\xa3", "a video", "save frames of it as JPEG"),
    (b"\xff\x0a", "JPEG XL photo", "save it as JPEG"),
    (b"\0\0\0\x0cJXL ", "JPEG XL photo", "save it as JPEG"),
    (b"#!", "a program", ""),
    (b"%!PS", "a PostScript drawing", "save it as PNG"),
    (b"\xc5\xd0\xd3\xc6", "a PostScript drawing", "save it as PNG"),
    (b"8BPS", "a Photoshop document", "save it as JPEG"),
    (b"gimp xcf", "a GIMP document", "save it as JPEG"),
    (b"DDS ", "a DDS texture", "save it as PNG"),
    (b"qoif", "a QOI picture", "save it as PNG"),
    (b"\xd7\xcd\xc6\x9a", "a Windows metafile", "save it as PNG"),
    (b"icns", "a Mac's icon", "save it as PNG"),
)
_PICTURES = (
    (b"\xff\xd8", "JPEG"),
    (b"\x89PNG", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)


def not_a_picture(head: bytes | None, error: Exception) -> PhotoError:
    """Makes the error for a file that Pillow cannot open, according to its first bytes."""
    if head is None:
        return PhotoError("unreadable", one_line(error))
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
    return _not_binary(head) or PhotoError("not a picture", f"begins with {head[:4].hex(' ')}")


def _container(head: bytes, error: Exception) -> PhotoError:
    """Makes the error for the containers of pictures, videos and sound: ISO media and RIFF."""
    brand = head[8:12]
    if brand[:3] in (b"hei", b"hev", b"mif", b"msf"):
        if "HEIF" in Image.OPEN:
            return _damaged("HEIC", error)
        return PhotoError("HEIC photo", f"run {install('heic')} to read it, or save it as JPEG")
    if brand[:3] == b"avi":
        if "AVIF" in Image.OPEN:
            return _damaged("AVIF", error)
        return PhotoError("AVIF photo", "run pip install 'pillow>=11.3' to read it, or save it as JPEG")
    if brand == b"WEBP":
        return _damaged("WebP", error)
    if brand == b"WAVE":
        return PhotoError("a sound", "")
    if brand == b"crx ":
        return PhotoError("a camera's raw photo", "save it as JPEG")
    return PhotoError("a video", "save frames of it as JPEG")


def _damaged(magic: str, error: Exception) -> PhotoError:
    unknown = isinstance(error, UnidentifiedImageError)  # its message names only the file or a memory address
    what = "its header cannot be read" if unknown else one_line(error)
    return PhotoError(reason_of(error), f"{what} ({magic} according to its first bytes)")


def _not_binary(head: bytes) -> PhotoError | None:
    """Makes the error for a file that contains text or only zeros; None otherwise."""
    if not head.strip(b"\0"):
        return PhotoError("not a picture", "the file contains only zeros")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype html", b"<html")):
        return PhotoError("a web page", "a download that failed?")
    if b"<svg" in text:
        return PhotoError("an SVG drawing", "save it as PNG")
    if all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in head):
        return PhotoError("a text file", repr(head[:24].decode("ascii")))
    return None


def reason_of(error: Exception) -> str:
    """Names the kind of problem behind a decoder's error in a few words."""
    text = str(error).lower()
    if "truncated" in text or "end of data" in text or "not enough image data" in text:
        return "cut short"
    return "too large" if isinstance(error, Image.DecompressionBombError) else "damaged"


def one_line(error: Exception) -> str:
    """Shortens a decoder's message to one line."""
    return (" ".join(str(error).split()) or type(error).__name__)[:120]
