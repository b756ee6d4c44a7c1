"""A network in, the 3,670 flower photos of the tutorials out: fetched with resumption, checked, unpacked safely.

`python -m retrain.flower_photos --out tf_files/flower_photos`; photographers and licences are in its LICENSE.txt (CC-BY 2.0).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from label_image.errors import RunError, UserError
from retrain.backbones.archive import unpack
from retrain.backbones.download import fetch

URL = "https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz"
COUNTS = {"daisy": 633, "dandelion": 898, "roses": 641, "sunflowers": 699, "tulips": 799}


def fetch_flowers(out: Path, url: str = URL) -> Path:
    """Fetches the photos into `out`, whole or not at all.

    The archive's digest is not known to us: it must be whole (its own checksum says so) and hold the published number of
    photos a class.

    Raises:
      UserError: `out` is there already.
      RunError: the archive can not be fetched, or holds something else.
    """
    if out.exists():
        raise UserError(f"{out} is there already; delete it to fetch the photos again")
    archive = out.with_name("flower_photos.tgz")
    fetch(url, archive, say=lambda line: print(line, flush=True))
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as scratch:
        root = unpack(archive, Path(scratch) / "unpacked") / "flower_photos"
        found = {label: len(list((root / label).glob("*.jpg"))) for label in COUNTS}
        if found != COUNTS:
            raise RunError(
                f"{archive} does not hold the flower photos: found {found}, expected {COUNTS}; delete it and try again"
            )
        root.replace(out)
    archive.unlink()
    return out


def main(argv: list[str]) -> int:
    """Runs the command; returns the exit status."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m retrain.flower_photos",
        description="Fetches the flower photos of the tutorials.",
    )
    parser.add_argument("--out", type=Path, default=Path("tf_files/flower_photos"))
    try:
        folder = fetch_flowers(parser.parse_args(argv).out)
    except UserError as error:
        print(f"flower_photos: {error}", file=sys.stderr)
        return error.exit_status
    print(f"{sum(COUNTS.values())} photos of {len(COUNTS)} classes in {folder}\npython -m retrain --image_dir {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
