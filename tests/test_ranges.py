"""The input range of networks of other tools: first operations are read as scale and offset; names and conventions are only a guess."""

from __future__ import annotations

import numpy as np
import pytest

from label_image import Classifier
from label_image.describe import one_line
from label_image.detectors.affine import ADD, DIV, MUL, SUB, Affine, after, by_channel, channel_order, input_range
from label_image.detectors.tflite import evidence
from label_image.photo_pixels import decode, in_order
from retrain.formats.graph_def import constant, operation
from retrain.formats.tflite_model import TfliteModel
from tests.colour_graphs import SIDE, expected, graph_of
from tests.conftest import SHARED, write_photo
from tests.test_detectors_tflite import colour_tflite, quantize

IMAGENET = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
CASES = SHARED / "cases/graphs"

# First operations of a network -> the range of its input. All of these occur in practice.
FRONTS = [
    ([(MUL, 255.0), (SUB, 127.0)], "0..1"),  # the offset alone would mean 0..255
    ([(MUL, 255.0)], "0..1"),
    ([(MUL, 255.0), (SUB, 127.5), (DIV, 127.5)], "0..1"),
    ([(MUL, 2.0), (SUB, 1.0)], "0..1"),
    ([(SUB, 0.5), (MUL, 2.0)], "0..1"),
    ([(SUB, 0.5)], "0..1"),
    ([(SUB, IMAGENET[0]), (DIV, IMAGENET[1])], "0..1"),
    ([(SUB, 0.1307), (DIV, 0.3081)], "0..1"),
    ([(DIV, 255.0)], "0..255"),
    ([(MUL, 1 / 256)], "0..255"),
    ([(SUB, 127.0)], "0..255"),
    ([(DIV, 127.5), (SUB, 1.0)], "0..255"),
    ([(ADD, -127.0), (MUL, 1 / 128)], "0..255"),
    ([(SUB, 255 * IMAGENET[0]), (DIV, 255 * IMAGENET[1])], "0..255"),
    ([(ADD, 1.0), (MUL, 127.5)], "-1..1"),
    ([(MUL, 0.5), (ADD, 0.5)], "-1..1"),
    ([(MUL, 127.5), (ADD, 127.5), (SUB, 127.0)], "-1..1"),
    ([(SUB, 0.0)], ""),
    ([(MUL, 1.0), (ADD, 0.0), (DIV, 1.0)], ""),
    ([(MUL, 0.37)], ""),
    ([(ADD, 40.0)], ""),
]


def applied(steps, reverse=False):
    found = Affine()
    for op, number in steps:
        found = after(found, op, np.array(number, np.float32), first=not (reverse and op in (ADD, MUL)), name=op)
    return found


@pytest.mark.parametrize(("steps", "name"), FRONTS)
@pytest.mark.parametrize("reverse", [False, True])
def test_scale_and_offset_together_determine_the_range(steps, name, reverse):
    assert input_range(applied(steps, reverse)) == name


def test_a_constant_may_be_the_first_operand():
    inverted = after(Affine(), SUB, np.array(255, np.float32), first=False, name="s")
    assert (inverted.scale, inverted.offset, input_range(inverted)) == ((-1.0,), (255.0,), "0..255")
    assert after(Affine(), DIV, np.array(1, np.float32), first=False, name="d") is None  # 1 / x is not a scale


@pytest.mark.parametrize(("op", "number"), [(MUL, 0.0), (DIV, 0.0), (MUL, np.nan), (ADD, np.inf), (SUB, np.nan)])
def test_a_constant_that_is_zero_or_not_finite_is_not_an_affine_function(op, number):
    assert after(Affine(), op, np.array(number, np.float32), first=True, name="x") is None


def test_means_for_each_channel_determine_the_order_and_a_reversal_before_them_reverses_it():
    means = np.array([103.939, 116.779, 123.68], np.float32)
    assert channel_order(after(Affine(), SUB, means, first=True, name="s")) == "BGR"
    assert channel_order(after(Affine(channels_reversed=True), SUB, means, first=True, name="s")) == "RGB"
    assert channel_order(after(Affine(), SUB, means[::-1], first=True, name="s")) == "RGB"
    assert channel_order(after(Affine(), SUB, np.array([90, 100, 110], np.float32), first=True, name="s")) == ""


def test_a_mean_image_counts_as_its_median_and_a_vector_of_many_numbers_does_not_count():
    assert by_channel(np.full((1, 4, 4, 3), [1.0, 2.0, 3.0])).tolist() == [1, 2, 3]
    assert by_channel(np.ones((1, 40))) is None


@pytest.mark.parametrize(
    ("mean", "deviation", "name"), [(118, 62, "0..255"), (0.46, 0.25, "0..1"), (-0.1, 0.5, "-1..1")]
)
def test_a_first_batch_normalisation_determines_the_range(mean, deviation, name):
    assert input_range(Affine(stats=((mean,) * 3, (deviation,) * 3))) == name


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos/p.jpg", (90, 160, 200), 5, (SIDE, SIDE))


