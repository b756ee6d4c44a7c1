"""Defines the functions that the module of an export format supplies to write and verify it; most have a default."""

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
    """The result of an earlier verification, so that an export does not have to be run again."""

    difference: float  # the largest difference of a score
    how: str  # how it was verified, for the user


@dataclass(frozen=True)
class Exporter:
    """How an export format is written and verified; all functions except `write` are optional.

    Attributes:
      write: writes the file or folder.
      missing: names packages that are not installed, with the command that installs them; "" if none is missing. Its argument says
        whether the network is the default one with a single layer, for which some formats need fewer packages.
      unverifiable: called after training; explains why the format cannot be verified here and is not written; "" if it can.
      holds: for a folder, the names that it may contain; all of them are deleted when it is replaced.
      model: for a folder, the name of the file to run.
      check_form: raises RunError if the structure of the file is wrong, before it is run. Gets the file, the final path of the
        export, and the expected results.
      known: returns the result of an earlier verification of an equal file; None if the file has to be run.
      remember: stores the result of a verification for later runs: the largest difference of a score.
      restate: replaces the test results in the metadata of what was written.
      self_test: makes the last check, after the verification; returns a description for the user.
      readers: other programs that read this format, if they are installed (see `other_programs`).
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
