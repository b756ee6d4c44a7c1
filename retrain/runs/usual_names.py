"""Makes the usual names in tf_files refer to the exports of one run; all names change at once.

    tf_files/retrained.tflite      -> sets/newest/retrained.tflite
    tf_files/retrained_labels.txt  -> sets/newest/retrained_labels.txt
    tf_files/sets/newest           -> 20261121-182732-efficientnet_lite0      the one link that is changed
    tf_files/sets/20261121-182732-efficientnet_lite0/                         hard links to what the run keeps

Two files cannot be renamed at once, but their names can be links through one common link. Before that link is renamed, all
names refer to the earlier set; afterwards, all refer to the new one, whenever a run is killed. A set has hard links of its
own to the run's files, so that a user who removes tf_files/runs still has a classifier. The previous set stays until the
next change, for programs that are just opening its files.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image import find_run
from label_image.find_run import is_run
from retrain.exporters.table import EXPORT_FORMATS
from retrain.files.atomic import exchange, replacing, sync_folder
from retrain.files.hard_links import second_name
from retrain.files.temporary_names import clear, remove, temporary

HOME = Path(find_run.HOME)
LABELS, CHECKPOINT = "retrained_labels.txt", "retrain_checkpoint.npz"
NAMES = (
    *(name for row in EXPORT_FORMATS if row.by_default for name in row.kept_names),
    LABELS,
    CHECKPOINT,
    *(name for row in EXPORT_FORMATS if not row.by_default for name in row.kept_names),
)
_FOLDERS = tuple(row.kept for row in EXPORT_FORMATS if row.is_folder)
_SETS, _NEWEST, ABOUT = "sets", "newest", "set.json"


class NoLinksError(Exception):
    """This disk or system has no symbolic links."""


@dataclass(frozen=True)
class Earlier:
    """What the usual names referred to before."""

    run: str = ""  # the folder of the earlier run; "" if there was none
    about: str = ""  # the photos that it was trained on
    gone: tuple[str, ...] = ()  # usual names that were removed because the new set does not have them


def newest_run(home: Path) -> Path | None:
    """Returns the folder of the run that the usual names refer to; None if there is none, or it was deleted."""
    run = _about(home).get("run", "")
    return Path(run) if run and Path(run).is_dir() else None


def is_usual(target: Path) -> bool:
    """Whether a path is one of the usual names in a folder tf_files, and not a link that the user made."""
    return (
        target.name in NAMES and target.parent.name == HOME.name and (not target.is_symlink() or _leads_through(target))
    )


def change(home: Path, run: Path, names: Sequence[str], about: str, runs_dir: Path) -> Earlier:
    """Makes the usual names refer to the exports of a run.

    Args:
      home: tf_files.
      run: the folder of the run.
      names: those of NAMES that the run exported; the others are removed from `home` if they belong to an earlier set.
      about: the photos of the run.
      runs_dir: files with usual names that belong to no run are moved to a new folder there.

    Raises:
      NoLinksError: nothing was changed, because the disk does not support symbolic links.
      OSError: a file cannot be written.
    """
    sets = home / _SETS
    sets.mkdir(parents=True, exist_ok=True)
    clear(sets)
    clear(home)
    before = _about(home)
    had = {name for name in NAMES if (home / name).exists()}
    _try_links(sets)
    _straighten(sets)
    made = _built(sets, run, names, about)
    strangers = [name for name in NAMES if os.path.lexists(home / name) and not (home / name).is_symlink()]
    if strangers:
        kept = keep_strangers(home, strangers, runs_dir)
        before = before or {"run": str(kept), "about": ""}
        if not os.path.lexists(
            sets / _NEWEST
        ):  # the first set here: the old files become one, so that all change at once
            _point(sets / _NEWEST, _built(sets, kept, sorted(had), "").name)
            for name in strangers:
                _make_link(home / name)
    last = _switch(home, made, names, strangers)
    _tidy(sets, keep={made.name, last})
    gone = tuple(name for name in NAMES if name in had and name not in names and not (home / name).exists())
    return Earlier(before.get("run", ""), before.get("about", ""), gone)


def _switch(home: Path, made: Path, names: Sequence[str], strangers: Sequence[str]) -> str:
    """Makes the usual names refer to a set that was made; returns the name of the previous set."""
    sets = made.parent
    for name in names:
        if not os.path.lexists(home / name):
            _make_link(home / name)
    sync_folder(home)
    last = _target(sets)
    _point(sets / _NEWEST, made.name)
    for name in strangers:  # when a set existed already
        if not (home / name).is_symlink():
            _make_link(home / name)
    for name in NAMES:
        if name not in names and _leads_through(home / name):
            (home / name).unlink(missing_ok=True)
    sync_folder(home)
    return last


def keep_strangers(home: Path, names: Sequence[str], runs_dir: Path) -> Path:
    """Keeps files that belong to no run, from an earlier version or from the user, in a folder beside the runs.

    Returns:
      the folder, `<time of the newest file>-earlier`.
    """
    when = max((home / name).stat().st_mtime for name in names)
    folder = runs_dir / f"{time.strftime('%Y%m%d-%H%M%S', time.localtime(when))}-earlier"
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        place, number = folder / name, 2
        while os.path.lexists(place) and not _same(home / name, place):
            place, number = folder / f"{number}-{name}", number + 1
        if not os.path.lexists(place):
            with replacing(place) as scratch:
                second_name(home / name, scratch)
    return folder


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.is_file() and one.samefile(other)
    return False


def _built(sets: Path, run: Path, names: Sequence[str], about: str) -> Path:
    """Makes a new folder in `sets` with hard links to the exports of a run."""
    place, number = sets / run.name, 2
    while os.path.lexists(place):
        place, number = sets / f"{run.name}-{number}", number + 1
    with replacing(place) as scratch:
        scratch.mkdir()
        for name in names:
            if (run / name).exists():
                second_name(run / name, scratch / name)
        where = os.path.relpath(run) if run.resolve().is_relative_to(Path.cwd()) else str(run.resolve())
        (scratch / ABOUT).write_text(json.dumps({"run": where, "about": about}), "utf-8", "surrogateescape")
    return place


def _try_links(sets: Path) -> None:
    scratch = temporary(sets / "link")
    try:
        remove(scratch)
        scratch.symlink_to(_NEWEST)
    except (OSError, NotImplementedError) as error:
        raise NoLinksError(str(error)) from None
    finally:
        remove(scratch)


def _straighten(sets: Path) -> None:
    """Makes `newest` a link again after tf_files was copied by a program that follows links."""
    newest = sets / _NEWEST
    if newest.is_dir() and not newest.is_symlink():
        number = 1
        while os.path.lexists(place := sets / f"copied-{number}"):
            number += 1
        newest.rename(place)
        _point(newest, place.name)


def _make_link(name: Path) -> None:
    """Makes a usual name a link through `newest`; replaces whatever has that name now."""
    scratch = temporary(name)
    remove(scratch)
    scratch.symlink_to(f"{_SETS}/{_NEWEST}/{name.name}", target_is_directory=name.name in _FOLDERS)
    try:
        if name.is_dir() and not name.is_symlink() and not exchange(scratch, name):
            old = temporary(name, "old")
            name.rename(old)
            scratch.rename(name)
            remove(old)
        elif scratch.is_symlink():
            scratch.replace(name)
    finally:
        remove(scratch)


def _point(link: Path, target: str) -> None:
    """Makes `newest` refer to another set, with the one rename that changes all names."""
    scratch = temporary(link)
    remove(scratch)
    scratch.symlink_to(target, target_is_directory=True)
    scratch.replace(link)
    sync_folder(link.parent)


def _target(sets: Path) -> str:
    try:
        return str((sets / _NEWEST).readlink())
    except OSError:
        return ""


def _leads_through(name: Path) -> bool:
    try:
        return name.readlink().as_posix() == f"{_SETS}/{_NEWEST}/{name.name}"
    except OSError:
        return False


def _about(home: Path) -> Mapping[str, str]:
    try:
        known = json.loads((home / _SETS / _NEWEST / ABOUT).read_text("utf-8", "surrogateescape"))
        return {key: str(known[key]) for key in ("run", "about")}
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return {}


def _tidy(sets: Path, keep: set[str]) -> None:
    """Removes the sets that no name refers to any more."""
    for folder in _others(sets, keep):
        with contextlib.suppress(OSError):
            scratch = temporary(folder)
            folder.rename(scratch)
            remove(scratch)


def _others(sets: Path, keep: set[str]) -> Iterator[Path]:
    for path in sorted(sets.iterdir()):
        if path.name not in keep and not path.name.startswith(".") and path.is_dir() and not path.is_symlink():
            yield path


def is_newest(home: Path, run: Path) -> bool:
    """Whether the usual names refer to the exports of that run."""
    found = newest_run(home)
    return found is not None and is_run(run) and os.path.realpath(found) == os.path.realpath(run)
