"""The pictures of docs/first_hour.md: the folders of photos, and a photo beside its heat map.

python tools/folder_picture.py --photos tf_files/flower_photos --graph tf_files/retrained.tflite

Writes docs/pictures/folders.webp, docs/pictures/heat_map.webp and docs/pictures/first_hour.md, which names the photographers. The
heat map is the one that `label_image --explain` draws.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image.errors import RunError, UserError  # noqa: E402 - the path comes first
from label_image.flags import flag, parse  # noqa: E402
from tools.shown import CLASSES  # noqa: E402

SHOWN = 5  # photos a class
SIZE, GAP, NAME = 116, 8, 120  # pixels: a photo's side, the space between two, the width of a folder's name
INK, PAPER = "#222222", "#ffffff"


@dataclass(frozen=True)
class Command:
    """Draws the pictures of docs/first_hour.md."""

    photos: str = flag("tf_files/flower_photos", "The folder of flower photos, a sub-folder a class.")
    graph: str = flag("tf_files/retrained.tflite", "The classifier whose heat map is drawn.")
    out: str = flag(str(ROOT / "docs/pictures"), "Where the pictures go.")


def chosen(photos: Path) -> dict[str, list[Path]]:
    """The photos that are shown, by class."""
    return {label: sorted((photos / label).iterdir())[:SHOWN] for label in CLASSES}


def folders_picture(shown: dict[str, list[Path]]) -> Image.Image:
    """A row for each class: the folder's name, then its first photos."""
    step = SIZE + GAP
    sheet = Image.new("RGB", (NAME + SHOWN * step, len(shown) * step + GAP), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for row, (label, paths) in enumerate(shown.items()):
        top = GAP + row * step
        pen.text((12, top + SIZE // 2 - 12), f"{label}/", fill=INK, font=font)
        for column, path in enumerate(paths):
            with Image.open(path) as photo:
                sheet.paste(ImageOps.fit(photo.convert("RGB"), (SIZE, SIZE)), (NAME + column * step, top))
    return sheet


def heat_picture(graph: Path, photo: Path) -> Image.Image:
    """The photo, and beside it the photo with its heat map over it."""
    with tempfile.TemporaryDirectory() as place:
        words = ["-m", "label_image", f"--graph={graph}", f"--image={photo}", f"--explain={place}"]
        done = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RunError(f"no picture is drawn: {done.stderr.strip()}")
        with Image.open(photo) as plain, Image.open(next(Path(place).iterdir())) as hot:
            sheet = Image.new("RGB", (plain.width + hot.width + GAP, max(plain.height, hot.height)), PAPER)
            sheet.paste(plain.convert("RGB"), (0, 0))
            sheet.paste(hot.convert("RGB"), (plain.width + GAP, 0))
    return sheet


def credits_page(photos: Path, shown: Sequence[Path]) -> str:
    """Who took the photos, from the LICENSE.txt that lies beside them."""
    lines = (photos / "LICENSE.txt").read_text("utf-8").splitlines()
    text = ["# The photos in the first hour", "", "Drawn by `python tools/folder_picture.py`.", ""]
    for path in shown:
        text += [f"- {line}" for line in lines if line.startswith(f"{path.parent.name}/{path.name} ")]
    return "\n".join([*text, ""])


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    try:
        command, _ = parse(Command, argv, "python tools/folder_picture.py")
        photos, out = Path(command.photos).resolve(), Path(command.out)
        shown = chosen(photos)
        photo = shown["daisy"][3]  # a single flower in the middle
        folders_picture(shown).save(out / "folders.webp", quality=55, method=6)
        heat_picture(Path(command.graph).resolve(), photo).save(out / "heat_map.webp", quality=75, method=6)
        (out / "first_hour.md").write_text(
            credits_page(photos, [path for paths in shown.values() for path in paths]), "utf-8"
        )
    except UserError as error:
        print(f"folder_picture: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
