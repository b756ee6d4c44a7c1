"""TensorBoard's files: the original's tags, read back by TensorBoard's own reader; folders of others left alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import cast

import numpy as np
import pytest

from label_image.errors import RunError
from retrain.head.train import Evaluation
from retrain.report.tensorboard import MARKER, Summaries
from tests.conftest import COLOURS, ROOT, STAND_IN
from tests.test_head import bottlenecks, plan_of, trained

SCALARS = {"accuracy_1", "cross_entropy_1"} | {
    f"final_training_ops/{part}/summaries/{name}"
    for part in ("weights", "biases")
    for name in ("mean", "stddev_1", "max", "min")
}
HISTOGRAMS = {
    "activations", "final_training_ops/Wx_plus_b/pre_activations", "final_training_ops/weights/summaries/histogram",
    "final_training_ops/biases/summaries/histogram",
}  # fmt: skip


def point(step=0, validation_count=2, weights=((1.0, 2.0), (3.0, 6.0))):
    """An evaluation in small numbers."""
    weights, logits = np.array(weights, np.float32), np.array([[0, 0], [2, -2]], np.float32)
    drawn = logits[:validation_count]
    return Evaluation(step, 0.5, 0.7, 0.25, 0.9, validation_count, weights, weights[0], logits, drawn)


@pytest.fixture
def written(tmp_path):
    """The summaries of a real training, and what it showed."""
    summaries, seen = Summaries(tmp_path / "s"), []

    def write(point):
        seen.append((point.step, point.train_accuracy, point.validation_loss))
        summaries.write(point)

    trained(bottlenecks(), plan_of(how_many_training_steps=55, eval_step_interval=10), write)
    summaries.close()
    return tmp_path / "s", seen


def read(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "histograms": 0})
    reader.Reload()
    return reader


def event_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("events*"))


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


def test_figures_of_the_weights_are_the_originals(tmp_path):
    summaries = Summaries(tmp_path)
    summaries.write(point())
    summaries.close()
    for run in ("train", "validation"):
        reader = read(tmp_path / run)
        figures = {
            name: reader.Scalars(f"final_training_ops/weights/summaries/{name}")[0].value
            for name in ("mean", "stddev_1", "max", "min")
        }
        # 1, 2, 3, 6: mean 3, squares of the distances 4 + 1 + 0 + 9, a quarter of them 3.5
        assert figures == pytest.approx({"mean": 3, "stddev_1": 3.5**0.5, "max": 6, "min": 1})


def test_a_histogram_holds_every_number(tmp_path):
    summaries = Summaries(tmp_path)
    summaries.write(point())
    summaries.close()
    weights = read(tmp_path / "train").Histograms("final_training_ops/weights/summaries/histogram")[0].histogram_value
    assert (weights.min, weights.max, weights.num, weights.sum, weights.sum_squares) == (1, 6, 4, 12, 50)
    assert sum(weights.bucket) == 4
    assert weights.bucket_limit[-1] == 6
    assert len(weights.bucket) == len(weights.bucket_limit) == 30
    activations = read(tmp_path / "train").Histograms("activations")[0].histogram_value
    # softmax of (0, 0) and (2, -2): 1/2, 1/2, 1 / (1 + e^-4), 1 / (1 + e^4)
    assert (activations.num, activations.sum) == (4, pytest.approx(2))
    assert activations.max == pytest.approx(1 / (1 + np.exp(-4)))


def test_histograms_come_with_every_tenth_evaluation_and_scalars_with_each(tmp_path):
    summaries = Summaries(tmp_path)
    for step in range(25):
        summaries.write(point(step))
    summaries.close()
    reader = read(tmp_path / "train")
    assert [event.step for event in reader.Scalars("accuracy_1")] == list(range(25))
    for tag in HISTOGRAMS:
        assert [event.step for event in reader.Histograms(tag)] == [0, 10, 20]


def test_a_training_step_that_changed_nothing_can_be_shown(tmp_path):
    summaries = Summaries(tmp_path)
    summaries.write(point(weights=np.zeros((3, 2))))
    summaries.close()
    assert len(read(tmp_path / "train").Histograms("final_training_ops/weights/summaries/histogram")) == 1


def test_without_a_validation_list_its_run_stays_empty(tmp_path):
    summaries = Summaries(tmp_path)
    summaries.write(point(validation_count=0))
    summaries.close()
    assert read(tmp_path / "validation").Tags()["scalars"] == []
    assert len(read(tmp_path / "train").Scalars("accuracy_1")) == 1


def test_writing_them_needs_no_tensorflow(tmp_path):
    code = f"""
import sys
from pathlib import Path
from retrain.report.tensorboard import Summaries
from tests.test_summaries import point
summaries = Summaries(Path({str(tmp_path / "s")!r}))
summaries.write(point())
summaries.close()
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
    assert len(event_files(tmp_path / "s")) == 2


def test_what_else_is_in_the_folder_is_left_alone(tmp_path):
    folder = tmp_path / "training_summaries"
    (folder / "LR_0.5/train").mkdir(parents=True)
    (folder / "LR_0.5/train/events.out.tfevents.1.theirs").write_text("years")
    (folder / "thesis.txt").write_text("years")
    Summaries(folder / "20260101-000000-a").close()
    assert (folder / "thesis.txt").read_text() == (folder / "LR_0.5/train/events.out.tfevents.1.theirs").read_text()
    assert (folder / "20260101-000000-a" / MARKER).is_file()


