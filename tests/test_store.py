"""Features on disk: what was kept comes back bit by bit, or not at all and then it is said."""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import tracemalloc
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_image.errors import RunError
from retrain.store import feature_store as store_file
from retrain.store import sqlite_file
from retrain.store.feature_store import FORMAT, Store, key_of
from retrain.store.known_files import KnownFile
from tests.conftest import ROOT

KEY = key_of(backbone="b", view="plain")
WIDTH = 6
KEEPS_FOR_EVER = """
import sys
from pathlib import Path
from retrain.store.feature_store import Store
from tests.test_store import KEY, some_rows
store, first = Store(Path(sys.argv[1])), int(sys.argv[2])
for batch in range(first, int(sys.argv[3])):
    store.write(KEY, some_rows(range(20 * batch, 20 * batch + 20)))
    print(batch, flush=True)
store.close()
"""


def digest(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def some_rows(numbers, width=WIDTH):
    return [(digest(number), np.float32(number) + np.arange(width, dtype=np.float32)) for number in numbers]


def right(read, numbers):
    """Whether each row is there and right; raises where one is there and wrong."""
    features, found = read
    for row, there, number in zip(features, found, numbers, strict=True):
        assert row.tolist() == (some_rows([number])[0][1].tolist() if there else [0.0] * len(row))
    return bool(found.all())


def process(folder, first, last):
    command = [sys.executable, "-c", KEEPS_FOR_EVER, str(folder), str(first), str(last)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def damage(path, place, length=1, flip=0xFF):
    data = bytearray(path.read_bytes())
    data[place : place + length] = bytes(byte ^ flip for byte in data[place : place + length])
    path.write_bytes(data)


@pytest.fixture
def store(tmp_path):
    with closing(Store(tmp_path / "kept")) as opened:
        yield opened


@pytest.fixture
def filled(tmp_path):
    """The file of a store with rows 0..299, closed."""
    with closing(Store(tmp_path / "kept")) as opened:
        opened.write(KEY, some_rows(range(300)))
    return opened.path


@pytest.fixture(scope="module")
def many_keys(tmp_path_factory):
    with closing(Store(tmp_path_factory.mktemp("kept"))) as opened:
        yield opened, itertools.count()


any_row = st.lists(st.floats(width=32, allow_nan=True, allow_infinity=True), min_size=3, max_size=3)


@settings(max_examples=60, deadline=None)
@given(
    kept=st.dictionaries(st.integers(0, 20), any_row, max_size=12),
    asked=st.lists(st.integers(0, 25), max_size=30),
    scan=st.booleans(),
)
def test_what_was_written_comes_back_bit_by_bit_in_the_order_asked(many_keys, kept, asked, scan):
    store, numbers = many_keys
    key = key_of(example=next(numbers))
    store.write(key, [(digest(number), np.array(row, np.float32)) for number, row in kept.items()])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_file, "_SCAN_FROM", 10**9 if scan else 0)
        features, found = store.read(key, [digest(number) for number in asked], 3)
    assert (features.dtype, features.shape, found.dtype) == (np.float32, (len(asked), 3), np.bool_)
    assert found.tolist() == [number in kept for number in asked]
    wanted = [np.array(kept.get(number, [0.0] * 3), np.float32).tobytes() for number in asked]
    assert [row.tobytes() for row in features] == wanted
    assert store.notes == []


def test_features_survive_the_process(filled):
    with closing(Store(filled.parent)) as store:
        features, found = store.read(KEY, [digest(number) for number in range(300)], WIDTH)
    assert right((features, found), range(300))


def test_a_row_written_again_is_replaced(store):
    store.write(KEY, [(digest(0), np.zeros(2, np.float32))])
    store.write(KEY, [(digest(0), np.ones(2, np.float32))])
    assert store.read(KEY, [digest(0)], 2)[0].tolist() == [[1, 1]]


def test_another_key_never_gives_these_features(store):
    store.write(KEY, some_rows(range(3)))
    assert not store.read(key_of(backbone="b", view="1/flip1"), [digest(0)], WIDTH)[1].any()


def test_a_key_differs_when_any_part_does_and_not_by_their_order():
    keys = {key_of(a=1, b="x"), key_of(a=2, b="x"), key_of(a=1, b="y"), key_of(a=1), key_of(a="1", b="x")}
    assert len(keys) == 5
    assert key_of(b="x", a=1) == key_of(a=1, b="x")
    assert f'"store": {FORMAT}' in key_of()


def test_reading_takes_little_more_memory_than_the_features(tmp_path):
    numbers, width = range(20_000), 256
    digests = [digest(number) for number in numbers]
    with closing(Store(tmp_path)) as store:
        store.write(KEY, ((name, np.full(width, number, np.float32)) for number, name in enumerate(digests)))
        tracemalloc.start()
        features, found = store.read(KEY, digests, width)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert found.all()
    assert (features[:, 7] == np.arange(20_000)).all()
    assert peak < 1.4 * features.nbytes


# What is damaged


@pytest.mark.parametrize("data", [b"features: 1.0, 2.0\n" * 500, b"SQLite format 3\0" + bytes(5000), b"\xff" * 10])
def test_a_file_that_is_no_database_is_set_aside_and_said(tmp_path, data):
    (tmp_path / "bottlenecks.sqlite").write_bytes(data)
    with closing(Store(tmp_path)) as store:
        assert len(store.notes) == 1
        assert "renamed to bottlenecks.broken" in store.notes[0]
        store.write(KEY, some_rows([1]))
        assert right(store.read(KEY, [digest(1)], WIDTH), [1])
    assert (tmp_path / "bottlenecks.broken").read_bytes() == data


@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.99])
def test_a_truncated_database_is_set_aside_and_said(filled, share):
    os.truncate(filled, int(filled.stat().st_size * share))
    with closing(Store(filled.parent)) as store:
        features, found = store.read(KEY, [digest(number) for number in range(300)], WIDTH)
        right((features, found), range(300))
        assert not found.all()
        assert "damaged" in store.notes[0]
        store.write(KEY, some_rows(range(300)))
        assert right(store.read(KEY, [digest(number) for number in range(300)], WIDTH), range(300))
    assert filled.with_suffix(".broken").exists()


