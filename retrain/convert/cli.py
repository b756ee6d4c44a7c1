"""Implements the program `python -m retrain.convert`, which converts data sets in other formats to an image folder."""

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
    """Converts a data set in another format, without loss, to an image folder for `python -m retrain --image_dir DST`.

    FORMAT    SRC
    mnist     a folder with IDX files (train-images-idx3-ubyte.gz and so on), or one of them
    cifar10   a folder with the batches (binary or Python form), or their .tar.gz
    tfrecord  a file or a folder of tf.train.Example with image/encoded; a labels.txt beside them names the classes
    csv       a table with the columns path and label, and optionally a column with train, validation or test

    DST is created; it must not exist yet, or must be empty. If SRC has a test set, DST contains train/ and test/, and
    `python -m retrain` keeps these subsets.
    """

    root: str = flag("", "csv: folder to which the paths are relative. Default: the folder of the CSV.")
    path_column: str = flag(
        "",
        "csv: column of the paths (or of names without suffix), given by its name in the header or its number from 1. Default: a column with a known name (path, filename, image, id, ...).",
    )
    label_column: str = flag(
        "", "csv: column of the labels. Default: a column with a known name (label, class, category, breed, ...)."
    )
    split_column: str = flag(
        "",
        "csv: column with the subset: train, validation or test. Default: a column with a known name (split, set, fold, is_test, ...). Use none to ignore such a column.",
    )
    split_values: str = flag(
        "", "csv: meaning of the values in that column if they are other words: 0=train,1=validation,2=test."
    )
    several_labels: str = flag(
        "refuse",
        "csv: treatment of a cell with several labels: refuse, first (use the first label), leave_out (do not copy the photo), whole (use the cell as one label).",
        choices=("refuse", "first", "leave_out", "whole"),
    )


def main(argv: Sequence[str]) -> int:
    """Runs `python -m retrain.convert`."""

    def work() -> None:
        command, words = parse(ConvertCommand, argv, PROGRAM)
        kind, src, dst = _parsed_words(words)
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
            raise RunError(f"cannot continue: {error.strerror}: {error.filename}; nothing was written") from None

    return exit_status("convert", work, lambda _: "stopped; nothing was written")


def convert(kind: str, src: Path, dst: Path, root: str = "", command: ConvertCommand | None = None) -> None:
    """Converts a data set; in case of an error, `dst` is left as it was.

    Args:
      kind: one of FORMATS.
      src: what to read.
      dst: the folder to make.
      root: see `ConvertCommand`.
      command: the other options, for the columns of a CSV.

    Raises:
      UserError: `src` does not exist or is something else; `dst` is not empty, or is inside `src`.
      RunError: a file is damaged.
    """
    from retrain.convert.image_folder import ImageFolder, check_place
    from retrain.files.atomic import replacing
    from retrain.progress import Progress

    place = dst.resolve()  # "new/.." is an existing folder
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
        check_place(place)  # another program may have written there meanwhile
    for line in source.interpretation:
        warn(line)
    for note in source.notes:
        warn(f"WARNING: {note}")
    say(f"{_counted(folder.counts)}, {len(folder.labels)} classes, in {dst}")
    say(f"python -m retrain --image_dir {shlex.quote(str(dst))}")


def _is_in(place: Path, folder: Path) -> bool:
    """Whether a place is an existing folder or inside it, under whatever names."""
    found = [one for one in (place, *place.parents) if one.exists()]
    return folder.is_dir() and found[0].is_dir() and any(one.samefile(folder) for one in found)


def _parsed_words(words: Sequence[str]) -> tuple[str, Path, Path]:
    if words and words[0] not in FORMATS:
        near = difflib.get_close_matches(words[0].lower(), FORMATS, 1, 0.5)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UserError(f"{words[0]!r} is not one of {', '.join(FORMATS)}{hint}")
    if len(words) != 3:
        raise UserError(f"found {len(words)} words, need 3: {PROGRAM} (see --help)")
    return words[0], Path(words[1]), Path(words[2])


def _opened(kind: str, src: Path, root: str, command: ConvertCommand) -> Source:
    """Opens the files; the libraries of a format are imported only when it is used."""
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