def test_curves_of_several_runs_stand_side_by_side(retrain_here, colour_photos, model_dir, tmp_path):
    """The codelab's own folder for a rate, then a plain run, then one more: nothing blocks, nothing is lost."""
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    words = (
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--export=tflite",
        "--how_many_training_steps=20", "--report=none",
    )  # fmt: skip
    logdir = tmp_path / "tf_files/training_summaries"
    for more in (["--learning_rate=0.5", f"--summaries_dir={logdir}/LR_0.5"], [], []):
        done = retrain_here(*words, *more)
        assert done.returncode == 0, done.stderr
    shown = sorted(EventMultiplexer().AddRunsFromDirectory(str(logdir)).Runs())
    first, second, third = (path.name for path in sorted((tmp_path / "tf_files/runs").iterdir()))
    assert shown == sorted(
        f"{place}/{part}" for place in (f"LR_0.5/{first}", second, third) for part in ("train", "validation")
    )


def test_a_folder_that_can_not_be_made_is_one_line(tmp_path):
    (tmp_path / "f").write_text("x")
    with pytest.raises(RunError, match=r"cannot write --summaries_dir=.*f/s: Not a directory"):
        Summaries(tmp_path / "f" / "s")


def test_the_test_is_shown_as_a_matrix_and_in_the_projector(retrain_here, colour_photos, model_dir, tmp_path):
    """The whole run; read back with TensorBoard's own reader, its projector's own proto and its own plugin's way."""
    import io
    import json

    from google.protobuf import text_format
    from PIL import Image
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    words = (
        f"--image_dir={colour_photos}",
        f"--architecture={STAND_IN}",
        f"--model_dir={model_dir}",
        "--output_graph=",
    )
    done = retrain_here(*words, "--how_many_training_steps=30")
    assert done.returncode == 0, done.stderr
    (folder,) = tmp_path.glob("tf_files/training_summaries/*/test")
    (record,) = (json.loads(path.read_text()) for path in (tmp_path / "tf_files" / "runs").glob("*/run.json"))
    (event,) = read(folder).Images("confusion_matrix")
    assert event.step == record["kept_step"]
    picture = Image.open(io.BytesIO(event.encoded_image_string)).convert("RGB")
    assert picture.size == (event.width, event.height)
    matrix = np.array(record["metrics"]["confusion"])
    left, top = picture.width - 44 * 3 - 1, picture.height - 44 * 3 - 1
    for row in range(3):
        for column in range(3):
            share = matrix[row, column] / max(matrix[row].sum(), 1)
            red, _, _ = cast("tuple[int, ...]", picture.getpixel((left + 44 * column + 4, top + 44 * row + 4)))
            blueness = 255 - red
            assert blueness == pytest.approx(247 * share, abs=1)
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (embedding,) = config.embeddings
    features = np.fromfile(folder / embedding.tensor_path, "<f4").reshape(embedding.tensor_shape)
    assert features.shape == (record["tested"], 3)
    header, *lines = (folder / embedding.metadata_path).read_text().splitlines()
    assert header == "label\tpredicted\tphoto"
    cells = [line.split("\t") for line in lines]
    assert cells == [[photo["label"], photo["predicted"], photo["path"]] for photo in record["test_photos"]]
    sprite = Image.open(folder / embedding.sprite.image_path)
    side = sprite.width // embedding.sprite.single_image_dim[0]
    assert sprite.size == (side * 64, side * 64)
    assert side**2 >= record["tested"] > (side - 1) ** 2
    for place, (label, *_) in enumerate(cells):
        seen = sprite.getpixel((place % side * 64 + 32, place // side * 64 + 32))
        assert np.abs(np.subtract(seen, COLOURS[label])).max() < 40


def test_tensorboards_projector_serves_what_was_written(retrain_here, colour_photos, model_dir, tmp_path):
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    from werkzeug.test import Client

    words = (
        f"--image_dir={colour_photos}",
        f"--architecture={STAND_IN}",
        f"--model_dir={model_dir}",
        "--output_graph=",
    )
    assert retrain_here(*words, "--how_many_training_steps=30").returncode == 0
    logdir = tmp_path / "tf_files" / "training_summaries"
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    from tensorboard.backend.event_processing.data_ingester import LocalDataIngester  # noqa: F401 - what serves it
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider

    provider = MultiplexerDataProvider(multiplexer, str(logdir))
    plugin = ProjectorPlugin(TBContext(logdir=str(logdir), data_provider=provider, multiplexer=multiplexer))
    apps = plugin.get_plugin_apps()
    plugin._update_configs()
    (run,) = (path.name for path in logdir.iterdir())
    assert list(plugin._configs) == [f"{run}/test"]
    answer = Client(apps["/tensor"]).get(f"/?run={run}/test&name=test photos")
    assert answer.status_code == 200
    written = (logdir / run / "test" / "tensors.bytes").read_bytes()
    assert answer.data == written
