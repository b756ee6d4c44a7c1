"""The Inception-v3 graph of 2015: a small one with the real names, operations and shapes, against TensorFlow's own run of it."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from label_image.errors import RunError
from label_image.model_metadata import Metadata
from label_image.quiet import tensorflow
from label_image.runners.litert import LitertRunner
from label_image.runners.tensorflow import GraphRunner
from retrain.backbones.frozen_graph import freeze, to_tflite
from retrain.backbones.prepare import prepare
from retrain.exporters import tflite
from retrain.formats.graph_def import INT32, constant, new_graph, operation
from retrain.formats.tflite_model import schema
from retrain.formats.tflite_structure import check, faults
from retrain.options.options import Options
from retrain.types import Head

ARCHIVE = "inception-2015-12-05.tgz"
MEMBER = "classify_image_graph_def.pb"


class Inception:
    """Writes the original's form: few channels, but 2,048 at the end, over 8 x 8 pixels."""

    def __init__(self):
        self.graph = new_graph()
        self.graph.versions.producer = 8  # from 9 on, TensorFlow refuses BatchNormWithGlobalNormalization
        self.rng = np.random.default_rng(5)

    def picture(self):
        """From JPEG bytes to normalised pixels, one photo a call."""
        contents = Image.new("RGB", (20, 30), (200, 100, 50))
        data = io.BytesIO()
        contents.save(data, "JPEG")
        g = self.graph
        constant(g, "DecodeJpeg/contents", data.getvalue())
        node = g.node.add(op="DecodeJpeg", name="DecodeJpeg", input=["DecodeJpeg/contents"])
        node.attr["channels"].i = 3
        node = g.node.add(op="Cast", name="Cast", input=["DecodeJpeg"])
        node.attr["SrcT"].type, node.attr["DstT"].type = 4, 1  # uint8, float32
        operation(g, "ExpandDims", "ExpandDims", ["Cast", constant(g, "ExpandDims/dim", np.array(0, np.int32))])
        size = constant(g, "ResizeBilinear/size", np.array([299, 299], np.int32))
        operation(g, "ResizeBilinear", "ResizeBilinear", ["ExpandDims", size])
        operation(g, "Sub", "Sub", ["ResizeBilinear", constant(g, "Sub/y", np.array(128, np.float32))])
        operation(g, "Mul", "Mul", ["Sub", constant(g, "Mul/y", np.array(1 / 128, np.float32))])

    def conv(self, name, source, shape, stride=1, *, gamma=False):
        """Convolution, batch normalisation as it was, a check with its control edge, ReLU."""
        g, channels = self.graph, shape[3]
        spread = np.sqrt(np.prod(shape[:3]))
        kernel = constant(g, f"{name}/conv2d_params", (self.rng.normal(0, 1, shape) / spread).astype(np.float32))
        strides = [1, stride, stride, 1]
        y = operation(
            g, "Conv2D", f"{name}/Conv2D", [source, kernel], strides=strides, padding="VALID", use_cudnn_on_gpu=True
        )
        parts = []
        for part, low, high in (
            ("moving_mean", -0.2, 0.2),
            ("moving_variance", 0.5, 2),
            ("beta", -0.5, 1),
            ("gamma", 0.5, 2),
        ):
            values = self.rng.uniform(low, high, channels).astype(np.float32)
            parts.append(constant(g, f"{name}/batchnorm/{part}", values))
        operation(
            g, "BatchNormWithGlobalNormalization", f"{name}/batchnorm", [y, *parts],
            variance_epsilon=0.001, scale_after_normalization=gamma,
        )  # fmt: skip
        operation(g, "CheckNumerics", f"{name}/CheckNumerics", [f"{name}/batchnorm"], message="batchnorm")
        kept = operation(g, "Identity", f"{name}/control_dependency", [f"{name}/batchnorm", f"^{name}/CheckNumerics"])
        return operation(g, "Relu", name, [kept])

    def pool(self, op, name, source, size, stride):
        return operation(
            self.graph, op, name, [source], ksize=[1, size, size, 1], strides=[1, stride, stride, 1], padding="VALID"
        )

    def build(self):
        g = self.graph
        self.picture()
        y = self.conv("conv", "Mul", (3, 3, 3, 4), 2)  # 149 pixels
        y = self.pool("MaxPool", "pool", y, 3, 2)  # 74
        y = self.conv("conv_1", y, (3, 3, 4, 4), 2, gamma=True)  # 36
        y = self.pool("MaxPool", "pool_1", y, 3, 2)  # 17
        y = self.conv("conv_2", y, (3, 3, 4, 6), 2)  # 8
        y = operation(g, "CheckNumerics", "mixed/check", [y], message="inside the path")
        branches = [self.conv("mixed/conv", y, (1, 1, 6, 1024)), self.conv("mixed/tower/conv", y, (1, 1, 6, 1024))]
        axis = constant(g, "mixed/join/concat_dim", np.array(3, np.int32))
        y = operation(g, "Concat", "mixed/join", [axis, *branches], N=2)
        operation(g, "NoOp", "init", [])
        y = self.pool("AvgPool", "pool_3", y, 8, 1)
        y = operation(
            g, "Reshape", "pool_3/_reshape", [y, constant(g, "pool_3/_reshape/shape", np.array([1, 2048], np.int32))]
        )
        g.node[-1].attr["Tshape"].type = INT32
        weights = constant(g, "softmax/weights", self.rng.normal(0, 0.01, (2048, 1008)).astype(np.float32))
        y = operation(g, "MatMul", "softmax/logits/MatMul", [y, weights])
        operation(g, "Softmax", "softmax", [y])
        return g


