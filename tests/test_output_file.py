"""`label_image --output FILE`: written whole or not at all, and never over what is read."""

from __future__ import annotations

import csv
import json
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from label_image.cli import main
from label_image.errors import RunError, UserError
from label_image.output_file import OutputFile
from label_image.process_mark import mark
from tests.conftest import COLOURS, write_photo


@pytest.fixture
def ask(tflite, tmp_path, monkeypatch, capsys):
    """Runs label_image on a photo and one that cannot be read; gives status, standard output and error."""
    write_photo(tmp_path / "in/a.jpg", COLOURS["cyan"], 1)
    (tmp_path / "in/b.jpg").write_text("no photo")
    monkeypatch.chdir(tmp_path)

    def run(*words):
        capsys.readouterr()
        status = main([f"--graph={tflite}", *words])
        return (status, *capsys.readouterr())

    return run


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_in(path, error) -> None:
    with OutputFile(str(path)) as file:
        file.write("half")
        raise error


@pytest.mark.parametrize("form", ["text", "json", "jsonl", "csv"])
def test_a_file_has_what_would_have_been_printed(ask, tmp_path, form):
    status, printed, _ = ask("in", f"--format={form}")
    assert ask("in", f"--format={form}", "--output", "out.x")[:2] == (status, "")
    written = Path("out.x").read_text("utf-8")
    assert "cyan" in written
    assert written.count("\n") == printed.count("\n")
    if form == "json":
        assert len(json.loads(written)) == 2
    if form == "csv":
        assert len(list(csv.reader(written.splitlines()))) == 3
    assert names(tmp_path) == ["in", "out.x"]


def test_a_description_goes_there_too(ask, tflite):
    assert ask(f"--describe={tflite}", "--output=what.txt")[:2] == (0, "")
    assert "labels" in Path("what.txt").read_text()


@pytest.mark.parametrize("name", ["-", "/dev/stdout"])
def test_a_hyphen_is_standard_output(ask, name):
    assert "cyan" in ask("in/a.jpg", f"--output={name}")[1]


def test_a_name_that_is_not_text_is_written_as_it_is(ask, tmp_path):
    raw = os.fsencode(tmp_path) + b"/in/\xff.jpg"
    os.rename("in/a.jpg", raw)  # noqa: PTH104
    assert ask("in", "--output=out.txt")[0] == 1
    assert b"\xff.jpg" in Path("out.txt").read_bytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--output=no/out.csv"], "does not exist; create it first"),
        (["--output=in"], "is a folder; name a file in it"),
        (["--output=in/a.jpg"], "this command reads it"),
        (["in", "--output=in/c.jpg"], "a binary file"),
        (["--output=" + "x" * 300], "File name too long"),
        (["--output=in/a.jpg/out"], "cannot write --output"),
        (["--output=new", "--sort_into=new"], "--sort_into makes the folder new there"),
        (["--output=new", "--explain=./in/../new/deep"], "--explain makes the folder ./in/../new/deep there"),
        (["--output=made/Cyan", "--sort_into=made"], "--sort_into makes the folder made/cyan there"),
        (["--output=made/_unsure", "--sort_into=made"], "--sort_into makes the folder made/_unsure there"),
        (["--output=shut"], "write-protected")
        if os.getuid()
        else (["--output=no/x"], "does not exist; create it first"),
    ],
)
def test_what_can_not_be_written_is_one_line_before_the_work(ask, words, message):
    Path("shut").touch(0o400)
    Path("made").mkdir()
    Path("in/c.jpg").write_bytes(Path("in/a.jpg").read_bytes())
    status, out, err = ask("in/a.jpg", *words)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert names(Path("made")) == []


def test_a_run_that_fails_or_is_stopped_leaves_what_was_there(tmp_path):
    (tmp_path / "out").write_text("before")
    for error in (KeyboardInterrupt(), RunError("x")):
        with pytest.raises(type(error)):
            fail_in(tmp_path / "out", error)
    assert (tmp_path / "out").read_text() == "before"
    assert names(tmp_path) == ["out"]
    with pytest.raises(RunError):
        fail_in(tmp_path / "new", RunError("x"))
    assert names(tmp_path) == ["out"]


def test_what_a_kill_left_is_taken_away_by_the_next_run_and_what_is_in_use_stays(tmp_path):
    pid, start, place = mark().split("-")
    (tmp_path / f".label_image-x.{pid}-{int(start) + 1}-{place}.part").touch()  # of a process that is no more
    (tmp_path / ".label_image-killed.part").touch()
    os.utime(tmp_path / ".label_image-killed.part", (0, 0))
    with OutputFile(str(tmp_path / "one")):
        (in_use,) = [name for name in names(tmp_path) if name.endswith(".part")]
        os.utime(tmp_path / in_use, (0, 0))
        with OutputFile(str(tmp_path / "two")):
            assert in_use in names(tmp_path)
    assert names(tmp_path) == ["one", "two"]


def test_a_file_keeps_its_mode_and_a_link_stays_one(tmp_path):
    (tmp_path / "real").touch()
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    with OutputFile(str(tmp_path / "link")) as file:
        file.write("x\n")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_text() == "x\n"
    assert stat.S_IMODE((tmp_path / "real").stat().st_mode) == 0o640
    mask = os.umask(0o027)
    try:
        with OutputFile(str(tmp_path / "new")) as file:
            file.write("y")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o640


@pytest.mark.skipif(sys.platform == "win32", reason="no such devices there")
def test_a_device_and_a_pipe_are_written_to_and_stay(tmp_path):
    with OutputFile("/dev/null") as file:
        file.write("x")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)  # noqa: PTH116
    os.mkfifo(tmp_path / "pipe")
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text()))
    reader.start()
    with OutputFile(str(tmp_path / "pipe")) as file:
        file.write("a\n")
    reader.join(10)
    assert got == ["a\n"]
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_is_one_line():
    with (
        pytest.raises(RunError, match="cannot write --output=/dev/full: No space left"),
        OutputFile("/dev/full") as file,
    ):
        file.write("x" * 100_000)


def test_a_socket_is_refused(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s"))
        with pytest.raises(UserError, match="cannot write --output"):
            OutputFile(str(tmp_path / "s"))
