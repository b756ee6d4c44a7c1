"""The runs that `python -m retrain` left: the folder of one by its name, and the classifier in it. Imports nothing heavy."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.model_kinds.table import kept_names

RUNS_DIR = Path("tf_files/runs")
RECORD = "run.json"
HOME = "tf_files"  # holds the runs, and under the usual names the newest classifier
_NAMED = 5  # runs that an error names


def run_folder(name: str, runs_dir: Path = RUNS_DIR, *, in_full: bool = False) -> Path:
    """The folder of a run: its path, its name in `runs_dir`, or, unless it has to be in full, the beginning of one such name.

    Raises:
      UserError: there is none, or there are several.
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
        raise UserError(f"{name!r} could mean {', '.join(fits[:_NAMED])}: write more of the name")
    there = f"the newest are {', '.join(names[-_NAMED:])}" if names else f"there is no run in {runs_dir}"
    raise UserError(f"found no run {name!r}: {there} (python -m retrain.runs list shows all)")


def graph_of(folder: Path) -> Path:
    """The classifier that a run keeps in its folder.

    Raises:
      RunError: it keeps none, or it was written over.
    """
    for name in kept_names():
        if (folder / name).exists():
            check_unchanged(folder, [name])
            return folder / name
    raise RunError(
        f"the run {folder} keeps no classifier (it wrote none, or an earlier version made it); name a file with --graph"
    )


def check_unchanged(folder: Path, names: Sequence[str]) -> None:
    """Holds what a run keeps against its record: who writes into tf_files/retrained.tflite writes into the run's file too.

    Raises:
      RunError: a file is not the one that the run made.
    """
    import hashlib

    for name, digest in _digests(folder).items():
        path = folder / name
        if name in names and path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise RunError(
                f"cannot use {path}: it is not the file that this run made, which was written over (its sha256 is not that "
                f"in {RECORD}); train again, or take it as it is with --graph={path}"
            )


def _digests(folder: Path) -> dict[str, str]:
    """The files that a run made, and the sha256 of each; none where the record does not say it."""
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
    ):  # an earlier version's, or damaged
        return {}


def all_runs(runs_dir: Path = RUNS_DIR) -> list[Path]:
    """The folders of all runs, the newest last."""
    found = [path for path in runs_dir.glob("*") if not path.name.startswith(".") and is_run(path)]
    return sorted(found, key=lambda path: (_time_of(path), path.name))


def is_run(folder: Path) -> bool:
    """Whether that is what a run left: it holds a record, or a classifier, and is not what holds the runs too."""
    if folder.resolve().name == HOME or (folder / "sets" / "newest").exists():
        return False
    return any((folder / name).exists() for name in (RECORD, *kept_names()))


def _time_of(folder: Path) -> float:
    record = folder / RECORD
    try:
        return (record if record.exists() else folder).stat().st_mtime
    except OSError:
        return 0.0
