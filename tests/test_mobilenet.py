"""MobileNet v1 from its original archives: the same features as TensorFlow's own run of the original graph."""

from __future__ import annotations

import numpy as np
import pytest

from label_image.errors import RunError
from label_image.photo_pixels import decode, normalise
from label_image.runners.litert import LitertRunner
from label_image.runners.tensorflow import GraphRunner
from retrain.backbones.families import mobilenet
from retrain.backbones.lookup import architecture
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.network_layers import Conv
from retrain.backbones.prepare import network_of, prepare
from retrain.backbones.weights import from_archive
from retrain.formats.graph_def import FLOAT, constant, new_graph, operation, parse_graph, placeholder
from retrain.options.options import Options
from tests.conftest import write_mean_colour_backbone

POOL = "MobilenetV1/Logits/AvgPool_1a/AvgPool"
HEAD = "MobilenetV1/Logits/Conv2d_1c_1x1"
SIZE = 8


def plan_of(name, model_dir):
    return Options.of(image_dir="photos", architecture=name, model_dir=str(model_dir), offline=True)


class Graph:
    """Builds a small MobileNet v1 as the archives of 2017 have them."""

    def __init__(self):
        self.rng = np.random.default_rng(1)
        self.def_ = new_graph()
        self.last = placeholder(self.def_, "input", [1, SIZE, SIZE, 3])

    def layer(self, name, shape, stride=1, *, packed="", folded=False):
        op = "DepthwiseConv2dNative" if "depthwise" in name else "Conv2D"
        channels = shape[2] if "depthwise" in name else shape[3]
        values = self.rng.normal(0, 0.5, shape).astype(np.float32)
        kernel = self.packed(f"{name}/weights", values, packed) if packed else constant(self.def_, f"{name}/w", values)
        kernel = operation(self.def_, "Identity", f"{name}/read", [kernel])
        y = operation(
            self.def_, op, f"{name}/convolution", [self.last, kernel], strides=[1, stride, stride, 1], padding="SAME"
        )
        gamma, beta, mean, variance = self.rng.uniform(0.5, 1.5, (4, channels)).astype(np.float32)
        y = self.folded(name, y, gamma, beta) if folded else self.normalised(name, y, gamma, beta, mean, variance)
        self.last = operation(self.def_, "Relu6", f"{name}/Relu6", [y])

    def folded(self, name, y, gamma, beta):
        y = operation(self.def_, "Mul", f"{name}/mul", [y, constant(self.def_, f"{name}/gamma", gamma)])
        return operation(self.def_, "BiasAdd", f"{name}/add", [y, constant(self.def_, f"{name}/beta", beta)])

    def normalised(self, name, y, gamma, beta, mean, variance):
        numbers = {
            "gamma": gamma,
            "beta": beta,
            "mean": mean,
            "variance": variance,
            "epsilon": np.array([1e-3], np.float32),
        }
        names = {key: constant(self.def_, f"{name}/{key}", value) for key, value in numbers.items()}
        spread = operation(self.def_, "Add", f"{name}/spread", [names["variance"], names["epsilon"]])
        scale = operation(self.def_, "Rsqrt", f"{name}/rsqrt", [spread])
        scale = operation(self.def_, "Mul", f"{name}/scale", [scale, names["gamma"]])
        shift = operation(self.def_, "Mul", f"{name}/mean_scaled", [names["mean"], scale])
        shift = operation(self.def_, "Sub", f"{name}/shift", [names["beta"], shift])
        y = operation(self.def_, "Mul", f"{name}/mul", [y, scale])
        return operation(self.def_, "Add", f"{name}/add", [y, shift])

    def packed(self, name, values, mode):
        """A constant as uint8 with a range, and its Dequantize."""
        low, high = float(values.min()), float(values.max())
        levels = np.round((values - low) / (high - low) * 255).astype(np.uint8)
        node = self.def_.node.add(op="Const", name=f"{name}/levels")
        node.attr["dtype"].type = node.attr["value"].tensor.dtype = 12  # quint8
        node.attr["value"].tensor.tensor_content = levels.tobytes()
        for size in levels.shape:
            node.attr["value"].tensor.tensor_shape.dim.add(size=size)
        ends = [
            constant(self.def_, f"{name}/{end}", np.array(value, np.float32))
            for end, value in (("min", low), ("max", high))
        ]
        node = self.def_.node.add(op="Dequantize", name=name, input=[f"{name}/levels", *ends])
        node.attr["T"].type, node.attr["mode"].s = 12, mode.encode()
        return name

    def finish(self):
        operation(
            self.def_,
            "AvgPool",
            POOL,
            [self.last],
            ksize=[1, SIZE // 2, SIZE // 2, 1],
            strides=[1, 1, 1, 1],
            padding="VALID",
        )
        channels = 6
        kernel = constant(self.def_, "head/kernel", np.ones((1, 1, channels, 1001), np.float32))
        y = operation(self.def_, "Conv2D", f"{HEAD}/convolution", [POOL, kernel], strides=[1, 1, 1, 1], padding="SAME")
        operation(
            self.def_, "BiasAdd", f"{HEAD}/BiasAdd", [y, constant(self.def_, "head/bias", np.zeros(1001, np.float32))]
        )
        return self.def_


def small(*, packed="", folded=False):
    graph = Graph()
    graph.layer("Conv2d_0", (3, 3, 3, 5), stride=2, folded=folded)
    graph.layer("Conv2d_1_depthwise", (3, 3, 5, 1), packed=packed, folded=folded)
    graph.layer("Conv2d_1_pointwise", (1, 1, 5, 6), packed=packed, folded=folded)
    return graph.finish()


def features_of(network, batch, tmp_path):
    from retrain.backbones.network_tflite import to_tflite

    (tmp_path / "headless.tflite").write_bytes(to_tflite(network))
    return LitertRunner(tmp_path / "headless.tflite").scores(batch)


@pytest.mark.parametrize(
    "kind", [{}, {"folded": True}, {"packed": "MIN_FIRST", "folded": True}, {"packed": "MIN_COMBINED"}], ids=str
)
def test_each_form_of_the_graphs_gives_tensorflow_s_features(tmp_path, kind):
    graph = small(**kind)
    (tmp_path / "frozen.pb").write_bytes(graph.SerializeToString())
    batch = np.random.default_rng(2).uniform(-1, 1, (1, SIZE, SIZE, 3)).astype(np.float32)
    network = mobilenet.to_network(graph, SIZE)
    assert [layer.name for layer in network.layers] == ["Conv2d_0", "Conv2d_1_depthwise", "Conv2d_1_pointwise"]
    assert network.width == 6
    found, wanted = (
        features_of(network, batch, tmp_path),
        GraphRunner(tmp_path / "frozen.pb", "input", POOL).scores(batch),
    )
    # Three layers of float32 sums; ReLU6 bounds them to 6.
    np.testing.assert_allclose(found, wanted, atol=5e-6, rtol=0)
    assert wanted.std() > 0.01


def test_the_stand_in_of_the_other_tests_gives_mean_colours(tmp_path):
    backbone = prepare(plan_of("mobilenet_0.25_128", write_mean_colour_backbone(tmp_path)).network, print)
    batch = np.broadcast_to(np.array([0.5, 0.0, -0.25], np.float32), (1, 128, 128, 3))
    np.testing.assert_allclose(LitertRunner(backbone.tflite).scores(batch), [[1.5, 1.0, 0.75]], rtol=1e-5)


def broken(change):
    graph = small()
    nodes = {node.name: node for node in graph.node}
    change(nodes)
    return graph


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda nodes: setattr(nodes["Conv2d_0/Relu6"], "op", "Relu"), "Conv2d_0/Relu6 is Relu, not Relu6"),
        (lambda nodes: setattr(nodes[POOL], "name", "pool"), f"no operation {POOL}"),
        (lambda nodes: setattr(nodes["Conv2d_0/add"], "op", "Sub"), "Conv2d_0/add is Sub, not Add"),
        (lambda nodes: setattr(nodes["Conv2d_0/mul"], "op", "Div"), "Conv2d_0/mul is Div, not a convolution"),
        (lambda nodes: setattr(nodes["Conv2d_0/rsqrt"], "op", "Relu"), "Conv2d_0/rsqrt is Relu, not a constant"),
        (lambda nodes: nodes[POOL].ClearField("input"), "cannot read the graph"),
        (lambda nodes: nodes["Conv2d_0/convolution"].input.__setitem__(0, "Conv2d_1_pointwise/Relu6"), "form a cycle"),
        (lambda nodes: nodes["Conv2d_0/read"].input.__setitem__(0, "Conv2d_0/read"), "cannot read the graph"),
    ],
)  # fmt: skip
def test_a_graph_that_is_built_otherwise_is_refused_in_one_line(change, says):
    with pytest.raises(RunError, match=says) as caught:
        mobilenet.to_network(broken(change), SIZE)
    assert "is it a frozen MobileNet v1?" in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"<html>login</html>", b"\x00" * 40])
