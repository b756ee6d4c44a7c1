"""A seed in, a folder of drawn flowers out: something to try the tool on before there are photos.

    python -m retrain.samples --out tf_files/flowers

A picture depends on its label, its number, the seed, and the version of Pillow that draws it; on nothing else.
What can be learnt from the folder is not asked here: that belongs to `python -m retrain`.
"""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from label_image.errors import UserError
from retrain.atomic import replacing
from retrain.flowers import LABELS, draw

MARKER = ".drawn-by-retrain-samples"
MINIMUM = 3  # pictures of a kind: one for each list, training, validation and test
# What a folder drawn here may hold; file managers leave the last two behind.
OURS = re.compile(rf"({'|'.join(LABELS)})(/\1_\d{{3,}}\.jpg)?|{re.escape(MARKER)}|(.*/)?(\.DS_Store|Thumbs\.db)")


def write_samples(out: Path, count: int, seed: int) -> list[Path]:
    """Draws `count` pictures (3 or more) of each kind; the whole folder is there at the end, or nothing has changed.

    Returns the paths, 5 * `count` of them, such as `daisy/daisy_007.jpg` below `out`. A folder that this function
    made is made anew; if `out` holds anything else there is a UserError, and an OSError if it can not be written.
    """
    if count < MINIMUM:
        raise UserError(f"cannot draw {count} of each kind: a split needs {MINIMUM}; raise it: --count={MINIMUM}")
    _refuse_strangers(out)
    names = {(label, n): f"{label}/{label}_{n:03d}.jpg" for label in LABELS for n in range(1, count + 1)}
    with replacing(out.resolve()) as scratch:
        for label in LABELS:
            (scratch / label).mkdir(parents=True)
        for (label, number), name in names.items():
            draw(label, number, seed).save(scratch / name, quality=90)
        (scratch / MARKER).write_text("`python -m retrain.samples` drew this folder and may replace it.\n")
    return [out / name for name in names.values()]


def _refuse_strangers(out: Path) -> None:
    """Raises UserError if replacing `out` would lose anything that was not drawn here."""
    advice = "draw in a folder of its own: --out=OTHER_FOLDER"
    if Path.cwd().is_relative_to(out.resolve()):
        raise UserError(f"cannot draw in {out}: it is the folder you are in; {advice}")
    if (out / MARKER).is_file():
        found = (path.relative_to(out).as_posix() for path in out.rglob("*"))
        strangers = [name for name in found if not OURS.fullmatch(name)]
    elif out.is_dir():
        strangers = [path.name for path in out.iterdir()]
    else:
        strangers = [out.name] if out.exists() else []
    if strangers:
        raise UserError(f"cannot draw in {out}: found {min(strangers)!r}, which was not drawn here; {advice}")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line; exits with 2 for a mistake in it, with 1 if the pictures can not be written."""
    parser = argparse.ArgumentParser(
        allow_abbrev=False,
        prog="python -m retrain.samples",
        usage=argparse.SUPPRESS,  # else a mistake would get the usage, and more than one line
        description="Draws pictures of five kinds of flowers, to try the tool on.",
    )
    parser.add_argument("--out", type=Path, default="tf_files/flowers", help="folder to draw in (default: %(default)s)")
    parser.add_argument("--count", type=int, default=40, help="pictures of each kind (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other pictures (default: %(default)s)")
    asked = parser.parse_args(argv)
    try:
        pictures = write_samples(asked.out, asked.count, asked.seed)
    except UserError as error:
        parser.error(str(error))
    except OSError as error:
        parser.exit(1, f"{parser.prog}: error: cannot write {asked.out}: {error.strerror or error}\n")
    print(f"{len(pictures)} pictures, {asked.count} each of {', '.join(LABELS)}, in {asked.out}")
    print("pictures to try the tool on; no accuracy on them says anything about photos")
    print(f"next: python -m retrain --image_dir {shlex.quote(asked.out.as_posix())}")


if __name__ == "__main__":
    main()
