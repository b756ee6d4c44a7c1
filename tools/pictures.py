"""The pictures of the documents, drawn from a run that is made for them.

python tools/pictures.py --photos tf_files/flower_photos

trains on the photos with default flags, opens the report in chromium, holds every figure on it against run.json, and only
then takes docs/pictures/report.png. Whoever took the photos in it is named in docs/pictures/report.md.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image.errors import RunError, UserError  # noqa: E402 - the path comes first
from label_image.flags import flag, parse  # noqa: E402
from retrain.report.figures import FORMS, short  # noqa: E402
from retrain.runs.record import read_record  # noqa: E402
from tests.browser import FLAGS, chromium, open_page  # noqa: E402

MOST_BYTES = 150_000
SIZE = (900, 900)  # CSS pixels of the window
MISTAKES_SHOWN = 2  # a row of them ends the picture


@dataclass(frozen=True)
class Command:
    """Draws the pictures of the documents."""

    photos: str = flag("tf_files/flower_photos", "The folder of photos to train on.")
    out: str = flag(str(ROOT / "docs/pictures"), "Where the pictures go.")
    flags: tuple[str, ...] = flag((), "A flag for retrain, as --name=value; may be given many times.")


def wrong_figures(page: Any, record: Mapping[str, Any]) -> list[str]:
    """What a page says that its record does not, a line a figure; and if it says nothing at all."""
    shown = page.evaluate(
        "() => [...document.querySelectorAll('data')].map((one) => [one.dataset.of, one.value, one.dataset.form, one.innerText])"
    )
    wrong = [] if shown else ["the page shows no figure"]
    for place, value, form, text in shown:
        truth: Any = record
        for step in json.loads(place):
            truth = truth[step]
        if json.loads(value) != truth or text.strip() not in ("", FORMS[form](truth)):  # "" is folded away
            wrong.append(f"{place}: the page has {value} ({text}), the record {truth}")
    return wrong


def draw(page: Any, folder: Path, out: Path) -> list[dict[str, Any]]:
    """Takes the picture of a run's report; returns the test photos whose mistakes are in it.

    Args:
      page: an empty page of a browser.
      folder: the run's.
      out: where the picture goes.

    Raises:
      RunError: a figure differs from run.json, or the picture is too large.
    """
    record = read_record(folder).fields
    open_page(page, folder / "report.html", size=SIZE)
    wrong = wrong_figures(page, record)
    if wrong:
        raise RunError(f"no picture is taken: {len(wrong)} figures are not those of run.json; first: {wrong[0]}")
    articles = [one.bounding_box() for one in page.locator("article").all()[:MISTAKES_SHOWN]]
    bottom = max((box["y"] + box["height"] for box in articles), default=SIZE[1]) + 16
    clip = {"x": 0, "y": 0, "width": SIZE[0], "height": bottom}
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip)))
    png = io.BytesIO()
    taken.convert("RGB").quantize(96, dither=Image.Dither.NONE).save(png, "PNG", optimize=True)
    if len(png.getvalue()) > MOST_BYTES:
        raise RunError(f"the picture has {len(png.getvalue()):,} bytes, {MOST_BYTES:,} are the most; show less")
    out.mkdir(parents=True, exist_ok=True)
    (out / "report.png").write_bytes(png.getvalue())
    wrong_photos = [photo for photo in record["test_photos"] if photo["label"] != photo["predicted"]]
    wrong_photos.sort(key=lambda photo: -photo["score"])
    return wrong_photos[:MISTAKES_SHOWN]


def credits_page(photos: Path, shown: Sequence[dict[str, Any]]) -> str:
    """Who took the photos of a picture, from the LICENSE.txt that lies beside them."""
    licence = photos / "LICENSE.txt"
    lines = licence.read_text("utf-8").splitlines() if licence.is_file() else []
    text = ["# The report in the README", "", "Drawn by `make pictures`.", "", "The photos in `report.png`:", ""]
    for photo in shown:
        for path in (photo["path"], *(near["path"] for near in photo["nearest"])):
            text += [f"- {line}" for line in lines if line.startswith(f"{short(path)} ")]
    return "\n".join([*text, ""])


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    from playwright.sync_api import sync_playwright

    try:
        command, _ = parse(Command, argv, "python tools/pictures.py")
        photos, out = Path(command.photos).resolve(), Path(command.out)
        with tempfile.TemporaryDirectory() as place:
            (Path(place) / photos.name).symlink_to(photos)  # so that no path of this machine is in the picture
            words = [sys.executable, "-m", "retrain", f"--image_dir={photos.name}", *command.flags]
            done = subprocess.run(words, cwd=place, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False)
            if done.returncode:
                raise RunError("no picture is taken: the training failed")
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
                shown = draw(browser.new_page(), next(Path(place).glob("tf_files/runs/*")), out)
                browser.close()
        (out / "report.md").write_text(credits_page(photos, shown), "utf-8")
    except UserError as error:
        print(f"pictures: {error}", file=sys.stderr)
        return error.exit_status
    print(f"wrote {out / 'report.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
