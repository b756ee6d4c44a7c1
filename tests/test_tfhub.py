"""TF-Hub modules made here: TF2 SavedModels and a TF1 module, from folders, a cache and a server of our own."""

from __future__ import annotations

import hashlib
import io
import tarfile

import numpy as np
import pytest

from label_image.errors import RunError, UserError
from label_image.quiet import tensorflow
from label_image.runners.litert import LitertRunner
from label_image.runners.tensorflow import GraphRunner
from retrain.backbones.prepare import prepare
from retrain.features.runtimes import choose
from retrain.options.options import Options
from tests.test_download import serve, status, web  # noqa: F401 - a fixture

KERNEL = np.random.default_rng(3).normal(0, 0.3, (3, 3, 3, 5)).astype(np.float32)


def plan_of(module, model_dir, **options):
    return Options.of(image_dir="photos", tfhub_module=str(module), model_dir=str(model_dir), **options)


def features(tf, image, kernel):
    """What each module of these tests computes of pixels of 0 to 1: float32 [n, 5]."""
    return tf.reduce_mean(tf.nn.relu6(tf.nn.conv2d(image, kernel, 1, "SAME")), [1, 2])


def tf2_module(folder, size, *, call=True, signatures=()):
    """A SavedModel with a variable; `size` None takes any."""
    tf = tensorflow()
    module = tf.Module()
    module.kernel = tf.Variable(KERNEL)
    spec = tf.TensorSpec([None, *(size or (None, None)), 3], tf.float32)
    function = tf.function(lambda image: features(tf, image, module.kernel), input_signature=[spec])
    if call:
        module.__call__ = function
    named = tf.function(
        lambda images: {"extra": images[:, 0, 0], "feature_vector": function(images)}, input_signature=[spec]
    )
    module.named = named
    tf.saved_model.save(module, str(folder), {name: named.get_concrete_function() for name in signatures})
    return folder


def tf1_module(folder, *, resource):
    """A module of TF-Hub's first format: graphs with and without "train", variables, tfhub_module.pb."""
    v1 = tensorflow().compat.v1
    tf = tensorflow()
    builder = v1.saved_model.Builder(str(folder))
    for tags in ([], ["train"]):
        with tf.Graph().as_default(), v1.Session() as session:
            image = v1.placeholder(tf.float32, [None, 12, 10, 3])
            kernel = v1.get_variable("kernel", initializer=KERNEL, use_resource=resource)
            result = {"default": v1.saved_model.build_tensor_info(features(tf, image, kernel))}
            given = {"images": v1.saved_model.build_tensor_info(image)}
            signature = v1.saved_model.build_signature_def(given, result, "")
            signatures = {"default": signature, "image_feature_vector": signature}
            session.run(v1.global_variables_initializer())
            if tags:
                builder.add_meta_graph(tags, signature_def_map=signatures)
            else:
                builder.add_meta_graph_and_variables(session, tags, signature_def_map=signatures)
    builder.save()
    (folder / "tfhub_module.pb").write_bytes(b"\x08\x03")
    return folder


def assert_gives_the_module_s_features(backbone):
    """As the original's script had it: the input is `Placeholder`, and takes 0 to 1."""
    tf = tensorflow()
    pixels = np.random.default_rng(4).integers(0, 256, (2, backbone.height_px, backbone.width_px, 3)).astype(np.float32)
    wanted = features(tf, pixels / 255, KERNEL).numpy()
    assert (backbone.mean, backbone.std, backbone.width) == ((0.0,), (255.0,), 5)
    assert backbone.input_layer == "Placeholder"
    graph = GraphRunner(backbone.graph, backbone.input_layer, backbone.features_layer)
    for runner in (graph, LitertRunner(backbone.tflite)):
        np.testing.assert_allclose(
            runner.scores(pixels / np.float32(255)), wanted, atol=1e-5, rtol=0
        )  # means of float32 sums


@pytest.fixture(scope="module")
def module(tmp_path_factory):
    """A TF2 module of a fixed size. Do not change it."""
    return tf2_module(tmp_path_factory.mktemp("hub") / "module", (12, 10))


