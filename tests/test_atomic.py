"""A file takes its name only when it is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from label_image.process_mark import mark
from retrain.files import atomic, temporary_names
from retrain.files.atomic import replacing
from tests import kills
from tests.conftest import ROOT


def write_folder(folder, text):
    folder.mkdir()
    (folder / "a").write_text(text)
    (folder / "sub").mkdir()
    (folder / "sub" / "b").write_text(text)


def test_a_file_appears_with_its_folder_and_nothing_else(tmp_path):
    path = tmp_path / "deep" / "er" / "labels.txt"
    with replacing(path) as scratch:
        scratch.write_text("daisy\n")
        assert scratch.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "daisy\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_goes_wrong_leaves_the_old_file_and_no_rest(tmp_path, error):
    path = tmp_path / "labels.txt"
    path.write_text("old")

    def write_half():
        with replacing(path) as scratch:
            scratch.write_text("ne")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_is_replaced_whole(tmp_path):
    path = tmp_path / "saved_model"
    for text in ("old", "new"):
        with replacing(path) as scratch:
            write_folder(scratch, text)
    assert (path / "a").read_text() == (path / "sub" / "b").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_what_goes_wrong_leaves_the_old_folder_and_no_rest(tmp_path):
    path = tmp_path / "saved_model"
    write_folder(path, "old")

    def write_half():
        with replacing(path) as scratch:
            write_folder(scratch, "new")
            raise OSError(28, "the disk is full")

    with pytest.raises(OSError, match="full"):
        write_half()
    assert (path / "sub" / "b").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture(params=["exchanged", "stepped aside"])
def system(request, monkeypatch):
    """Systems that exchange two names at once, and those that cannot."""
    if request.param == "stepped aside":
        monkeypatch.setattr(atomic, "exchange", lambda *_: False)
    elif not sys.platform.startswith("linux"):
        pytest.skip("only Linux exchanges names")
    return request.param


def test_a_folder_is_never_gone_and_what_a_kill_left_is_made_good(tmp_path, system):
    """Killed before each call that changes a name; `swap_gone`."""

    def work(folder):
        with replacing(folder / "model") as scratch:
            write_folder(scratch, "new")

    def check(folder, number):
        if system == "exchanged":  # nobody sees the folder gone, not even for a moment
            assert (folder / "model/a").read_text() in ("old", "new")
        kills.as_next_process()
        temporary_names.clear(folder)
        assert [path.name for path in folder.iterdir()] == ["model"], number
        assert (folder / "model/a").read_text() == (folder / "model/sub/b").read_text()

    killed = kills.everywhere(tmp_path, lambda folder: write_folder(folder / "model", "old"), work, check)
    assert killed >= 6


def test_ctrl_c_in_a_swap_leaves_one_whole_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(atomic, "exchange", lambda *_: False)
    for after in (1, 2):
        path, real, calls = tmp_path / f"saved_model_{after}", Path.replace, []
        write_folder(path, "old")

        def replace(self, target, after=after, calls=calls, real=real):
            calls.append(target)
            if len(calls) == after:
                raise KeyboardInterrupt
            return real(self, target)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "replace", replace)
            with pytest.raises(KeyboardInterrupt), replacing(path) as scratch:
                write_folder(scratch, "new")
        assert {(path / "a").read_text(), (path / "sub" / "b").read_text()} == {"old"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["saved_model_1", "saved_model_2"]


def test_what_a_killed_process_left_is_cleared_and_what_others_write_is_not(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", "pass"])
    ended.wait()
    mine = mark()
    start, place = mine.split("-")[1:]
    dead = f"{ended.pid}-{int(start) - 1}-{place}"
    (tmp_path / f".labels.txt.{dead}.tmp").write_text("half")
    write_folder(tmp_path / f".model.{dead}.old", "old")
    for name in (f".labels.txt.{mine}.tmp", f".a.{os.getpid()}-{int(start)}-ffffff.tmp", ".mine.tmp", "b.tmp"):
        (tmp_path / name).write_text("at work, of another machine, or the user's")
    temporary_names.clear(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["model", f".labels.txt.{mine}.tmp", f".a.{os.getpid()}-{int(start)}-ffffff.tmp", ".mine.tmp", "b.tmp"]
    )
    long_ago = time.time() - 2 * 86_400
    os.utime(tmp_path / f".a.{os.getpid()}-{int(start)}-ffffff.tmp", (long_ago, long_ago))
    temporary_names.clear(tmp_path)
    assert not (tmp_path / f".a.{os.getpid()}-{int(start)}-ffffff.tmp").exists()


def test_a_name_of_any_length_can_be_written(tmp_path):
    for name in ("a" * 255, "é" * 127):
        with replacing(tmp_path / name) as scratch:
            scratch.write_text("whole")
            assert len(os.fsencode(scratch.name)) <= 255
        assert (tmp_path / name).read_text() == "whole"


def test_what_is_written_is_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    """`power_loss`: each file and each folder's list of names is synced, the first before the rename."""
    order, real = [], os.fsync

    def fsync(descriptor):
        order.append(Path(f"/proc/self/fd/{descriptor}").readlink().name.split(".")[1:2] or ["folder"])
        real(descriptor)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("no /proc to see what is synced")
    monkeypatch.setattr(os, "fsync", fsync)
    with replacing(tmp_path / "model") as scratch:
        scratch.write_text("whole")
    assert order == [["model"], ["folder"]]
    order.clear()
    with replacing(tmp_path / "saved_model") as scratch:
        write_folder(scratch, "whole")
    assert len(order) == 2 + 2 + 1  # a, b; sub, saved_model; the folder that they are in


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    code = (
        "import sys, time, pathlib\nfrom retrain.files.atomic import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as scratch:\n"
        "    scratch.write_text('half'); print('now', flush=True); time.sleep(60)\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert writer.stdout.readline() == b"now\n"
    writer.send_signal(signal.SIGKILL)
    writer.communicate()
    assert path.read_text() == "old"


def test_what_a_link_points_to_is_replaced_and_the_link_stays(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real/model").write_text("old")
    (tmp_path / "model").symlink_to("real/model")
    (tmp_path / "dangling").symlink_to("real/new/model")
    for name in ("model", "dangling"):
        with replacing(tmp_path / name) as scratch:
            scratch.write_text("new")
        assert (tmp_path / name).is_symlink()
    assert (tmp_path / "real/model").read_text() == (tmp_path / "real/new/model").read_text() == "new"


def test_a_device_and_a_pipe_are_written_to(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE)
    for name in ("/dev/null", tmp_path / "pipe"):
        with replacing(Path(name)) as scratch:
            scratch.write_text("new")
    assert reader.communicate(timeout=20)[0] == b"new"
    assert atomic.is_special(Path("/dev/null"))
    assert atomic.is_special(tmp_path / "pipe")
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def test_a_folder_never_takes_a_files_place_nor_a_file_a_folders(tmp_path):
    (tmp_path / "file").write_text("old")
    write_folder(tmp_path / "folder", "old")
    with pytest.raises(OSError, match="irectory"), replacing(tmp_path / "file") as scratch:
        write_folder(scratch, "new")
    with pytest.raises(OSError, match="irectory"), replacing(tmp_path / "folder") as scratch:
        scratch.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "a").read_text() == "old"
