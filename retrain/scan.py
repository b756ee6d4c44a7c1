"""A folder in, a Scan out: the photos that can be opened, their labels and digests, and what was left out and why.

Nothing heavy is loaded here. A file is judged by its content, not its name; only its header is read, and its bytes for
the digest; a file that the store knows by size and time is not opened at all. Whether every pixel can be read shows when
the features are computed.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import PhotoError, UserError
from label_image.pixels import open_photo
from label_image.workers import cores, map_ordered
from retrain.digest import file_digest
from retrain.nouns import TESTING, TRAINING, VALIDATION, Photo, Scan, Skipped
from retrain.plan import Plan
from retrain.store import KnownFile, Store

FEW_PHOTOS = 20  # the original's warning
_JUNK = {"thumbs.db", "desktop.ini", "__macosx", "icon\r"}
_LIST_FOLDERS = {
    **dict.fromkeys(("train", "training"), TRAINING),
    **dict.fromkeys(("val", "valid", "validation"), VALIDATION),
    **dict.fromkeys(("test", "testing"), TESTING),
}
_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic")
_SHOWN = 6  # names in a tree


@dataclass(frozen=True)
class _ClassFolder:
    """One folder of photos of one class."""

    path: Path
    label: str
    given: int | None  # the list, where a train/, validation/ or test/ folder says it


def scan_photos(plan: Plan, store: Store, say: Callable[[str], None]) -> Scan:
    """Finds the photos.

    Args:
      plan: image_dir, legacy_labels, strict.
      store: remembers digests of unchanged files.
      say: called with the original's line for each class.

    Raises:
      UserError: no such folder, no class, one class, a class without photos, two folders with one label, a folder
        one level too high or too low; with --strict, a file that is no photo.
    """
    root = Path(plan.image_dir)
    folders, notes = _class_folders(root, plan)
    photos: list[Photo] = []
    skipped: list[Skipped] = []
    seen: dict[str, str] = {}
    for folder in folders:
        say(f"Looking for images in '{folder.path.name}'")
        found, left_out, nested = _photos_of(folder, store, seen)
        if left_out and plan.strict:
            raise UserError(
                f"cannot use {left_out[0].path} ({left_out[0].reason}: {left_out[0].detail}); mend or remove it, or leave out --strict"
            )
        if not found and folder.given is None:
            raise _no_photos(root, folder, left_out, nested)
        if nested:
            notes.append(
                f"{nested} files in sub-folders of {folder.path} are not read; only {folder.path.name}/ itself is"
            )
        photos += found
        skipped += left_out
    scan = Scan(
        tuple(sorted(photos, key=lambda photo: (photo.label, photo.name, photo.path))), tuple(skipped), tuple(notes)
    )
    if len(scan.labels) < 2:
        raise UserError(
            f"cannot train on one class: found only {scan.labels[0]!r} in {root}; add a second folder of photos beside it"
        )
    return scan


def few_photo_notes(scan: Scan) -> list[str]:
    """The original's warning for classes with few photos."""
    counts = Counter(photo.label for photo in scan.photos)
    return [
        f"WARNING: Folder has less than {FEW_PHOTOS} images, which may cause issues. ({label}: {count})"
        for label, count in sorted(counts.items())
        if count < FEW_PHOTOS
    ]


def legacy_label(name: str) -> str:
    """A folder's name as the original wrote it.

    >>> legacy_label("Rose_Red-2")
    'rose red 2'
    """
    return re.sub(r"[^a-z0-9]+", " ", name.lower())


def _class_folders(root: Path, plan: Plan) -> tuple[list[_ClassFolder], list[str]]:
    if not root.exists():
        raise UserError(f"cannot read --image_dir={root}: no such folder (looked in {Path.cwd()})")
    if not root.is_dir():
        raise UserError(f"cannot read --image_dir={root}: it is a file; unpack it, and give the folder of photos")
    names = _sub_folders(root)
    lists = {name: _LIST_FOLDERS[name.lower()] for name in names if name.lower() in _LIST_FOLDERS}
    if not names:
        raise _too_low(root)
    if lists and len(lists) == len(names) and TRAINING in lists.values():
        folders = [
            _class_folder(root / name / label, plan, given)
            for name, given in lists.items()
            for label in _sub_folders(root / name)
        ]
        notes = [f"the folders {', '.join(lists)} say which list a photo belongs to; that is kept"]
        if not folders:
            raise _too_low(root / next(iter(lists)))
        _check_labels(folders)
        return folders, notes
    folders = [_class_folder(root / name, plan, None) for name in names]
    _check_labels(folders)
    _check_level(root, names)
    return folders, []


def _class_folder(path: Path, plan: Plan, given: int | None) -> _ClassFolder:
    label = legacy_label(path.name) if plan.legacy_labels else path.name
    try:
        label.encode()
    except UnicodeEncodeError:
        raise UserError(f"cannot use the folder {os.fsencode(path)!r}: its name is not UTF-8; rename it") from None
    if "\n" in label or "\r" in label or not label.strip():
        raise UserError(
            f"cannot use the folder {str(path)!r}: its label would be {label!r}, and a labels file has one name a line; rename it"
        )
    return _ClassFolder(path, label, given)


def _check_labels(folders: Sequence[_ClassFolder]) -> None:
    taken: dict[tuple[str, int | None], Path] = {}
    for folder in folders:
        other = taken.setdefault((folder.label, folder.given), folder.path)
        if other != folder.path:
            raise UserError(
                f"two folders have the label {folder.label!r}: {other} and {folder.path}; rename one, or leave out --legacy_labels"
            )


