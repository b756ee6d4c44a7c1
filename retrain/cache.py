"""Implements the program `python -m retrain.cache import DIR`, which imports the original's text bottlenecks into our store."""

from __future__ import annotations

if __name__ == "__main__":  # before all other imports, so that Ctrl-C ends with one line from here on
    try:
        from label_image.program import run_program
    except KeyboardInterrupt:  # too early to print a message
        raise SystemExit(130) from None
    run_program("retrain.cache")

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import UserError
from label_image.flags import check, flag, parse
from label_image.program import exit_status
from label_image.terminal import say

PROGRAM = "python -m retrain.cache import"
_NAMED = 10  # files that are listed; further files are only counted


@dataclass(frozen=True)
class Import:
    """Imports the original's text bottlenecks: `python -m retrain.cache import DIR --image_dir flowers`.

    DIR is the folder that was the original's --bottleneck_dir. The features are stored under the photos' contents, separately from
    those that this tool computes, because the original read and scaled photos with other code.
    """

    image_dir: str = flag(
        "", "Folder of the photos to which the bottlenecks belong, with one subfolder for each class."
    )
    bottleneck_dir: str = flag("tf_files/bottlenecks", "Folder in which features are stored, as for python -m retrain.")

    def __post_init__(self) -> None:
        """Validates the flags.

        Raises:
          UserError: a flag has an invalid value; the message names the flag.
        """
        check(self)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""

    def work() -> None:
        asked, words = parse(Import, argv, PROGRAM)
        if len(words) != 2 or words[0] != "import":
            raise UserError(f"found {' '.join(words) or 'no word'!r}; write: {PROGRAM} DIR --image_dir=PHOTOS")
        for line in imported(Path(words[1]), asked):
            say(line)

    return exit_status("retrain.cache", work, lambda _: "stopped; run the same command again")


def imported(folder: Path, asked: Import) -> list[str]:
    """Reads the folder into the store, and returns lines for the user.

    Raises:
      UserError: there is nothing that can be imported.
      RunError: the store cannot be written.
    """
    from retrain.store.feature_store import Store
    from retrain.store.text_bottlenecks import imported_key, read_folder, rows_of

    for name, path in (("DIR", folder), ("--image_dir", Path(asked.image_dir))):
        if not str(path).strip(".") or not path.is_dir():
            raise UserError(f"cannot import: {name}={path} is not a folder; write: {PROGRAM} DIR --image_dir=PHOTOS")
    found, skipped = read_folder(folder, Path(asked.image_dir))
    lines = [f"left out {one.path}: {one.reason} ({one.detail})" for one in skipped[:_NAMED]]
    if skipped:
        counts = ", ".join(f"{count} x {why}" for why, count in Counter(one.reason for one in skipped).most_common())
        lines.append(f"{len(skipped)} files left out of {len(skipped) + len(found)}: {counts}")
    if not found:
        why = f"; {lines[0]}" if lines else ""
        raise UserError(
            f"cannot import {folder}: found no CLASS/PHOTO.jpg.txt or CLASS/PHOTO.jpg_NETWORK.txt whose photo is in {asked.image_dir}{why}"
        )
    store = Store(Path(asked.bottleneck_dir))
    try:
        for network, rows in rows_of(found).items():
            store.write(imported_key(network), rows)
            lines.append(
                f"imported the features of {len(rows)} photos by {network}, {len(rows[0][1])} numbers for each photo, into {store.path}"
            )
        lines += store.notes
    finally:
        store.close()
    return lines
