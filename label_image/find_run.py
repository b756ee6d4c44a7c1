"""Finds the runs of `python -m retrain` by name, and the classifier of a run. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.model_kinds.table import kept_names

RUNS_DIR = Path("tf_files/runs")
RECORD = "run.json"
HOME = "tf_files"  # contains the runs, and the newest classifier under the usual names
_NAMED = 5  # number of runs that an error names


def run_folder(name: str, runs_dir: Path = RUNS_DIR, *, in_full: bool = False) -> Path:
    """Finds the folder of a run by its path, by its name in `runs_dir` or, unless `in_full`, by the beginning of that name.

    Raises:
      UserError: no run or several runs match.
    """
    given = Path(name)
    if name and given.is_dir() and is_run(given):
        return given
    if given.name == RECORD and given.is_file():
        return given.parent
    names = [path.name for path in all_runs(runs_dir)]
    fits = [one for one in names if one == name]
    if not fits and name and not in_full:
        fits = [one for one in names if one.startswith(name)]
    if len(fits) == 1:
        return runs_dir / fits[0]
    if fits:
        raise UserError(f"cannot choose a run: {name!r} matches {', '.join(fits[:_NAMED])}; give more of the name")
    there = f"the newest are {', '.join(names[-_NAMED:])}" if names else f"there is no run in {runs_dir}"
    raise UserError(f"cannot find the run {name!r}: {there} (python -m retrain.runs list shows all)")


def graph_of(folder: Path) -> Path:
    """Finds the classifier in a run's folder.

    Raises:
      RunError: there is none, or it was overwritten.
    """
    for name in kept_names():
        if (folder / name).exists():
            check_unchanged(folder, [name])
            return folder / name
    raise RunError(
        f"cannot find a classifier in the run {folder} (it wrote none, or an earlier version of the program made it); name a file with --graph"
    )


def check_unchanged(folder: Path, names: Sequence[str]) -> None:
    """Compares a run's files with the checksums in its record, because writing into tf_files/retrained.tflite changes the run's file too.

    Raises:
      RunError: a file is not the one that the run wrote.
    """
    import hashlib

    for name, digest in _digests(folder).items():
        path = folder / name
        if name in names and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise RunError(
                f"cannot use {path}: the file that this run wrote was overwritten (its SHA-256 differs from that "
                f"in {RECORD}); train again, or use it as it is with --graph={path}"
            )


def _digests(folder: Path) -> dict[str, str]:
    """Reads the SHA-256 of each of a run's files from its record; empty if the record has none."""
    import json

    try:
        exports = json.loads((folder / RECORD).read_text("utf-8", "surrogateescape"))["exports"]
        return {Path(one["kept"]).name: one["sha256"] for one in exports if one.get("kept") and one.get("sha256")}
    except (
        OSError,
        ValueError,
        LookupError,
        TypeError,
        AttributeError,
        RecursionError,
    ):  # the record is damaged or from an earlier version
        return {}


def all_runs(runs_dir: Path = RUNS_DIR) -> list[Path]:
    """Lists the folders of all runs, the newest last."""
    found = [path for path in runs_dir.glob("*") if not path.name.startswith(".") and is_run(path)]
    return sorted(found, key=lambda path: (_time_of(path), path.name))


def is_run(folder: Path) -> bool:
    """Returns whether a folder is a run: it contains a record or a classifier, and is not the folder that contains the runs."""
    if folder.resolve().name == HOME or (folder / "sets" / "newest").exists():
        return False
    return any((folder / name).exists() for name in (RECORD, *kept_names()))


def _time_of(folder: Path) -> float:
    record = folder / RECORD
    try:
        return (record if record.exists() else folder).stat().st_mtime
    except OSError:
        return 0.0