def test_a_pb_that_is_no_graph_is_named(tmp_path, data):
    path = tmp_path / "mobilenet_v1_0.25_128" / "frozen_graph.pb"
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(RunError, match="it is not a TensorFlow graph") as caught:
        prepare(plan_of("mobilenet_0.25_128", tmp_path).network, print)
    assert str(path) in str(caught.value)


# ---- the real archives

REAL = {  # name -> what it knows of the 50 ImageNet pictures, squashed; published over all of ImageNet: 41 to 71 %
    "mobilenet_0.25_128": 20,
    "mobilenet_0.25_128_quantized": 21,
    "mobilenet_0.25_224": 25,
    "mobilenet_0.25_224_quantized": 25,
    "mobilenet_0.50_160_quantized": 31,
    "mobilenet_0.50_224_quantized": 34,
    "mobilenet_1.0_224": 40,
}


@pytest.fixture(scope="module")
def real_model_dir(tmp_path_factory):
    """A --model_dir with the real archives and unpacked folders."""
    from tests.conftest import SHARED

    folder = tmp_path_factory.mktemp("models")
    for path in (SHARED / "data" / "models").glob("mobilenet*"):
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.shared
@pytest.mark.parametrize("name", REAL)
def test_a_real_network_gives_tensorflow_s_features_and_knows_imagenet(name, real_model_dir, shared_data, tmp_path):
    options = plan_of(name, real_model_dir)
    backbone, network = prepare(options.network, print), network_of(options.network)
    folder = shared_data / "imagenet_sample"
    photos = [line.split("\t") for line in (folder / "index.tsv").read_text().splitlines()]
    (tmp_path / "original.pb").write_bytes(
        from_archive(architecture(name), ModelFolder.of(options.network, print)).data
    )
    original = GraphRunner(tmp_path / "original.pb", "input", POOL)
    runner = LitertRunner(backbone.tflite)

    def batch(photo):
        return normalise(decode(folder / photo, backbone.height_px, backbone.width_px), backbone.mean, backbone.std)[
            None
        ]

    # 27 layers of float32 sums with normalisation folded in; features reach 5.5 and differ by 4e-5 at most.
    first = batch(photos[0][0])
    np.testing.assert_allclose(runner.scores(first), original.scores(first), atol=1e-4, rtol=0)
    weights, biases = network.classifier
    guesses = [int((runner.scores(batch(photo)) @ weights + biases).argmax()) for photo, _ in photos]
    right = sum(
        guess == int(index) + 1 for guess, (_, index) in zip(guesses, photos, strict=True)
    )  # class 0: background
    assert right >= REAL[name] - 1