def packed(folder):
    """The folder as TF-Hub's servers send it."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        archive.add(folder, "./")
    return data.getvalue()


def test_a_module_of_a_fixed_size_tells_it(module, tmp_path):
    backbone = prepare(plan_of(module, tmp_path, offline=True).network, print)
    assert (backbone.height_px, backbone.width_px) == (12, 10)
    assert_gives_the_module_s_features(backbone)


def test_a_module_of_any_size_gets_224(tmp_path):
    backbone = prepare(plan_of(tf2_module(tmp_path / "module", None), tmp_path / "models").network, print)
    assert (backbone.height_px, backbone.width_px) == (224, 224)
    assert_gives_the_module_s_features(backbone)


@pytest.mark.parametrize("name", ["image_feature_vector", "mine"])
def test_a_module_with_signatures_only_is_asked_for_its_feature_vector(name, tmp_path):
    module = tf2_module(tmp_path / "module", (12, 10), call=False, signatures=[name])
    backbone = prepare(plan_of(module, tmp_path / "models").network, print)
    assert (backbone.height_px, backbone.width_px) == (12, 10)
    assert_gives_the_module_s_features(backbone)


@pytest.mark.parametrize("resource", [True, False], ids=["resource variables", "the oldest variables"])
def test_a_tf1_module_loads_with_its_variables(resource, tmp_path):
    backbone = prepare(plan_of(tf1_module(tmp_path / "module", resource=resource), tmp_path / "models").network, print)
    assert (backbone.height_px, backbone.width_px) == (12, 10)
    assert_gives_the_module_s_features(backbone)


def test_a_module_without_a_feature_vector_is_refused(tmp_path):
    tf = tensorflow()
    module = tf.Module()
    module.__call__ = tf.function(lambda image: image, input_signature=[tf.TensorSpec([None, 8, 8, 3])])
    tf.saved_model.save(module, str(tmp_path / "module"))
    with pytest.raises(RunError, match=r"\(None, 8, 8, 3\), expected \[photos, features\]"):
        prepare(plan_of(tmp_path / "module", tmp_path / "models").network, print)


def test_signatures_with_other_names_are_listed(tmp_path):
    module = tf2_module(tmp_path / "module", (8, 8), call=False, signatures=["one", "two"])
    with pytest.raises(RunError, match="it has one, two; expected image_feature_vector or default or serving_default"):
        prepare(plan_of(module, tmp_path / "models").network, print)


def odd_module(folder, change):
    """A module whose features go through one more operation."""
    tf = tensorflow()
    module = tf.Module()
    spec = tf.TensorSpec([None, 8, 8, 3])
    module.__call__ = tf.function(lambda image: change(tf, tf.reduce_mean(image, [1, 2]) + 1.0), input_signature=[spec])
    tf.saved_model.save(module, str(folder))
    return folder


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda tf, x: tf.math.digamma(x), "it does not support Digamma"),
        # Of this one TensorFlow 2.21 makes a file that gives nothing, without a word.
        (lambda tf, x: tf.math.lgamma(x), "the converted file computes other features than the graph"),
        (lambda tf, x: x + tf.random.normal(tf.shape(x)), "the converted file computes other features than the graph"),
    ],
    ids=["an operation that LiteRT lacks", "a fault of the converter", "chance"],
)
def test_what_litert_can_not_run_is_left_to_tensorflow_and_said(tmp_path, change, why):
    backbone = prepare(plan_of(odd_module(tmp_path / "module", change), tmp_path / "models").network, print)
    assert (backbone.tflite, backbone.why_no_tflite) == (None, why)
    runtime = choose(backbone, "cpu")
    assert runtime.why == f"TensorFlow on the CPU: LiteRT cannot run {tmp_path / 'module'} ({why})"
    assert runtime.make_runner().scores(np.zeros((2, 8, 8, 3), np.float32)).shape == (2, 3)


def test_features_that_are_no_numbers_are_refused(tmp_path):
    module = odd_module(tmp_path / "module", lambda tf, x: x / 0.0)
    with pytest.raises(RunError, match="its features are NaN or infinite"):
        prepare(plan_of(module, tmp_path / "models").network, print)


def test_a_folder_that_is_no_module_is_refused(tmp_path):
    with pytest.raises(UserError, match="it contains no saved_model.pb") as caught:
        prepare(plan_of(tmp_path, tmp_path / "models").network, print)
    assert caught.value.exit_status == 2
    with pytest.raises(UserError, match="there is no such folder"):
        prepare(plan_of(tmp_path / "none", tmp_path / "models").network, print)


@pytest.mark.parametrize("data", [b"", b"<html>login</html>"])
def test_a_broken_module_is_one_line(tmp_path, data):
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "saved_model.pb").write_bytes(data)
    with pytest.raises(
        RunError, match=r"cannot use the module .*: its saved_model.pb (cannot be parsed|contains no graph)"
    ) as caught:
        prepare(plan_of(tmp_path / "module", tmp_path / "models").network, print)
    assert "\n" not in str(caught.value)


def test_a_module_without_its_variables_is_one_line(module, tmp_path):
    (tmp_path / "module").mkdir()
    (tmp_path / "module" / "saved_model.pb").write_bytes((module / "saved_model.pb").read_bytes())
    with pytest.raises(RunError, match="cannot use the module") as caught:
        prepare(plan_of(tmp_path / "module", tmp_path / "models").network, print)
    assert "\n" not in str(caught.value)


def test_the_cache_of_tf_hub_is_used_and_the_network_is_not(module, tmp_path, monkeypatch):
    handle = "https://tfhub.dev/somebody/feature_vector/1"
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / hashlib.sha1(handle.encode()).hexdigest()).symlink_to(module)
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(cache))
    backbone = prepare(plan_of(handle, tmp_path / "models", offline=True).network, print)
    assert (backbone.name, backbone.source) == (handle, handle)
    assert_gives_the_module_s_features(backbone)


def test_offline_says_the_address_the_place_and_what_works_at_once(tmp_path, monkeypatch):
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    handle = "https://tfhub.dev/somebody/feature_vector/1"
    with pytest.raises(RunError) as caught:
        prepare(plan_of(handle, tmp_path, offline=True).network, print)
    line = str(caught.value)
    assert f"fetch {handle}?tf-hub-format=compressed elsewhere" in line
    assert str(tmp_path / hashlib.sha1(handle.encode()).hexdigest()) + ".tgz" in line
    assert "or use efficientnet_lite0, which needs no download" in line


@pytest.mark.parametrize("cache", [False, True])
def test_an_address_is_fetched_once_and_unpacked_where_tf_hub_would(module, tmp_path, monkeypatch, web, cache):  # noqa: F811
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache") if cache else "")
    web.answers = [serve(packed(module), stop=900), serve(packed(module)), status(500)]
    options = plan_of(web.url, tmp_path / "models")
    backbone = prepare(options.network, print)
    assert web.ranges == [None, "bytes=900-"]
    assert backbone.width == 5
    folder = (tmp_path / ("cache" if cache else "models")) / hashlib.sha1(web.url.encode()).hexdigest()
    assert (folder / "saved_model.pb").is_file()
    assert not list(folder.parent.glob("*.tgz*"))
    assert prepare(options.network, pytest.fail) == backbone
    assert len(web.ranges) == 2


def test_what_a_server_sends_instead_of_a_module_is_refused(tmp_path, web):  # noqa: F811
    web.answers = [serve(b"<html>gone</html>"), serve(b"<html>gone</html>")]
    with pytest.raises(RunError, match=r"a web page.*or use efficientnet_lite0"):
        prepare(plan_of(web.url, tmp_path / "models").network, print)
    assert not list((tmp_path / "models").iterdir())


def test_a_kept_module_needs_no_tensorflow(module, tmp_path):
    import subprocess
    import sys

    prepare(plan_of(module, tmp_path).network, print)
    code = (
        "import sys; from retrain.options.options import Options; from retrain.backbones.prepare import prepare; "
        f"prepare(Options.of(image_dir='x', tfhub_module={str(module)!r}, model_dir={str(tmp_path)!r}).network, print); "
        "print('tensorflow' in sys.modules)"
    )
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout == "False\n"
