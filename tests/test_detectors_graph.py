"""Frozen graphs of many kinds: without any flag, their scores equal hand-computed ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from label_image import Classifier, Overrides, UserError
from label_image.describe import describe, one_line
from label_image.errors import RunError
from label_image.photo_pixels import decode
from retrain.formats.graph_def import constant, new_graph, operation, placeholder
from tests.colour_graphs import NAMES, SIDE, colours, expected, graph_of, head, save, softmax, weights
from tests.conftest import COLOURS, write_photo

ZERO_ONE: dict[str, Any] = {"mean": 0.0, "std": 255.0}
PIXELS: dict[str, Any] = {"mean": 0.0, "std": 1.0}


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos/p.jpg", (90, 160, 200), 5, (SIDE, SIDE))


def scores(path, photo, overrides=None):
    return Classifier(path, overrides).classify(photo).scores


def wanted(photo, **scaling):
    return expected(decode(photo, SIDE, SIDE), **scaling)


def mark(graph, name):
    """Adds a node whose name belongs to a family of networks."""
    constant(graph, name, np.zeros(1, np.float32))


def named(name):
    def middle(graph, source):
        mark(graph, name)
        return source

    return middle


def test_a_mobilenet_v1_graph_expects_minus_one_to_one(tmp_path, photo):
    path = graph_of(tmp_path / "retrained_graph.pb", named("MobilenetV1/Conv2d_0/weights"))
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)
    assert (
        Classifier(path)
        .metadata.facts["range"]
        .startswith("a guess: MobileNet's own names; if the labels look wrong, try")
    )
    assert Classifier(path).classify(photo).top(1)[0][0] == "cyan"


def test_a_hub_graph_expects_zero_to_one_although_it_is_a_mobilenet(tmp_path, photo):
    path = graph_of(
        tmp_path / "g.pb", named("module_apply_default/MobilenetV1/Conv2d_0/weights"), name="Placeholder", **ZERO_ONE
    )
    np.testing.assert_allclose(scores(path, photo), wanted(photo, **ZERO_ONE), atol=1e-5)


def test_a_hub_graph_that_scales_its_input_expects_zero_to_one(tmp_path, photo):
    def middle(graph, source):
        mark(graph, "MobilenetV1/Conv2d_0/weights")
        double = operation(graph, "Mul", "hub/Mul", [source, constant(graph, "two", np.array([2], np.float32))])
        return operation(graph, "Sub", "hub/Sub", [double, constant(graph, "one", np.array([1], np.float32))])

    path = graph_of(tmp_path / "g.pb", middle, name="Placeholder")
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)
    assert Classifier(path).metadata.std == (255.0,)


@pytest.mark.parametrize(
    ("steps", "scaling"),
    [
        ([("RealDiv", 255.0)], ZERO_ONE),
        ([("Mul", 1 / 255)], ZERO_ONE),
        ([("Sub", 127.5), ("Mul", 1 / 127.5)], {}),
        ([("RealDiv", 127.5), ("Sub", 1.0)], {}),
    ],
)
def test_a_graph_that_scales_its_input_expects_pixels(tmp_path, photo, steps, scaling):
    def middle(graph, source):
        for number, (op, value) in enumerate(steps):
            source = operation(
                graph, op, f"step_{number}", [source, constant(graph, f"n_{number}", np.array([value], np.float32))]
            )
        return source

    path = graph_of(tmp_path / "g.pb", middle, **scaling)
    np.testing.assert_allclose(scores(path, photo), wanted(photo, **scaling), atol=1e-5)
    assert "inside the graph" in Classifier(path).metadata.facts["range"]


def test_the_range_of_an_unknown_graph_is_a_guess_and_flags_correct_it(tmp_path, photo):
    path = graph_of(tmp_path / "g.pb")
    assert "a guess" in Classifier(path).metadata.facts["range"]
    assert "--input_mean" in one_line(Classifier(path).metadata)
    mended = scores(path, photo, Overrides(input_mean=127.5, input_std=127.5))
    np.testing.assert_allclose(mended, wanted(photo), atol=1e-5)


def test_a_missing_shape_is_computed_from_the_last_pooling(tmp_path, photo):
    path = graph_of(tmp_path / "g.pb", named("MobilenetV1/x"), shape=None)
    metadata = Classifier(path).metadata
    assert (metadata.height_px, metadata.width_px, metadata.order) == (SIDE, SIDE, "RGB")
    assert "AvgPool" in metadata.facts["size"]
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)


def test_a_missing_shape_is_computed_from_the_rows_of_the_first_matmul(tmp_path):
    graph = new_graph()
    source = placeholder(graph, "x", [])
    kernel = np.zeros((784, 2), np.float32)
    kernel[:, 1] = 4 / 784  # the second class is the brighter one
    product = operation(graph, "MatMul", "product", [source, constant(graph, "w", kernel)])
    operation(graph, "Softmax", "output", [product])
    path = save(graph, tmp_path / "mnist.pb", ("dark", "bright"))
    metadata = Classifier(path).metadata
    assert (metadata.height_px, metadata.width_px, metadata.order, metadata.layout) == (28, 28, "grey", "flat")
    got = scores(path, write_photo(tmp_path / "white.jpg", (255, 255, 255), 1))
    assert got[1] == pytest.approx(softmax(np.array([0, 4 * 0.97]))[1], abs=0.03)


def test_the_size_of_flattened_convolutions_is_computed_from_the_first_matmul(tmp_path):
    graph = new_graph()
    source = placeholder(graph, "x", [])
    kernel = constant(graph, "k", np.full((3, 3, 1, 2), 0.1, np.float32))
    at = operation(graph, "Conv2D", "conv", [source, kernel], strides=[1, 1, 1, 1], padding="VALID")
    at = operation(graph, "MaxPool", "pool", [at], ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="VALID")
    at = operation(graph, "Reshape", "flat", [at, constant(graph, "s", np.array([-1, 13 * 13 * 2], np.int32))])
    at = operation(graph, "MatMul", "dense", [at, constant(graph, "w", np.ones((13 * 13 * 2, 3), np.float32))])
    operation(graph, "Softmax", "out", [at])
    metadata = Classifier(save(graph, tmp_path / "g.pb")).metadata
    assert (metadata.height_px, metadata.width_px, metadata.order) == (28, 28, "grey")  # (28 - 2) / 2 = 13


def dropout_of_2017(keep):
    """x / keep * floor(keep + u), as in TensorFlow 1; the division by `keep` must be removed with the mask."""

    def middle(graph, source):
        rate = keep(graph)
        shape = constant(graph, "drop/shape", np.array([1, SIDE, SIDE, 3], np.int32))
        random = graph.node.add(op="RandomUniform", name="dropout/random_uniform", input=[shape])
        random.attr["T"].type, random.attr["dtype"].type = 3, 1
        total = operation(graph, "Add", "dropout/add", [rate, "dropout/random_uniform"])
        mask = operation(graph, "Floor", "dropout/Floor", [total])
        scaled = operation(graph, "RealDiv", "dropout/div", [source, rate])
        return operation(graph, "Mul", "dropout/mul", [scaled, mask])

    return middle


@pytest.mark.parametrize("fed", [False, True])
def test_active_dropout_is_removed(tmp_path, photo, fed):
    def keep(graph):
        return placeholder(graph, "keep_prob", []) if fed else constant(graph, "keep", np.array([0.5], np.float32))

    path = graph_of(tmp_path / "g.pb", dropout_of_2017(keep), **ZERO_ONE)
    classifier = Classifier(path)
    answers = [classifier.classify(photo).scores for _ in range(3)]
    assert all(np.array_equal(answers[0], answer) for answer in answers)
    np.testing.assert_allclose(answers[0], wanted(photo, **ZERO_ONE), atol=1e-5)


@pytest.mark.parametrize("version", [1, 2])
def test_the_dropout_that_tensorflow_writes_today_is_removed(tmp_path, photo, version):
    tf = pytest.importorskip("tensorflow")
    kernel, bias = weights(colours(**ZERO_ONE))
    with tf.Graph().as_default() as graph:
        source = tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], "input")
        if version == 1:
            alive = tf.compat.v1.nn.dropout(
                source, keep_prob=tf.compat.v1.placeholder_with_default(0.5, [], "keep_prob")
            )
        else:
            alive = tf.nn.dropout(source, rate=0.6)
        pooled = tf.reduce_mean(alive, [1, 2])
        tf.nn.softmax(tf.matmul(pooled, kernel) + bias, name="final_result")
        path = save(graph.as_graph_def(), tmp_path / "g.pb")
    classifier = Classifier(path)
    first, second = (classifier.classify(photo).scores for _ in range(2))
    assert np.array_equal(first, second)
    np.testing.assert_allclose(first, wanted(photo, **ZERO_ONE), atol=1e-5)


def test_a_keras_learning_phase_is_set_for_inference(tmp_path, photo):
    tf = pytest.importorskip("tensorflow")
    kernel, bias = weights(colours(**ZERO_ONE))
    tf.compat.v1.disable_control_flow_v2()
    try:
        with tf.Graph().as_default() as graph:
            source = tf.compat.v1.placeholder(tf.float32, [None, SIDE, SIDE, 3], "input_1")
            phase = tf.compat.v1.placeholder(tf.bool, [], "keras_learning_phase")
            pooled = tf.reduce_mean(source, [1, 2])
            pooled = tf.cond(phase, lambda: tf.compat.v1.nn.dropout(pooled, rate=0.5), lambda: tf.identity(pooled))
            tf.nn.softmax(tf.matmul(pooled, kernel) + bias, name="dense/Softmax")
            path = save(graph.as_graph_def(), tmp_path / "g.pb")
    finally:
        tf.compat.v1.enable_control_flow_v2()
    np.testing.assert_allclose(scores(path, photo), wanted(photo, **ZERO_ONE), atol=1e-5)
    assert "keras_learning_phase" in one_line(Classifier(path).metadata)


def test_a_bottleneck_placeholder_before_the_scores_is_bypassed(tmp_path, photo):
    def end(graph, logits):
        node = graph.node.add(op="PlaceholderWithDefault", name="input_1/BottleneckInputPlaceholder", input=[logits])
        node.attr["dtype"].type = 1
        return operation(graph, "Softmax", "final_result", [node.name])

    path = graph_of(tmp_path / "g.pb", named("MobilenetV1/x"), end)
    metadata = Classifier(path).metadata
    assert (metadata.input_layer, metadata.output_layer) == ("input", "final_result")
    assert "BottleneckInputPlaceholder bypassed" in metadata.facts["input"]
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)


def test_logits_go_through_a_softmax(tmp_path, photo):
    path = graph_of(tmp_path / "g.pb", named("MobilenetV1/x"), lambda _, logits: logits)
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)
    assert Classifier(path).metadata.output == "logits"


def test_a_softmax_written_as_exp_sum_div_is_not_applied_twice(tmp_path, photo):
    def end(graph, logits):
        power = operation(graph, "Exp", "exp", [logits])
        total = operation(
            graph, "Sum", "sum", [power, constant(graph, "axis", np.array([1], np.int32))], keep_dims=True
        )
        graph.node[-1].attr["Tidx"].type = 3
        return operation(graph, "RealDiv", "div", [power, total])

    path = graph_of(tmp_path / "g.pb", named("MobilenetV1/x"), end)
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)


def test_a_rank_1_output_behind_a_reshape_and_an_identity_is_understood(tmp_path, photo):
    def end(graph, logits):
        soft = operation(graph, "Softmax", "soft", [logits])
        flat = operation(graph, "Reshape", "flat_out", [soft, constant(graph, "fs", np.array([-1], np.int32))])
        return operation(graph, "Identity", "k2tfout_0", [flat])

    path = graph_of(tmp_path / "g.pb", named("MobilenetV1/x"), end)
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)
    assert Classifier(path).metadata.outputs == 3


def test_sigmoids_are_not_changed(tmp_path, photo):
    path = graph_of(
        tmp_path / "g.pb", named("MobilenetV1/x"), lambda graph, logits: operation(graph, "Sigmoid", "out", [logits])
    )
    got = scores(path, photo)
    soft = wanted(photo)
    odds = got / (1 - got)
    np.testing.assert_allclose(odds / odds.sum(), soft, atol=1e-4)  # both are computed from e^logit
    assert abs(got.sum() - 1) > 1e-3


@pytest.mark.parametrize("sigmoid", [True, False])
def test_one_number_for_two_classes_gives_both_scores(tmp_path, sigmoid):
    graph = new_graph()
    source = placeholder(graph, "MobilenetV1/input", [-1, SIDE, SIDE, 3])
    at = operation(graph, "AvgPool", "pool", [source], ksize=[1, SIDE, SIDE, 1], strides=[1, 1, 1, 1], padding="VALID")
    at = operation(graph, "Reshape", "flat", [at, constant(graph, "s", np.array([-1, 3], np.int32))])
    at = operation(graph, "MatMul", "product", [at, constant(graph, "w", np.full((3, 1), 1.0, np.float32))])
    if sigmoid:
        operation(graph, "Sigmoid", "out", [at])
    path = save(graph, tmp_path / "g.pb", ("dark", "bright"))
    white = Classifier(path).classify(write_photo(tmp_path / "w.jpg", (255, 255, 255), 1))
    assert white.labels == ("dark", "bright")
    assert white.scores[1] == pytest.approx(1 / (1 + np.exp(-3)), abs=0.02)
    assert white.scores.sum() == pytest.approx(1, abs=1e-6)


def test_custom_vision_gets_bgr_and_the_centre_of_a_square(tmp_path):
    def middle(graph, source):
        return operation(
            graph, "Mul", "data_bn/mul", [source, constant(graph, "data_bn/s", np.array([1 / 255], np.float32))]
        )

    blue_first = [
        NAMES.index(name) for name in ("yellow", "magenta", "cyan")
    ]  # reversing the channels turns cyan into yellow, and so on
    path = graph_of(
        tmp_path / "model.pb", middle, lambda g, x: operation(g, "Softmax", "loss", [x]), name="Placeholder", **ZERO_ONE
    )
    for label, colour in COLOURS.items():
        got = Classifier(path).classify(write_photo(tmp_path / "p.jpg", colour, 3, (300, 200)))
        assert got.top(1)[0][0] == NAMES[blue_first[NAMES.index(label)]]
    metadata = Classifier(path).metadata
    assert (metadata.order, metadata.crop_px, metadata.mean, metadata.std) == ("BGR", 256, (0.0,), (1.0,))


def test_a_custom_vision_export_without_data_bn_gets_the_mean_subtracted(tmp_path):
    path = graph_of(
        tmp_path / "model.pb", end=lambda g, x: operation(g, "Softmax", "loss", [x]), name="Placeholder", **PIXELS
    )
    metadata = Classifier(path).metadata
    assert (metadata.order, metadata.mean, metadata.std) == ("BGR", (105.0, 117.0, 124.0), (1.0,))


def test_the_input_of_the_original_inception_is_mul(tmp_path):
    graph = new_graph()
    contents = graph.node.add(op="Const", name="DecodeJpeg/contents")
    contents.attr["dtype"].type = 7
    contents.attr["value"].tensor.dtype = 7
    contents.attr["value"].tensor.string_val.append(b"")
    contents.attr["value"].tensor.tensor_shape.SetInParent()
    jpeg = graph.node.add(op="DecodeJpeg", name="DecodeJpeg", input=["DecodeJpeg/contents"])
    jpeg.attr["channels"].i = 3
    cast = graph.node.add(op="Cast", name="Cast", input=["DecodeJpeg"])
    cast.attr["SrcT"].type, cast.attr["DstT"].type = 4, 1
    batch = operation(graph, "ExpandDims", "ExpandDims", ["Cast", constant(graph, "dim", np.array(0, np.int32))])
    graph.node[-1].attr["Tdim"].type = 3
    size = constant(graph, "size", np.array([299, 299], np.int32))
    small = operation(graph, "ResizeBilinear", "ResizeBilinear", [batch, size])
    less = operation(graph, "Sub", "Sub", [small, constant(graph, "Sub/y", np.array([128], np.float32))])
    at = operation(graph, "Mul", "Mul", [less, constant(graph, "Mul/y", np.array([1 / 128], np.float32))])
    logits = head(graph, at, mean=128.0, std=128.0, window=299)
    operation(graph, "Softmax", "final_result", [logits])
    path = save(graph, tmp_path / "retrained_graph.pb")
    photo = write_photo(tmp_path / "p.jpg", (90, 160, 200), 5)
    metadata = Classifier(path).metadata
    assert (metadata.input_layer, metadata.height_px, metadata.mean, metadata.std) == ("Mul", 299, (128.0,), (128.0,))
    np.testing.assert_allclose(scores(path, photo), expected(decode(photo, 299, 299), 128.0, 128.0), atol=1e-4)
    by_bytes = scores(path, photo, Overrides(input_layer="DecodeJpeg/contents"))
    np.testing.assert_allclose(by_bytes, scores(path, photo), atol=5e-3)  # TensorFlow decodes and resizes differently


@pytest.mark.parametrize("layer", ["input", "input:0", "import/input"])
def test_a_layer_may_be_named_in_every_form_of_the_original(tmp_path, photo, layer):
    path = graph_of(tmp_path / "g.pb", named("MobilenetV1/x"))
    np.testing.assert_allclose(scores(path, photo, Overrides(input_layer=layer)), wanted(photo), atol=1e-5)


def test_a_wrong_layer_lists_the_candidates(tmp_path):
    path = graph_of(tmp_path / "g.pb")
    with pytest.raises(UserError, match="--input_layer=Mul is not in .*; it has input"):
        Classifier(path, Overrides(input_layer="Mul"))
    with pytest.raises(UserError, match="--output_layer=softmax is not in .*; it has final_result"):
        Classifier(path, Overrides(output_layer="softmax"))


def test_a_graph_that_does_not_take_an_image_is_one_line(tmp_path):
    graph = new_graph()
    source = placeholder(graph, "words", [-1, 17])
    operation(graph, "Softmax", "out", [source])
    with pytest.raises(RunError, match=r"shape \[-1, 17\]; photos need") as caught:
        Classifier(save(graph, tmp_path / "g.pb"))
    assert "\n" not in str(caught.value)


def test_the_description_of_a_graph_names_the_origin_of_each_fact(tmp_path):
    path = graph_of(tmp_path / "g.pb", named("MobilenetV1/x"))
    lines = describe(Classifier(path).metadata, path).splitlines()
    told = {line.split()[0]: line for line in lines}
    assert "16 x 16 RGB" in told["takes"]
    assert "the placeholder's shape" in told["takes"]
    assert "-1..1" in told["range"]
    assert "MobileNet's own names" in told["range"]
    assert "labels.txt beside it" in told["labels"]
