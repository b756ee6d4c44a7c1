"""Each run has a folder of its own; the runs are listed, used again, pruned; a record changed by hand is one line."""

from __future__ import annotations

import contextlib
import copy
import random
import subprocess
import sys
import threading
from typing import Any

import pytest

from label_image.errors import RunError, UserError
from label_image.find_run import all_runs, graph_of, run_folder
from retrain.runs import cli
from retrain.runs.folder import begin, end, killed_runs
from retrain.runs.record import RunRecord, read_record, write_record
from retrain.runs.record_schema import fault
from retrain.runs.usual_names import change
from tests import kills
from tests.conftest import STAND_IN


@pytest.fixture
def run_here(retrain_here, colour_photos, model_dir):
    """Trains in this process, quickly."""
    return lambda *words: retrain_here(
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--summaries_dir=",
        "--how_many_training_steps=20", "--report=none", "--export=tflite", *words,
    )  # fmt: skip


def program(*words, capfd):
    code = cli.main([str(word) for word in words])
    return code, *capfd.readouterr()


def test_runs_that_begin_in_one_second_never_share_a_folder(tmp_path):
    """`same_second_runs_share_a_folder`, `run_folder_collision`: in threads and in processes."""
    code = "import sys; from pathlib import Path; from retrain.runs.folder import begin; print(begin(Path(sys.argv[1]), 'x'))"
    others = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    found = []
    threads = [threading.Thread(target=lambda: found.append(str(begin(tmp_path, "x")))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found += [other.communicate(timeout=60)[0].strip() for other in others]
    assert len(set(found)) == 23 == len(list(tmp_path.iterdir()))


def test_nothing_is_left_of_a_run_of_which_nothing_came(run_here, tmp_path):
    assert run_here("--testing_percentage=50", "--validation_percentage=49", "--train_batch_size=0").returncode == 2
    assert run_here("--resume=nowhere.npz").returncode == 2
    assert run_here("--snapshot_steps=5", "--how_many_training_steps=10").returncode == 0
    snapshot = "--resume=tf_files/retrain_checkpoint_step_5.npz"
    assert run_here(snapshot, "--how_many_training_steps=20", "--seed=1").returncode == 2  # found when training begins
    assert len(list((tmp_path / "tf_files/runs").iterdir())) == 1


def test_killed_anywhere_before_its_record_a_run_leaves_nothing(tmp_path):
    def work(base):
        run = begin(base / "runs", "x")
        (run / "retrained.tflite").write_text("half")
        end(run)

    def check(base, number):
        assert killed_runs(base / "runs") == []
        assert [path for path in base.rglob("*") if path != base / "runs"] == [], number

    assert kills.everywhere(tmp_path, lambda base: None, work, check) >= 5


def test_a_run_is_listed_used_removed_and_pruned(run_here, tmp_path, capfd):
    for seed in (1, 2, 3):
        assert run_here(f"--seed={seed}").returncode == 0
    names = [path.name for path in all_runs()]
    code, out, _ = program(capfd=capfd)
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["name", *names, "3"]
    assert out.splitlines()[3].endswith("in use by tf_files")
    labels = tmp_path / "tf_files/retrained.tflite"
    assert program("use", names[0], capfd=capfd)[0] == 0
    assert labels.read_bytes() == (run_folder(names[0]) / "retrained.tflite").read_bytes()
    assert program("prune", "--keep=1", capfd=capfd)[0] == 0
    assert [path.name for path in all_runs()] == [names[0], names[2]]  # the one in use is never pruned
    code, out, _ = program("remove", names[0], capfd=capfd)
    assert (code, "stays in use" in out) == (0, True)
    assert labels.exists()
    assert program("remove", names[0], capfd=capfd)[0] == 2
    for words in (["prune"], ["nonsense"], ["use"], ["list", "--keep=2"], ["prune", "--keep=0"], ["use", "none"]):
        code, _, err = program(*words, capfd=capfd)
        assert (code, err.count("\n")) == (2, 1), words


@pytest.mark.parametrize("made_of", ["links", "files"])
def test_nothing_but_a_run_is_removed(tmp_path, monkeypatch, capfd, made_of):
    """tf_files holds a classifier as a run does, and so may a folder of the user's."""
    monkeypatch.chdir(tmp_path)
    for name in ("tf_files", "project", "20200102-030405-mobilenet"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "retrained_graph.pb").write_text("a graph")
    if made_of == "links":
        run = tmp_path / "20200102-030405-mobilenet"
        change(tmp_path / "tf_files", run, ["retrained_graph.pb"], "", tmp_path)
    before = sorted(tmp_path.rglob("*"))
    for name in (
        "tf_files",
        "tf_files/",
        "tf_files/sets/newest",
        "tf_files/sets/20200102-030405-mobilenet",
        "project",
        ".",
        "..",
        str(tmp_path),
        str(tmp_path / "tf_files"),
    ):
        code, out, err = program("remove", name, "--runs_dir=.", capfd=capfd)
        assert (code, out, err.count("\n")) == (2, "", 1), name
    assert program("prune", "--keep=1", "--runs_dir=.", capfd=capfd)[0] == 0
    assert sorted(tmp_path.rglob("*")) == before
    assert program("remove", "20200102-030405-mobilenet", "--runs_dir=.", capfd=capfd)[0] == 0


def test_a_run_at_work_is_not_removed(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    run = begin(tmp_path / "tf_files/runs", "x")
    (run / "run.json").write_text("{}")
    code, _, err = program("remove", run.name, capfd=capfd)
    assert (code, "is still running" in err) == (2, True)
    assert program("prune", "--keep=1", capfd=capfd)[0] == 0


def test_an_older_run_labels(run_here, tmp_path, capfd, colour_photos):
    from label_image.cli import main

    assert run_here().returncode == 0
    assert run_here("--seed=2").returncode == 0
    photo = next(colour_photos.glob("cyan/*"))
    for run in all_runs():
        assert main([f"--run={run.name}", f"--image={photo}", "--top_k=1"]) == 0
        assert "cyan" in capfd.readouterr().out
    for words, message in (
        (["--run=2020"], "cannot find the run '2020'"),
        (["--run=2"], "matches"),
        (["--run=2", "--graph=x"], "leave one out"),
    ):
        assert main([*words, f"--image={photo}"]) == 2
        assert message in capfd.readouterr().err


def test_a_run_whose_file_was_written_over_is_not_used_in_silence(run_here, tmp_path, capfd, colour_photos, tflite):
    """A hard link: `cp other.tflite tf_files/retrained.tflite` writes into the file that the run keeps."""
    from label_image.cli import main

    photo = next(colour_photos.glob("cyan/*"))
    assert run_here().returncode == 0
    (run,) = all_runs()
    assert main([f"--run={run.name}", f"--image={photo}", "--top_k=1"]) == 0
    with (tmp_path / "tf_files/retrained.tflite").open("r+b") as file:
        file.write(tflite.read_bytes())
    capfd.readouterr()
    assert main([f"--run={run.name}", f"--image={photo}"]) == 1
    assert "was overwritten" in capfd.readouterr().err
    code, _, err = program("use", run.name, capfd=capfd)
    assert (code, err.count("\n"), "was overwritten" in err) == (1, 1, True)
    (run / "run.json").write_text('{"exports": [{"kept": 7}, 7]}')
    assert main([f"--run={run.name}", f"--image={photo}", "--top_k=1"]) == 0  # no record to hold it against


def test_a_run_without_a_classifier_says_so(tmp_path):
    with pytest.raises(RunError, match="cannot find a classifier"):
        graph_of(tmp_path)
    with pytest.raises(UserError, match="there is no run in"):
        run_folder("x", tmp_path)


def test_a_stopped_training_never_replaces_a_whole_one(run_here, tmp_path, monkeypatch, capfd):
    """Ctrl-C at step 10 of 2,000,000; the first training here is exported all the same."""

    def stopped(*words):
        from retrain.head.training import Training

        steps = []

        def step(self, *arguments, real=Training.step):
            steps.append(1)
            if len(steps) > 10:
                raise KeyboardInterrupt
            return real(self, *arguments)

        with monkeypatch.context() as patched:
            patched.setattr(Training, "step", step)
            return run_here("--how_many_training_steps=2000000", *words)

    assert stopped().returncode == 0
    model = tmp_path / "tf_files/retrained.tflite"
    first = model.read_bytes()
    done = stopped("--seed=3")
    assert done.returncode == 0
    assert model.read_bytes() == first
    assert "the classifier that was there before keeps its names" in done.stdout
    run = all_runs()[-1]
    assert f"python -m retrain.runs use {run.name}" in done.stdout
    assert f"--graph={run / 'retrained.tflite'}".removeprefix(str(tmp_path)) in done.stdout
    assert program("use", run.name, capfd=capfd)[0] == 0
    assert model.read_bytes() == (run / "retrained.tflite").read_bytes() != first


VALUES = (None, True, -1, 10**30, 0.5, "text", "", [], [1], [[]], {}, {"a": 1})


def test_a_record_changed_by_hand_is_one_line_everywhere(trained, tmp_path, capfd):
    """Each place of a real record with other values: read, drawn, compared, listed."""
    from retrain.compare.records import run_of
    from retrain.report.page import page

    folder = next(trained.glob("tf_files/runs/*"))
    whole = dict(read_record(folder).fields)
    for photo in whole["test_photos"]:
        photo["path"] = "gone.jpg"
    whole["test_photos"] = whole["test_photos"][:3]
    rng = random.Random(1)
    refused = drawn = 0
    for place in places_of(whole):
        record = copy.deepcopy(whole)
        inner: Any = record
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = rng.choice(VALUES)
        if fault(record):
            refused += 1
            continue
        drawn += 1
        with contextlib.suppress(RunError):
            run_of(RunRecord(tmp_path, record), "x", {}, tmp_path)
        if rng.random() < 0.1:
            page(record, None, tmp_path)
    assert refused > 100
    assert drawn > 50
    write_record(tmp_path / "tf_files/runs/x", {**whole, "seconds": "?"})
    with pytest.raises(RunError, match="'seconds' must be an object, found '\\?'"):
        read_record(tmp_path / "tf_files/runs/x")
    code, out, _ = program(f"--runs_dir={tmp_path / 'tf_files/runs'}", capfd=capfd)
    assert (code, "'seconds' must be an object" in out) == (0, True)


def places_of(value, place=()):
    """Every place in a record; of a list, its first item."""
    items = value.items() if isinstance(value, dict) else enumerate(value[:1]) if isinstance(value, list) else ()
    for key, item in items:
        yield (*place, key)
        yield from places_of(item, (*place, key))


def test_a_run_folder_has_its_mark_before_it_has_its_name(tmp_path, monkeypatch):
    """Another program clears empty folders away, and a third may then make the same name: two runs shared one folder."""
    from retrain.runs import folder as rooms

    seen = []
    real = rooms._named

    def watching(scratch, target):
        seen.append((rooms.running(scratch) is not None, target.name))
        rooms.killed_runs(tmp_path)  # as another program that begins just now
        return real(scratch, target)

    monkeypatch.setattr(rooms, "_named", watching)
    made = {rooms.begin(tmp_path, "net") for _ in range(3)}
    assert len(made) == 3
    assert all(marked for marked, _ in seen)
    assert all(rooms.running(one) is not None for one in made)
