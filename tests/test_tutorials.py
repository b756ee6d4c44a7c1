"""The programs behind docs/tutorials.md: the folds, the summary of corrected and lost photos, the light labels, runs that are resumed."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from benchmarks import fine_tuning, light_labels, tutorials
from retrain.finetune.loop import Point
from retrain.report.tensorboard import Summaries
from tests.conftest import STAND_IN, run_module


def test_each_photo_is_tested_in_one_fold_and_trained_in_the_others(colour_photos, tmp_path):
    tested, everything = [], {path.relative_to(colour_photos).as_posix() for path in colour_photos.glob("*/*")}
    for fold in range(5):
        folder = fine_tuning._fold(colour_photos, tmp_path / str(fold), fold)
        lists = [
            {path.relative_to(folder / which).as_posix() for path in (folder / which).glob("*/*")}
            for which in ("train", "test")
        ]
        assert lists[0] | lists[1] == everything
        assert not lists[0] & lists[1]
        tested += lists[1]
    assert sorted(tested) == sorted(everything)


def test_what_is_won_and_lost_is_counted_by_photo():
    def record(predicted):
        photos = [{"sha256": str(at), "label": "a", "predicted": one} for at, one in enumerate(predicted)]
        return {"test_photos": photos, "metrics": {"calibration_error": 0.25}}

    line = fine_tuning._summary([record("abab")], [record("aaaa")])
    assert line.startswith("4 photos: the layer alone 50.0 %, fine-tuned 100.0 % (+50.0 points)")
    assert "2 corrected, 0 lost, McNemar's test p = 0.5" in line


def test_a_run_that_is_there_is_not_run_again_and_a_snapshot_is_gone_on_from(tmp_path, monkeypatch):
    asked = []

    def run(words, folder):
        asked.append(words)
        path = folder / "tf_files/runs/1/run.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"accuracy": 1.0}))

    monkeypatch.setattr(tutorials, "run", run)
    (tmp_path / "one/tf_files").mkdir(parents=True)
    (tmp_path / "one/tf_files/retrain_checkpoint_step_8.npz").write_bytes(b"")
    for _ in range(2):
        assert tutorials.record_of(tmp_path / "one", tmp_path, "--epochs 3") == {"accuracy": 1.0}
    assert len(asked) == 1
    assert asked[0][-1] == "--resume=tf_files/retrain_checkpoint_step_8.npz"
    tutorials.record_of(tmp_path / "two", tmp_path, "--epochs 3")
    assert not any(word.startswith("--resume") for word in asked[1])


def test_what_becomes_of_weights_is_read_from_what_tensorboard_shows(tmp_path):
    for run, last in (("a", 0.5), ("b", 4.0)):
        summaries = Summaries(tmp_path / run / "tf_files/training_summaries/run")
        for step, spread in ((0, 1.0), (9, last)):
            weights = np.array([-spread, spread], np.float32)
            summaries.write_network(Point(step, 1.0, 0.5, 1.0, 0.5, 2), {"fc/kernel": weights, "fc/bias": weights})
        summaries.close()
    assert tutorials.spreads({run: tmp_path / run for run in "ab"}) == (
        "| layer | a | b |\n|---|---|---|\n| fc | 1.0000 to 0.5000 | 1.0000 to 4.0000 |\n"
    )


@pytest.mark.slow
def test_a_light_environment_has_no_tensorflow(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(sys, "argv", ["light_labels", str(tmp_path), f"--light={sys.executable}"])
    assert light_labels.main() == 2
    assert "has TensorFlow, so it is not light" in capsys.readouterr().err


@pytest.mark.parametrize("ask", [light_labels._by_label_image, light_labels._by_run_py])
def test_both_ways_of_labelling_give_the_labels_of_the_test(ask, light_run):
    (path,) = light_run.glob("tf_files/runs/*/run.json")
    photos = {photo["path"]: photo["predicted"] for photo in json.loads(path.read_text("utf-8"))["test_photos"]}
    assert len(photos) > 3
    assert ask(sys.executable, light_run, list(photos)) == photos


@pytest.fixture(scope="module")
def light_run(tmp_path_factory, colour_photos, model_dir):
    work = tmp_path_factory.mktemp("light_run")
    done = run_module(
        "retrain", f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}",
        "--how_many_training_steps=300", "--output_graph=", "--device_folder=pi", cwd=work,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return work
