"""The head's options from end to end: what cannot be meant is one line, hidden layers are exported and proven like any head."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pytest

from label_image import Classifier
from label_image.errors import UserError
from label_image.heatmap import NoExactMap, head_of
from retrain.exporters import graph as graph_exporter
from retrain.formats.graph_def import read_graph
from retrain.options.head import hidden_units_of
from retrain.options.options import Options
from retrain.report import explain
from retrain.types import Dense
from tests.conftest import STAND_IN
from tests.test_head import bottlenecks, plan_of, trained

# What cannot be meant


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": -0.1}, "--learning_rate=-0.1 is out of range"),
        ({"optimizer": "rmsprop"}, "--optimizer=rmsprop is not one of sgd, momentum, adam, lbfgs"),
        ({"lr_policy": "inv", "power": 0.75}, "--lr_policy=inv needs --gamma"),
        ({"lr_policy": "inv", "gamma": 0.1}, "--lr_policy=inv needs --power"),
        ({"lr_policy": "step", "gamma": 0.1}, "--lr_policy=step needs --stepsize"),
        ({"lr_policy": "exp", "gamma": 0.0}, "--gamma=0 with --lr_policy=exp: give more than 0, at most 1"),
        ({"lr_policy": "step", "gamma": 10.0, "stepsize": 5}, "--gamma=10 with --lr_policy=step"),
        ({"lr_policy": "inv", "gamma": -1.0, "power": 1.0}, "--gamma=-1.0 is out of range: give 0"),
        ({"gamma": 0.1}, "--gamma=0.1 is not used by --lr_policy=fixed; it goes with --lr_policy=step or inv or exp"),
        ({"lr_policy": "cosine", "power": 2.0}, "--power=2 is not used by --lr_policy=cosine"),
        ({"stepsize": 0}, "--stepsize=0 is out of range"),
        ({"momentum": 0.9}, "--momentum=0.9 is not used by --optimizer=sgd; give --optimizer=momentum"),
        ({"optimizer": "lbfgs", "momentum": 0.9}, "--momentum=0.9 is not used by --optimizer=lbfgs"),
        ({"optimizer": "momentum", "momentum": 1.0}, "--momentum=1.0 is out of range"),
        ({"optimizer": "lbfgs", "learning_rate": 0.1}, "--learning_rate=0.1 is not used by --optimizer=lbfgs"),
        ({"optimizer": "lbfgs", "hidden_units": "8"}, "--hidden_units=8 is not used by --optimizer=lbfgs"),
        ({"optimizer": "lbfgs", "resume": "a.npz"}, "--resume=a.npz is not used by --optimizer=lbfgs"),
        ({"optimizer": "lbfgs", "weight_decay": "0"}, "weights grow for ever"),
        ({"weight_decay": "auto"}, "--weight_decay=auto goes with --optimizer=lbfgs, not sgd"),
        ({"weight_decay": "much"}, "--weight_decay=much is no number"),
        ({"weight_decay": "-1"}, "--weight_decay=-1 is out of range"),
        ({"weight_decay": "nan"}, "--weight_decay=nan is out of range"),
        ({"optimizer": "lbfgs", "dropout": 0.5}, "--dropout=0.5 is not used by --optimizer=lbfgs"),
        ({"activation": "tanh"}, "--activation=tanh needs hidden layers"),
        ({"hidden_units": "128", "dropout": 1.0}, "--dropout=1.0 is out of range"),
        ({"hidden_units": "128,,64"}, "--hidden_units=128,,64: '' is no number of units"),
        ({"hidden_units": "0"}, "'0' is no number of units; give 1 to 65536"),
        ({"hidden_units": "many"}, "'many' is no number of units"),
        ({"label_smoothing": 1.0}, "--label_smoothing=1.0 is out of range"),
        ({"class_weights": "even"}, "--class_weights=even is not one of none, balanced"),
        ({"snapshot_steps": 5, "checkpoint_path": ""}, "--snapshot_steps writes beside --checkpoint_path"),
        ({"test_time_views": 2}, "--test_time_views=2 needs a distortion"),
        ({"test_time_views": 5, "flip_left_right": True}, "--test_time_views=5 is more than --cached_views=4"),
    ],
)
def test_what_can_not_be_meant_is_one_line(changes, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        Options.of(image_dir="x", **changes)
    assert "\n" not in str(caught.value)


def test_hidden_units_are_read_with_or_without_spaces():
    assert (
        hidden_units_of("128, 64")
        == hidden_units_of("128,64")
        == Options.of(image_dir="x", hidden_units="128,64").head.hidden_layers
    )


# Training


def ring(n=300):
    """A disc in a ring: no line sets them apart."""
    data = bottlenecks(classes=2, a_list=(n, 60, 60), width=2)
    rng = np.random.default_rng(8)
    radius = np.where(
        data.label_ids == 0, rng.uniform(0, 1, len(data.label_ids)), rng.uniform(2, 3, len(data.label_ids))
    )
    angle = rng.uniform(0, 2 * np.pi, len(radius))
    features = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    return dataclasses.replace(data, features=features[None].astype(np.float32))


@pytest.mark.parametrize("activation", ["relu", "sigmoid", "tanh"])
def test_hidden_layers_learn_what_a_line_can_not(activation):
    data = ring()
    options = plan_of(how_many_training_steps=1500, eval_step_interval=50, optimizer="adam")
    tests = data.rows(2)

    def accuracy(head):
        return (head.logits(data.features[0, tests]).argmax(axis=1) == data.label_ids[tests]).mean()

    deep = trained(data, options.replaced(hidden_units="16,8", activation=activation))
    assert accuracy(deep) > 0.97
    assert accuracy(trained(data, options)) < 0.75
    assert [layer.weights.shape for layer in deep.hidden] == [(2, 16), (16, 8)]
    assert (deep.weights.shape, deep.biases.shape) == ((8, 2), (2,))


def test_weight_decay_makes_weights_small_and_leaves_biases():
    data = bottlenecks(apart=1.0)
    sizes = {
        decay: np.abs(
            trained(data, plan_of(weight_decay=decay, learning_rate=0.3, how_many_training_steps=400)).weights
        ).sum()
        for decay in ("0", "0.1", "1")
    }
    assert sizes["0"] > 1.5 * sizes["0.1"] > 3 * sizes["1"] > 0


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "adam"])
def test_weight_decay_means_the_same_for_each_optimizer(optimizer):
    data = bottlenecks(apart=0.5)
    rate = {"sgd": 0.5, "momentum": 0.05, "adam": 0.02}[optimizer]
    options = plan_of(
        optimizer=optimizer, weight_decay="0.1", learning_rate=rate, how_many_training_steps=2000, train_batch_size=-1,
        lr_policy="cosine", validation_batch_size=-1,
    )  # fmt: skip
    exact = trained(data, plan_of(optimizer="lbfgs", weight_decay="0.1"))
    assert trained(data, options).curve.train_loss[-1] == pytest.approx(exact.curve.train_loss[-1], abs=1e-3)


def test_label_smoothing_keeps_scores_from_certainty():
    data = bottlenecks(apart=8.0)
    options = plan_of(how_many_training_steps=2000, learning_rate=1.0, eval_step_interval=500, validation_percentage=0)
    data = dataclasses.replace(
        data, lists=np.where(data.lists == 1, 0, data.lists).astype(np.int8)
    )  # the last step is kept
    sure, smooth = (trained(data, options.replaced(label_smoothing=share)) for share in (0.0, 0.3))
    logits = smooth.logits(data.features[0])
    scores = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores /= scores.sum(axis=1, keepdims=True)
    assert scores.max(axis=1).mean() == pytest.approx(0.7 + 0.3 / 3, abs=0.02)
    assert sure.curve.train_loss[-1] < 0.01


def test_training_ends_when_the_validation_loss_has_not_fallen():
    data = bottlenecks(apart=0.3, a_list=(6, 20, 0), seed=3)  # it soon learns by heart
    options = plan_of(how_many_training_steps=4000, learning_rate=0.3, early_stopping_steps=100)
    head = trained(data, options)
    assert head.curve.steps[-1] == head.curve.kept_step + 100 < 3999
    assert not head.curve.stopped_early
    patient = trained(data, options.replaced(early_stopping_steps=0, how_many_training_steps=head.curve.steps[-1] + 1))
    assert patient.weights.tobytes() == head.weights.tobytes()


def test_early_stopping_needs_a_validation_list():
    with pytest.raises(UserError, match="--early_stopping_steps=5 needs a validation set, which is empty"):
        trained(bottlenecks(a_list=(10, 0, 5)), plan_of(early_stopping_steps=5))


def test_balanced_weights_change_whole_lists_and_leave_batches():
    data = bottlenecks(classes=2, a_list=(40, 5, 0), apart=0.2)
    few = np.flatnonzero((data.label_ids == 1) & (data.lists == 0))[8:]
    lists = data.lists.copy()
    lists[few] = 2
    data = dataclasses.replace(data, lists=lists)
    for size, same in ((100, True), (-1, False)):
        bits = {
            trained(data, plan_of(train_batch_size=size, class_weights=weights)).weights.tobytes()
            for weights in ("none", "balanced")
        }
        assert (len(bits) == 1) is same


# From end to end


def run(retrain, colour_photos, model_dir, *words):
    done = retrain(
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}",
        "--how_many_training_steps=300", *words,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done


def record_of(folder):
    (path,) = (folder / "tf_files/runs").glob("*/run.json")
    return json.loads(path.read_text("utf-8"))


@pytest.mark.parametrize("activation", ["relu", "sigmoid"])
def test_hidden_layers_are_proven_as_a_tflite_and_by_tensorflow(
    retrain_here, colour_photos, model_dir, tmp_path, activation
):
    run(
        retrain_here, colour_photos, model_dir, "--hidden_units=8,5", f"--activation={activation}", "--optimizer=adam",
        "--export=tflite,pb", "--report=none",
    )  # fmt: skip
    record = record_of(tmp_path)
    proven = [made for made in record["exports"] if made["agreement"] is not None]
    assert {made["kind"] for made in proven} == {"tflite", "graph"}
    assert all(made["agreement"] == 1 and made["largest_difference"] < 1e-4 for made in proven)


def test_hidden_layers_are_exported_in_every_form_and_proven(retrain_here, colour_photos, model_dir, tmp_path):
    run(
        retrain_here, colour_photos, model_dir, "--hidden_units=8,5", "--activation=tanh", "--optimizer=adam",
        "--export=tflite,pb,saved_model,device_folder,onnx", "--quantize=none,float16,dynamic,int8", "--max_quantization_loss=100",
    )  # fmt: skip
    record = record_of(tmp_path)
    assert record["accuracy"] == 1
    proven = {
        made["kind"]: made for made in record["exports"] if made["agreement"] is not None and made["quantize"] == "none"
    }
    assert set(proven) == {"tflite", "graph", "saved_model", "device_folder", "onnx"}
    quantized = {made["quantize"]: made["accuracy"] for made in record["exports"] if made["quantize"] != "none"}
    assert quantized == {"float16": 1, "dynamic": 1, "int8": 1}
    assert all(made["agreement"] == 1 and made["largest_difference"] < 1e-4 for made in proven.values())
    photo = next((colour_photos / "cyan").iterdir())
    layer = np.load(tmp_path / "tf_files/retrain_checkpoint.npz", allow_pickle=False)
    assert layer["activations"].tolist() == ["tanh"] * 2
    assert [layer[f"hidden_{number}_weights"].shape for number in (1, 2)] == [(3, 8), (8, 5)]
    assert layer["weights"].shape == (5, 3)
    answers = [
        Classifier(tmp_path / "tf_files" / name).classify(photo).scores
        for name in ("retrained.tflite", "retrained_graph.pb", "retrained_saved_model", "retrained.onnx")
    ]
    for other in answers[1:]:
        np.testing.assert_allclose(other, answers[0], atol=1e-5)
    assert answers[0].argmax() == 0
    # What TensorFlow has not run with such a head is run again; what it has run is compared to the bit.
    again = run(retrain_here, colour_photos, model_dir, "--hidden_units=8,5", "--activation=tanh", "--optimizer=adam")
    assert "identical to a graph that TensorFlow verified before" in again.stdout


def test_behind_hidden_layers_there_is_no_heat_map_and_one_line_says_so(
    retrain_here, colour_photos, model_dir, tmp_path, monkeypatch
):
    run(retrain_here, colour_photos, model_dir, "--hidden_units=3", "--activation=sigmoid")  # 3: as many as features
    record = record_of(tmp_path)
    monkeypatch.chdir(tmp_path)
    head = explain.find_head(record)
    assert [layer.activation for layer in head.hidden] == ["sigmoid"]
    with pytest.raises(NoExactMap, match="the classifier has hidden layers"):
        next(explain.heat_maps(record["backbone"], head, []))
    for name in ("retrained.tflite", "retrained_graph.pb"):
        with pytest.raises(NoExactMap, match=f"no exact heat map for .*{name}: "):
            head_of(tmp_path / "tf_files" / name)
    next(tmp_path.glob("tf_files/runs/*/retrain_checkpoint.npz")).unlink()
    assert explain.find_head(record) is None  # the .tflite alone does not tell


def test_a_graph_with_a_hidden_layer_swapped_is_not_taken_for_the_same(trained, model_dir, tmp_path):
    from retrain.backbones.prepare import prepare

    backbone = prepare(Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, print)
    metadata = Classifier(trained / "tf_files/retrained.tflite").metadata
    metadata = dataclasses.replace(metadata, output_layer="final_result")
    rng = np.random.default_rng(0)
    array = lambda *shape: np.array(rng.normal(size=shape), np.float32)  # noqa: E731
    from retrain.types import Head

    head = Head(array(4, 3), array(3), metadata.labels, hidden=(Dense(array(3, 4), array(4), "tanh"),))
    path = tmp_path / "graph.pb"
    graph_exporter.write(path, head, backbone, metadata)
    assert graph_exporter.same_but_for_head(path, head, backbone, metadata)
    other = dataclasses.replace(head, hidden=(dataclasses.replace(head.hidden[0], activation="relu"),))
    assert not graph_exporter.same_but_for_head(path, other, backbone, metadata)
    other = dataclasses.replace(head, hidden=(dataclasses.replace(head.hidden[0], biases=array(4)),))
    assert not graph_exporter.same_but_for_head(path, other, backbone, metadata)
    graph = read_graph(path)
    next(node for node in graph.node if node.op == "Tanh").op = "Relu"
    path.write_bytes(graph.SerializeToString())
    assert not graph_exporter.same_but_for_head(path, head, backbone, metadata)


def test_lbfgs_from_the_command_line_says_what_it_did(retrain, colour_photos, model_dir, tmp_path):
    done = run(retrain, colour_photos, model_dir, "--optimizer=lbfgs")
    assert re.search(r"solved in \d+ iterations, with a weight decay of 0\.0", done.stdout + done.stderr)
    record = record_of(tmp_path)
    assert record["accuracy"] == 1
    assert record["curve"]["weight_decay"] > 0
    assert record["plan"]["optimizer"] == "lbfgs"
    (report,) = (tmp_path / "tf_files/runs").glob("*/report.html")
    text = re.sub(r"<[^>]+>", "", report.read_text("utf-8"))
    assert re.search(r"The layer was trained in \d+ iterations, with a weight decay of [\d.e-]+\.", text)
    assert "the one with the best loss" not in text


def test_test_time_views_are_tested_beside_the_photo_as_it_is(retrain_here, colour_photos, model_dir, tmp_path):
    done = run(
        retrain_here, colour_photos, model_dir, "--random_crop=20", "--random_brightness=10", "--cached_views=3", "--test_time_views=2",
        "--output_graph=",
    )  # fmt: skip
    assert "by the mean of 2 distorted views of each photo = 100.0% (+0.0 points)" in done.stdout
    assert record_of(tmp_path)["accuracy_of_views"] == 1
    (report,) = (tmp_path / "tf_files/runs").glob("*/report.html")
    text = re.sub(r"<[^>]+>", "", report.read_text("utf-8"))
    assert "With the mean score of 2 distorted views of each test photo, the accuracy would be 100.0 %" in text
