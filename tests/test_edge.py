"""Every program's edge: one line and the right exit status, whatever its streams are, whatever signal comes, whatever breaks."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from label_image import program, signals, terminal
from label_image.errors import PhotoError, RunError, UserError
from tests.conftest import ROOT

PROGRAMS = (
    "retrain", "label_image", "label_image.demo", "retrain.convert", "retrain.cache", "retrain.compare",
    "retrain.report", "retrain.samples", "retrain.flower_photos", "retrain.runs",
)  # fmt: skip
WRONG = "--写真=\x1b[2J"  # a flag that no program has
ENV = {**os.environ, "PYTHONPATH": str(ROOT)}


def run(program, words, redirection, cwd, encoding="utf-8", **more):
    """A program with its streams redirected by a shell; returns its status and what it wrote to the streams left."""
    command = ["sh", "-c", f'exec "$@" {redirection}', "sh", sys.executable, "-m", program, *words]
    env = {**ENV, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, timeout=60, check=False, **more)
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


# redirection, words, status, whether the one line is seen
STREAMS = {
    "output closed": (">&-", "--help", 0, False),
    "output for reading only": ("1</dev/null", "--help", 0, False),
    "output on a full disk": (">/dev/full", "--help", 1, True),
    "errors closed": ("2>&-", WRONG, 2, False),
    "errors on a full disk": ("2>/dev/full", WRONG, 2, False),
    "all closed": ("<&- >&- 2>&-", WRONG, 2, False),
    "ascii": ("", WRONG, 2, True),
    "cp1252": ("", WRONG, 2, True),
    "utf-16": ("", WRONG, 2, True),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("program", PROGRAMS)
def test_no_stream_breaks_a_program(program, tmp_path):
    for name, (redirection, word, status, seen) in STREAMS.items():
        encoding = name if word == WRONG and not redirection else "utf-8"
        found, out, err = run(program, [word], redirection, tmp_path, encoding)
        assert (found, out) == (status, ""), (name, found, out, err)
        assert "Traceback" not in err
        assert err.count("\n") == (1 if seen else 0), (name, err)
        assert "\x1b" not in err
        if name in ("ascii", "cp1252"):
            assert r"--\u5199\u771f" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_reader_that_has_gone_is_not_told(program, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", program, "--help"]
    done = subprocess.run(command, cwd=tmp_path, env=ENV, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert done.returncode == (0 if program == "label_image" else 1)
    assert done.stderr == b""


def test_nothing_that_is_printed_lands_in_a_file_that_took_the_place_of_a_stream(tmp_path):
    status, _, _ = run("retrain.samples", ["--count=3", "--out=flowers"], "<&- >&- 2>&-", tmp_path)
    assert status == 0
    assert all(path.read_bytes()[:2] == b"\xff\xd8" for path in tmp_path.rglob("*.jpg"))
    assert "pictures" not in (tmp_path / "flowers/.drawn-by-retrain-samples").read_text()


def test_answers_need_a_place(tmp_path):
    for redirection in (">&-", "1</dev/null"):
        status, _, err = run("label_image", ["a.jpg"], redirection, tmp_path)
        assert (status, err) == (
            2,
            "label_image: cannot write the answers: standard output is closed; give a file with --output\n",
        )


def test_screens_do_without_streams(monkeypatch):
    """As under pythonw and in programs without a console."""
    from retrain.console import Screen
    from retrain.progress import Progress

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    shown = Screen()
    shown.info("a")
    shown.warn("b")
    shown.result("c")
    Progress(10, "photos").update(1)
    assert not shown.terminal


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (UserError("--x is wrong"), 2, "p: --x is wrong"),
        (RunError("a\nb\x1b[2J"), 1, r"p: a\nb\x1b[2J"),
        (PhotoError("cut short", "x"), 1, "p: cut short: x"),
        (KeyboardInterrupt(), 130, "p: stopped"),
        (OSError(errno.EIO, "Input/output error", "a.db"), 1, "p: cannot continue: Input/output error: a.db; the disk or"),
        (OSError(errno.EFBIG, "File too large"), 1, "p: cannot continue: File too large; the file would exceed"),
        (OSError(errno.ENAMETOOLONG, "File name too long", b"x"), 1, "p: cannot continue: File name too long: x; give"),
        (OSError("no number"), 1, "p: internal error: OSError: no number ("),
        (MemoryError(), 1, "p: cannot continue: out of memory; close"),
        (ModuleNotFoundError("No module named 'x'", name="x"), 1, "p: cannot start: the package x is not installed"),
        (RecursionError("too deep"), 1, "p: internal error: RecursionError: too deep"),
        (KeyError("a\nb"), 1, r"p: internal error: KeyError: 'a\nb' (outside our code); please report it"),
        (GeneratorExit(), 1, "p: internal error: GeneratorExit: "),
    ],
)  # fmt: skip
def test_whatever_happens_is_one_line(error, status, line, capsys, monkeypatch):
    monkeypatch.setattr(signals._State, "last", 0)
    monkeypatch.setattr(program._Shown, "of_unexpected", False)  # another test in this process may have set it

    def work():
        raise error

    assert program.exit_status("p", work) == status
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(line)
    assert said.err.count("\n") == 1


def test_a_fault_says_where_it_is_and_shows_its_traceback_when_asked(tmp_path):
    (tmp_path / "broken.py").write_text(
        "def main(argv):\n    from retrain.data.split import split_photos\n    split_photos()\n"
    )
    command = [sys.executable, "-c", "from label_image.program import run_program; run_program('broken')"]
    env = {**ENV, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    for more, expected in (({}, False), ({program.TRACEBACK_VARIABLE: "1"}, True)):
        done = subprocess.run(command, env={**env, **more}, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert ("Traceback" in done.stderr) == expected
        last = done.stderr.splitlines()[-1]
        assert last.startswith("broken: internal error: TypeError: split_photos() missing")
        assert program.TRACEBACK_VARIABLE in last


# A program that says when it works, and that takes its time when it clears up.
SLOW = """
import time
from pathlib import Path
def main(argv):
    from label_image.program import exit_status
    def work():
        try:
            Path("works").touch()
            time.sleep(60)
        finally:
            Path("clears").touch()
            time.sleep(float(argv[0]))
            Path("cleared").touch()
    return exit_status("slow", work)
