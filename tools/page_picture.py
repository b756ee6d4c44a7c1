"""docs/pictures/page.webp: the page of label_image.demo, as a browser shows it after a photo was dropped.

python tools/page_picture.py --graph tf_files/retrained.tflite --photo daisy.jpg

The page runs as a user starts it. The picture is taken only when the page has called the photo what `label_image` calls it.
"""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image import Classifier  # noqa: E402 - the path comes first
from label_image.errors import RunError, UserError  # noqa: E402
from label_image.flags import flag, parse  # noqa: E402
from tests.browser import FLAGS, chromium, open_page  # noqa: E402

MOST_BYTES = 60_000
SIZE = (1280, 640)  # CSS pixels of the window
QUALITY = 75  # of WebP; text is still sharp


@dataclass(frozen=True)
class PagePictureCommand:
    """Draws the picture of the page."""

    graph: str = flag("tf_files/retrained.tflite", "The classifier.")
    photo: str = flag("", "The photo to drop on the page.")
    out: str = flag(str(ROOT / "docs/pictures/page.webp"), "Where the picture goes.")


def draw(page: Any, url: str, photo: Path, label: str) -> bytes:
    """Drops the photo and takes the picture: the bytes of a WebP file.

    Raises:
      RunError: the page calls the photo something else, or the picture is too large.
    """
    open_page(page, url, size=SIZE)
    page.set_input_files("#photos input[type=file]", str(photo))
    page.wait_for_selector(".answer")
    page.get_by_role("button", name="Take a photo with the camera").wait_for()
    said = page.inner_text(".answer h2")
    if not said.startswith(f"{label} "):
        raise RunError(f"no picture is taken: the page says {said!r}, label_image says {label!r}")
    page.mouse.move(1, 1)
    page.wait_for_timeout(500)  # Gradio's thumbnails are faded in
    page.evaluate("Promise.all([...document.images].map(image => image.decode()))")
    bottom = max(
        page.locator(part).first.bounding_box()["y"] + page.locator(part).first.bounding_box()["height"]
        for part in (".answer", "#about")
    )
    clip = {"x": 0, "y": 0, "width": SIZE[0], "height": bottom + 16}
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True, clip=clip))).convert("RGB")
    webp = io.BytesIO()
    taken.save(webp, "WEBP", quality=QUALITY, method=6)
    if len(webp.getvalue()) > MOST_BYTES:
        raise RunError(f"the picture has {len(webp.getvalue()):,} bytes, {MOST_BYTES:,} are the most; show less")
    return webp.getvalue()


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    from playwright.sync_api import sync_playwright

    try:
        command, _ = parse(PagePictureCommand, argv, "python tools/page_picture.py")
        graph, photo = Path(command.graph).resolve(), Path(command.photo)
        label = Classifier(graph).classify(photo).top(1)[0][0]
        folder = graph.parent.parent if graph.parent.name == "tf_files" else graph.parent
        words = [sys.executable, "-m", "label_image.demo", "--port=0", f"--graph={graph.relative_to(folder)}"]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        with subprocess.Popen(words, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout
                url = server.stdout.readline().split(" ")[0]
                if not url:
                    raise RunError("no picture is taken: the page did not start")
                with sync_playwright() as playwright:
                    browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
                    webp = draw(browser.new_page(), url, photo, label)
                    browser.close()
            finally:
                server.send_signal(signal.SIGINT)
        out = Path(command.out)
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(webp)
    except UserError as error:
        print(f"page_picture: {error}", file=sys.stderr)
        return error.exit_status
    print(f"wrote {out} ({len(webp):,} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
