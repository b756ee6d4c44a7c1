"""What speaks for a label and where: the map's mean is the logit, in every export, and other networks have none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from label_image import Classifier
from label_image.detectors.pooled import NoExactMap
from label_image.errors import UserError
from label_image.heatmap import class_activation_map, feature_maps, for_and_against, head_of, overlay
from label_image.photo_pixels import decode, normalise
from retrain.backbones.prepare import prepare
from retrain.options.options import Options
from tests.conftest import COLOURS, ROOT, STAND_IN, run_module, write_photo

EXPORTS = ("retrained.tflite", "retrained_graph.pb", "saved_model")


def softmax(logits):
    powers = np.exp(logits - logits.max())
    return powers / powers.sum()


def logits_by_map(graph: Path, photo: Path) -> tuple[np.ndarray, np.ndarray]:
    """(the logits that the maps of all labels give, the scores that the classifier gives)."""
    classifier = Classifier(graph)
    metadata = classifier.metadata
    pixels = normalise(decode(photo, metadata.height_px, metadata.width_px), metadata.mean, metadata.std)
    (features,) = feature_maps(graph)(pixels[None])
    weights, biases = head_of(graph)
    logits = [class_activation_map(features, weights[:, k]).mean() + biases[k] for k in range(len(metadata.labels))]
    return np.array(logits), classifier.classify(photo).scores


@pytest.fixture
def two_colours(tmp_path):
    """A photo whose left half is cyan, its right half yellow."""
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:, :48], pixels[:, 48:] = COLOURS["cyan"], COLOURS["yellow"]
    path = tmp_path / "two.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.mark.parametrize("export", EXPORTS)
def test_the_mean_of_the_map_is_the_logit_in_every_export(export, trained, two_colours):
    logits, scores = logits_by_map(trained / "tf_files" / export, two_colours)
    # The stand-in's mean is over 16,384 places, which the runtimes add up one by one in float32.
    np.testing.assert_allclose(softmax(logits), scores, atol=1e-4)
    assert scores.max() < 0.999  # or any map would do


@pytest.mark.parametrize("export", EXPORTS)
def test_the_head_in_an_export_is_the_one_that_was_trained(export, trained):
    weights, biases = head_of(trained / "tf_files" / export)
    kept = np.load(trained / "tf_files/retrain_checkpoint.npz")
    np.testing.assert_array_equal(weights, kept["weights"])
    np.testing.assert_array_equal(biases, kept["biases"])


def test_each_half_of_a_photo_speaks_for_its_own_colour(trained, two_colours):
    graph = trained / "tf_files/retrained.tflite"
    pixels = decode(two_colours, 128, 128)
    metadata = Classifier(graph).metadata
    (features,) = feature_maps(graph)(normalise(pixels, metadata.mean, metadata.std)[None])
    cyan, yellow = (
        for_and_against(features, *head_of(graph), metadata.labels.index(label)) for label in ("cyan", "yellow")
    )
    assert (cyan[:, :60] > 0).all()
    assert (cyan[:, 68:] < cyan[:, :60].min()).all()
    assert (yellow[:, 68:] > 0).all()
    assert (yellow[:, :60] < yellow[:, 68:].min()).all()


def test_the_headless_backbones_give_the_map_that_the_classifier_has(trained, model_dir, two_colours):
    metadata = Classifier(trained / "tf_files/retrained.tflite").metadata
    pixels = normalise(decode(two_colours, 128, 128), metadata.mean, metadata.std)[None]
    expected = feature_maps(trained / "tf_files/retrained.tflite")(pixels)
    assert expected.shape == (1, 128, 128, 3)
    backbone = prepare(
        Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, lambda _: None
    )
    for path in (backbone.tflite, backbone.graph):
        np.testing.assert_allclose(feature_maps(path)(pixels), expected, atol=1e-6)
        with pytest.raises(NoExactMap, match="it ends with average pooling, and no layer follows"):
            head_of(path)


def test_many_photos_in_one_call_are_as_many_maps(tflite):
    batch = np.random.default_rng(0).normal(size=(3, 128, 128, 3)).astype(np.float32)
    run = feature_maps(tflite)
    together = run(batch)
    assert together.shape == (3, 128, 128, 3)
    np.testing.assert_array_equal(together[1], run(batch[1:2])[0])
    assert run(batch[:0]).shape[0] == 0


def test_for_and_against_is_worked_out_by_hand():
    features = np.array([[[1, 0], [0, 2]]], np.float32)  # one row, two columns, two features
    weights, biases = np.array([[3, 1], [0, 4]], np.float32), np.array([1, -1], np.float32)
    # logits less their mean: place 1 has (3+1, 1-1) = (4, 0), mean 2; place 2 has (0+1, 8-1) = (1, 7), mean 4
    np.testing.assert_allclose(for_and_against(features, weights, biases, 0), [[2, -3]])
    np.testing.assert_allclose(for_and_against(features, weights, biases, 1), [[-2, 3]])


def test_a_tflite_is_mapped_without_tensorflow(tflite, two_colours, tmp_path):
    (tmp_path / "probe.py").write_text(
        "import sys, numpy as np\nfrom pathlib import Path\nfrom label_image.heatmap import feature_maps, head_of\n"
        f"print(feature_maps(Path({str(tflite)!r}))(np.zeros((1, 128, 128, 3), np.float32)).shape, head_of(Path({str(tflite)!r}))[0].shape)\n"
        "assert not {'tensorflow', 'tensorboard', 'matplotlib', 'flatbuffers.flexbuffers'} & set(sys.modules)\n"
    )
    done = run_module("probe", cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert (done.returncode, done.stdout) == (0, "(1, 128, 128, 3) (3, 3)\n"), done.stderr


def test_no_such_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        feature_maps(tmp_path / "none.tflite")


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "atol"),
    [
        ("imagenet_mnv1_025_224_metadata_tflite/mobilenet_v1_0.25_224_1_metadata_1.tflite", 1e-4),
        ("tfp_plates_mnv1_025_128/retrained_graph.pb", 1e-4),  # the original's layer behind MobileNet's own
        ("tfp_inspection_mnv1_025_128/optimized_graph.pb", 1e-4),
        ("automl_labeler_tflite/automl_labeler_model.tflite", 0.01),  # integers throughout: scores in steps of 1/256
        ("imagenet_mnv1_025_128_quant_tflite/mobilenet_v1_0.25_128_quant.tflite", 0.03),
    ],
)
def test_classifiers_of_others_that_have_the_form_have_the_map(name, atol, shared_data):
    photo = min((shared_data / "flower_photos/daisy").iterdir())
    graph = shared_data / "retrained" / name
    classifier = Classifier(graph)
    ready: Any = classifier.ready(photo)
    features = feature_maps(graph)(ready[None])[0]
    weights, biases = head_of(graph)
    logits = features.mean(axis=(0, 1)) @ weights + biases
    scores = classifier.classify(photo).scores
    np.testing.assert_allclose(softmax(logits)[-len(scores) :], scores, atol=atol)


def test_an_onnx_file_says_where_its_map_is(tmp_path):
    path = tmp_path / "a.onnx"
    path.write_bytes(b"\x08\x08\x12\x07pytorch")
    with pytest.raises(
        NoExactMap,
        match=r"no heat map for .*a\.onnx: only the scores of an \.onnx can be computed; use the \.tflite or \.pb",
    ):
        feature_maps(path)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("keras_frozen_flowers_80/output_graph.pb", "Relu before its scores"),
        ("keras_potato_tflite/2.tflite", "FULLY_CONNECTED with an activation before its scores"),
        ("customvision_fruits_pb/model.pb", "Sigmoid before its scores"),
        ("mnist_gray_tflite/mnist.tflite", "FULLY_CONNECTED"),
    ],
)
def test_networks_of_another_form_say_so_in_one_line(name, what, shared_data):
    with pytest.raises(NoExactMap, match=what) as caught:
        feature_maps(shared_data / "retrained" / name)
    assert "\n" not in str(caught.value)


def grey_photo(height=40, width=60):
    return np.full((height, width, 3), 120, np.uint8)


def test_overlay_is_lightest_where_most_speaks_for_the_label_and_grey_where_nothing_does():
    cam = np.array([[-5, 0, 0], [0, 0, 4], [0, 0, 0]], np.float32)
    drawn = overlay(grey_photo(), cam)
    assert (drawn.dtype, drawn.shape) == (np.uint8, (40, 60, 3))
    light = drawn.astype(int) @ [299, 587, 114]
    row, column = np.unravel_index(light.argmax(), light.shape)
    assert 13 <= row <= 26
    assert 50 <= column <= 59
    untouched = drawn[:, :19].reshape(-1, 3)
    assert (untouched == untouched[0]).all()
    assert np.ptp(untouched[0].astype(int)) == 0
    assert untouched[0, 0] == round(120 * 0.6)


def test_overlay_leaves_what_the_network_did_not_see_without_colour():
    drawn = overlay(grey_photo(), np.ones((2, 2), np.float32), seen=(10, 0, 50, 40))
    assert (np.ptp(drawn[:, :10].astype(int), axis=-1) == 0).all()
    assert (np.ptp(drawn[:, 10:50].astype(int), axis=-1) > 50).all()
    assert (np.ptp(drawn[:, 50:].astype(int), axis=-1) == 0).all()


def test_overlay_of_a_map_that_speaks_only_against_is_grey():
    drawn = overlay(grey_photo(), np.full((3, 3), -1, np.float32))
    assert (drawn == 72).all()


def test_one_top_makes_maps_comparable():
    weak, strong = np.array([[1]], np.float32), np.array([[4]], np.float32)
    assert (overlay(grey_photo(), weak) == overlay(grey_photo(), strong)).all()
    assert (overlay(grey_photo(), weak, top=4) != overlay(grey_photo(), strong, top=4)).any()


# What eyes without one kind of cone see of linear light (G. Machado and others, 2009, severity 1), and greys.
EYES: dict[str, npt.ArrayLike] = {
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "all cones": np.eye(3),
}


@pytest.mark.parametrize("eye", EYES)
def test_more_evidence_is_lighter_to_every_eye(eye):
    cam = np.linspace(0, 1, 12, dtype=np.float32)[None]
    drawn = overlay(np.full((1, 12, 3), 128, np.uint8), cam)[0] / 255
    linear = np.where(drawn <= 0.04045, drawn / 12.92, ((drawn + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(EYES[eye]), 0, 1) @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(seen[2:]) > 0).all()  # the darkest reds are told by their colour


def test_the_photo_is_not_changed(tmp_path):
    pixels = decode(write_photo(tmp_path / "a.jpg", COLOURS["cyan"], 1), 32, 32)
    before = pixels.copy()
    overlay(pixels, np.ones((2, 2), np.float32))
    assert (pixels == before).all()
