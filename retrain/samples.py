"""Draws a folder of flowers: something to try the tool on before there are photos.

    python -m retrain.samples --out tf_files/flowers

A picture depends on its label, its number, the seed, and the version of Pillow that draws it; on nothing else.
What can be learnt from the folder is not asked here: that belongs to `python -m retrain`.
"""

from __future__ import annotations

if __name__ == "__main__":  # before anything else is imported: from here on Ctrl-C is a line
    try:
        from label_image.program import run_program
    except KeyboardInterrupt:  # so early that nobody can say it
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


@dataclass(frozen=True)
class SamplesCommand:
    """Draws pictures of five kinds of flowers, to try the tool on."""

    out: str = flag("tf_files/flowers", "Folder to draw in.")
    count: int = flag(40, "Pictures of each kind.", maximum=100_000)
    seed: int = flag(0, "Another seed, other pictures.")

    def __post_init__(self) -> None:
        """Refuses what can not be meant."""
        check(self)
        if not self.out:
            raise UserError("--out is empty; name the folder to draw in")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 2 for a mistake in it, 1 if the pictures can not be written."""

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
        say("pictures to try the tool on; no accuracy on them says anything about photos")
        say(f"next: python -m retrain --image_dir {shlex.quote(out.as_posix())}")

    return exit_status("retrain.samples", work, lambda _: "stopped; nothing was written")
