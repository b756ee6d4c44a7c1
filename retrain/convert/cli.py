"""The program `python -m retrain.convert`: turns other people's files into an image folder."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from label_image.errors import RunError, UserError
from label_image.flags import check, flag, flag_fields, named_as_typed, parse
from label_image.program import exit_status
from label_image.terminal import say, warn

if TYPE_CHECKING:
    from collections import Counter

    from retrain.convert.source import Source

PROGRAM = "python -m retrain.convert FORMAT SRC DST"
FORMATS = ("mnist", "cifar10", "tfrecord", "csv")
_LIST_WORDS = {"train": "to train", "validation": "to validate", "test": "to test"}


@dataclass(frozen=True)
class ConvertCommand:
    """Turns other people's files into an image folder for `python -m retrain --image_dir DST`, lossless.

    FORMAT    SRC
    mnist     a folder with IDX files (train-images-idx3-ubyte.gz and the like), or one of them
    cifar10   a folder with the batches, binary or for Python, or their .tar.gz
    tfrecord  a file or folder of tf.train.Example with image/encoded; a labels.txt beside them names the classes
    csv       a table of path,label, perhaps with a column that says train, validation or test

    DST is made; it may not be there yet, or must be empty. Where SRC has a test set, DST has train/ and test/, which
    `python -m retrain` keeps.
    """

    root: str = flag("", "csv: the folder in which relative paths begin; left out, it is the CSV's own.")
    path_column: str = flag(
        "",
        "csv: the column of paths (or of names without an ending), by its name in the header or its number from 1; left out, it is one of a known name (path, filename, image, id, ...).",
    )
    label_column: str = flag(
        "", "csv: the column of labels; left out, it is one of a known name (label, class, category, breed, ...)."
    )
    split_column: str = flag(
        "",
        "csv: the column that says train, validation or test; left out, it is one of a known name (split, set, fold, is_test, ...); none: there is none.",
    )
    split_values: str = flag(
        "", "csv: what the cells of that column mean, where they are no such words: 0=train,1=validation,2=test."
    )
    several_labels: str = flag(
        "refuse",
        "csv: what becomes of a cell with several labels: refuse, first (the first one counts), leave_out (the photo is not copied), whole (the cell is one label).",
        choices=("refuse", "first", "leave_out", "whole"),
    )


def main(argv: Sequence[str]) -> int:
    """Runs `python -m retrain.convert`."""

    def work() -> None:
        command, words = parse(ConvertCommand, argv, PROGRAM)
        kind, src, dst = _meant(words)
        with named_as_typed(ConvertCommand, argv):
            check(command)
            for field in flag_fields(ConvertCommand):
                if kind != "csv" and getattr(command, field.name) != field.default:
                    raise UserError(f"--{field.name} is for csv; leave it out with {kind}")
        try:
            convert(kind, src, dst, command.root, command)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise RunError(f"cannot go on: {error.strerror}: {error.filename}; nothing was written") from None

    return exit_status("convert", work, lambda _: "stopped; nothing was written")


def convert(kind: str, src: Path, dst: Path, root: str = "", command: ConvertCommand | None = None) -> None:
    """Converts; `dst` is there whole at the end, or as it was.

    Args:
      kind: one of FORMATS.
      src: what to read.
      dst: the folder to make.
      root: see `ConvertCommand`.
      command: what was asked of a CSV's columns.

    Raises:
      UserError: `src` is not there or is something else; `dst` holds something, or lies in `src`.
      RunError: a file is broken.
    """
    from retrain.convert.image_folder import ImageFolder, check_place
    from retrain.files.atomic import replacing
    from retrain.progress import Progress

    place = dst.resolve()  # "new/.." is a folder that holds something
    check_place(place)
    if not src.exists():
        raise UserError(f"cannot read {src}: no such file or folder (looked in {Path.cwd()})")
    if _is_in(place, src):
        raise UserError(f"cannot write {dst}: it is inside {src}, which is read; give another folder")
    source = _opened(kind, src, root, command or ConvertCommand())
    with replacing(place) as scratch:
        scratch.mkdir()
        folder = ImageFolder(scratch, source.lists)
        progress = Progress(source.total, "pictures")
        try:
            for done, picture in enumerate(source.pictures, 1):
                folder.add(picture)
                progress.update(done)
        finally:
            progress.close()
        if not folder.counts:
            raise RunError(f"no picture in {src}{': ' if source.notes else ''}{'; '.join(source.notes)}")
        check_place(place)  # something may have come there meanwhile
    for line in source.said:
        warn(line)
    for note in source.notes:
        warn(f"WARNING: {note}")
    say(f"{_counted(folder.counts)}, {len(folder.labels)} classes, in {dst}")
    say(f"python -m retrain --image_dir {shlex.quote(str(dst))}")


def _is_in(place: Path, folder: Path) -> bool:
    """Whether a place is a folder that is there, or lies in it, by whatever names both are reached."""
    found = [one for one in (place, *place.parents) if one.exists()]
    return folder.is_dir() and found[0].is_dir() and any(one.samefile(folder) for one in found)


def _meant(words: Sequence[str]) -> tuple[str, Path, Path]:
    if words and words[0] not in FORMATS:
        near = difflib.get_close_matches(words[0].lower(), FORMATS, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{words[0]!r} is not one of {', '.join(FORMATS)}{hint}")
    if len(words) != 3:
        raise UserError(f"found {len(words)} words, need 3: {PROGRAM} (--help tells more)")
    return words[0], Path(words[1]), Path(words[2])


def _opened(kind: str, src: Path, root: str, command: ConvertCommand) -> Source:
    """Opens the files; each format's libraries are imported only for it."""
    if kind == "csv":
        from retrain.convert import csv_rows

        asked = csv_rows.Asked(command.path_column, command.label_column, command.split_column)
        return csv_rows.read(src, root, asked, command.split_values, command.several_labels)
    if kind == "mnist":
        from retrain.convert import mnist

        return mnist.read(src)
    if kind == "cifar10":
        from retrain.convert import cifar10

        return cifar10.read(src)
    from retrain.convert import tfrecord

    return tfrecord.read(src)


def _counted(counts: Counter[str]) -> str:
    if len(counts) == 1:
        return f"{sum(counts.values())} pictures"
    first, *others = [f"{counts[which]}{{}} {text}" for which, text in _LIST_WORDS.items() if counts[which]]
    return " and ".join([first.format(" pictures"), *(other.format("") for other in others)])