@pytest.fixture(scope="module")
def original():
    """The original's form of graph, as bytes."""
    return Inception().build().SerializeToString()


@pytest.fixture(scope="module")
def model_dir(original, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    with tarfile.open(folder / ARCHIVE, "w:gz") as archive:
        for name, data in ((MEMBER, original), ("imagenet_synset_to_human_label_map.txt", b"n00004475\torganism")):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return folder


@pytest.fixture(scope="module")
def backbone(model_dir):
    return prepare(plan_of(model_dir).network, print)


def plan_of(model_dir):
    return Options.of(image_dir="photos", architecture="inception_v3", model_dir=str(model_dir), offline=True)


def original_pool_3(data, batch, feed="Mul:0"):
    """What TensorFlow gives for pool_3 of the graph as it was, one photo a call."""
    tf = tensorflow()
    graph_def = tf.compat.v1.GraphDef.FromString(data)
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        with tf.compat.v1.Session(graph=graph) as session:
            rows = [session.run("pool_3/_reshape:0", {feed: photo[None]}) for photo in batch]
    return np.concatenate(rows)


@pytest.mark.parametrize("photos", [1, 3])
def test_the_freed_graph_gives_the_original_s_pool_3_for_any_batch(original, backbone, photos):
    batch = np.random.default_rng(photos).uniform(-1, 1, (photos, 299, 299, 3)).astype(np.float32)
    wanted = original_pool_3(original, batch)
    assert wanted.shape == (photos, 2048)
    assert wanted.std() > 0.05
    # The same float32 sums; normalisation in another order of operations.
    graph = GraphRunner(backbone.graph, backbone.input_layer, backbone.features_layer)
    np.testing.assert_allclose(graph.scores(batch), wanted, atol=2e-5, rtol=0)
    np.testing.assert_allclose(LitertRunner(backbone.tflite).scores(batch), wanted, atol=2e-5, rtol=0)


def test_pixels_go_in_at_mul_scaled_as_the_original_scaled_them(original, backbone):
    pixels = np.random.default_rng(7).integers(0, 256, (1, 299, 299, 3)).astype(np.float32)
    wanted = original_pool_3(original, pixels, "ResizeBilinear:0")  # before the original's own Sub and Mul
    scaled = (pixels - np.float32(backbone.mean)) / np.float32(backbone.std)
    np.testing.assert_allclose(LitertRunner(backbone.tflite).scores(scaled), wanted, atol=2e-5, rtol=0)
    assert (backbone.input_layer, backbone.height_px, backbone.width_px) == ("Mul", 299, 299)


def test_what_tensorflow_converted_has_the_form_that_other_readers_want(backbone, tmp_path):
    """TensorFlow's converter puts constants at multiples of 4 bytes; the schema says 16."""
    metadata = Metadata(("a", "b"), 299, 299, backbone.mean, backbone.std, backbone.input_layer, "final_result")
    head = Head(np.zeros((backbone.width, 2), np.float32), np.zeros(2, np.float32), metadata.labels)
    tflite.write(tmp_path / "x.tflite", head, backbone, metadata)
    check(tmp_path / "x.tflite", "x.tflite", "Mul", "final_result")


def test_nothing_of_the_decoder_the_checks_and_the_softmax_is_left(backbone):
    from retrain.formats.graph_def import read_graph

    graph = read_graph(backbone.graph)
    operations = {node.op for node in graph.node}
    assert not operations & {
        "DecodeJpeg",
        "ResizeBilinear",
        "CheckNumerics",
        "BatchNormWithGlobalNormalization",
        "Softmax",
        "NoOp",
    }
    assert not [source for node in graph.node for source in node.input if source.startswith("^")]
    assert graph.node[0].name == "Mul"


def test_the_graph_is_found_by_its_own_name_and_in_its_archive(original, backbone, tmp_path):
    (tmp_path / MEMBER).write_bytes(original)
    # The forms are named after the graph's digest, so those of the archive are its own.
    for path in backbone.graph.parent.glob("inception_v3-*"):
        (tmp_path / path.name).symlink_to(path)
    lines = []
    assert prepare(plan_of(tmp_path).network, lines.append).digest == backbone.digest
    assert lines == []


@pytest.mark.parametrize("kept", ["Mul", "pool_3"])
def test_another_graph_in_its_place_is_refused_in_one_line(tmp_path, kept):
    graph = new_graph()
    constant(graph, kept, np.zeros(1, np.float32))
    (tmp_path / MEMBER).write_bytes(graph.SerializeToString())
    with pytest.raises(RunError, match=r"pool_3"):
        prepare(plan_of(tmp_path).network, print)


def test_a_graph_that_tensorflow_refuses_is_refused_in_one_line(original, tmp_path):
    graph = new_graph()
    graph.ParseFromString(original)
    next(node for node in graph.node if node.name == "pool").op = "MatMul"  # of four axes
    (tmp_path / MEMBER).write_bytes(graph.SerializeToString())
    with pytest.raises(RunError, match="cannot use inception_v3: TensorFlow refuses the graph") as caught:
        prepare(plan_of(tmp_path).network, print)
    assert "\n" not in str(caught.value)


def test_an_operation_that_nobody_knows_is_refused_by_name(original, tmp_path):
    graph = new_graph()
    graph.ParseFromString(original)
    next(node for node in graph.node if node.name == "pool").op = "MaxPoolOfTheFuture"
    (tmp_path / MEMBER).write_bytes(graph.SerializeToString())
    with pytest.raises(RunError, match="its node 'pool' is a MaxPoolOfTheFuture, which is not among"):
        prepare(plan_of(tmp_path).network, print)


def test_constants_of_what_tensorflow_converted_are_aligned():
    tf = tensorflow()
    rng = np.random.default_rng(0)
    kernels = [rng.normal(0, 1, (3, 3, 3, 3)).astype(np.float32), rng.normal(0, 1, (3, 5)).astype(np.float32)]
    frozen = freeze(
        lambda x: tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(x, kernels[0], 1, "SAME")), [1, 2]) @ kernels[1], 8, 8
    )
    data, why = to_tflite(frozen)
    found = list(faults(schema().Model.GetRootAs(data, 0), "input", "features"))
    assert (why, [fault for fault in found if "signature" not in fault]) == ("", [])
