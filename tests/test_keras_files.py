"""Keras files are read without Keras: the same scores as Keras gives, and nothing that the file names is called."""

from __future__ import annotations

import json
import os
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from label_image import Classifier
from label_image.detectors.keras_file import frozen_keras
from label_image.errors import RunError
from label_image.quiet import tensorflow
from tests.conftest import SHARED

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # warnings of the Keras that writes the files, which is not under test
SIDE = 12


@pytest.fixture(params=["keras", "tf_keras"])
def maker(request):
    tensorflow()
    return pytest.importorskip(request.param)


def block(keras, x, activation="relu"):
    x = keras.layers.Conv2D(4, 3, padding="same", use_bias=False)(x)
    x = keras.layers.BatchNormalization()(x)
    return keras.layers.Activation(activation)(x)


def plain(keras):
    layers = keras.layers
    return keras.Sequential([
        layers.InputLayer((SIDE, SIDE, 3)), layers.Rescaling(1 / 127.5, offset=-1), layers.Conv2D(5, 3, activation="relu6"),
        layers.MaxPooling2D(), layers.Dropout(0.5), layers.Flatten(), layers.Dense(4, activation="tanh"), layers.Dense(3, activation="softmax"),
    ])  # fmt: skip


def nested(keras):
    """Transfer learning: a frozen base that is a network, followed by a network that contains a small network."""
    layers = keras.layers
    base_in = keras.Input((SIDE, SIDE, 3))
    base = keras.Model(base_in, block(keras, block(keras, base_in)), name="base")
    base.trainable = False
    head = keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 4)),
            layers.Conv2D(3, 1),
            layers.BatchNormalization(),
            layers.GlobalAveragePooling2D(),
        ],
        name="head",
    )
    source = keras.Input((SIDE, SIDE, 3))
    x = layers.RandomFlip()(source)
    return keras.Model(source, layers.Dense(3, activation="softmax")(head(base(x, training=False))))


def branched(keras):
    layers = keras.layers
    source = keras.Input((SIDE, SIDE, 3))
    x = layers.Normalization(mean=[1.0, 2.0, 3.0], variance=[4.0, 5.0, 6.0])(source)
    a = layers.SeparableConv2D(4, 3, padding="same", activation="elu")(x)
    b = layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2)(x)
    c = layers.Conv2D(4, 3, dilation_rate=2, padding="same", activation="swish")(layers.ZeroPadding2D(1)(x))
    c = layers.LeakyReLU()(layers.Cropping2D(1)(c))
    x = layers.Concatenate()([a, b, layers.Add()([a, c]), layers.Multiply()([a, c])])
    x = layers.PReLU(shared_axes=[1, 2])(layers.LayerNormalization()(x))
    x = layers.Average()([layers.AveragePooling2D(3, 1, "same")(x), layers.UpSampling2D()(layers.MaxPooling2D()(x))])
    shared = layers.Dense(6, activation="hard_sigmoid")
    x = layers.Subtract()([shared(layers.GlobalMaxPooling2D()(x)), shared(layers.GlobalAveragePooling2D()(x))])
    return keras.Model(source, layers.Softmax()(layers.Dense(3)(layers.ReLU(6.0)(layers.Reshape((6,))(x)))))


def calculated(keras):
    """Preprocessing as arithmetic: the scaling of MobileNetV2 and the reversed channels of ResNet."""
    source = keras.Input((SIDE, SIDE, 3))
    x = keras.applications.resnet50.preprocess_input(source * 100.0)
    x = keras.applications.mobilenet_v2.preprocess_input(x) + 2.0
    return keras.Model(source, keras.layers.Dense(3, activation="softmax")(keras.layers.Flatten()(block(keras, x))))


def shuffled(model):
    """Gives every weight another value, so that arrays that are mixed up change the scores."""
    rng = np.random.default_rng(3)
    weights = [np.asarray(rng.uniform(0.2, 0.8, w.shape), w.dtype) for w in model.get_weights()]
    model.set_weights([w / max(1, np.prod(w.shape[:-1]) / 4) if w.ndim > 1 else w for w in weights])
    return model


def scores(path, pixels):
    tf = tensorflow()
    graph_def, _, source, output, _ = frozen_keras(path)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        tf.import_graph_def(graph_def, name="")
        return session.run(output, {source: pixels})


@pytest.mark.parametrize("ending", ["h5", "keras"])
@pytest.mark.parametrize("build", [plain, nested, branched, calculated])
def test_the_scores_are_those_of_keras(maker, build, ending, tmp_path):
    model = shuffled(build(maker))
    if (maker.__name__, build, ending) == ("tf_keras", calculated, "keras"):
        pytest.skip("tf_keras cannot write an Ellipsis into .keras")
    model.save(tmp_path / f"m.{ending}")
    top = 255 if build is plain else 1
    pixels = np.random.default_rng(1).uniform(0, top, (2, SIDE, SIDE, 3)).astype(np.float32)
    expected = np.asarray(model(pixels, training=False))
    assert expected.std(0).max() > 1e-6
    np.testing.assert_allclose(scores(tmp_path / f"m.{ending}", pixels), expected, atol=1e-5)


