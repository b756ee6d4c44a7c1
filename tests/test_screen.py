"""What is said of much: a few lines and a count."""

from __future__ import annotations

import time

import pytest

from retrain.console import Screen, counted
from retrain.progress import Progress, Tenths

MORE = "... and {} more like these (--logging_verbosity=DEBUG prints them all)"


def few(label, count):
    return f"WARNING: Folder has less than 20 images, which may cause issues. ({label}: {count})"


def test_warnings_of_a_few_classes_are_all_said_word_for_word():
    lines = [few(label, 3) for label in ("daisy", "roses", "tulips", "lily", "iris")]
    assert counted(lines) == lines


@pytest.mark.parametrize(
    "names",
    [
        [f"class {n}" for n in range(1000)],
        [f"{chr(0x4E00 + n)}-rose" for n in range(1000)],
        [f"x{n}'s" for n in range(1000)],
    ],
)
def test_warnings_of_a_thousand_classes_are_counted_by_kind(names):
    lines = [few(name, 1 + place % 19) for place, name in enumerate(names)]
    lines += [
        f"{name}: the deal left no photo for testing; {place}.jpg was moved there" for place, name in enumerate(names)
    ]
    lines += ["the folders train and test determine the subset of each photo; it is kept"]
    said = counted(lines)
    assert len(said) == 9
    assert said[0] == lines[0]
    assert said[3] == said[7] == MORE.format(997)
    assert said[8] == lines[-1]


def test_warnings_that_have_little_in_common_are_all_said():
    lines = [
        "the folders test/, train/ determine the subset of each photo; it is kept",
        "9 photos in p/test are in no class folder: not used for testing; label them afterwards",
        "no folder has photos for validation: 10 % of p/train are dealt to it",
        "12 photos directly in p belong to no class and are not read",
        "p/runs/ contains the record of a run: this folder is not a class and is not read",
        "the folders annotations/ beside them are not read",
        "p/test has no photos of cat",
        "alpha beta",
    ]
    assert counted(lines) == lines
    assert counted([few(name, 3) for name in "abcdefgh"] + lines)[4:] == lines


def test_debug_prints_every_warning(capsys):
    for verbosity, count in (("INFO", 4), ("DEBUG", 50), ("ERROR", 0)):
        Screen(verbosity).notes(f"left out p/{n}.jpg: cut short" for n in range(50))
        assert capsys.readouterr().err.count("WARNING: ") == count


def test_a_sink_of_lines_that_are_alike_prints_some(capsys, monkeypatch):
    shown = Screen()
    say = shown.first(2)
    for number in range(9):
        say(f"Looking for images in '{number}'")
    assert len(capsys.readouterr().out.splitlines()) == 3
    say = shown.paced()
    for number in range(100, 5000, 100):
        say(f"{number} bottleneck files created. (1,0{number} photos/s)")
    say("a batch of 32 does not fit; 16 it is")
    assert len(capsys.readouterr().out.splitlines()) == 2


def test_a_long_training_has_ever_fewer_lines_in_its_log(monkeypatch):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    tenths, shown = Tenths(10_000_000), Progress(10_000_000, "steps")
    lines = []
    monkeypatch.setattr(shown, "_write", lines.append)
    due = 0
    for step in range(0, 10_000_000, 1000):  # a day
        now[0] += 8.64
        due += tenths.due(step)
        shown.update(step + 1)
    assert 10 <= due <= 22
    assert len(lines) < 170
    assert Tenths(1).due(0)
