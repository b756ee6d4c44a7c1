"""How far, how fast, how long still: one line on a terminal, plain lines in a log."""

from __future__ import annotations

import io
import itertools
import time

import pytest

from retrain.progress import Progress, describe, duration, speed_of


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def turn(seconds):
        now[0] += seconds

    return turn


def screen(text):
    """What a terminal shows, line by line, after this was written to it."""
    lines = [""]
    for part in text.replace("\r\x1b[2K", "\0").replace("\n", "\0\n").split("\0"):
        if part.startswith("\n"):
            lines.append(part[1:])
        else:
            lines[-1] = part
    return lines


def test_a_terminal_shows_rate_and_time_left_within_the_first_second(clock):
    stream = Terminal()
    shown = Progress(600, "photos", stream)
    clock(0.5)
    shown.update(50)
    assert screen(stream.getvalue()) == ["50 of 600 photos, 100 photos/s, 6 s left"]


def test_a_terminal_shows_one_line_that_is_written_over_and_taken_away(clock):
    stream = Terminal()
    shown = Progress(100, "photos", stream)
    for done in range(1, 90):
        clock(0.03)
        shown.update(done, "train 98.0%")
    assert len(screen(stream.getvalue())) == 1
    assert screen(stream.getvalue())[0].endswith("photos/s, 0 s left  train 98.0%")
    assert stream.getvalue().count("\r") <= 89 * 0.03 / 0.1 + 1
    shown.close()
    assert screen(stream.getvalue()) == [""]


def test_a_line_of_the_log_finds_room_on_a_terminal(clock):
    stream = Terminal()
    shown = Progress(100, "photos", stream)
    for done in (1, 2):
        clock(1)
        shown.update(done)
        shown.close()
        stream.write("Creating\n")
    assert screen(stream.getvalue()) == ["Creating", "Creating", ""]


def test_a_line_too_long_for_the_terminal_is_cut_not_wrapped(clock, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("LINES", "20")
    stream = Terminal()
    shown = Progress(100, "photos", stream)
    clock(1)
    shown.update(50, "train 98.0%, validation 91.0%")
    assert [len(line) for line in screen(stream.getvalue())] == [29]


def test_a_log_gets_whole_lines_now_and_then_and_no_escape_codes(clock):
    stream = io.StringIO()
    shown = Progress(1000, "photos", stream)
    for done in range(1, 1001):
        clock(1 / 16)
        shown.update(done)
    shown.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 6  # 62.5 s, one in 10 s
    assert lines[0] == "160 of 1000 photos, 16 photos/s, 52 s left"
    assert "\r" not in stream.getvalue()
    assert "\x1b" not in stream.getvalue()


def test_nothing_is_written_about_work_that_is_done_at_once(clock):
    for stream in (Terminal(), io.StringIO()):
        shown = Progress(3, "photos", stream)
        clock(0.01)
        shown.update(3)
        shown.close()
        assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("done", "total", "elapsed_s", "line"),
    [
        (0, 10, 5.0, "0 of 10 photos"),
        (1, 10, 0.0, "1 of 10 photos"),
        (10, 10, 2.0, "10 of 10 photos, 5.0 photos/s, 0 s left"),
        (1, 4000, 20.0, "1 of 4000 photos, 0.1 photos/s, 22 h 13 min left"),  # 3,999 x 20 s
        (12_345, 1_000_000, 10.0, "12345 of 1000000 photos, 1,234 photos/s, 13 min 20 s left"),
    ],
)
def test_a_line_says_count_rate_and_time_left(done, total, elapsed_s, line):
    assert describe(done, total, "photos", elapsed_s) == line


def test_speed_alone_is_empty_where_none_is_known():
    assert speed_of(0, 10, "photos", 5.0) == ""
    assert speed_of(100, 300, "photos", 10.0) == "10 photos/s, 20 s left"


def test_durations_grow_with_the_seconds():
    shown = [duration(seconds) for seconds in (0, 1, 60, 61, 119, 3599, 3600, 86_400)]
    assert shown == ["0 s", "1 s", "60 s", "1 min 1 s", "1 min 59 s", "59 min 59 s", "1 h 0 min", "24 h 0 min"]
    assert all(first != second for first, second in itertools.pairwise(shown))