@pytest.mark.slow
def test_an_application_of_keras_has_the_scores_of_keras(tmp_path):
    tensorflow()
    maker = pytest.importorskip("tf_keras")
    model = shuffled(maker.applications.MobileNetV3Small((32, 32, 3), weights=None, classes=3, minimalistic=False))
    model.save(tmp_path / "m.h5")
    pixels = np.random.default_rng(1).uniform(0, 255, (1, 32, 32, 3)).astype(np.float32)
    np.testing.assert_allclose(scores(tmp_path / "m.h5", pixels), np.asarray(model(pixels, training=False)), atol=1e-5)


# What a file may contain -> the message. Each file would write the marker if a name in it were called.


def zipped(path: Path, config: dict, weights: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "3.15.1"}))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights or empty_weights(path.parent))
    return path


def empty_weights(folder: Path) -> bytes:
    with h5py.File(folder / "w.h5", "w") as file:
        file.create_group("layers")
    return (folder / "w.h5").read_bytes()


def sequential(*layers: dict, **more: object) -> dict:
    first = {"class_name": "InputLayer", "config": {"batch_shape": [None, 4, 4, 3], "name": "in"}}
    return {"class_name": "Sequential", "config": {"name": "s", "layers": [first, *layers]}, **more}


def layer(kind: str, /, module: str | None = None, **config: object) -> dict:
    return {"class_name": kind, "module": module, "config": {"name": "evil", **config}, "registered_name": None}