def graph_with(path, steps, **scaling):
    names = {MUL: "Mul", ADD: "Add", SUB: "Sub", DIV: "RealDiv"}

    def middle(graph, source):
        for number, (op, value) in enumerate(steps):
            values = np.float32(value).reshape(-1)
            source = operation(graph, names[op], f"step_{number}", [source, constant(graph, f"n_{number}", values)])
        return source

    return graph_of(path, middle, **scaling)


@pytest.mark.parametrize("kind", ["tflite", "pb"])
@pytest.mark.parametrize(
    ("steps", "name", "seen"),
    [
        ([(MUL, 255.0), (SUB, 127.0)], "0..1", (127.0, 1.0)),
        ([(SUB, 127.0), (DIV, 128.0)], "0..255", (127.0, 128.0)),
        ([(MUL, 0.5), (ADD, 0.5)], "-1..1", (0.0, 255.0)),
    ],
)
def test_a_range_from_the_first_operations_is_certain_and_the_scores_are_right(
    tmp_path, photo, kind, steps, name, seen
):
    mean, std = seen  # the rest of the network gets (pixel - mean) / std
    if kind == "tflite":
        path = colour_tflite(tmp_path / "m.tflite", arithmetic=steps, mean=mean, std=std)
    else:
        path = graph_with(tmp_path / "g.pb", steps, mean=mean, std=std)
    classifier = Classifier(path)
    assert name in one_line(classifier.metadata)
    assert "GUESS" not in one_line(classifier.metadata)
    wanted = expected(decode(photo, SIDE, SIDE), mean, std)
    np.testing.assert_allclose(classifier.classify(photo).scores, wanted, atol=1e-4)


@pytest.mark.parametrize("kind", ["tflite", "pb"])
@pytest.mark.parametrize(
    "step", [(SUB, 0.0), (ADD, 0.0), (MUL, 0.0), (DIV, 0.0), (SUB, np.nan), (MUL, np.inf), (DIV, 1.0)]
)
def test_a_constant_without_meaning_leaves_a_guess(tmp_path, kind, step):
    path = tmp_path / f"m.{kind}"
    path = colour_tflite(path, arithmetic=[step]) if kind == "tflite" else graph_with(path, [step])
    found = evidence(path) if kind == "tflite" else None
    if found:
        assert found.affine is None
    from label_image.find_metadata import Overrides, metadata_of

    assert one_line(metadata_of(path, Overrides())).startswith(
        "GUESSED: 0..1 is a guess: nothing in the file determines it"
    )


@pytest.mark.parametrize(
    ("zero", "scale", "name"), [(0, 1.0, "0..255"), (0, 1 / 255, "0..1"), (127, 1 / 127.5, "-1..1"), (90, 0.9, "")]
)
def test_a_first_quantize_determines_the_range(tmp_path, zero, scale, name):
    model = TfliteModel()
    source = model.tensor("image", [1, SIDE, SIDE, 3])
    model.graph.inputs = np.array([source], np.int32)
    whole, real, pooled = (
        model.tensor("q", [1, SIDE, SIDE, 3]),
        model.tensor("r", [1, SIDE, SIDE, 3]),
        model.tensor("s", [1, 3]),
    )
    quantize(model.graph.tensors[whole], "uint8", scale, zero)
    model.operator("QUANTIZE", [source], whole)
    model.operator("DEQUANTIZE", [whole], real)
    axes = model.tensor("axes", [2], np.array([1, 2], np.int32))
    model.operator("MEAN", [real, axes], pooled, model.options("ReducerOptions", keepDims=False))
    model.outputs([pooled])
    (tmp_path / "m.tflite").write_bytes(model.to_bytes())
    assert evidence(tmp_path / "m.tflite").calibrated == name


@pytest.mark.parametrize(
    "first", ["model/block_1_expand/Conv2D", "conv_dw_3/x", "MobilenetV1/Conv2d_0/weights", "dense_Dense1"]
)
def test_a_range_from_names_is_reported_as_a_guess(tmp_path, photo, first):
    """A MobileNet of Keras that was trained again with BGR in 0..1 has these names too."""
    path = colour_tflite(tmp_path / "m.tflite", first=first)
    line = one_line(Classifier(path).metadata)
    assert line.startswith("GUESSED: -1..1 is a guess: ")
    assert (
        "try --input_mean 0 --input_std 1 (0..255), --input_mean 0 --input_std 255 (0..1) or --input_order bgr" in line
    )


@pytest.mark.shared
def test_the_network_that_multiplies_by_255_expects_zero_to_one():
    assert Classifier(CASES / "affine255.keras").metadata.std == (255.0,)
    assert evidence(CASES / "affine255.tflite").affine.scale == (pytest.approx(255 / 128),)


def test_bgr_is_recognised_by_the_means_of_caffe(tmp_path, photo):
    means = np.array([103.939, 116.779, 123.68], np.float32)
    path = graph_with(tmp_path / "g.pb", [(SUB, means)], mean=116.0, std=1.0)
    metadata = Classifier(path).metadata
    assert (metadata.order, metadata.mean, metadata.std) == ("BGR", (0.0,), (1.0,))
    seen = in_order(decode(photo, SIDE, SIDE), "BGR") - means + 116.0
    np.testing.assert_allclose(Classifier(path).classify(photo).scores, expected(seen, 116.0, 1.0), atol=1e-4)
