"""Draws a folder of flowers, with which to try the tool before there are photos.

    python -m retrain.samples --out tf_files/flowers

A picture depends only on its label, its number, the seed and the version of Pillow that draws it.
`python -m retrain` determines what can be learned from the folder.
"""

from __future__ import annotations

if __name__ == "__main__":  # before all other imports, so that Ctrl-C ends with one line from here on
    try:
        from label_image.program import run_program
    except KeyboardInterrupt:  # too early to print a message
        raise SystemExit(130) from None
    run_program("retrain.samples")

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.flags import check, flag, parse
from label_image.program import exit_status
from label_image.terminal import say
from retrain.data.drawn_flowers import LABELS, draw
from retrain.files.atomic import replacing

PROGRAM = "python -m retrain.samples"
MARKER = ".drawn-by-retrain-samples"
MINIMUM = 3  # pictures of each kind: one each for the training, validation and test set
# The files that a folder drawn here may contain; file managers create the last two.
OURS = re.compile(rf"({'|'.join(LABELS)})(/\1_\d{{3,}}\.jpg)?|{re.escape(MARKER)}|(.*/)?(\.DS_Store|Thumbs\.db)")


def write_samples(out: Path, count: int, seed: int) -> list[Path]:
    """Draws `count` pictures (3 or more) of each kind; writes the whole folder, or changes nothing in case of an error.

    Returns the paths of the 5 * `count` pictures, such as `daisy/daisy_007.jpg` below `out`. A folder that this function
    made is replaced. UserError: `out` contains other files. OSError: `out` cannot be written.
    """
    if count < MINIMUM:
        raise UserError(
            f"cannot draw {count} of each kind: a split needs at least {MINIMUM}; increase it: --count={MINIMUM}"
        )
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
    """Raises UserError if replacing `out` would delete files that were not drawn here."""
    advice = "draw in a separate folder: --out=OTHER_FOLDER"
    if Path.cwd().is_relative_to(out.resolve()):
        raise UserError(f"cannot draw in {out}: it is the current folder; {advice}")
    if (out / MARKER).is_file():
        found = (path.relative_to(out).as_posix() for path in out.rglob("*"))
        strangers = [name for name in found if not OURS.fullmatch(name)]
    elif out.is_dir():
        strangers = [path.name for path in out.iterdir()]
    else:
        strangers = [out.name] if out.exists() else []
    if strangers:
        raise UserError(f"cannot draw in {out}: found {min(strangers)!r}, which was not drawn here; {advice}")


@dataclass(frozen=True)
class SamplesCommand:
    """Draws pictures of five kinds of flowers, with which to try the tool."""

    out: str = flag("tf_files/flowers", "Folder for the pictures.")
    count: int = flag(40, "Number of pictures of each kind.", maximum=100_000)
    seed: int = flag(0, "Seed of the random drawing; another seed gives other pictures.")

    def __post_init__(self) -> None:
        """Validates the flags."""
        check(self)
        if not self.out:
            raise UserError("--out is empty; name the folder for the pictures")


def main(argv: Sequence[str]) -> int:
    """Runs the command and returns the exit status: 2 for a mistake in the command, 1 if the pictures cannot be written."""

    def work() -> None:
        asked, words = parse(SamplesCommand, argv, PROGRAM)
        if words:
            raise UserError(f"{words[0]!r} belongs to no flag; write --out=FOLDER")
        out = Path(asked.out)
        try:
            pictures = write_samples(out, asked.count, asked.seed)
        except OSError as error:
            raise RunError(f"cannot write {out}: {error.strerror or error}; choose another --out") from None
        say(f"{len(pictures)} pictures, {asked.count} each of {', '.join(LABELS)}, in {out}")
        say("these pictures are for trying the tool; accuracy on them does not predict accuracy on photos")
        say(f"next: python -m retrain --image_dir {shlex.quote(out.as_posix())}")

    return exit_status("retrain.samples", work, lambda _: "stopped; nothing was written")