"""


def slow(folder, clearing_s, before=""):
    """Starts it; `before` is what a shell does first."""
    (folder / "slow.py").write_text(SLOW)
    program = "from label_image.program import run_program; run_program('slow')"
    command = ["sh", "-c", f'{before} exec "$@"', "sh", sys.executable, "-c", program, str(clearing_s)]
    env = {**ENV, "PYTHONPATH": f"{ROOT}{os.pathsep}{folder}"}
    process = subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(folder / "works")
    return process


def wait_for(path):
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(("number", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_each_signal_clears_up_and_is_one_line_and_its_status(number, status, tmp_path):
    process = slow(tmp_path, 0)
    process.send_signal(getattr(signal, number))
    assert process.communicate(timeout=30) == ("", "slow: stopped\n")
    assert process.returncode == status
    assert (tmp_path / "cleared").exists()


@pytest.mark.parametrize("second", ["SIGINT", "SIGTERM"])
def test_a_second_signal_while_clearing_up_ends_at_once(second, tmp_path):
    process = slow(tmp_path, 60)
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "clears")
    process.send_signal(getattr(signal, second))
    assert process.communicate(timeout=20) == ("", "stopped at once\n")
    assert process.returncode == 128 + getattr(signal, second)
    assert not (tmp_path / "cleared").exists()


def test_what_nohup_ignores_stays_ignored(tmp_path):
    process = slow(tmp_path, 0, before="trap '' HUP;")
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143


def test_work_that_goes_on_after_sigterm_still_ends_with_its_status(tmp_path):
    (tmp_path / "goes_on.py").write_text(
        "import os, signal\n"
        "def main(argv):\n"
        "    try: os.kill(os.getpid(), getattr(signal, argv[0]))\n"
        "    except KeyboardInterrupt: print('kept')\n"
        "    return 0\n"
    )
    command = [sys.executable, "-c", "from label_image.program import run_program; run_program('goes_on')"]
    env = {**ENV, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    for number, status in (("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 0)):
        done = subprocess.run([*command, number], env=env, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (status, "kept\n", "")


def test_what_was_registered_for_the_end_is_done(tmp_path):
    (tmp_path / "ends.py").write_text(
        "import atexit\nfrom pathlib import Path\ndef main(argv):\n    atexit.register(Path('done').touch)\n    return 3\n"
    )
    command = [sys.executable, "-c", "from label_image.program import run_program; run_program('ends')"]
    env = {**ENV, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    assert subprocess.run(command, cwd=tmp_path, env=env, check=False).returncode == 3
    assert (tmp_path / "done").exists()


def test_nothing_that_is_printed_holds_a_control_character(capsys):
    evil = "a\x1b[31m\nb\r\t\x9b\u202e\u2028\x00" + os.fsdecode(b"\x9b\xe9")
    terminal.say(evil)
    terminal.warn(evil)
    for text in capsys.readouterr():
        assert text.startswith(r"a\x1b[31m\nb\r\t\x9b\u202e\u2028\x00\x9b")
        assert text.count("\n") == 1


@pytest.mark.parametrize("text", ["Gänseblümchen", "写真", "a b", "\U0001f338", "e\u0301", "\u200d"])
def test_what_is_no_control_character_stays(text):
    assert terminal.clean(text) == text
