"""Labels photos with the classifier in this folder.

python run.py photo.jpg ...     the best five labels of each photo
python run.py --selftest        labels test_photo.jpg and compares with expected.json; exit status 0: right, 1: wrong

Needs numpy, Pillow and LiteRT (requirements.txt). `answer(photo)` is the function to call from your own program.
"""

from __future__ import annotations

import json
import os
import sys
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

HERE = Path(__file__).resolve().parent
TOLERANCE = 1e-3  # of a score: processors round differently
TURNS = {  # EXIF orientation -> the operation that makes the picture upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def answer(photo: str | Path) -> dict[str, float]:
    """Returns the score of each label for one photo, best first."""
    metadata, labels, interpreter = classifier()
    pixels = decode(photo, metadata["height_px"], metadata["width_px"]).astype(np.float32)
    scaled = (pixels - np.float32(metadata["mean"])) / np.float32(metadata["std"])
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], scaled[None])
    interpreter.invoke()
    scores = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])[0]
    return {labels[index]: float(scores[index]) for index in np.argsort(-scores, kind="stable")}


@lru_cache
def classifier() -> tuple[dict[str, Any], list[str], Any]:
    """Returns the model's metadata (input size, scaling), its labels and its interpreter; loaded only once."""
    model = schema.Model.GetRootAs((HERE / "model.tflite").read_bytes(), 0)
    entries = {(entry := model.Metadata(k)).Name(): entry.Buffer() for k in range(model.MetadataLength())}
    metadata = json.loads(bytes(model.Buffers(entries[b"retrain_card"]).DataAsNumpy()))
    labels = (HERE / "labels.txt").read_text("utf-8-sig").rstrip("\n").split("\n")
    if len(labels) != len(metadata["labels"]):
        sys.exit(f"labels.txt has {len(labels)} names, the model knows {len(metadata['labels'])}")
    interpreter = Interpreter(str(HERE / "model.tflite"), num_threads=os.cpu_count())
    interpreter.allocate_tensors()
    return metadata, labels, interpreter


def decode(photo: str | Path, height: int, width: int) -> np.ndarray[Any, Any]:
    """Decodes a photo to uint8 [height, width, 3], RGB, upright, and resizes it to the input size of the network."""
    with Image.open(photo) as image:
        image.draft("RGB", (2 * max(height, width),) * 2)  # decodes a large JPEG at a reduced size, which is faster
        image.load()
        turn = orientation(image)
        size = (height, width) if turn in (5, 6, 7, 8) else (width, height)
        small = to_rgb(image).resize(size, Image.Resampling.BILINEAR)
    return np.asarray(small.transpose(TURNS[turn]) if turn in TURNS else small)


def orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 is upright."""
    try:
        return int(image.getexif().get(0x0112, 1))
    except Exception:  # broken EXIF does not make a photo unreadable
        return 1


def to_rgb(image: Image.Image) -> Image.Image:
    """Converts a picture to 8-bit RGB; transparent areas become white."""
    if image.mode.startswith("I"):
        image = Image.fromarray((np.asarray(image).clip(0, 65535) * (255 / 65535)).round().astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def selftest() -> int:
    """Labels the test photo; returns 0 if all scores equal those from the computer on which the classifier was trained."""
    expected = json.loads((HERE / "expected.json").read_text("utf-8"))["scores"]
    found = answer(HERE / "test_photo.jpg")
    if found.keys() != expected.keys():
        print(f"selftest failed: the labels are {sorted(found)}, not {sorted(expected)}")
        return 1
    worst = max(abs(found[label] - expected[label]) for label in expected)
    start = time.perf_counter()
    answer(HERE / "test_photo.jpg")
    pace = f"{time.perf_counter() - start:.3f} s a photo"
    if not worst <= TOLERANCE:
        print(f"selftest failed: a score differs by {worst:.1e}, at most {TOLERANCE:g} is rounding; {pace}")
        return 1
    print(f"selftest passed: scores within {worst:.1e}; {pace}")
    return 0


def main(photos: list[str]) -> int:
    """Labels photos and prints the best five labels of each; returns 1 if a photo cannot be read."""
    status = 0
    classifier()
    for photo in photos:
        print(photo)
        try:
            best = list(answer(photo).items())[:5]
        except Exception as error:  # for damaged files, decoders may raise any exception
            print(f"error: {error}\n")
            status = 1
            continue
        print("".join(f"{label} (score={score:.5f})\n" for label, score in best))
    return status


if __name__ == "__main__":
    words = sys.argv[1:]
    if not words or words[0] in ("-h", "--help"):
        print(__doc__)
        sys.exit(0 if words else 2)
    sys.exit(selftest() if words == ["--selftest"] else main(words))
