"""The usual names change all at once: killed anywhere, read meanwhile, on disks without links; names of one's own are finished later."""

from __future__ import annotations

import json
import os
import shutil
import threading
from pathlib import Path

import pytest

from label_image.errors import RunError
from label_image.find_run import graph_of, run_folder
from retrain.exporters import table
from retrain.options.options import Options
from retrain.runs import folder as runs_folder
from retrain.runs import usual_names
from retrain.runs.publish import Member, finish_killed, publish
from retrain.runs.usual_names import CHECKPOINT, LABELS, NAMES
from tests import kills

TFLITE, GRAPH, DEVICE = (row.kept for row in (table.TFLITE, table.GRAPH, table.DEVICE_FOLDER))
ALL = (TFLITE, GRAPH, LABELS, CHECKPOINT, DEVICE)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # kills are tested here, not power cuts; and it takes long


def run_of(base: Path, letter: str, names: tuple[str, ...] = ALL) -> Path:
    """The folder of a run that has ended, in which every file holds its letter."""
    run = runs_folder.begin(base / "tf_files/runs", letter)
    for name in names:
        write(run / name, letter)
    (run / "run.json").write_text(json.dumps({"format": 2, "plan": {"image_dir": letter}, "accuracy": 0.5}))
    return run


def write(path: Path, letter: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name == DEVICE:
        for inside in ("model.tflite", "more/labels.txt"):
            write(path / inside, letter)
    else:
        path.write_text(letter)


def publish_run(base: Path, letter: str, names: tuple[str, ...] = ALL, **elsewhere: str) -> usual_names.Earlier:
    run = run_of(base, letter, names)
    members = [Member(name, base / elsewhere.get(name.partition(".")[0], f"tf_files/{name}")) for name in names]
    earlier = publish(run, members, base / "tf_files/runs")
    runs_folder.end(run)
    return earlier


PLACES = tuple(f"tf_files/{name}" for name in NAMES)


def letters(base: Path, places: tuple[str, ...] = PLACES) -> dict[str, str]:
    """What is read under the usual names, or under others."""
    found = {}
    for place in places:
        path = base / place
        if path.is_dir():
            assert (path / "model.tflite").read_text() == (path / "more/labels.txt").read_text()
        if path.exists():
            found[path.name] = (path / "model.tflite" if path.is_dir() else path).read_text()
    return found


def rests(base: Path) -> list[str]:
    """Temporary names, anywhere."""
    return [str(path) for path in base.rglob(".*") if path.name != ".running" or not path.parent.is_dir()]


def test_the_usual_names_are_the_defaults_of_the_flags():
    options = Options.of(image_dir="x")
    for path in (
        options.value("output_tflite"),
        options.value("output_graph"),
        options.exports.output_labels,
        f"{options.exports.checkpoint_stem}.npz",
    ):
        assert Path(path).name in NAMES
        assert usual_names.is_usual(Path(path))
    assert not usual_names.is_usual(Path("elsewhere/retrained.tflite"))


BEFORE = {
    "nothing": lambda base: None,
    "an earlier set": lambda base: publish_run(base, "a"),
    "an earlier set with fewer files": lambda base: publish_run(base, "a", (GRAPH, LABELS)),
    "files of an earlier version": lambda base: [write(base / "tf_files" / name, "a") for name in ALL],
}


@pytest.mark.parametrize(("before", "names"), [*((one, ALL) for one in BEFORE), ("an earlier set", (GRAPH, LABELS))])
def test_killed_anywhere_one_whole_set_is_seen(tmp_path, before, names):
    """`mixed_set`, before each call that changes a name."""
    stood, every = {}, 1 if before == "an earlier set" and names == ALL else 3

    def prepare(base):
        BEFORE[before](base)
        stood.update(letters(base))

    def check(base, number):
        seen = letters(base)
        assert seen in (stood, dict.fromkeys(names, "b")), (number, seen)
        kills.as_next_process()
        finish_killed(base / "tf_files/runs")
        assert letters(base) in (stood, dict.fromkeys(names, "b")), number
        publish_run(base, "c", (TFLITE, LABELS))
        assert letters(base) == {TFLITE: "c", LABELS: "c"}
        assert rests(base) == [], number
        if before != "nothing":  # what was there before is kept
            kept = [path.read_text() for path in base.glob(f"tf_files/runs/*/{LABELS}")]
            assert "a" in kept

    assert kills.everywhere(tmp_path, prepare, lambda base: publish_run(base, "b", names), check, every) > 20


def test_a_reader_in_a_loop_always_finds_a_whole_set(tmp_path):
    publish_run(tmp_path, "a")
    seen, over = [], threading.Event()

    def read():
        while not over.is_set():
            folder = os.open(tmp_path / "tf_files/sets/newest", os.O_RDONLY)
            try:
                seen.append({name: letters_at(folder, name) for name in (TFLITE, LABELS)})
            except FileNotFoundError:  # so slow that newer sets came and this one was removed: label_image opens again
                continue
            finally:
                os.close(folder)
            for name in (TFLITE, LABELS):
                assert (tmp_path / "tf_files" / name).read_text() in "abc"

    def letters_at(folder, name):
        descriptor = os.open(name, os.O_RDONLY, dir_fd=folder)
        try:
            return os.read(descriptor, 9).decode()
        finally:
            os.close(descriptor)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(40):
        publish_run(tmp_path, "abc"[number % 3])
    over.set()
    reader.join()
    assert len(seen) > 40
    assert all(len(set(one.values())) == 1 for one in seen)


def test_names_of_ones_own_are_finished_by_the_next_run(tmp_path):
    own = {"retrained": "out/x.tflite", "retrained_labels": "else/x.txt", "device": "pi"}
    places = tuple(own.values())
    names = (TFLITE, LABELS, DEVICE)

    def prepare(base):
        publish_run(base, "a", names, **own)

    def check(base, number):
        run_exists = list(base.glob("tf_files/runs/*-b/run.json"))
        kills.as_next_process()
        said = finish_killed(base / "tf_files/runs")
        seen = set(letters(base, places).values())
        assert seen == {"a"} or (seen == {"b"} and run_exists), (number, said)
        publish_run(base, "c", names, **own)
        assert letters(base, places) == {"x.tflite": "c", "x.txt": "c", "pi": "c"}
        assert rests(base) == [], number

    assert kills.everywhere(tmp_path, prepare, lambda base: publish_run(base, "b", names, **own), check) > 15


def test_on_a_disk_without_links_everything_is_copied(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(1, "Operation not permitted")

    write(tmp_path / "tf_files" / GRAPH, "of an earlier version")
    monkeypatch.setattr(os, "symlink", refuse)
    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr(Path, "symlink_to", refuse)
    publish_run(tmp_path, "a")
    publish_run(tmp_path, "b", (TFLITE, LABELS))
    assert letters(tmp_path) == {TFLITE: "b", LABELS: "b"}
    assert not [path for path in tmp_path.rglob("*") if path.is_symlink()]
    (kept,) = tmp_path.glob(f"tf_files/runs/*-earlier/{GRAPH}")
    assert kept.read_text() == "of an earlier version"
    assert len(list(tmp_path.glob("tf_files/runs/*"))) == 3
    assert rests(tmp_path) == []


def test_a_tf_files_that_was_copied_without_its_links_goes_on(tmp_path):
    publish_run(tmp_path, "a")
    shutil.copytree(tmp_path / "tf_files", tmp_path / "copy/tf_files")  # follows links
    assert set(letters(tmp_path / "copy").values()) == {"a"}
    publish_run(tmp_path / "copy", "b", (TFLITE, LABELS))
    assert letters(tmp_path / "copy") == {TFLITE: "b", LABELS: "b"}
    shutil.copytree(tmp_path / "tf_files", tmp_path / "other/tf_files", symlinks=True)
    publish_run(tmp_path / "other", "b")
    assert (set(letters(tmp_path / "other").values()), set(letters(tmp_path).values())) == ({"b"}, {"a"})


def test_what_is_replaced_is_said_and_kept(tmp_path):
    assert publish_run(tmp_path, "a") == usual_names.Earlier()
    earlier = publish_run(tmp_path, "b", (GRAPH, LABELS))
    assert earlier.about == "a (50.0%)"
    assert (tmp_path / earlier.run / TFLITE).read_text() == "a"
    assert earlier.gone == (TFLITE, CHECKPOINT, DEVICE)


def test_a_link_of_the_users_stays_one(tmp_path):
    (tmp_path / "tf_files").mkdir()
    (tmp_path / "mine.tflite").write_text("old")
    (tmp_path / "tf_files" / TFLITE).symlink_to("../mine.tflite")
    publish_run(tmp_path, "a", (TFLITE, LABELS))
    assert (tmp_path / "mine.tflite").read_text() == "a"
    assert (tmp_path / "tf_files" / TFLITE).readlink() == Path("../mine.tflite")


def test_the_classifier_outlives_the_folder_of_the_runs(tmp_path):
    publish_run(tmp_path, "a")
    for path in sorted((tmp_path / "tf_files/runs").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    assert set(letters(tmp_path).values()) == {"a"}
    assert publish_run(tmp_path, "b").about == "a (50.0%)"


def test_a_run_is_named_by_its_beginning_and_its_lightest_classifier_is_taken(tmp_path):
    first, second = run_of(tmp_path, "a"), run_of(tmp_path, "b", (GRAPH, LABELS))
    assert graph_of(run_folder(first.name)) == Path("tf_files/runs") / first.name / TFLITE
    assert graph_of(run_folder(str(second))).name == GRAPH


def test_what_fails_between_two_names_of_ones_own_is_finished_by_the_next_run(tmp_path, monkeypatch):
    own = {"retrained": "out/x.tflite", "retrained_labels": "else/x.txt"}
    publish_run(tmp_path, "a", (TFLITE, LABELS), **own)
    real = Path.replace

    def full(path, target):
        if Path(target).name == "x.tflite":
            raise OSError(28, "No space left on device")
        return real(path, target)

    run = run_of(tmp_path, "b", (TFLITE, LABELS))
    members = [Member(TFLITE, Path("out/x.tflite")), Member(LABELS, Path("else/x.txt"))]
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full)
        with pytest.raises(RunError, match="No space left on device; the exported files are in"):
            publish(run, members, Path("tf_files/runs"))
    runs_folder.end(run)
    assert set(letters(tmp_path, tuple(own.values())).values()) == {"a", "b"}
    state = runs_folder.running(run)
    pid, start, place = state.mark.split("-")
    runs_folder.Running(f"{pid}-{int(start) + 1}-{place}", state.targets).write(run)  # as if that process had ended
    assert "this is complete now" in finish_killed(Path("tf_files/runs"))[0]
    assert set(letters(tmp_path, tuple(own.values())).values()) == {"b"}


def test_a_pipe_is_never_waited_for_on_behalf_of_a_killed_run(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    run = run_of(tmp_path, "a", (TFLITE, LABELS))
    pid, start, place = runs_folder.running(run).mark.split("-")
    targets = ((TFLITE, str(tmp_path / "x.tflite")), (LABELS, str(tmp_path / "pipe")))
    runs_folder.Running(f"{pid}-{int(start) + 1}-{place}", targets).write(run)
    assert len(finish_killed(Path("tf_files/runs"))) == 1
    assert (tmp_path / "x.tflite").read_text() == "a"
