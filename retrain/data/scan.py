"""Finds the photos of --image_dir, with labels and digests, and lists the files that are left out, with the reason.

No large package is loaded here. A file is judged by its content, not its name: its header is parsed, and all its bytes are
hashed. A file whose size, times and inode are as stored is not opened at all. Errors in the pixels themselves appear only
when the features are computed. `layout` determines the class of each folder.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from label_image.errors import PhotoError, UserError
from label_image.junk_files import is_junk
from label_image.photo_pixels import open_photo
from label_image.workers import cores, map_ordered
from retrain.data.comparable_names import composed
from retrain.data.directory_listing import count_files, entries, is_dir, leads_back
from retrain.data.layout import ClassFolder, FolderRules, class_folders
from retrain.data.split import Percentages
from retrain.files.hashing import file_digest
from retrain.store import known_files
from retrain.store.feature_store import Store
from retrain.store.known_files import KnownFile, stamp_of
from retrain.types import Photo, Scan, Skipped

FEW_PHOTOS = 20  # the original's warning
_SAME_FILE = "the same file again"
_BATCH_OF_DIGESTS = 1000  # at most this many digests are lost if the process is killed
# Two changes within one tick of the file system's clock have the same time. A time is therefore trusted only if its tick was
# over when the file was examined. Linux ticks every 1 to 10 ms; clocks that store whole seconds are coarse (FAT: 2 s).
_TICK_NS = 20_000_000
_COARSE_TICK_NS = 2_000_000_000
_SECOND_NS = 1_000_000_000


@dataclass
class _FolderPhotos:
    """The photos and other files of one class folder."""

    photos: list[Photo] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    nested: int = 0  # number of files in folders below it


class _File(NamedTuple):
    """A regular file, before it is opened."""

    path: str
    name: str
    stat: os.stat_result
    seen_ns: int  # when its status was read


def scan_photos(
    image_dir: str,
    store: Store,
    say: Callable[[str], None],
    rules: FolderRules = FolderRules(),  # noqa: B008 - frozen
    percentages: Percentages = Percentages(),  # noqa: B008
    *,
    strict: bool = False,
) -> Scan:
    """Finds the photos and refuses classes without photos.

    Args:
      image_dir: the folder, as typed.
      store: remembers digests of unchanged files.
      say: called for each class with the line that the original prints.
      rules: how folders are read as classes; its percentages are for subsets without a folder.
      strict: whether the first file that is not a photo ends the scan.

    Raises:
      UserError: as `class_folders`; also a class without photos and, if `strict`, a file that is not a photo.
    """
    folders, notes = class_folders(image_dir, rules, percentages)
    places = {os.path.realpath(folder.path) for folder in folders}
    photos: list[Photo] = []
    skipped: list[Skipped] = []
    seen: dict[str, str] = {}
    for folder in folders:
        say(f"Looking for images in '{folder.name}'")
        found = _scan_folder(folder, store, places, seen)
        _check_folder(folder, found, strict)
        if found.nested:
            notes.append(
                f"{found.nested} files in sub-folders of {folder.path} are not read; only files directly in {folder.name}/ are"
                f"{' (--nested=parts reads both)' if rules.nested == 'none' else ''}"
            )
        photos += found.photos
        skipped += found.skipped
    _check_parts(folders, photos, skipped)
    photos.sort(key=lambda photo: (photo.label, composed(photo.name), photo.path))
    return Scan(tuple(photos), tuple(skipped), tuple(notes))


def _check_folder(folder: ClassFolder, found: _FolderPhotos, strict: bool) -> None:
    """Refuses a class without photos, and if `strict`, a file that is not a photo."""
    bad = next((left_out for left_out in found.skipped if left_out.reason != _SAME_FILE), None)
    if bad and strict:
        detail = f": {bad.detail}" if bad.detail else ""
        raise UserError(f"cannot use {bad.path} ({bad.reason}{detail}); repair or remove it, or leave out --strict")
    if not found.photos and not folder.part:
        raise _no_photos(folder, found.skipped, found.nested)


def few_photo_notes(scan: Scan) -> list[str]:
    """Returns the original's warning for each class with few photos."""
    counts = Counter(photo.label for photo in scan.photos)
    return [
        f"WARNING: Folder has less than {FEW_PHOTOS} images, which may cause issues. ({label}: {count})"
        for label, count in sorted(counts.items())
        if count < FEW_PHOTOS
    ]


def _check_parts(folders: list[ClassFolder], photos: list[Photo], left_out: list[Skipped]) -> None:
    """Refuses a class whose folders contain no photo at all."""
    held = {photo.label for photo in photos}
    for folder in folders:
        if folder.part and folder.label not in held:
            below = [skipped for skipped in left_out if os.path.dirname(skipped.path) == folder.path]  # noqa: PTH120
            raise _no_photos(folder, below)


def _no_photos(folder: ClassFolder, left_out: list[Skipped], nested: int = 0) -> UserError:
    reasons = ", ".join(f"{count} x {reason}" for reason, count in Counter(s.reason for s in left_out).most_common())
    others = f", {len(left_out)} other files ({reasons})" if left_out else ""
    return UserError(
        f"cannot train the class {folder.label!r}: no photo in {folder.path}{others}"
        f"{f'; {nested} files are in folders below it, which --nested=parts reads' if nested else ''}; add photos or remove the folder"
    )


