"""A `.tflite` that is read and written again: what was in it stays as it is, what is added is found."""

from __future__ import annotations

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from label_image.detectors.tflite_file import TfliteFile
from label_image.errors import RunError
from retrain.formats.tflite_model import TfliteModel, schema


@pytest.fixture
def doubling(tmp_path):
    """A file that doubles four numbers."""
    model = TfliteModel()
    source = model.tensor("in", [1, 4])
    result = model.tensor("twice", [1, 4])
    options = model.options("MulOptions")
    model.operator("MUL", [source, model.tensor("two", [1], np.array([2], np.float32))], result, options)
    model.graph.inputs = np.array([source], np.int32)
    model.outputs([result])
    model.signature("serving_default", "in", "twice")
    model.metadata("kept", b"as it was")
    path = tmp_path / "m.tflite"
    path.write_bytes(model.to_bytes())
    return path


def scores(data, numbers):
    network = Interpreter(model_content=data)
    network.allocate_tensors()
    network.set_tensor(network.get_input_details()[0]["index"], np.array([numbers], np.float32))
    network.invoke()
    return network.get_tensor(network.get_output_details()[0]["index"])[0].tolist()


def test_a_layer_is_added_in_front_of_the_old_bytes(doubling, tmp_path):
    model = TfliteModel(doubling)
    (before,) = model.graph.outputs
    total = model.tensor("sum", [1, 2])
    weights = model.tensor("w", [2, 4], np.array([[1, 0, 0, 0], [1, 1, 1, 1]], np.float32))
    biases = model.tensor("b", [2], np.array([0, 100], np.float32))
    model.operator("FULLY_CONNECTED", [int(before), weights, biases], total, model.options("FullyConnectedOptions"))
    model.outputs([total])
    model.metadata("new", b"said")
    data = model.to_bytes()
    assert data.endswith(doubling.read_bytes())
    assert scores(data, [1, 2, 3, 4]) == [2, 120]
    written = tmp_path / "n.tflite"
    written.write_bytes(data)
    found = TfliteFile(written)
    assert (bytes(found.entry("kept")), bytes(found.entry("new"))) == (b"as it was", b"said")
    again = TfliteModel(written)
    assert len(again.graph.tensors) == 6
    assert scores(again.to_bytes(), [1, 2, 3, 4]) == [2, 120]


def test_constants_keep_their_alignment(doubling):
    """LiteRT reads them where they lie in the file."""
    odd = doubling.with_name("odd.tflite")
    odd.write_bytes(doubling.read_bytes() + b"\0" * 3)  # as some archives leave them
    model = TfliteModel(odd)
    model.metadata("new", b"x" * 5)
    data = model.to_bytes()
    assert len(data) % 16 == 0
    assert scores(data, [1, 2, 3, 4]) == [2, 4, 6, 8]


def test_constants_behind_the_flatbuffer_are_taken_in(doubling, tmp_path):
    import flatbuffers

    model = schema().ModelT.InitFromPackedBuf(bytearray(doubling.read_bytes()), 0)
    place = next(i for i, buffer in enumerate(model.buffers) if buffer.data is not None and len(buffer.data) == 4)
    packed = b""
    for _ in range(2):  # the second time the length is known
        model.buffers[place].data = None
        model.buffers[place].offset, model.buffers[place].size = max(len(packed), 1 << 20), 4
        builder = flatbuffers.Builder()
        builder.Finish(model.Pack(builder), b"TFL3")
        packed = bytes(builder.Output())
    behind = tmp_path / "behind.tflite"
    behind.write_bytes(packed.ljust(model.buffers[place].offset, b"\0") + np.array([3], np.float32).tobytes())
    assert scores(TfliteModel(behind).to_bytes(), [1, 2, 3, 4]) == [3, 6, 9, 12]


def test_what_can_not_be_read_is_one_line(doubling, tmp_path):
    whole, broken = doubling.read_bytes(), tmp_path / "broken.tflite"
    broken.write_bytes(b"no model at all")
    with pytest.raises(RunError, match=r"it is not a \.tflite"):
        TfliteModel(broken)
    refused = 0
    for end in range(8, len(whole), 5):
        broken.write_bytes(whole[:end])
        try:
            TfliteModel(broken)
        except RunError:
            refused += 1
    assert refused > 10


def test_two_subgraphs_are_too_many(doubling, tmp_path):
    import flatbuffers

    model, builder = schema().ModelT.InitFromPackedBuf(bytearray(doubling.read_bytes()), 0), flatbuffers.Builder()
    model.subgraphs *= 2
    builder.Finish(model.Pack(builder), b"TFL3")
    (tmp_path / "two.tflite").write_bytes(bytes(builder.Output()))
    with pytest.raises(RunError, match="2 subgraphs"):
        TfliteModel(tmp_path / "two.tflite")
