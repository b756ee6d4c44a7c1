"""Makes thumbnails of photos as data URLs, each one once however often the page shows it; decodes on all cores."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageOps

from label_image.errors import PhotoError
from label_image.photo_pixels import open_photo, to_rgb
from label_image.workers import cores, map_ordered
from retrain.files.hashing import bytes_of

SIDE_PX = 128  # the longer side of a thumbnail
MOST_PHOTOS = 2_000  # about 3.1 kB each, and a third more in base64: 8 MB
_QUALITY = 60


class Album:
    """The pictures of a page. Each has a number; -1 stands for a picture that is left out because there are too many."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], int] = {}
        self._made: dict[int, bytes] = {}
        self._count = 0
        self.refused = 0  # photos that were left out because there are too many

    def add(self, path: str, sha256: str = "") -> int:
        """Adds a photo and returns its number; with a digest, the photo is shown only if it is unchanged."""
        place = self._places.get((path, sha256))
        if place is not None:
            return place
        if len(self._places) >= MOST_PHOTOS:
            self.refused += 1
            return -1
        self._places[path, sha256] = place = self._count
        self._count += 1
        return place

    def put(self, picture: Image.Image) -> int:
        """Adds a picture that was made for the page, and returns its number."""
        self._made[self._count] = _jpeg(picture)
        self._count += 1
        return self._count - 1

    def develop(self) -> tuple[list[str], int]:
        """Returns all pictures as data URLs, "" for those that cannot be shown, and the number of those."""
        results: list[str] = [""] * self._count
        for place, picture in self._made.items():
            results[place] = _address(picture)
        lost = 0
        for place, found in zip(self._places.values(), map_ordered(_make_worker, self._places, cores()), strict=True):
            if found is None:
                lost += 1
            else:
                results[place] = _address(found)
        return results, lost


def thumbnail(path: str, sha256: str = "", side_px: int = SIDE_PX) -> Image.Image:
    """Reads a photo as a small RGB picture, upright, with a longer side of at most `side_px`.

    Args:
      path: the file.
      sha256: the digest that its bytes must have; "" skips this check, for old records without digests.
      side_px: the longer side, in pixels.

    Raises:
      PhotoError: the photo cannot be read, or has changed.
    """
    if sha256:
        return small_picture(bytes_of(path, sha256), side_px)
    try:
        return small_picture(Path(path).read_bytes(), side_px)
    except OSError:
        raise PhotoError("not found", "it was deleted after the run") from None


def small_picture(data: bytes, side_px: int = SIDE_PX) -> Image.Image:
    """Decodes the bytes of a photo to a small picture, like `thumbnail`."""
    with open_photo(data) as image:
        try:
            image.draft("RGB", (2 * side_px, 2 * side_px))
            small = to_rgb(ImageOps.exif_transpose(image))
            small.thumbnail((side_px, side_px))
        except Exception as error:  # decoders can raise any exception for damaged data
            raise PhotoError("damaged", type(error).__name__) from None
    return small


def _make_worker() -> Callable[[tuple[str, str]], bytes | None]:
    def work(photo: tuple[str, str]) -> bytes | None:
        try:
            return _jpeg(thumbnail(*photo))
        except PhotoError:
            return None

    return work


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _address(jpeg: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(jpeg).decode('ascii')}"
