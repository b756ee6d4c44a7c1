"""TensorBoard's files: the original's tags, read back by TensorBoard's own reader; folders of others left alone."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from label_image.errors import UserError
from retrain.head import train
from retrain.plan import Plan
from retrain.summaries import MARKER, Summaries, check_folder
from tests.conftest import ROOT
from tests.test_head import blobs

SCALARS = {"accuracy_1", "cross_entropy_1"} | {
    f"final_training_ops/{part}/summaries/{name}"
    for part in ("weights", "biases")
    for name in ("mean", "stddev_1", "max", "min")
}
HISTOGRAMS = {
    "activations", "final_training_ops/Wx_plus_b/pre_activations", "final_training_ops/weights/summaries/histogram",
    "final_training_ops/biases/summaries/histogram",
}  # fmt: skip


@pytest.fixture
def written(tmp_path):
    summaries = Summaries(tmp_path / "s")
    seen = []

    def write(point):
        seen.append((point.step, point.train_accuracy, point.validation_loss))
        summaries.write(point)

    train(blobs(), ("a", "b", "c"), Plan(image_dir="x", how_many_training_steps=55), write, lambda *_: None)
    summaries.close()
    return tmp_path / "s", seen


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0})
    reader.Reload()
    return reader


@pytest.mark.parametrize("run", ["train", "validation"])
def test_tensorboard_reads_the_originals_tags(written, run):
    tags = read(written[0] / run).Tags()
    assert set(tags["scalars"]) == SCALARS
    assert set(tags["histograms"]) == HISTOGRAMS


def test_the_numbers_are_those_of_the_training(written):
    folder, seen = written
    accuracy = read(folder / "train").Scalars("accuracy_1")
    loss = read(folder / "validation").Scalars("cross_entropy_1")
    assert [event.step for event in accuracy] == [step for step, _, _ in seen]
    assert [event.value for event in accuracy] == pytest.approx([value for _, value, _ in seen])
    assert [event.value for event in loss] == pytest.approx([value for _, _, value in seen])


def test_writing_them_needs_no_tensorflow(tmp_path):
    code = f"""
import sys
import time
from pathlib import Path
from retrain.summaries import Summaries
Summaries(Path({str(tmp_path / "s")!r})).close()
assert "tensorflow" not in sys.modules
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def test_a_second_run_removes_our_old_event_files_and_nothing_else(written):
    folder, _ = written
    (old,) = (folder / "train").glob("events*")
    (folder / "train/notes.txt").write_text("mine")
    (folder / "train/events.out.tfevents.1.somebody").write_text("not ours")
    time.sleep(1.1)  # the files' names have the second
    Summaries(folder).close()
    names = {path.name for path in (folder / "train").iterdir()}
    assert old.name not in names
    assert {"notes.txt", "events.out.tfevents.1.somebody"} < names
    assert len(names) == 3


def test_a_folder_that_is_not_ours_is_refused_and_untouched(tmp_path):
    (tmp_path / "thesis.txt").write_text("years")
    with pytest.raises(UserError, match="thesis.txt"):
        Summaries(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_empty_folder_is_taken_and_marked(tmp_path):
    check_folder(tmp_path)
    Summaries(tmp_path).close()
    assert (tmp_path / MARKER).is_file()


def test_a_file_in_the_way_is_refused(tmp_path):
    (tmp_path / "f").write_text("x")
    with pytest.raises(UserError, match="it is a file"):
        Summaries(tmp_path / "f")
