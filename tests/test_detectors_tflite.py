"""TFLite files like those of many tools, built operator by operator: their scores equal hand-computed ones, without TensorFlow."""

from __future__ import annotations

import io
import zipfile
from typing import cast

import flatbuffers
import numpy as np
import pytest

from label_image import Classifier, Overrides, UserError
from label_image.detectors import standard_metadata
from label_image.detectors.affine import Affine
from label_image.detectors.tflite import evidence
from label_image.errors import RunError
from label_image.photo_pixels import decode, in_order
from retrain.formats.tflite_model import TfliteModel, schema
from tests.colour_graphs import NAMES, SIDE, colours, expected, softmax, weights
from tests.conftest import COLOURS, write_photo

ZERO_ONE = {"mean": 0.0, "std": 255.0}
TYPES = {"uint8": 3, "int8": 9}


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos/p.jpg", (90, 160, 200), 5, (SIDE, SIDE))


def quantize(tensor, dtype, scale, zero):
    tensor.type = TYPES[dtype]
    tensor.quantization = schema().QuantizationParametersT()
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([zero], np.int64)


def colour_tflite(
    path, *, name="input", first="", shape=(1, SIDE, SIDE, 3), dtype="", scale=1.0, zero=0, end="SOFTMAX",
    mean=127.5, std=127.5, out="", arithmetic=(),
):  # fmt: skip
    """Writes the nearest-colour classifier; `first` is a tensor name of a family, `arithmetic` the first operation on the input."""
    model = TfliteModel()
    source = at = model.tensor(name, list(shape))
    model.graph.inputs = np.array([source], np.int32)
    if dtype:
        quantize(model.graph.tensors[source], dtype, scale, zero)
        at = model.tensor("real", list(shape))
        model.operator("DEQUANTIZE", [source], at)
    for number, (op, value) in enumerate(arithmetic):
        after = model.tensor(f"step_{number}", list(shape))
        model.operator(
            op,
            [at, model.tensor(f"n_{number}", [1], np.array([value], np.float32))],
            after,
            model.options(f"{op.title()}Options"),
        )
        at = after
    if shape[1] == 3:
        turned = model.tensor("nhwc", [1, *shape[2:], 3])
        model.operator("TRANSPOSE", [at, model.tensor("perm", [4], np.array([0, 2, 3, 1], np.int32))], turned)
        at = turned
    pooled = model.tensor(first or "pooled", [1, 3])
    axes = model.tensor("axes", [2], np.array([1, 2], np.int32))
    model.operator("MEAN", [at, axes], pooled, model.options("ReducerOptions", keepDims=False))
    kernel, bias = weights(colours(mean, std))
    parts = [pooled, model.tensor("w", [3, 3], np.ascontiguousarray(kernel.T)), model.tensor("b", [3], bias)]
    logits = model.tensor("logits", [1, 3])
    model.operator("FULLY_CONNECTED", parts, logits, model.options("FullyConnectedOptions"))
    result = logits
    if end:
        result = model.tensor("scores", [1, 3])
        options = model.options("SoftmaxOptions", beta=1.0) if end == "SOFTMAX" else None
        model.operator(end, [logits], result, options)
    if out:
        last = model.tensor("quantized", [1, 3])
        quantize(model.graph.tensors[last], out, 1 / 256, 0 if out == "uint8" else -128)
        model.operator("QUANTIZE", [result], last)
        result = last
    return finish(model, path, result)


def finish(model, path, result, names=NAMES):
    model.outputs([result])
    path.write_bytes(model.to_bytes())
    (path.parent / "labels.txt").write_text("".join(f"{name}\n" for name in names))
    return path


def scores(path, photo, overrides=None):
    return Classifier(path, overrides).classify(photo).scores


def wanted(photo, **scaling):
    return expected(decode(photo, SIDE, SIDE), **scaling)


