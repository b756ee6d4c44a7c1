"""Downloads the 3,670 flower photos of the tutorials, checks them and unpacks them; an interrupted download is resumed.

`python -m retrain.flower_photos --out tf_files/flower_photos`; photographers and licences are in its LICENSE.txt (CC-BY 2.0).
"""

from __future__ import annotations

if __name__ == "__main__":  # before all other imports, so that Ctrl-C ends with one line from here on
    try:
        from label_image.program import run_program
    except KeyboardInterrupt:  # too early to print a message
        raise SystemExit(130) from None
    run_program("retrain.flower_photos")

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.flags import flag, parse
from label_image.program import exit_status
from label_image.terminal import say

PROGRAM = "python -m retrain.flower_photos"
URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
COUNTS = {"daisy": 633, "dandelion": 898, "roses": 641, "sunflowers": 699, "tulips": 799}


def fetch_flowers(out: Path, url: str = URL) -> Path:
    """Downloads the photos into `out`, completely or not at all.

    The archive has no published digest. It must be complete according to its own checksum, and contain the published number
    of photos of each class.

    Raises:
      UserError: `out` already exists.
      RunError: the archive cannot be downloaded, or contains something else.
    """
    if out.exists():
        raise UserError(f"{out} already exists; delete it to download the photos again")
    from retrain.files.archive import unpack
    from retrain.files.download import fetch
    from retrain.files.temporary_names import remove, temporary

    archive = out.with_name("flower_photos.tgz")
    fetch(url, archive, say=say)
    unpacked = temporary(out.with_name(f"{out.name}-unpacked"))
    try:
        root = unpack(archive, unpacked) / "flower_photos"
        found = {label: len(list((root / label).glob("*.jpg"))) for label in COUNTS}
        if found != COUNTS:
            raise RunError(
                f"{archive} does not contain the flower photos: found {found}, expected {COUNTS}; delete it and try again"
            )
        root.replace(out)
    finally:
        remove(unpacked)
    archive.unlink()
    return out


@dataclass(frozen=True)
class FlowerPhotosCommand:
    """Downloads the flower photos of the tutorials: 3,670 in five classes, 219 MB."""

    out: str = flag("tf_files/flower_photos", "Folder for the photos, which must not exist yet.")

    def __post_init__(self) -> None:
        """Validates the flags."""
        if not self.out:
            raise UserError("--out is empty; name the folder for the photos")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns the exit status."""

    def work() -> None:
        asked, words = parse(FlowerPhotosCommand, argv, PROGRAM)
        if words:
            raise UserError(f"{words[0]!r} belongs to no flag; write --out=FOLDER")
        folder = fetch_flowers(Path(asked.out))
        say(f"{sum(COUNTS.values())} photos of {len(COUNTS)} classes in {folder}")
        say(f"python -m retrain --image_dir {folder}")

    return exit_status("flower_photos", work, lambda _: "stopped; run the same command again to continue")
