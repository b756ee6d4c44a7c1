"""Which photos the words of a command line mean."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from label_image.errors import UserError
from label_image.input_photos import check_words, is_one_photo, listed, photos
from label_image.workers import map_ordered


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()


def names(*words, leave_out=""):
    return [item.name for item in photos(words, Path(), leave_out)]


def names_in(data, pieces=1):
    """What `listed` reads from a pipe into which `data` is written in so many pieces."""
    reading, writing = os.pipe()

    def write():
        size = max(1, -(-len(data) // pieces))
        with os.fdopen(writing, "wb", buffering=0) as pipe, contextlib.suppress(BrokenPipeError):
            for start in range(0, len(data), size):
                pipe.write(data[start : start + size])
                time.sleep(0.02 if pieces > 1 else 0)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        return list(listed(reading))
    finally:
        os.close(reading)
        thread.join()


def test_words_keep_their_order_and_folders_are_read_by_name(here):
    touch("b.jpg", "a.jpg", "new/z.jpg", "new/deep/er/y.jpg", "new/a.jpg")
    assert names("b.jpg", "new", "a.jpg") == ["b.jpg", "new/a.jpg", "new/deep/er/y.jpg", "new/z.jpg", "a.jpg"]


def test_hidden_files_and_what_systems_leave_are_no_photos(here):
    touch("new/.hidden.jpg", "new/.git/a.jpg", "new/Thumbs.db", "new/__MACOSX/a.jpg", "new/a.jpg")
    touch("new/ehthumbs.db", "new/@eaDir/a.jpg", "new/$RECYCLE.BIN/a.jpg", "new/lost+found/a.jpg")
    assert names("new") == ["new/a.jpg"]


def test_links_in_a_circle_are_gone_round_once(here):
    touch("new/a.jpg", "other/b.jpg")
    Path("new/up").symlink_to("..")
    Path("new/linked").symlink_to("../other")
    assert names("new") == ["new/a.jpg", "new/linked/b.jpg", "new/up/other/b.jpg"]


def test_a_pattern_finds_files_and_the_photos_of_folders(here):
    touch("p/1.jpg", "p/2.png", "p/sub/3.jpg")
    assert names("p/*") == ["p/1.jpg", "p/2.png", "p/sub/3.jpg"]
    assert names("p/**") == names("p/**/*") == ["p/1.jpg", "p/2.png", "p/sub/3.jpg"]
    assert names("p/?.jpg") == ["p/1.jpg"]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(here):
    touch("a[1].jpg", "a1.jpg")
    assert names("a[1].jpg") == ["a[1].jpg"]


def test_a_pattern_that_matches_nothing_is_refused_before_anything_is_labelled(here):
    with pytest.raises(UserError, match=r"--image=no\*\.jpg matches no file"):
        check_words(["no*.jpg"])


def test_an_address_is_no_pattern_whatever_its_query_holds():
    check_words(["https://x.org/a.jpg?w=[3]*"])
    assert is_one_photo(["HTTP://x.org/?a"])


def test_standard_input_is_read_once():
    with pytest.raises(UserError, match="give - one time"):
        check_words(["-", "-"])


def test_the_folder_sorted_into_is_not_read(here):
    touch("new/a.jpg", "new/sorted/daisy/b.jpg")
    assert names("new", leave_out="new/sorted") == ["new/a.jpg"]


def test_a_folder_is_not_sorted_into_itself(here):
    Path("new").mkdir()
    with pytest.raises(UserError, match="is the folder that is read"):
        check_words(["new"], sort_into="./new/")


def test_other_kinds_of_address_are_said_to_be_refused():
    (item,) = photos(["ftp://x.org/a.jpg"], Path())
    assert str(item.error) == "unreadable: only http and https addresses can be downloaded"


@pytest.mark.parametrize("pieces", [1, 5])
def test_a_list_is_lines(pieces):
    assert names_in(b"a.jpg\nb c.jpg\n\nlast.jpg", pieces) == ["a.jpg", "b c.jpg", "last.jpg"]


def test_a_list_with_nul_bytes_is_split_at_them():
    assert names_in(b"a\nb.jpg\0c.jpg\0") == ["a\nb.jpg", "c.jpg"]


def test_a_list_from_windows_loses_its_carriage_returns():
    assert names_in(b"a.jpg\r\nb.jpg\r\n") == ["a.jpg", "b.jpg"]


def test_names_in_a_list_need_not_be_utf8():
    assert [os.fsencode(name) for name in names_in(b"caf\xe9.jpg\n")] == [b"caf\xe9.jpg"]


def test_an_empty_list_has_no_names():
    assert names_in(b"") == []


def test_a_picture_on_standard_input_is_no_list():
    with pytest.raises(UserError, match="standard input is a picture"):
        names_in(b"\xff\xd8\xff\xe0\0\x10JFIF\0")


def test_endless_bytes_are_no_list():
    with pytest.raises(UserError, match="not a list of photos"):
        names_in(b"x" * 140_000)


def test_a_result_does_not_wait_for_the_next_item():
    go = threading.Event()

    def slowly():
        yield 1
        assert go.wait(10)
        yield 2

    results: Any = map_ordered(lambda: lambda item: item * 10, slowly(), 2)
    assert next(results) == 10
    go.set()
    assert list(results) == [20]


def test_items_are_read_only_a_few_ahead_of_the_results():
    read = []
    results: Any = map_ordered(lambda: lambda item: item, (read.append(n) or n for n in range(10_000)), 2)
    for expected in range(100):
        assert next(results) == expected
    time.sleep(0.1)
    assert len(read) <= 100 + 2 * 8 + 1
    results.close()


def test_an_error_among_the_items_comes_in_its_place():
    def broken():
        yield 1
        raise UserError("no more")

    results: Any = map_ordered(lambda: lambda item: item, broken(), 2)
    assert next(results) == 1
    with pytest.raises(UserError, match="no more"):
        next(results)