@pytest.mark.parametrize(
    ("first", "scaling"),
    [
        ("MobilenetV1/Conv2d_0/weights", {}),
        ("sequential_4/sequential_3/dense_Dense1/MatMul", {}),
        ("model/block_1_expand/Conv2D", {}),
        ("efficientnet-lite0/model/stem", {"mean": 127.0, "std": 128.0}),
        ("sequential/rescaling/mul", {"mean": 0.0, "std": 1.0}),
    ],
)
def test_names_of_a_family_determine_the_range(tmp_path, photo, first, scaling):
    path = colour_tflite(tmp_path / "m.tflite", first=first, **scaling)
    np.testing.assert_allclose(scores(path, photo), wanted(photo, **scaling), atol=1e-5)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_integer_inputs_take_pixels_whatever_their_scale(tmp_path, photo, dtype):
    zero = 3 if dtype == "uint8" else 3 - 128  # the same real numbers: 0.5 * (pixel - 3)
    path = colour_tflite(tmp_path / "m.tflite", dtype=dtype, scale=0.5, zero=zero, mean=3.0, std=2.0)
    np.testing.assert_allclose(scores(path, photo), wanted(photo, mean=3.0, std=2.0), atol=1e-5)
    typed = Overrides(input_mean=127.5, input_std=127.5)
    assert np.array_equal(scores(path, photo, typed), scores(path, photo))
    assert "do not apply" in Classifier(path, typed).metadata.facts["range"]


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_integer_inputs_with_channels_first_take_pixels_too(tmp_path, photo, dtype):
    zero = 3 if dtype == "uint8" else 3 - 128
    path = colour_tflite(
        tmp_path / "m.tflite", dtype=dtype, scale=0.5, zero=zero, mean=3.0, std=2.0, shape=(1, 3, SIDE, SIDE)
    )
    np.testing.assert_allclose(scores(path, photo), wanted(photo, mean=3.0, std=2.0), atol=1e-5)


@pytest.mark.parametrize("out", ["uint8", "int8"])
def test_quantized_scores_are_dequantized(tmp_path, photo, out):
    path = colour_tflite(tmp_path / "m.tflite", first="MobilenetV1/x", out=out)
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1 / 256)


def test_logits_go_through_a_softmax_and_sigmoids_do_not(tmp_path, photo):
    logits = colour_tflite(tmp_path / "l.tflite", first="MobilenetV1/x", end="")
    np.testing.assert_allclose(scores(logits, photo), wanted(photo), atol=1e-5)
    sigmoid = scores(colour_tflite(tmp_path / "s.tflite", first="MobilenetV1/x", end="LOGISTIC"), photo)
    odds = sigmoid / (1 - sigmoid)
    np.testing.assert_allclose(odds / odds.sum(), wanted(photo), atol=1e-4)


def test_channels_first_is_recognised_by_the_shape(tmp_path, photo):
    path = colour_tflite(tmp_path / "m.tflite", first="MobilenetV1/x", shape=(1, 3, SIDE, SIDE))
    assert Classifier(path).metadata.layout == "NCHW"
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)


def test_bgr_can_be_requested(tmp_path, photo):
    path = colour_tflite(tmp_path / "m.tflite", first="MobilenetV1/x")
    backwards = expected(in_order(decode(photo, SIDE, SIDE), "BGR"))
    np.testing.assert_allclose(scores(path, photo, Overrides(input_order="bgr")), backwards, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 28, 28, 1), (1, 28, 28), (1, 1, 28, 28), (1, 784)])
def test_greyscale_inputs_of_every_shape(tmp_path, shape):
    model = TfliteModel()
    source = model.tensor("x", list(shape))
    model.graph.inputs = np.array([source], np.int32)
    flat = model.tensor("flat", [1, 784])
    model.operator("RESHAPE", [source, model.tensor("to", [2], np.array([1, 784], np.int32))], flat)
    kernel = np.zeros((2, 784), np.float32)
    kernel[1, :392] = 4 / 392  # the second class is a bright upper half
    logits = model.tensor("logits", [1, 2])
    model.operator(
        "FULLY_CONNECTED",
        [flat, model.tensor("w", [2, 784], kernel), -1],
        logits,
        model.options("FullyConnectedOptions"),
    )
    result = model.tensor("scores", [1, 2])
    model.operator("SOFTMAX", [logits], result, model.options("SoftmaxOptions", beta=1.0))
    path = finish(model, tmp_path / "m.tflite", result, ("dark above", "bright above"))
    metadata = Classifier(path).metadata
    assert (metadata.height_px, metadata.width_px, metadata.order) == (28, 28, "grey")
    grey = write_photo(tmp_path / "g.jpg", (128, 128, 128), 1, (28, 28))
    want = softmax(np.array([0, 4 * in_order(decode(grey, 28, 28), "grey")[:14].mean() / 255]))
    np.testing.assert_allclose(scores(path, grey), want, atol=1e-5)