def test_an_empty_file_is_an_empty_store(tmp_path):
    (tmp_path / "bottlenecks.sqlite").touch()
    with closing(Store(tmp_path)) as store:
        assert store.notes == []


def test_a_flipped_byte_in_a_row_is_a_miss_and_said(filled):
    place = filled.read_bytes().index(some_rows([17])[0][1].tobytes())
    damage(filled, place + 5, flip=1)
    with closing(Store(filled.parent)) as store:
        features, found = store.read(KEY, [digest(number) for number in range(300)], WIDTH)
        right((features, found), range(300))
        assert np.flatnonzero(~found).tolist() == [17]
        assert store.notes == [f"1 stored features are damaged and will be computed again ({filled})"]
        store.write(KEY, some_rows([17]))
        assert right(store.read(KEY, [digest(number) for number in range(300)], WIDTH), range(300))


def test_a_row_under_another_photos_digest_is_a_miss(filled):
    one, other = (bytes.fromhex(digest(number)) for number in (1, 2))
    with closing(sqlite3.connect(filled)) as database, database:
        rows = dict(database.execute("SELECT photo, features FROM bottleneck"))
        sums = dict(database.execute("SELECT photo, checksum FROM bottleneck"))
        for photo, source in ((one, other), (other, one)):
            database.execute(
                "UPDATE bottleneck SET features = ?, checksum = ? WHERE photo = ?", (rows[source], sums[source], photo)
            )
    with closing(Store(filled.parent)) as store:
        assert store.read(KEY, [digest(1), digest(2), digest(3)], WIDTH)[1].tolist() == [False, False, True]


@pytest.mark.parametrize("scan", [True, False])
def test_a_row_of_another_type_is_a_miss(filled, monkeypatch, scan):
    monkeypatch.setattr(store_file, "_SCAN_FROM", 10**9 if scan else 0)
    with closing(sqlite3.connect(filled)) as connection, connection:
        for number, value in ((1, "CAST(x'ff00ff00' AS TEXT)"), (2, "17"), (3, "1.5")):
            connection.execute(f"UPDATE bottleneck SET features = {value} WHERE rowid = {number + 1}")
        connection.execute("UPDATE bottleneck SET checksum = x'00' WHERE rowid = 5")
    with closing(Store(filled.parent)) as store:
        features, found = store.read(KEY, [digest(number) for number in range(300)], WIDTH)
        right((features, found), range(300))
        assert np.flatnonzero(~found).tolist() == [1, 2, 3, 4]
        assert store.notes == [f"4 stored features are damaged and will be computed again ({filled})"]


def test_a_row_of_another_width_is_a_miss(store):
    store.write(KEY, some_rows([1], width=5))
    assert not store.read(KEY, [digest(1)], 6)[1].any()
    assert "damaged" in store.notes[0]


