"""keras:NAME with a randomly initialised MobileNet: preprocessing inside the graph, and weights from a file, a cache or a server."""

from __future__ import annotations

import socket
import urllib.request

import numpy as np
import pytest

from label_image.errors import RunError
from label_image.photo_pixels import normalise
from label_image.quiet import tensorflow
from label_image.runners.litert import LitertRunner
from label_image.runners.tensorflow import GraphRunner
from retrain.backbones.families import keras_applications
from retrain.backbones.lookup import architecture
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.network_keras import keras_on_tensorflow
from retrain.backbones.prepare import prepare
from retrain.options.options import Options
from tests.test_download import serve, web  # noqa: F401 - a fixture

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),  # Keras on NumPy 2
]
ROW = architecture("keras:mobilenet")
PUBLISHED = "mobilenet_1_0_224_tf_no_top.h5"  # Keras does not verify the digest of this file, so a test can write it


def plan_of(model_dir, **options):
    return Options.of(image_dir="photos", architecture="keras:mobilenet", model_dir=str(model_dir), **options)


@pytest.fixture(scope="module")
def mobilenet():
    """Keras's MobileNet without its head, with random weights."""
    keras = keras_on_tensorflow()
    keras.utils.set_random_seed(0)
    return keras.applications.MobileNet(include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3))


@pytest.fixture(scope="module")
def published(mobilenet, tmp_path_factory):
    """The same weights in the format of the published files."""
    import h5py
    from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

    path = tmp_path_factory.mktemp("published") / PUBLISHED
    with h5py.File(path, "w") as file:
        save_weights_to_hdf5_group(file, mobilenet)
    return path.read_bytes()


@pytest.fixture
def keras_cache(tmp_path, monkeypatch):
    """An empty cache of Keras."""
    from keras.src.utils import file_utils

    folder = tmp_path / "keras"
    (folder / "models").mkdir(parents=True)
    monkeypatch.setattr(file_utils.config, "keras_home", lambda: str(folder))
    return folder / "models"


@pytest.fixture
def no_network(monkeypatch):
    """Makes any network connection fail the test."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("the network was asked"))


def expected(mobilenet, pixels):
    from keras.applications import mobilenet as module

    return mobilenet(module.preprocess_input(pixels.copy()), training=False).numpy()


def assert_same(found, wanted):
    # 27 layers of float32 sums, with normalisation folded in by the converter; relative to the largest feature.
    assert np.abs(found - wanted).max() <= 1e-4 * np.abs(wanted).max()


def test_weights_from_a_file_are_read_and_preprocessing_is_inside_the_graph(
    mobilenet, tmp_path, no_network, monkeypatch
):
    mobilenet.save_weights(tmp_path / "MobileNet.weights.h5")
    options = plan_of(tmp_path, offline=True)
    backbone = prepare(options.network, print)
    assert (backbone.name, backbone.height_px, backbone.width_px, backbone.width) == ("keras:MobileNet", 224, 224, 1024)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
    wanted = expected(mobilenet, pixels)
    graph = GraphRunner(backbone.graph, backbone.input_layer, backbone.features_layer)
    for runner in (graph, LitertRunner(backbone.tflite)):
        assert_same(runner.scores(normalise(pixels, backbone.mean, backbone.std)), wanted)
    monkeypatch.setattr(keras_applications, "keras_on_tensorflow", lambda: pytest.fail("Keras was asked"))
    assert prepare(options.network, pytest.fail) == backbone


@pytest.mark.parametrize("data", [b"", b"<html>login</html>"])
def test_an_unreadable_weights_file_is_one_line(tmp_path, no_network, data):
    (tmp_path / "MobileNet.weights.h5").write_bytes(data)
    with pytest.raises(
        RunError, match=r"cannot use the weights of keras:MobileNet .* or use efficientnet_lite0"
    ) as caught:
        prepare(plan_of(tmp_path).network, print)
    assert "\n" not in str(caught.value)


def test_offline_names_the_address_and_the_path_and_does_not_connect(tmp_path, no_network, keras_cache):
    with pytest.raises(RunError) as caught:
        prepare(plan_of(tmp_path / "models", offline=True).network, print)
    line = str(caught.value)
    assert f"keras-applications/mobilenet/{PUBLISHED} on another computer" in line
    assert str(tmp_path / "models" / PUBLISHED) in line
    assert "or use efficientnet_lite0, which needs no download" in line


def test_a_file_at_the_path_in_that_message_is_used(
    mobilenet, published, tmp_path, no_network, keras_cache, monkeypatch
):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / PUBLISHED).write_bytes(published)
    assert_loads(mobilenet, plan_of(tmp_path / "models", offline=True), monkeypatch)


def test_keras_s_cache_is_used_offline(mobilenet, published, tmp_path, no_network, keras_cache, monkeypatch):
    (keras_cache / PUBLISHED).write_bytes(published)
    assert_loads(mobilenet, plan_of(tmp_path / "models", offline=True), monkeypatch)


def test_a_download_is_done_by_us_and_resumed(mobilenet, published, tmp_path, keras_cache, web, monkeypatch, capfd):  # noqa: F811
    from keras.src.applications import mobilenet as module

    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", f"{web.url}/")
    web.answers = [serve(published, stop=1000), serve(published)]
    assert_loads(mobilenet, plan_of(tmp_path / "models"), monkeypatch)
    assert web.ranges == [None, "bytes=1000-"]
    assert (tmp_path / "models" / PUBLISHED).read_bytes() == published
    assert capfd.readouterr().out == ""


def test_a_wrong_download_is_named_so_that_it_can_be_deleted(tmp_path, keras_cache, web, monkeypatch):  # noqa: F811
    from keras.src.applications import mobilenet as module

    monkeypatch.setattr(module, "BASE_WEIGHT_PATH", f"{web.url}/")
    web.answers = [serve(b"<html>login</html>")]
    with pytest.raises(RunError) as caught:
        load(plan_of(tmp_path / "models"))
    assert f"delete {tmp_path / 'models' / PUBLISHED}" in str(caught.value)
    assert urllib.request.urlopen(f"{web.url}/").read() == b"<html>login</html>"  # urllib uses the network again


def test_the_table_lists_exactly_the_applications_of_keras():
    applications = keras_on_tensorflow().applications
    offered = {name for name, item in vars(applications).items() if name[0].isupper() and callable(item)}
    assert offered == set(keras_applications.APPLICATIONS)


@pytest.mark.parametrize("name", ["MobileNet", "MobileNetV3Small"])  # the second does not state its size
def test_the_size_is_the_one_it_was_trained_at(name):
    assert keras_applications._shape(getattr(keras_on_tensorflow().applications, name)) == (224, 224, 3)


def load(options):
    shelf = ModelFolder.of(options.network, lambda _: None)
    return keras_applications.load(ROW, keras_applications.find(ROW, shelf), shelf)


def assert_loads(mobilenet, options, monkeypatch):
    """Runs the network that would be frozen."""
    monkeypatch.setattr(keras_applications, "freeze", lambda function, *size: (function, size))
    function, size = load(options)
    pixels = np.random.default_rng(0).integers(0, 256, (1, 224, 224, 3)).astype(np.float32)
    assert size == (224, 224)
    assert_same(function(tensorflow().constant(pixels)).numpy(), expected(mobilenet, pixels))