TOUCH = "touch marker"
HOSTILE = {
    "lambda of marshalled code": (
        sequential(layer("Lambda", function=["4wEAAAAA", None, None], function_type="lambda")), "'evil' is a Lambda"),
    "lambda of a named function": (
        sequential(layer("Lambda", function={"module": "os", "class_name": "function", "config": "system"})), "'evil' is a Lambda"),
    "a class of any module": (sequential(layer("system", module="os", command=TOUCH)), "'os', which is not part of Keras"),
    "a Dense of any module": (sequential(layer("Dense", module="evil.things", units=3)), "'evil.things'"),
    "a function of any module as activation": (
        sequential(layer("Activation", activation={"module": "os", "class_name": "function", "config": "system"})), "'os'"),
    "an activation of another name": (sequential(layer("Activation", activation="system")), "its activation 'system'"),
    "an initialiser of any module": (
        sequential(layer("Dense", units=3, kernel_initializer={"module": "os", "class_name": "system", "config": {}})), "'os'"),
    "a registered class": (
        sequential({**layer("Dense", units=3), "registered_name": "mine>Dense"}), "'mine>Dense', a custom class of its author"),
    "a class of the maker's own": ({"class_name": "MyNet", "module": "mine", "config": {}}, "'mine'"),
    "a subclassed model": ({"class_name": "MyNet", "config": {}}, "'MyNet', which needs the code of its author"),
    "an operation that writes": (sequential(layer("TFOpLambda", function="io.write_file")), "tf.io.write_file"),
    "an operation by a crooked name": (sequential(layer("TFOpLambda", function="math.__class__.__base__")), "not supported"),
    "a layer around a lambda": (sequential(layer("TimeDistributed", layer=layer("Lambda"))), "'TimeDistributed'"),
    "a function of TensorFlow in a node": (sequential(layer("TensorFlowOpLayer", node_def={"op": "WriteFile"})), "not supported"),
    "a lambda in a network in the network": (sequential(sequential(layer("Lambda"))), "'evil' is a Lambda"),
    "a picture of a million rows": (sequential(layer("ZeroPadding2D", padding=[1_000_000, 1_000_000])), "numbers for each photo"),
    "weights that are not there": (sequential(layer("Dense", units=3)), "'layers/dense/vars/0' is missing"),
    "no layers": ({"class_name": "Sequential", "config": {"layers": "x"}}, "no"),
    "a circle": (
        {"class_name": "Functional", "config": {"name": "m", "layers": [
            {**layer("ReLU"), "name": "a", "inbound_nodes": [[["b", 0, 0, {}]]]},
            {**layer("ReLU"), "name": "b", "inbound_nodes": [[["a", 0, 0, {}]]]}],
            "input_layers": [], "output_layers": [["b", 0, 0]]}}, "cannot be computed"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_foreign_name_in_a_file_is_refused_by_name_and_never_called(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config, said = HOSTILE[name]
    path = zipped(tmp_path / "m.keras", config)
    called = []
    monkeypatch.setattr(os, "system", called.append)
    with pytest.raises(RunError) as caught:
        Classifier(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not called
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("ending", ["h5", "keras"])
def test_the_code_of_a_lambda_that_keras_wrote_is_not_run(maker, ending, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch = maker.layers.Lambda(lambda x: (__import__("os").system("touch marker"), x)[1], output_shape=(4, 4, 3))
    source = maker.Input((4, 4, 3))
    out = maker.layers.Dense(2)(maker.layers.Flatten()(touch(source)))
    maker.Model(source, out).save(tmp_path / f"m.{ending}")
    (tmp_path / "marker").unlink(missing_ok=True)  # Keras runs the code once to build the network
    with pytest.raises(RunError, match="is a Lambda: Python code inside the file, which is never run"):
        Classifier(tmp_path / f"m.{ending}")
    assert not (tmp_path / "marker").exists()


def test_keras_is_not_imported_to_read_its_files(tmp_path):
    sources = Path(__file__).parent.parent.glob("label_image/**/*.py")
    assert not [
        p for p in sources if "import keras" in p.read_text("utf-8") or "import tf_keras" in p.read_text("utf-8")
    ]


# HDF5 files that refer to other files, or declare more than they store.


def dense(keras_file: Path, change) -> Path:
    """Writes an .h5 of one Dense layer on 48 numbers, which `change` modifies before it is closed."""
    config = sequential({"class_name": "Flatten", "config": {"name": "f"}}, layer("Dense", units=2))
    with h5py.File(keras_file, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        group = file.create_group("model_weights")
        group.attrs["layer_names"] = [b"in", b"f", b"evil"]
        for name in ("in", "f", "evil"):
            group.create_group(name).attrs["weight_names"] = []
        group["evil"].attrs["weight_names"] = [b"k", b"b"]
        group["evil/k"], group["evil/b"] = np.zeros((48, 2), np.float32), np.zeros(2, np.float32)
        change(group["evil"])
    return keras_file


def replaced(make):
    def change(group):
        del group["k"]
        make(group)

    return change


def virtual(group):
    layout = h5py.VirtualLayout((48, 2), "f4")
    layout[:] = h5py.VirtualSource("secret.h5", "x", (48, 2))
    group.create_virtual_dataset("k", layout)


POINTING = {
    "nothing": (lambda _: None, ""),
    "an external link": (replaced(lambda g: g.__setitem__("k", h5py.ExternalLink("secret.h5", "x"))), "a link to another place"),
    "a soft link": (replaced(lambda g: g.__setitem__("k", h5py.SoftLink("/model_weights/evil/b"))), "a link to another place"),
    "a virtual dataset": (replaced(virtual), "is stored in another file"),
    "a dataset in another file": (
        replaced(lambda g: g.create_dataset("k", (48, 2), "f4", external=[("secret.bin", 0, 400)])), "is stored in another file"),
    "a dataset of any size": (
        replaced(lambda g: g.create_dataset("k", (1 << 20, 1 << 20), "f4", chunks=(64, 64))), "declares 4,398,046,511,104 bytes"),
    "objects": (replaced(lambda g: g.create_dataset("k", (2,), h5py.special_dtype(vlen=str))), "does not contain numbers"),
    "a group in itself": (lambda g: g.__setitem__("round", g), "without end"),
    "too few arrays": (lambda g: g.attrs.__setitem__("weight_names", [b"k"]), "has 1 arrays, expected 2"),
    "an array of another shape": (replaced(lambda g: g.create_dataset("k", (7, 2), "f4")), "cannot be built"),
}  # fmt: skip


@pytest.mark.parametrize("name", POINTING)
def test_hdf5_that_refers_to_other_files_or_declares_too_much_is_refused(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with h5py.File("secret.h5", "w") as secret:
        secret["x"] = np.ones((48, 2), np.float32)
    (tmp_path / "secret.bin").write_bytes(bytes(400))
    change, said = POINTING[name]
    path = dense(tmp_path / "m.h5", change)
    if said:
        with pytest.raises(RunError, match=said) as caught:
            Classifier(path)
        assert "\n" not in str(caught.value)
    else:
        assert Classifier(path).metadata.outputs == 2


def test_a_zip_bomb_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", b" " * (65 << 20))
        archive.writestr("model.weights.h5", b"")
    with pytest.raises(RunError, match="its config.json unpacks to more than"):
        Classifier(tmp_path / "m.keras")


def test_endless_json_is_one_line(tmp_path):
    zipped(tmp_path / "m.keras", {})
    with zipfile.ZipFile(tmp_path / "n.keras", "w") as archive:
        archive.writestr("config.json", "[" * 200_000)
        archive.writestr("model.weights.h5", empty_weights(tmp_path))
    with pytest.raises(RunError, match="damaged") as caught:
        Classifier(tmp_path / "n.keras")
    assert "\n" not in str(caught.value)


@pytest.mark.shared
def test_the_real_files_of_keras_give_keras_scores(maker):
    place = {"keras": "keras3_fashion_mnist/model.keras", "tf_keras": "tm_emergency_vehicle_keras/keras_model.h5"}[
        maker.__name__
    ]
    path = SHARED / "data/retrained" / place
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = maker.models.load_model(path, compile=False)
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, *model.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(scores(path, pixels), np.asarray(model(pixels, training=False)), atol=1e-5)
