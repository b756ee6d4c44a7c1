"""Writes the test results for TensorBoard: a picture of the confusion matrix, and the files of the embedding projector.

They are written to `test/` in --summaries_dir: an event file with the picture, and the files that the projector reads.
These are the features of the photos (`tensors.bytes`), a line for each photo (`metadata.tsv`), all thumbnails in one
picture (`sprite.jpg`), and a configuration that names them (`projector_config.pbtxt`).
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from label_image.errors import PhotoError
from label_image.terminal import clean
from label_image.workers import cores, map_ordered
from retrain.metrics import confusion
from retrain.report.photos import thumbnail
from retrain.types import Outcome, Photo, Split

MOST_PHOTOS = 1_024  # most photos in the projector: a sprite of 32 x 32 thumbnails
_THUMBNAIL_PX = 64
_CELL_PX, _LETTERS = 44, 16  # side of a cell of the matrix, and most characters of a label
_MOST_NAMED = 40  # most classes whose names and counts fit into the picture


def write_projector(folder: Path, features: npt.NDArray[np.float32], split: Split, outcome: Outcome) -> None:
    """Writes the four files of the projector for the first MOST_PHOTOS test photos.

    Args:
      folder: `test/` in --summaries_dir; it exists.
      features: float32 [photos of the split, width].
      split: all photos.
      outcome: the test photos and their predictions.
    """
    from google.protobuf import text_format
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    rows = outcome.rows[:MOST_PHOTOS]
    photos = [split.photos[row] for row in rows]
    chosen = np.ascontiguousarray(features[rows], "<f4")
    (folder / "tensors.bytes").write_bytes(chosen.tobytes())
    lines = ["label\tpredicted\tphoto"]
    for photo, guess in zip(photos, outcome.predictions, strict=False):
        lines.append("\t".join(map(_cell, (photo.label, split.labels[guess], photo.path))))
    (folder / "metadata.tsv").write_text("\n".join(lines) + "\n", "utf-8", "backslashreplace")
    _sprite(photos).save(folder / "sprite.jpg", quality=80)
    config = ProjectorConfig()
    embedding = config.embeddings.add(
        tensor_name="test photos", tensor_path="tensors.bytes", tensor_shape=chosen.shape, metadata_path="metadata.tsv"
    )
    embedding.sprite.image_path = "sprite.jpg"
    embedding.sprite.single_image_dim.extend([_THUMBNAIL_PX, _THUMBNAIL_PX])
    (folder / "projector_config.pbtxt").write_text(text_format.MessageToString(config), "utf-8")


def confusion_picture(split: Split, outcome: Outcome) -> bytes:
    """Draws the confusion matrix as a PNG.

    Each row is a true label and each column a predicted one; a cell is darker the larger its fraction of the row.
    """
    labels = split.labels
    table = confusion(split.label_ids[outcome.rows], outcome.predictions, len(labels))
    named = len(labels) <= _MOST_NAMED
    cell = _CELL_PX if named else max(2, 1_000 // len(labels))
    font = ImageFont.load_default(13)
    names = [f"{place + 1} {clean(label)[:_LETTERS]}" for place, label in enumerate(labels)]
    left = 16 + max(int(font.getlength(name)) for name in names) if named else 0
    top = 44 if named else 0
    picture = Image.new("RGB", (left + cell * len(labels) + 1, top + cell * len(labels) + 1), "white")
    draw = ImageDraw.Draw(picture)
    if named:
        draw.text((left, 4), "predicted", "black", font)
    for row, counts in enumerate(table):
        y = top + row * cell
        if named:
            draw.text((6, y + cell // 2), names[row], "black", font, "lm")
            draw.text((left + row * cell + cell // 2, top - 10), str(row + 1), "black", font, "mm")
        for column, count in enumerate(counts):
            share = count / max(counts.sum(), 1)
            x = left + column * cell
            shade = tuple(round(255 + (dark - 255) * share) for dark in (8, 48, 107))
            draw.rectangle((x, y, x + cell, y + cell), shade, "lightgrey" if named else shade)
            if named and count:
                draw.text((x + cell // 2, y + cell // 2), str(count), "white" if share > 0.5 else "black", font, "mm")
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _sprite(photos: Sequence[Photo]) -> Image.Image:
    """Puts the thumbnails row by row into one square picture, as the projector requires; unreadable photos are grey."""
    side = max(1, math.ceil(math.sqrt(len(photos))))
    sprite = Image.new("RGB", (side * _THUMBNAIL_PX, side * _THUMBNAIL_PX), "grey")
    small = map_ordered(lambda: _small, photos, cores())
    for place, picture in enumerate(small):
        if picture is not None:
            sprite.paste(picture.resize((_THUMBNAIL_PX, _THUMBNAIL_PX)), _corner(place, side))
    return sprite


def _small(photo: Photo) -> Image.Image | None:
    try:
        return thumbnail(photo.path, photo.sha256, side_px=_THUMBNAIL_PX)
    except PhotoError:
        return None


def _corner(place: int, side: int) -> tuple[int, int]:
    return place % side * _THUMBNAIL_PX, place // side * _THUMBNAIL_PX


def _cell(text: str) -> str:
    """Removes the characters from a name that would start another cell or line."""
    return clean(text)


def picture_event(png: bytes, step: int, tag: str = "confusion_matrix") -> Any:
    """Returns an Event that contains a PNG."""
    from tensorboard.compat.proto.event_pb2 import Event

    event = Event(wall_time=time.time(), step=step)
    with Image.open(io.BytesIO(png)) as picture:
        width, height = picture.size
    image = event.summary.value.add(tag=tag).image
    image.encoded_image_string, image.width, image.height, image.colorspace = png, width, height, 3
    return event
