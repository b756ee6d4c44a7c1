"""A file takes its name only when it is whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from retrain.atomic import replacing
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


@pytest.mark.parametrize("after", [1, 2, 3])
def test_ctrl_c_between_the_steps_of_a_swap_leaves_one_whole_folder(tmp_path, monkeypatch, after):
    path, real, calls = tmp_path / "saved_model", Path.replace, []
    write_folder(path, "old")

    def replace(self, target):
        calls.append(target)
        if len(calls) == after:
            raise KeyboardInterrupt
        moved = real(self, target)
        if len(calls) + 1 == after == 3:  # the new one has its name: Ctrl-C comes just then
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(KeyboardInterrupt), replacing(path) as scratch:
        write_folder(scratch, "new")
    assert {(path / "a").read_text(), (path / "sub" / "b").read_text()} == {"new" if after == 3 else "old"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_rest_of_a_killed_process_of_the_same_number_is_no_hindrance(tmp_path):
    write_folder(tmp_path / f".model.{os.getpid()}.tmp", "rest")
    with replacing(tmp_path / "model") as scratch:
        scratch.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "model"
    path.write_text("old")
    code = (
        "import sys, time, pathlib\nfrom retrain.atomic import replacing\n"
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


def test_a_link_in_the_files_place_is_replaced_not_followed(tmp_path):
    (tmp_path / "other").write_text("other")
    (tmp_path / "model").symlink_to("other")
    with replacing(tmp_path / "model") as scratch:
        scratch.write_text("new")
    assert [(tmp_path / name).read_text() for name in ("model", "other")] == ["new", "other"]


def test_a_folder_never_takes_a_files_place_nor_a_file_a_folders(tmp_path):
    (tmp_path / "file").write_text("old")
    write_folder(tmp_path / "folder", "old")
    with pytest.raises(OSError, match="irectory"), replacing(tmp_path / "file") as scratch:
        write_folder(scratch, "new")
    with pytest.raises(OSError, match="irectory"), replacing(tmp_path / "folder") as scratch:
        scratch.write_text("new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]
    assert (tmp_path / "file").read_text() == (tmp_path / "folder" / "a").read_text() == "old"
