"""Operator codes and the form of a `.tflite`: what LiteRT lets pass and other readers stop at."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from label_image.classifier import Classifier
from label_image.errors import RunError
from label_image.model_metadata import Metadata
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.network_graph import to_graph
from retrain.backbones.network_layers import Add, Conv, LayeredNetwork, Norm
from retrain.backbones.network_tflite import to_tflite
from retrain.backbones.quantize import quantized
from retrain.exporters import tflite as tflite_exporter
from retrain.files.hashing import file_digest
from retrain.formats.tflite_codes import needed, with_right_codes
from retrain.formats.tflite_model import TfliteModel, schema
from retrain.formats.tflite_structure import check, faults
from retrain.options.options import Options
from retrain.types import Backbone, Head, Photo
from tests.conftest import COLOURS, write_photo

PRECISIONS = ("none", "float16", "dynamic", "int8")
LABELS = tuple(COLOURS)


def layer(name, source, channels, number, *, depthwise=False):
    rng = np.random.default_rng(number)
    kernel = rng.normal(0, 0.5, (3, 3, channels[0], 1 if depthwise else channels[1])).astype(np.float32)
    one, zero = np.ones(channels[1], np.float32), np.zeros(channels[1], np.float32)
    return Conv(name, source, kernel, Norm(one, zero, zero, one, 0.0), 2, relu6=True, depthwise=depthwise)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """A network of each kind of layer that ours have: convolutions, one a channel of its own, a sum; 8 features."""
    folder = tmp_path_factory.mktemp("tiny")
    first = layer("first", "input", (3, 8), 1)
    wide = layer("wide", "first", (8, 8), 2, depthwise=True)
    narrow = layer("narrow", "first", (8, 8), 3)
    network = LayeredNetwork(16, (first, wide, narrow, Add("sum", "wide", "narrow")))
    (folder / "tiny-1.pb").write_bytes(to_graph(network).SerializeToString())
    (folder / "tiny-1.tflite").write_bytes(to_tflite(network))
    files = (folder / "tiny-1.pb", "input", "features", folder / "tiny-1.tflite")
    return Backbone("tiny", "1", 16, 16, (127.0,), (128.0,), 8, *files)


@pytest.fixture(scope="module")
def exports(backbone, tmp_path_factory):
    """The `.tflite` of each precision."""
    folder = tmp_path_factory.mktemp("codes")
    paths = [write_photo(folder / f"{label}.jpg", colour, 0) for label, colour in COLOURS.items()]
    photos = [Photo(str(path), path.stem, file_digest(path)) for path in paths]
    rng = np.random.default_rng(0)
    head = Head(rng.normal(0, 1, (8, 3)).astype(np.float32), rng.normal(0, 1, 3).astype(np.float32), LABELS)
    metadata = Metadata(LABELS, 16, 16, (127.0,), (128.0,), "input", "final_result")
    options = Options.of(image_dir="x", model_dir=str(backbone.graph.parent))
    for precision in PRECISIONS:
        one = (
            backbone
            if precision == "none"
            else quantized(backbone, precision, photos, ModelFolder.of(options.network, lambda _: None), lambda _: None)
        )
        tflite_exporter.write(folder / f"{precision}.tflite", head, one, metadata)
    return folder


def codes_of(path):
    """{operator: (old field, version)}."""
    names = {number: name for name, number in vars(schema().BuiltinOperator).items() if isinstance(number, int)}
    model = TfliteModel(path)
    return {names[code.builtinCode]: (code.deprecatedBuiltinCode, code.version) for code in model.codes}


FLOAT = {"CONV_2D": (3, 1), "DEPTHWISE_CONV_2D": (4, 1), "ADD": (0, 1), "MEAN": (40, 1)}
HEAD = {"FULLY_CONNECTED": (9, 1), "SOFTMAX": (25, 1)}
WANTED = {
    "none": FLOAT | HEAD,
    "float16": FLOAT | HEAD | {"DEQUANTIZE": (6, 3)},
    "dynamic": FLOAT | HEAD | {"CONV_2D": (3, 5), "DEPTHWISE_CONV_2D": (4, 6)},
    "int8": HEAD
    | {"CONV_2D": (3, 3), "DEPTHWISE_CONV_2D": (4, 3), "ADD": (0, 2), "MEAN": (40, 1)}
    | {"QUANTIZE": (114, 1), "DEQUANTIZE": (6, 2)},
}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_each_operator_has_its_number_in_both_fields_and_the_lowest_version_that_will_do(exports, precision):
    """With 0 in the old field OpenCV dies, and OpenVINO and TensorFlow 1.15 refuse the file."""
    assert codes_of(exports / f"{precision}.tflite") == WANTED[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_one_signature_has_the_graph_s_names_in_each_precision(exports, precision):
    path = exports / f"{precision}.tflite"
    interpreter = Interpreter(str(path))
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["input"], "outputs": ["final_result"]}}
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 16, 16, 3)).astype(np.float32)
    scores = interpreter.get_signature_runner("serving_default")(input=pixels)["final_result"]
    assert scores.shape == (1, 3)
    assert Classifier(path).metadata.labels == LABELS
    (tensor,) = interpreter.get_input_details()
    interpreter.allocate_tensors()
    interpreter.set_tensor(tensor["index"], pixels)
    interpreter.invoke()
    np.testing.assert_array_equal(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), scores)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_constants_lie_where_the_schema_wants_them(exports, precision):
    data = (exports / f"{precision}.tflite").read_bytes()
    model = schema().Model.GetRootAs(data, 0)
    buffers = [model.Buffers(place) for place in range(model.BuffersLength())]
    places = [one._tab.Vector(one._tab.Offset(4)) for one in buffers if one.DataLength()]
    assert len(places) > 8
    assert [place % 16 for place in places] == [0] * len(places)


def test_a_kept_backbone_is_as_right_as_what_is_made_of_it(exports, backbone):
    for path in sorted(backbone.graph.parent.glob("tiny-1*.tflite")):
        found = list(faults(schema().Model.GetRootAs(path.read_bytes(), 0), "input", "features"))
        assert [fault for fault in found if "signature" not in fault] == [], path


def damaged(path, change):
    model = TfliteModel.unpacked(path.read_bytes(), "x")
    change(model)
    return model


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda model: setattr(model.codes[1], "version", 1), "operator 1, CONV_2D, has version 1, but its types need 3"),
        (lambda model: setattr(model, "codes", [*model.codes, model.codes[0]]), "is used by no operator"),
        (lambda model: model.signature("serving_default", "image", "final_result"), "its signatures are"),
        (lambda model: model.signature("other", "input", "final_result"), "its signatures are"),
    ],
)  # fmt: skip
def test_a_wrong_form_is_refused_in_one_line(exports, tmp_path, change, fault):
    path = exports / "int8.tflite"
    check(path, "x.tflite", "input", "final_result")
    (tmp_path / "x.tflite").write_bytes(damaged(path, change).to_bytes())
    with pytest.raises(RunError, match=rf"^the export x\.tflite is wrong and was not kept: .*{fault}"):
        check(tmp_path / "x.tflite", "x.tflite", "input", "final_result")


def test_the_old_field_and_the_places_of_constants_are_looked_at(exports, tmp_path):
    import flatbuffers

    model, builder = (
        schema().ModelT.InitFromPackedBuf(bytearray((exports / "int8.tflite").read_bytes()), 0),
        flatbuffers.Builder(),
    )
    model.operatorCodes[0].deprecatedBuiltinCode = 0
    builder.Finish(model.Pack(builder), b"TFL3")  # the schema's own class puts constants at multiples of 4
    found = list(faults(schema().Model.GetRootAs(bytes(builder.Output()), 0), "input", "final_result"))
    assert found[0] == "operator code 0, QUANTIZE, is called 0 in the old field"
    assert "does not begin at a multiple of 16 bytes" in found[1]


def test_one_code_whose_operators_need_two_versions_becomes_two():
    model = TfliteModel()
    source = model.tensor("in", [1, 4])
    wide = model.tensor("wide", [1, 4], np.array([[1, 2, 3, 4]], np.float32))
    sums = [model.tensor(name, [1, 4]) for name in ("first", "second")]
    for name, output in zip((source, sums[0]), sums, strict=True):
        model.operator("ADD", [name, wide], output, model.options("AddOptions"))
    model.graph.inputs = np.array([source], np.int32)
    model.outputs([sums[1]])
    raw = TfliteModel.unpacked(model.to_bytes(), "x")
    for index in (sums[0], sums[1]):
        raw.graph.tensors[index].type = schema().TensorType.INT8
    again = TfliteModel.unpacked(with_right_codes(raw.to_bytes(), "x"), "x")
    assert [(code.builtinCode, code.version) for code in again.codes] == [(0, 1), (0, 2)]
    assert [operator.opcodeIndex for operator in again.graph.operators] == [0, 1]


def tensor(kind, scales=1):
    scale = None if kind == "float32" else np.full(scales, 0.5, np.float32)
    number = {"float32": 0, "float16": 1, "int8": 9, "int32": 2}[kind]
    return SimpleNamespace(type=number, quantization=SimpleNamespace(scale=scale))


@pytest.mark.parametrize(
    ("name", "kinds", "scales", "asymmetric", "version"),
    [
        ("CONV_2D", ("float32", "float32", "float32"), 1, False, 1),
        ("CONV_2D", ("float32", "int8", "float32"), 1, False, 2),
        ("CONV_2D", ("float32", "int8", "float32"), 4, False, 5),
        ("DEPTHWISE_CONV_2D", ("float32", "int8", "float32"), 1, False, 4),
        ("FULLY_CONNECTED", ("float32", "int8", "float32"), 1, False, 3),
        ("FULLY_CONNECTED", ("float32", "int8", "float32"), 1, True, 9),
        ("FULLY_CONNECTED", ("float32", "int8", "float32"), 4, True, 12),
        ("FULLY_CONNECTED", ("int8", "int8", "int32"), 1, False, 4),
        ("BATCH_MATMUL", ("float32", "int8"), 1, True, 4),
        ("CONCATENATION", ("int8", "int8"), 1, False, 2),
        ("MAX_POOL_2D", ("int8",), 1, False, 2),
        ("PAD", ("int8", "int32"), 1, False, 2),
        ("SPLIT", ("int32", "int8"), 1, False, 2),
        ("RESHAPE", ("int8", "int32"), 1, False, 1),
        ("MUL", ("int8", "int8"), 1, False, 2),
        ("DEQUANTIZE", ("int8",), 1, False, 2),
        ("DEQUANTIZE", ("int8",), 4, False, 5),
        ("DEQUANTIZE", ("float16",), 1, False, 3),
    ],
)
def test_the_version_that_types_need(name, kinds, scales, asymmetric, version):
    """The last of the tensors is what comes out, of the first's kind."""
    tensors = [tensor(kind, scales if place < 2 else 1) for place, kind in enumerate(kinds)] + [tensor(kinds[0])]
    options = SimpleNamespace(asymmetricQuantizeInputs=asymmetric)
    operator = SimpleNamespace(inputs=range(len(kinds)), outputs=[len(kinds)], builtinOptions=options)
    assert needed(name, operator, tensors.__getitem__) == version


def test_a_product_that_grows_needs_one_more():
    tensors = [tensor("int8"), tensor("int8"), tensor("int8")]
    tensors[2].quantization.scale = np.array([0.1], np.float32)
    operator = SimpleNamespace(inputs=[0, 1], outputs=[2], builtinOptions=None)
    assert needed("MUL", operator, tensors.__getitem__) == 3