def _scan_folder(folder: ClassFolder, store: Store, places: set[str], seen: dict[str, str]) -> _FolderPhotos:
    """Finds the photos of one class folder.

    Args:
      folder: the class folder.
      store: remembers known files; new ones are added.
      places: the real paths of all class folders.
      seen: real path -> path of each file found so far; extended here.
    """
    found = _FolderPhotos()
    files = _files(folder, places, seen, found)
    real = os.path.realpath(folder.path)
    known = store.files(Path(real)) if _is_text(real) else {}
    gone = known.keys() - {file.name for file in files}
    if gone:
        store.forget_files(Path(real), gone)
    digests = {file.name: known[file.name].sha256 for file in files if _unchanged(known.get(file.name), file)}
    fresh = [file for file in files if file.name not in digests]
    learnt: dict[str, KnownFile] = {}
    try:
        for file, result in zip(fresh, map_ordered(lambda: _examine, fresh, cores()), strict=True):
            if isinstance(result, PhotoError):
                found.skipped.append(Skipped(file.path, result.reason, result.detail))
                continue
            digests[file.name] = result.sha256
            if _is_text(file.name) and _is_text(real):
                learnt[file.name] = result
            if len(learnt) >= _BATCH_OF_DIGESTS:
                store.remember_files(Path(real), learnt)
                learnt = {}
    finally:
        if learnt:
            store.remember_files(Path(real), learnt)
    found.photos = [
        Photo(file.path, folder.label, digests[file.name], folder.given) for file in files if file.name in digests
    ]
    found.skipped.sort(key=lambda left_out: left_out.path)
    return found


def _files(folder: ClassFolder, places: set[str], seen: dict[str, str], found: _FolderPhotos) -> list[_File]:
    """Returns each regular file of a class once; adds the files left out, and the count of nested ones, to `found`."""
    real_folder = os.path.realpath(folder.path)
    files = []
    for entry in entries(folder.path):
        path, seen_ns = entry.path, time.time_ns()
        if is_dir(entry):
            found.nested += 0 if leads_back(entry) or os.path.realpath(path) in places else count_files(path)
            continue
        try:
            status = entry.stat()
        except OSError as error:
            if error.errno != errno.ELOOP:  # circular links are ignored
                found.skipped.append(Skipped(path, *_reason_of(error)))
            continue
        if not stat.S_ISREG(status.st_mode):
            found.skipped.append(Skipped(path, "not a file", "a pipe, socket or device"))
            continue
        linked = entry.is_symlink()
        real = os.path.realpath(path) if linked else f"{real_folder}{os.sep}{entry.name}"
        if real in seen or (linked and _is_found(real, places)):
            found.skipped.append(Skipped(path, _SAME_FILE, seen.get(real, real)))
            continue
        seen[real] = path
        files.append(_File(path, entry.name, status, seen_ns))
    return files


def _is_found(real: str, places: set[str]) -> bool:
    """Whether a link points into a class folder, where the file is found without the link."""
    place, name = os.path.split(real)
    return place in places and not is_junk(name)


def _examine(file: _File) -> KnownFile | PhotoError:
    """Reads a file's header and computes its digest."""
    try:
        file = _settled(file)
        open_photo(file.path).close()
        known = _known(file, file_digest(file.path))
        after = _known(file._replace(stat=Path(file.path).stat()), known.sha256)
        return (
            known if after == known else known._replace(seen_ns=0)
        )  # changed meanwhile: it must be examined again next time
    except PhotoError as error:
        return error
    except OSError as error:
        return PhotoError(*_reason_of(error))


def _reason_of(error: OSError) -> tuple[str, str]:
    if isinstance(error, FileNotFoundError):
        return "not found", "a broken link, or just deleted"
    return "unreadable", error.strerror or str(error)


def _known(file: _File, sha256: str) -> KnownFile:
    size, mtime_ns, ctime_ns, inode, device = stamp_of(file.stat)
    return KnownFile(size, mtime_ns, sha256, ctime_ns, inode, device, file.seen_ns)


def _unchanged(known: KnownFile | None, file: _File) -> bool:
    """Whether the file still has the bytes that were hashed: its status is the same, and its times can be trusted.

    Times can be trusted if their clock tick was over when the file was examined; a time in the future never can.
    """
    if known is None or known[:2] + known[3:6] != stamp_of(file.stat):  # all fields but the digest and `seen_ns`
        return False
    return known.seen_ns - max(known.mtime_ns, known.ctime_ns) >= _tick_ns(known.ctime_ns or known.mtime_ns)


def _tick_ns(changed_ns: int) -> int:
    """Returns the longest tick of a clock that could have given this time."""
    return _TICK_NS if changed_ns % _SECOND_NS else _COARSE_TICK_NS


def _settled(file: _File) -> _File:
    """Reads the status of a file again after a clock tick if it was changed just now; returns any other file unchanged.

    The result can then be trusted in the next run. It waits only where a tick is short.
    """
    changed_ns = max(file.stat.st_mtime_ns, file.stat.st_ctime_ns if known_files.HAS_IDENTITY else 0)
    wait_ns = changed_ns + _TICK_NS - time.time_ns()
    if file.seen_ns - changed_ns >= _TICK_NS or wait_ns > _TICK_NS:
        return file
    time.sleep(max(0, wait_ns) / _SECOND_NS)
    seen_ns = time.time_ns()
    return file._replace(stat=Path(file.path).stat(), seen_ns=seen_ns)


def _is_text(path: str) -> bool:
    """Whether a path is valid UTF-8; the store cannot keep any other."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True