def test_arithmetic_at_the_beginning_means_pixels(tmp_path, photo):
    path = colour_tflite(tmp_path / "m.tflite", arithmetic=(("MUL", 1 / 127.5), ("ADD", -1.0)))
    assert evidence(path).affine == Affine((cast("float", pytest.approx(1 / 127.5)),), (-1.0,), "MUL and ADD")
    np.testing.assert_allclose(scores(path, photo), wanted(photo), atol=1e-5)


def make_metadata(mean, std, labels_file):
    """Builds the FlatBuffer that MediaPipe writes, field by field."""
    builder = flatbuffers.Builder(256)

    def table(fields):
        builder.StartObject(8)
        for slot, kind, value in fields:
            getattr(builder, f"Prepend{kind}Slot")(slot, value, 0)
        return builder.EndObject()

    def vector(items):
        builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            builder.PrependUOffsetTRelative(item)
        return builder.EndVector()

    def floats(values):
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependFloat32(value)
        return builder.EndVector()

    offset = "UOffsetTRelative"
    options = table([(0, offset, floats(mean)), (1, offset, floats(std))])
    unit = table([(0, "Uint8", 1), (1, offset, options)])
    inputs = vector([table([(4, offset, vector([unit]))])])
    files = vector([table([(0, offset, builder.CreateString(labels_file)), (2, "Int8", 2)])])
    outputs = vector([table([(6, offset, files)])])
    graphs = vector([table([(2, offset, inputs), (3, offset, outputs)])])
    builder.Finish(table([(3, offset, graphs)]), b"M001")
    return bytes(builder.Output())


def test_standard_metadata_gives_range_and_labels(tmp_path, photo):
    path = colour_tflite(tmp_path / "m.tflite", first="sequential/rescaling", mean=100.0, std=50.0)
    model = TfliteModel(path)
    model.metadata(standard_metadata.NAME, make_metadata([100.0], [50.0], "names.txt"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("names.txt", "Cyan\nMagenta\nYellow\n")
    path.write_bytes(model.to_bytes() + packed.getvalue())
    metadata = Classifier(path).metadata
    assert (metadata.mean, metadata.std, metadata.labels) == ((100.0,), (50.0,), ("Cyan", "Magenta", "Yellow"))
    assert metadata.facts["labels"] == "names.txt inside the file"
    np.testing.assert_allclose(scores(path, photo), wanted(photo, mean=100.0, std=50.0), atol=1e-5)


def test_damaged_metadata_is_ignored():
    assert standard_metadata.read(np.frombuffer(b"\xff" * 40, np.uint8)) == standard_metadata.StandardMetadata()


def test_a_wrong_input_layer_lists_the_inputs(tmp_path):
    with pytest.raises(UserError, match="--input_layer=Mul is not in .*; it has input"):
        Classifier(colour_tflite(tmp_path / "m.tflite"), Overrides(input_layer="Mul"))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (b"0 cyan\r\n1 magenta\r\n2 yellow", ("cyan", "magenta", "yellow")),
        (b"\xef\xbb\xbf0:cyan\n1:magenta\n2:yellow\n", ("cyan", "magenta", "yellow")),
        (b"1 cyan\n2 magenta\n3 yellow\n", ("cyan", "magenta", "yellow")),
        (b"61326 cyan\n61326 magenta\n61326 yellow\n", ("61326 cyan", "61326 magenta", "61326 yellow")),
        (b"0\n1\n2\n", ("0", "1", "2")),
        (b"001-Cyan\n002-Magenta\n003-Yellow\n", ("001-Cyan", "002-Magenta", "003-Yellow")),
        (b"0 cyan\n1 magenta\n3 yellow\n", ("0 cyan", "1 magenta", "3 yellow")),
        (b"1 euro\n2 euro\n3 euro\n", ("1 euro", "2 euro", "3 euro")),
        (b"background\ncyan\nmagenta\nyellow\n", ("cyan", "magenta", "yellow")),
    ],
)
def test_an_index_before_a_label_is_removed_and_a_name_is_not(tmp_path, labels, names):
    path = colour_tflite(tmp_path / "m.tflite")
    (tmp_path / "labels.txt").write_bytes(labels)
    assert Classifier(path).metadata.labels == names
    (tmp_path / "typed").write_bytes(labels)
    assert Classifier(path, Overrides(labels=str(tmp_path / "typed"))).metadata.labels == names