@pytest.mark.parametrize("scan", [True, False])
def test_no_flipped_byte_anywhere_gives_a_wrong_feature(filled, monkeypatch, scan):
    monkeypatch.setattr(store_file, "_SCAN_FROM", 10**9 if scan else 0)
    whole, rng, refused = filled.read_bytes(), random.Random(f"flips {scan}"), []
    digests = [digest(number) for number in range(300)]
    for place in [*range(0, 100, 3), *(rng.randrange(len(whole)) for _ in range(60))]:
        filled.write_bytes(whole)
        damage(filled, place, flip=1 << rng.randrange(8))
        try:
            with closing(Store(filled.parent)) as store:
                right(store.read(KEY, digests, WIDTH), range(300))
                store.write(KEY, some_rows(range(300)))
                mended = right(store.read(KEY, digests, WIDTH), range(300))
                assert mended or not scan, place  # looking up single rows does not notice that an index lacks some
        except RunError:
            refused.append(place)
    assert {18, *range(60, 64)}.issuperset(refused)  # header: "read only", "written by a newer version"


def test_damage_found_while_digests_are_read_is_mended_too(filled):
    with closing(Store(filled.parent)) as store:
        store.remember_files(filled.parent, {"a.jpg": KnownFile(1, 2, digest(1))})
        connection = store._database.connection
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'known_file'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    damage(filled, (page - 1) * size, length=size)
    with closing(Store(filled.parent)) as store:
        assert store.files(filled.parent) == {}
        assert "renamed to" in store.notes[0]
        store.remember_files(filled.parent, {"a.jpg": KnownFile(1, 2, digest(1))})
        assert store.files(filled.parent) == {"a.jpg": KnownFile(1, 2, digest(1))}


def test_a_file_that_another_process_has_mended_is_not_set_aside_again(tmp_path):
    (tmp_path / "bottlenecks.sqlite").write_bytes(b"x" * 5000)
    with closing(Store(tmp_path)) as first, closing(Store(tmp_path)) as late:
        first.write(KEY, some_rows([1]))
        late._database._inode = -1  # as if it had seen the broken file before `first` mended it
        late._database.replace_damaged(sqlite3.DatabaseError("malformed"))
        assert late.notes == []
        assert right(late.read(KEY, [digest(1)], WIDTH), [1])
        assert right(first.read(KEY, [digest(1)], WIDTH), [1])


def test_what_can_be_read_of_a_damaged_file_is_kept(filled):
    os.truncate(filled, filled.stat().st_size - 800)  # some rows of the last page
    digests = [digest(number) for number in range(300)]
    with closing(Store(filled.parent)) as store:
        features, found = store.read(KEY, digests, WIDTH)
        right((features, found), range(300))
        assert 250 < found.sum() < 300
        assert "renamed to" in store.notes[0]
    with closing(Store(filled.parent)) as store:
        assert store.read(KEY, digests, WIDTH)[1].tolist() == found.tolist()
        assert store.notes == []


# Many processes


def test_a_process_killed_while_it_writes_loses_a_batch_at_most(tmp_path):
    rng, kept = random.Random(7), 0
    for _ in range(4):
        writer = process(tmp_path, kept, 10**6)
        for _ in range(rng.randrange(1, 25)):
            last = writer.stdout.readline()
        time.sleep(rng.random() * 0.01)
        writer.send_signal(signal.SIGKILL)
        said = [last, *writer.stdout.readlines()]
        writer.communicate()
        kept = int([line for line in said if line.endswith("\n")][-1]) + 1
        with closing(Store(tmp_path)) as store:
            numbers = range(20 * (kept + 1))
            features, found = store.read(KEY, [digest(number) for number in numbers], WIDTH)
            assert right((features[: 20 * kept], found[: 20 * kept]), numbers[: 20 * kept])
            assert (
                right((features[20 * kept :], found[20 * kept :]), numbers[20 * kept :]) or not found[20 * kept :].any()
            )
            assert store.notes == []


def test_processes_that_begin_and_write_at_once_lose_nothing(tmp_path):
    writers = [process(tmp_path / "kept", first, first + 30) for first in (0, 10, 20)]
    for writer in writers:
        assert writer.communicate(timeout=60)[1] == ""
    with closing(Store(tmp_path / "kept")) as store:
        assert right(store.read(KEY, [digest(number) for number in range(1000)], WIDTH), range(1000))


def test_many_that_open_a_new_store_at_the_same_moment_all_may(tmp_path):
    code = "import sys, pathlib; from retrain.store.feature_store import Store; sys.stdin.readline(); Store(pathlib.Path(sys.argv[1])).close()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    openers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
        for _ in range(5)
    ]  # fmt: skip
    time.sleep(0.5)
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    assert [opener.communicate(timeout=60)[1] for opener in openers] == [""] * 5


