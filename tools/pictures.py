"""The pictures of the documents, drawn from a run that is made for them.

python tools/pictures.py --photos tf_files/flower_photos

trains on the photos with default flags, opens the report in chromium, holds every figure on it against run.json, and only
then takes docs/pictures/report.webp and mistakes.webp. Whoever took the photos in them is named in docs/pictures/report.md.
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

MOST_BYTES = 60_000
SIZE = (900, 900)  # CSS pixels of the window
QUALITY, COLOURS, MARGIN = 50, 48, 16  # of WebP with loss; of WebP without; pixels around a part of the page
MISTAKES_SHOWN = 2  # a row of them ends the picture


@dataclass(frozen=True)
class PicturesCommand:
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


def _save(page: Any, rows: tuple[float, float], path: Path, *, photographic: bool) -> None:
    """Writes the part of the page between two heights as a small WebP: with loss where there are photos, else in few colours.

    Raises:
      RunError: the picture is too large.
    """
    clip = {"x": 0, "y": rows[0], "width": SIZE[0], "height": rows[1] - rows[0]}
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")
    webp = io.BytesIO()
    if photographic:
        taken.save(webp, "WEBP", quality=QUALITY, method=6)
    else:
        taken.quantize(COLOURS, dither=Image.Dither.NONE).convert("RGB").save(webp, "WEBP", lossless=True, method=6)
    if len(webp.getvalue()) > MOST_BYTES:
        raise RunError(
            f"the picture {path.name} has {len(webp.getvalue()):,} bytes, {MOST_BYTES:,} are the most; show less"
        )
    path.write_bytes(webp.getvalue())


def draw(page: Any, folder: Path, out: Path) -> list[dict[str, Any]]:
    """Takes the pictures of a run's report, its beginning and its mistakes; returns the test photos of the mistakes.

    Args:
      page: an empty page of a browser.
      folder: the run's.
      out: where the pictures go.

    Raises:
      RunError: a figure differs from run.json, or the picture is too large.
    """
    record = read_record(folder).fields
    open_page(page, folder / "report.html", size=SIZE)
    wrong = wrong_figures(page, record)
    if wrong:
        raise RunError(f"no picture is taken: {len(wrong)} figures are not those of run.json; first: {wrong[0]}")
    articles = [one.bounding_box() for one in page.locator("article").all()[:MISTAKES_SHOWN]]
    heading = page.locator("#mistakes").bounding_box()["y"] - MARGIN
    out.mkdir(parents=True, exist_ok=True)
    _save(page, (0, heading), out / "report.webp", photographic=False)
    if articles:
        bottom = max(box["y"] + box["height"] for box in articles) + MARGIN
        _save(page, (heading, bottom), out / "mistakes.webp", photographic=True)
    wrong_photos = [photo for photo in record["test_photos"] if photo["label"] != photo["predicted"]]
    wrong_photos.sort(key=lambda photo: -photo["score"])
    return wrong_photos[:MISTAKES_SHOWN]


def credits_page(photos: Path, shown: Sequence[dict[str, Any]]) -> str:
    """Who took the photos of a picture, from the LICENSE.txt that lies beside them."""
    licence = photos / "LICENSE.txt"
    lines = licence.read_text("utf-8").splitlines() if licence.is_file() else []
    text = ["# The pictures of the report", "", "Drawn by `make pictures`.", "", "The photos in `mistakes.webp`:", ""]
    for photo in shown:
        for path in (photo["path"], *(near["path"] for near in photo["nearest"])):
            text += [f"- {line}" for line in lines if line.startswith(f"{short(path)} ")]
    return "\n".join([*text, ""])


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    from playwright.sync_api import sync_playwright

    try:
        command, _ = parse(PicturesCommand, argv, "python tools/pictures.py")
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
    print(f"wrote {out / 'report.webp'} and {out / 'mistakes.webp'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