@pytest.mark.parametrize(
    "name", ["retrained_labels.txt", "labels_derived.txt", "m_labels.txt", "dict.txt", "classes.txt"]
)
def test_labels_beside_the_file_are_found_and_named(tmp_path, name):
    path = colour_tflite(tmp_path / "m.tflite")
    (tmp_path / "labels.txt").rename(tmp_path / name)
    metadata = Classifier(path).metadata
    assert (metadata.labels, metadata.facts["labels"]) == (NAMES, f"{name} beside it")


def test_class_indices_of_keras_are_labels(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    (tmp_path / "labels.txt").unlink()
    (tmp_path / "class_indices.json").write_text('{"yellow": 2, "cyan": 0, "magenta": 1}')
    assert Classifier(path).metadata.labels == NAMES


def test_a_wrong_number_of_labels_is_an_error_with_both_numbers(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    (tmp_path / "labels.txt").write_text("a\nb\n")
    with pytest.raises(RunError, match=r"it has 3 outputs, but there are 2 labels \(labels.txt beside it\)"):
        Classifier(path)


def test_lobe_expects_zero_to_one_and_states_its_labels(tmp_path, photo):
    path = colour_tflite(tmp_path / "saved_model.tflite", name="Image", **ZERO_ONE)
    (tmp_path / "labels.txt").unlink()
    (tmp_path / "signature.json").write_text(
        '{"format": "tf_lite", "filename": "saved_model.tflite", "inputs": {"Image": {"name": "Image"}},'
        ' "outputs": {"Confidences": {}}, "classes": {"Label": ["Cyan", "Magenta", "Yellow"]}}'
    )
    answer = Classifier(path).classify(photo)
    np.testing.assert_allclose(answer.scores, wanted(photo, **ZERO_ONE), atol=1e-5)
    assert answer.labels == ("Cyan", "Magenta", "Yellow")
    assert "Lobe" in Classifier(path).metadata.facts["range"]


def test_azures_properties_state_order_and_range(tmp_path, photo):
    path = colour_tflite(tmp_path / "model.tflite", **ZERO_ONE)
    (tmp_path / "metadata_properties.json").write_text(
        '{"CustomVision.Preprocess.NormalizeMean": "[0.0, 0.0, 0.0]", "CustomVision.Preprocess.NormalizeStd": "[1.0, 1.0, 1.0]",'
        ' "Image.BitmapPixelFormat": "Bgr8", "Image.NominalPixelRange": "Normalized_0_1"}'
    )
    backwards = expected(in_order(decode(photo, SIDE, SIDE), "BGR"), **ZERO_ONE)
    np.testing.assert_allclose(scores(path, photo), backwards, atol=1e-5)


def test_the_assumptions_are_reported_in_one_line(label_image, tmp_path, photo):
    path = colour_tflite(tmp_path / "m.tflite")
    done = label_image(f"--graph={path}", f"--image={photo}")
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("label_image: GUESSED: 0..1 is a guess: nothing in the file determines it")
    assert "if the labels look wrong, try --input_mean 0 --input_std 1 (0..255), --input_mean 127.5" in done.stderr
    told = label_image("--describe", path)
    assert told.returncode == 0
    assert "labels.txt beside it" in told.stdout


def test_every_colour_is_named_by_a_quantized_teachable_machine(tmp_path):
    path = colour_tflite(
        tmp_path / "model.tflite", name="sequential_1_input", dtype="uint8", scale=1 / 127.5, zero=127, mean=127.0,
        out="uint8",
    )  # fmt: skip
    (tmp_path / "labels.txt").write_text("0 cyan\n1 magenta\n2 yellow\n")
    for label, colour in COLOURS.items():
        assert Classifier(path).classify(write_photo(tmp_path / "p.jpg", colour, 9)).top(1)[0][0] == label