def test_a_new_store_waits_where_sqlite_itself_does_not(tmp_path, monkeypatch):
    real = sqlite3.connect
    with closing(real(tmp_path / "bottlenecks.sqlite", check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(0.2, other.rollback)
        timer.start()
        monkeypatch.setattr(sqlite3, "connect", lambda path, timeout: real(path, timeout=0 * timeout))
        with closing(Store(tmp_path)) as store:
            timer.join()
            store.write(KEY, some_rows([1]))
            assert right(store.read(KEY, [digest(1)], WIDTH), [1])


def test_a_writer_does_not_wait_for_a_reader(store, monkeypatch):
    store.write(KEY, some_rows(range(3)))
    monkeypatch.setattr(sqlite_file, "_BUSY_TIMEOUT_S", 0.05)
    with closing(sqlite3.connect(store.path)) as reader, closing(Store(store.path.parent)) as writer:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM bottleneck").fetchone() == (3,)
        writer.write(KEY, some_rows(range(3, 9)))
        assert reader.execute("SELECT count(*) FROM bottleneck").fetchone() == (3,)
        assert right(store.read(KEY, [digest(number) for number in range(9)], WIDTH), range(9))


def test_a_writer_waits_for_another_and_says_so_when_it_lasts_too_long(store, monkeypatch):
    monkeypatch.setattr(sqlite_file, "_BUSY_TIMEOUT_S", 0.05)
    with closing(Store(store.path.parent)) as second, closing(sqlite3.connect(store.path)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(RunError, match=r"locked; .*--bottleneck_dir"):
            second.write(KEY, some_rows([1]))
        other.rollback()
        second.write(KEY, some_rows([1]))


# What the system refuses


def test_a_file_in_the_folders_place_is_one_line(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(RunError, match=r"cannot keep features in .*taken.*--bottleneck_dir"):
        Store(tmp_path / "taken")


def test_a_folder_that_can_not_be_made_is_one_line(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(RunError, match=r"Permission denied; .*--bottleneck_dir"):
        Store(tmp_path / "kept")


def test_a_read_only_database_is_one_line(filled, monkeypatch):
    real = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda path, timeout: real(f"file:{path}?mode=ro&immutable=1", timeout=timeout, uri=True)
    )
    with closing(Store(filled.parent)) as store, pytest.raises(RunError, match=r"readonly.*--bottleneck_dir"):
        store.write(KEY, some_rows([999]))


def test_a_full_disk_is_one_line_and_loses_nothing_kept(store):
    store.write(KEY, some_rows(range(5)))
    (pages,) = store._database.connection.execute("PRAGMA page_count").fetchone()
    store._database.connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(RunError, match=r"full; free some space"):
        store.write(KEY, some_rows(range(10_000)))
    assert right(store.read(KEY, [digest(number) for number in range(5)], WIDTH), range(5))


def test_the_file_of_a_newer_version_is_left_alone(filled):
    with closing(sqlite3.connect(filled)) as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(RunError, match="newer version"):
        Store(filled.parent)
    assert not filled.with_suffix(".broken").exists()


# Digests of files


def test_a_file_is_known_by_folder_name_size_and_time(store, tmp_path):
    known = {"a.jpg": KnownFile(10, 5, digest(1)), "b.jpg": KnownFile(11, 2**62, digest(2))}
    store.remember_files(tmp_path / "roses", known)
    assert store.files(tmp_path / "roses") == known
    assert store.files(tmp_path / "tulips") == {}
    store.remember_files(tmp_path / "roses", {"a.jpg": KnownFile(12, 6, digest(3))})
    assert store.files(tmp_path / "roses") == {**known, "a.jpg": KnownFile(12, 6, digest(3))}


def test_a_folder_is_the_same_however_it_is_spelled(store, tmp_path, monkeypatch):
    (tmp_path / "roses").mkdir()
    (tmp_path / "link").symlink_to("roses")
    known = {"a.jpg": KnownFile(1, 1, digest(1))}
    store.remember_files(tmp_path / "roses", known)
    monkeypatch.chdir(tmp_path)
    assert [store.files(Path(name)) for name in ("roses", "./link", "roses/../link")] == [known] * 3


def test_names_that_are_no_text_are_remembered(store, tmp_path):
    name = os.fsdecode(b"caf\xe9.jpg")
    known = {name: KnownFile(1, 1, digest(1))}
    store.remember_files(tmp_path / name, known)
    assert store.files(tmp_path / name) == known


def test_a_format_that_no_program_will_have_is_damage(tmp_path):
    key, digest = key_of(view="plain"), "ab" * 32
    store = Store(tmp_path)
    store.write(key, [(digest, np.ones(3, np.float32))])
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute(f"PRAGMA user_version = {0x7FFF_FFFF}")
    connection.close()
    with closing(Store(tmp_path)) as again:
        assert "its format version is 2147483647" in again.notes[0]
        again.write(key, [(digest, np.ones(3, np.float32))])
        assert again.read(key, [digest], 3)[1].all()