def _check_level(root: Path, names: Sequence[str]) -> None:
    """Recognises a folder one level too high: no photo in any class folder, but folders with photos in them."""
    deeper = [root / name for name in names if _sub_folders(root / name)]
    if any(_has_files(root / name) for name in names) or not deeper:
        return
    below = next((folder for folder in deeper if any(_has_files(folder / name) for name in _sub_folders(folder))), None)
    if below:
        raise UserError(
            f"--image_dir={root} is one level too high: its folders hold folders, not photos; give --image_dir={below}\n"
            f"seen:      {_tree(root, below)}\nexpected:  {root.name}/CLASS/photo.jpg"
        )


def _too_low(root: Path) -> UserError:
    files = [
        name for name in sorted(entry.name for entry in os.scandir(root)) if name.lower().endswith(_PICTURE_SUFFIXES)
    ]
    if files:
        return UserError(
            f"--image_dir={root} is one level too low: it holds photos itself, and no folder a class; give the folder above: --image_dir={root.parent}\n"
            f"seen:      {root.name}/{files[0]} and {len(files) - 1} more\nexpected:  {root.parent.name or 'photos'}/{root.name}/{files[0]}"
        )
    return UserError(
        f"no photos in --image_dir={root}: it has no sub-folders\nseen:      {root.name}/ (empty)\nexpected:  {root.name}/CLASS/photo.jpg"
    )


def _tree(root: Path, below: Path) -> str:
    names = _sub_folders(below)
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"{root.name}/{below.name}/{{{shown}}}/"


def _no_photos(root: Path, folder: _ClassFolder, left_out: Sequence[Skipped], nested: int) -> UserError:
    where = f"cannot train the class {folder.label!r}: no photo in {folder.path}"
    if left_out:
        reasons = ", ".join(
            f"{count} x {reason}" for reason, count in Counter(s.reason for s in left_out).most_common()
        )
        return UserError(f"{where}, {len(left_out)} other files ({reasons}); add photos or remove the folder")
    if nested:
        return UserError(f"{where} itself, {nested} files in its sub-folders; move them up one level")
    return UserError(f"{where}; add photos or remove the folder (each folder in {root} is a class)")


def _photos_of(folder: _ClassFolder, store: Store, seen: dict[str, str]) -> tuple[list[Photo], list[Skipped], int]:
    """The photos of one class, what was left out, and how many files lie deeper."""
    known = store.files(folder.path)
    names, skipped, nested = [], [], 0
    for entry in sorted(os.scandir(folder.path), key=lambda entry: entry.name):
        if _is_junk(entry.name):
            continue
        if entry.is_dir():
            nested += sum(not _is_junk(below.name) for below in os.scandir(entry.path))
            continue
        real = os.path.realpath(entry.path)
        if real in seen:
            skipped.append(Skipped(entry.path, "the same file again", f"a link to {seen[real]}"))
            continue
        seen[real] = entry.path
        names.append(entry.name)
    examine = _Examiner(str(folder.path), known)
    photos, fresh = [], {}
    for name, result in zip(names, map_ordered(lambda: examine, names, cores()), strict=True):
        path = os.path.join(folder.path, name)  # noqa: PTH118 - the path as typed, not normalised
        if isinstance(result, PhotoError):
            skipped.append(Skipped(path, result.reason, result.detail))
            continue
        photos.append(Photo(path, folder.label, result.sha256, folder.given))
        if result is not known.get(name):
            fresh[name] = result
    if fresh:
        store.remember_files(folder.path, fresh)
    return photos, skipped, nested


class _Examiner:
    """Opens a file's header and reads its digest, unless it is known and has not changed."""

    def __init__(self, folder: str, known: dict[str, KnownFile]) -> None:
        self._folder, self._known = folder, known

    def __call__(self, name: str) -> KnownFile | PhotoError:
        path = os.path.join(self._folder, name)  # noqa: PTH118 - speed: a million of them
        try:
            stat = os.stat(path)  # noqa: PTH116
            known = self._known.get(name)
            if known and (known.size, known.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
                return known
            open_photo(path).close()
            return KnownFile(stat.st_size, stat.st_mtime_ns, file_digest(path))
        except PhotoError as error:
            return error
        except OSError as error:
            return PhotoError("not to be read", error.strerror or str(error))


def _sub_folders(root: Path) -> list[str]:
    """Names of the folders in a folder, sorted; hidden ones, junk and links back up are left out."""
    try:
        entries = sorted(os.scandir(root), key=lambda entry: entry.name)
    except PermissionError:
        raise UserError(
            f"cannot read the folder {root}: no permission; change it, or copy the photos elsewhere"
        ) from None
    here = os.path.realpath(root)
    names = []
    for entry in entries:
        if _is_junk(entry.name) or not entry.is_dir():
            continue
        real = os.path.realpath(entry.path)
        if entry.is_symlink() and (here + os.sep).startswith(real + os.sep):
            continue  # a circle
        names.append(entry.name)
    return names


def _has_files(folder: Path) -> bool:
    return any(entry.is_file() and not _is_junk(entry.name) for entry in os.scandir(folder))


def _is_junk(name: str) -> bool:
    return name.startswith(".") or name.lower() in _JUNK
