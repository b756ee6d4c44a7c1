"""A file is known by all that the system says of it: however photos are exchanged, a scan gives the digests of their bytes."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import sqlite3
import time
import zipfile
from contextlib import closing
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image

from retrain.data import scan
from retrain.data.scan import scan_photos
from retrain.files.hashing import file_digest
from retrain.store import known_files
from retrain.store.feature_store import FORMAT, Store, key_of
from retrain.store.known_files import KnownFile

THEN = 1_700_000_000  # seconds, when the photos say that they were taken


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "bottlenecks")) as opened:
        yield opened


@pytest.fixture
def frames(tmp_path):
    """Two classes of three BMP frames each, as they come out of a zip: one size, one time."""
    for number, (label, name) in enumerate(itertools.product(("daisy", "rose"), "abc")):
        path = tmp_path / "frames" / label / f"{name}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8, 3), 40 * number, np.uint8)).save(path)
        os.utime(path, (THEN, THEN))
    return tmp_path / "frames"


def scanned(frames, store):
    """Path -> digest, as the scan says it."""
    return {photo.path: photo.sha256 for photo in scan_photos(str(frames), store, lambda _: None).photos}


def true_digests(frames):
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in frames.glob("*/*.bmp")}


def swapped_by_mv(frames):
    one, other = frames / "daisy/a.bmp", frames / "rose/a.bmp"
    one.rename(frames / "x")
    other.rename(one)
    (frames / "x").rename(other)


def swapped_class_folders(frames):
    (frames / "daisy").rename(frames / "x")
    (frames / "rose").rename(frames / "daisy")
    (frames / "x").rename(frames / "rose")


def a_replaced_class_folder(frames):
    shutil.copytree(frames / "rose", frames.parent / "copy", copy_function=shutil.copy2)
    shutil.rmtree(frames / "daisy")
    (frames.parent / "copy").rename(frames / "daisy")


def copied_over_with_its_time(frames):  # cp -p, rsync -t --inplace
    shutil.copy2(frames / "rose/a.bmp", frames / "daisy/a.bmp")


def replaced_by_a_copy_with_its_time(frames):  # rsync -t, tar, which write a new file and rename it
    shutil.copy2(frames / "rose/a.bmp", frames / "daisy/.a.bmp.Xy12")
    (frames / "daisy/.a.bmp.Xy12").rename(frames / "daisy/a.bmp")


def edited_in_place_and_touched(frames):  # an editor, then touch -r
    with (frames / "daisy/a.bmp").open("r+b") as file:
        file.seek(-4, os.SEEK_END)
        file.write(b"\x07\x07\x07\x07")
    os.utime(frames / "daisy/a.bmp", (THEN, THEN))


def unpacked_from_a_zip(frames):
    with zipfile.ZipFile(frames.parent / "a.zip", "w") as archive:
        archive.write(frames / "rose/a.bmp", "a.bmp")
    with zipfile.ZipFile(frames.parent / "a.zip") as archive:
        archive.extract("a.bmp", frames / "daisy")
    os.utime(frames / "daisy/a.bmp", (THEN, THEN))


def written_through_a_hard_link(frames):
    os.link(frames / "daisy/a.bmp", frames.parent / "link.bmp")
    shutil.copy2(frames / "rose/a.bmp", frames.parent / "link.bmp")


def a_hard_link_in_its_place(frames):
    (frames / "daisy/a.bmp").unlink()
    os.link(frames / "rose/a.bmp", frames / "daisy/a.bmp")


WAYS = (
    swapped_by_mv, swapped_class_folders, a_replaced_class_folder, copied_over_with_its_time,
    replaced_by_a_copy_with_its_time, edited_in_place_and_touched, unpacked_from_a_zip, written_through_a_hard_link,
    a_hard_link_in_its_place,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("at_once", [True, False])
def test_photos_exchanged_with_size_and_time_kept_are_read_again(frames, store, way, at_once):
    before = scanned(frames, store)
    assert before == true_digests(frames)
    if not at_once:
        time.sleep(0.03)  # the clock has ticked
        scanned(frames, store)
    way(frames)
    after = scanned(frames, store)
    assert after != before
    assert after == true_digests(frames)
    assert scanned(frames, store) == after


def test_a_link_that_points_elsewhere_now_is_read_again(frames, store, tmp_path):
    for name in "ab":
        shutil.copy2(frames / "rose" / f"{name}.bmp", tmp_path / f"{name}.bmp")
        with (tmp_path / f"{name}.bmp").open("r+b") as file:
            file.seek(-1, os.SEEK_END)
            file.write(b"\x01")
        os.utime(tmp_path / f"{name}.bmp", (THEN, THEN))
    link = frames / "daisy/link.bmp"
    link.symlink_to(tmp_path / "a.bmp")
    scanned(frames, store)
    link.unlink()
    link.symlink_to(tmp_path / "b.bmp")
    assert scanned(frames, store)[str(link)] == hashlib.sha256((tmp_path / "b.bmp").read_bytes()).hexdigest()


SECOND = 10**9


@pytest.mark.parametrize(
    ("mtime", "ctime", "seen", "believed"),
    [
        (5 * SECOND, 7 * SECOND + 1, 7 * SECOND + 20_000_001, True),  # a fine clock: its tick was over
        (5 * SECOND, 7 * SECOND + 1, 7 * SECOND + 19_000_001, False),
        (5 * SECOND, 8 * SECOND, 10 * SECOND, True),  # whole seconds: FAT knows every second one
        (5 * SECOND, 8 * SECOND, 10 * SECOND - 1, False),
        (5 * SECOND, 0, 7 * SECOND, True),  # no ctime, as on Windows
        (5 * SECOND, 0, 7 * SECOND - 1, False),
        (9 * SECOND + 1, 7 * SECOND + 1, 9 * SECOND, False),  # a time in the future: the clock was set back
        (5 * SECOND, 9 * SECOND + 1, 9 * SECOND, False),
        (5 * SECOND, 7 * SECOND + 1, 0, False),  # changed while it was read
    ],
)
def test_a_time_is_believed_only_where_it_was_over_when_the_file_was_looked_at(
    monkeypatch, mtime, ctime, seen, believed
):
    monkeypatch.setattr(known_files, "HAS_IDENTITY", ctime > 0)
    known = KnownFile(10, mtime, "aa" * 32, ctime, 3 if ctime else 0, 4 if ctime else 0, seen)

    class Status:
        st_size, st_mtime_ns, st_ctime_ns, st_ino, st_dev = 10, mtime, ctime, 3, 4

    assert scan._unchanged(known, scan._File("a", "a", cast("os.stat_result", Status), 99 * SECOND)) is believed


def test_a_file_on_a_coarse_clock_is_read_again_until_its_time_is_over(frames, store, monkeypatch):
    scanned(frames, store)
    known = store.files(frames / "daisy")
    coarse = {name: file._replace(ctime_ns=0, seen_ns=file.mtime_ns + SECOND) for name, file in known.items()}
    store.remember_files(frames / "daisy", coarse)
    read = []
    real = file_digest
    monkeypatch.setattr(scan, "file_digest", lambda path: (read.append(path), real(path))[1])
    monkeypatch.setattr(known_files, "HAS_IDENTITY", False)
    scanned(frames, store)
    assert sorted(Path(path).name for path in read if "daisy" in path) == ["a.bmp", "b.bmp", "c.bmp"]


def test_a_file_that_changes_while_it_is_read_is_not_believed_next_time(frames, store, monkeypatch):
    real = file_digest

    def changing(path):
        digest = real(path)
        if path.endswith("daisy/a.bmp") and frames.is_dir():
            copied_over_with_its_time(frames)
        return digest

    with monkeypatch.context() as patch:
        patch.setattr(scan, "file_digest", changing)
        scanned(frames, store)
    assert scanned(frames, store) == true_digests(frames)


def test_files_that_are_gone_are_forgotten(frames, store):
    scanned(frames, store)
    (frames / "daisy/a.bmp").unlink()
    scanned(frames, store)
    assert set(store.files(frames / "daisy")) == {"b.bmp", "c.bmp"}


# The table


def test_a_store_of_an_older_version_opens_and_keeps_its_features(frames, tmp_path):
    """Its table of files knew sizes and times alone: of what is there, nothing is believed."""
    key, row = key_of(backbone="b"), np.arange(4, dtype=np.float32)
    with closing(Store(tmp_path / "old")) as store:
        store.write(key, [("ab" * 32, row)])
    with closing(sqlite3.connect(tmp_path / "old" / "bottlenecks.sqlite")) as database:
        database.execute("DROP TABLE known_file")
        stale = (os.fsencode(frames / "daisy"), b"a.bmp", (frames / "daisy/a.bmp").stat().st_size, THEN * SECOND)
        database.execute("INSERT INTO file VALUES (?, ?, ?, ?, ?)", (*stale, b"\xcd" * 32))
        database.commit()
        assert database.execute("PRAGMA user_version").fetchone() == (FORMAT,)
    with closing(Store(tmp_path / "old")) as store:
        features, found = store.read(key, ["ab" * 32], 4)
        assert found.all()
        assert features[0].tolist() == row.tolist()
        assert scanned(frames, store) == true_digests(frames)
        assert store.notes == []
    with closing(sqlite3.connect(tmp_path / "old" / "bottlenecks.sqlite")) as database:  # the older version goes on too
        assert len(database.execute("SELECT * FROM file").fetchall()) == 1


def test_no_flipped_byte_in_the_table_of_files_gives_a_wrong_digest(tmp_path):
    right = {f"{n}.jpg": KnownFile(n, n, hashlib.sha256(b"%d" % n).hexdigest(), n, n, n, n) for n in range(1, 40)}
    with closing(Store(tmp_path / "whole")) as store:
        store.remember_files(tmp_path, right)
        connection = store._database.connection
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'known_file'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    whole = (tmp_path / "whole" / "bottlenecks.sqlite").read_bytes()
    rng = np.random.default_rng(0)
    used = [at for at in range((page - 1) * size, page * size) if whole[at]]
    for at, flip in zip(rng.choice(used, 150, replace=False).tolist(), rng.integers(1, 256, 150), strict=True):
        folder = tmp_path / "flipped"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        damaged = bytearray(whole)
        damaged[at] ^= int(flip)
        (folder / "bottlenecks.sqlite").write_bytes(damaged)
        with closing(Store(folder)) as store:
            assert store.files(tmp_path).items() <= right.items()