@pytest.mark.shared
def test_an_archive_and_its_unpacked_folder_make_the_same_files(shared_data, tmp_path):
    import tarfile

    archive = shared_data / "models" / "mobilenet_v1_0.25_128_frozen.tgz"
    packed, unpacked = tmp_path / "packed", tmp_path / "unpacked"
    packed.mkdir()
    (packed / archive.name).symlink_to(archive)
    with tarfile.open(archive) as file:
        file.extractall(unpacked, filter="data")
    one, other = (prepare(plan_of("mobilenet_0.25_128", folder).network, print) for folder in (packed, unpacked))
    assert one.digest == other.digest
    assert one.tflite.read_bytes() == other.tflite.read_bytes()
    quantized = prepare(plan_of("mobilenet_0.25_128_quantized", packed).network, print)
    assert quantized.digest != one.digest


@pytest.mark.shared
def test_the_float_and_quantized_graphs_of_an_archive_are_the_same_network(real_model_dir):
    plain, quantized = (
        network_of(plan_of(f"mobilenet_0.25_224{end}", real_model_dir).network) for end in ("", "_quantized")
    )
    assert [layer.kernel.shape for layer in plain.layers if isinstance(layer, Conv)] == [
        layer.kernel.shape for layer in quantized.layers if isinstance(layer, Conv)
    ]
    assert len(plain.layers) == 27
    assert plain.width == 256


def test_float_constants_are_read_however_they_are_stored():
    graph = new_graph()
    node = graph.node.add(op="Const", name="splat")
    tensor = node.attr["value"].tensor
    tensor.dtype = FLOAT
    tensor.tensor_shape.dim.add(size=4)
    tensor.float_val.extend([1.0, 2.0])
    from retrain.formats.graph_def import values_of

    assert values_of(parse_graph(graph.SerializeToString(), "here").node[0]).tolist() == [1, 2, 2, 2]
