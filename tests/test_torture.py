"""Each kind of force of `make torture`, in a hundredth of its size, so that none rots; and that the trials themselves are fair."""

from __future__ import annotations

import importlib
import os
import signal

import numpy as np
import pytest

from benchmarks.torture import __main__ as torture
from benchmarks.torture.commands import commands
from benchmarks.torture.graphs import originals
from benchmarks.torture.ground import Ground, alive, outlived
from benchmarks.torture.kills import ended_by
from benchmarks.torture.mutate import mutated
from benchmarks.torture.tally import Tally
from benchmarks.torture.whole import set_problem, temporary_names
from tests.conftest import SHARED


@pytest.fixture(scope="module")
def ground(tmp_path_factory):
    return Ground(SHARED / "data/flower_photos", SHARED / "data/models", tmp_path_factory.mktemp("torture"), 7, 0.01)


@pytest.mark.shared
@pytest.mark.parametrize("kind", [kind for kind in torture.KINDS if kind != "graphs"])  # these import TensorFlow: 10 s
def test_kind(ground, kind):
    tally = importlib.import_module(f"benchmarks.torture.{kind}").tried(ground)
    assert tally.failures == []
    assert tally.tried > 0 or tally.missing


@pytest.mark.shared
def test_there_are_eleven_commands_and_graphs_of_each_kind(ground):
    assert len(commands(ground)) == 11
    light, heavy = originals(ground)
    assert {path.suffix for path in light} == {".tflite", ".lite"}
    assert {path.suffix for path in heavy} == {".pb", ".h5", ".keras", ".savedmodel"}


@pytest.mark.shared
def test_a_mixed_set_and_half_a_set_are_seen(ground):
    folder = ground.copy_of(ground.home("a"), "mixed")
    assert set_problem(folder, ground, "a") == ""
    assert set_problem(folder, ground, "b") == "the set belongs to training a, expected b"
    labels = folder / "tf_files/retrained_labels.txt"
    labels.unlink()
    assert set_problem(folder, ground, "a").startswith("an incomplete set: only retrained.tflite")
    labels.write_text("one\ntwo\nthree\n")
    assert set_problem(folder, ground, "ab").startswith("a mixed set")


def test_a_process_that_lives_on_is_seen(tmp_path):
    words = ("tests.sleeper",)
    done = ended_by(words, tmp_path, "sleeper", 1.0, signal.SIGKILL)
    assert done.status == -signal.SIGKILL
    assert outlived("sleeper", 0.2)
    for process in alive("sleeper"):
        os.kill(process, signal.SIGKILL)
    assert not outlived("sleeper", 5.0)


def test_damage_depends_on_the_seed_only():
    data = bytes(range(256)) * 20
    first = [mutated(data, np.random.default_rng([0, number])) for number in range(200)]
    assert first == [mutated(data, np.random.default_rng([0, number])) for number in range(200)]
    assert sum(other != data for other in first) > 190


def test_temporary_names_are_found(tmp_path):
    for name in (".retrained.tflite.123.tmp", "photo.jpg.part", ".pi.9.old", "report.html", ".gitignore"):
        (tmp_path / name).write_bytes(b"")
    assert temporary_names(tmp_path) == [".pi.9.old", ".retrained.tflite.123.tmp", "photo.jpg.part"]


def test_the_table_is_put_between_its_marks(tmp_path):
    document = tmp_path / "reliability.md"
    document.write_text(f"before\n{torture._BEGIN}\nold\n{torture._END}\nbehind\n")
    tally = Tally("kills", "some", tried=3, failures=["kill 1: half a set"])
    torture.write(document, [tally], "seed 0")
    assert document.read_text() == (
        f"before\n{torture._BEGIN}\n| kind | test | trials | passed | failed |\n|---|---|---|---|---|\n"
        f"| kills | some | 3 | 2 | 1 |\n\n(seed 0)\n{torture._END}\nbehind\n"
    )
    document.write_text("no marks")
    with pytest.raises(ValueError, match="lacks the lines"):
        torture.write(document, [tally], "seed 0")


def test_an_unknown_kind_is_usage(capsys):
    assert torture.main(["--only", "killz"]) == 2
    assert "'killz' is not a kind of test" in capsys.readouterr().err
