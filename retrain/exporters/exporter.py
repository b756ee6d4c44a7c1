"""Defines what the file of an export format supplies: functions that write and verify it, of which most have a default."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from label_image.model_metadata import Metadata
from retrain.exporters.expected import Expected
from retrain.exporters.stated import restate
from retrain.types import Backbone, Head


class Verified(NamedTuple):
    """The result of an earlier verification, which makes running the export unnecessary."""

    difference: float  # the largest, of a score
    how: str  # for people


@dataclass(frozen=True)
class Exporter:
    """Writes and verifies one export format; only `write` is required.

    Attributes:
      write: writes the file or folder.
      missing: what has to be installed and is not, with the command that installs it; "" where nothing is missing. Gets
        whether the network is the default one, with one layer on it, of which more may be known.
      unverifiable: after training, why it cannot be verified here, and so is not written; "" where it can.
      holds: of a folder, the names that it may hold; all of them go when it is replaced.
      model: the file to run, in what was written.
      check_form: raises RunError where the form of that file is wrong, before it is run. Gets the file, the name that the
        export is to get, and what is expected of it.
      known: what an earlier run showed of just this file; None where it has to be run.
      remember: keeps for later runs that the file was run, and the largest difference of a score.
      restate: exchanges the figures in the metadata of what was written.
      self_test: the last check, once the file was verified; what it did, for people.
      readers: the programs of others that read this format (see `other_programs`), if they are installed.
    """

    write: Callable[[Path, Head, Backbone, Metadata], None]
    missing: Callable[[bool], str] = lambda _default: ""
    unverifiable: Callable[[Backbone, Head], str] = lambda _backbone, _head: ""
    holds: tuple[str, ...] = ()
    model: Callable[[Path], Path] = lambda path: path
    check_form: Callable[[Path, Path, Expected], None] = lambda _file, _name, _expected: None
    known: Callable[[Path, Expected], Verified | None] = lambda _path, _expected: None
    remember: Callable[[Expected, float], None] = lambda _expected, _difference: None
    restate: Callable[[Path, Metadata, Metadata], None] = restate
    self_test: Callable[[Path, Expected], str] = lambda _path, _expected: ""
    readers: tuple[str, ...] = ()
