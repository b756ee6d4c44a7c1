"""The small networks: their sizes are their papers', they see what they should, and every export of them labels."""

from __future__ import annotations

import numpy as np
import pytest

from label_image.errors import UserError
from retrain.backbones.lookup import architecture, family_of
from retrain.networks.build import FILES, GREY, Form, build
from retrain.options.for_network import check_network
from retrain.options.options import Options

# Weights and biases without the last layer, counted by hand from each file's first lines.
PARAMETERS = {
    "lenet": 3 + (25 * 20 + 20) + (25 * 20 * 50 + 50) + (4 * 4 * 50 * 500 + 500),
    "mlp": 3 + (784 * 128 + 128),
    "simple_cnn": (27 * 32 + 32) + (9 * 32 * 64 + 64) + (12 * 12 * 64 * 128 + 128),
    "pytorch_mnist": 3 + (9 * 16 + 16) + (14 * 14 * 16 * 100 + 100),
    "alexnet": (
        (121 * 3 * 64 + 64) + (25 * 64 * 192 + 192) + (9 * 192 * 384 + 384) + (9 * 384 * 384 + 384)
        + (9 * 384 * 256 + 256) + (5 * 5 * 256 * 4096 + 4096) + (4096 * 4096 + 4096)
    ),
}  # fmt: skip
WIDTHS = {"lenet": 500, "mlp": 128, "simple_cnn": 128, "pytorch_mnist": 100, "alexnet": 4096}


@pytest.fixture(scope="module")
def keras():
    from retrain.backbones.network_keras import keras_on_tensorflow

    return keras_on_tensorflow()


def residual_parameters(depth: int, *, batch_norm: bool) -> int:
    """Of a CIFAR ResNet without its last layer: convolutions without bias, or with; four numbers a map where normalised."""
    convolutions, before = [(3, 16)], 16
    for maps in (16, 32, 64):
        for _ in range((depth - 2) // 6):
            convolutions += [(before, maps), (maps, maps)]
            before = maps
    return sum(9 * into * out + (4 if batch_norm else 1) * out for into, out in convolutions)


@pytest.mark.parametrize("name", ["lenet", "mlp", "simple_cnn", "pytorch_mnist", "alexnet"])
def test_a_network_has_the_weights_of_its_paper(keras, name):
    model = build(keras, name, architecture(name).size_px, Form())
    assert model.count_params() == PARAMETERS[name]
    assert model.output_shape == (None, WIDTHS[name])


@pytest.mark.parametrize("depth", [20, 32, 56])
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_residual_network_has_the_weights_of_its_paper(keras, depth, batch_norm):
    model = build(keras, f"resnet{depth}", 32, Form(batch_norm=batch_norm))
    assert model.count_params() == residual_parameters(depth, batch_norm=batch_norm)
    assert model.output_shape == (None, 64)


def test_resnet20_has_a_quarter_of_a_million_weights():
    assert round(residual_parameters(20, batch_norm=False) / 1e6, 2) == 0.27  # "0.27M" in the paper's table 6


def test_equal_seeds_draw_equal_weights_and_layers_differ(keras):
    first, second, other = (build(keras, "simple_cnn", 28, Form(seed=seed)).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


def test_a_grey_network_sees_brightness_alone(keras):
    model = build(keras, "lenet", 28, Form())
    rng = np.random.default_rng(0)
    grey = np.repeat(rng.random((1, 28, 28, 1), np.float32), 3, axis=3)
    red = grey * np.array([1, 0, 0], np.float32)
    as_bright = np.repeat((red @ np.array([19595, 38470, 7471], np.float32) / 65536)[..., None], 3, axis=3)
    assert np.allclose(model(red), model(as_bright), atol=1e-5)
    assert not np.allclose(model(red), model(grey), atol=1e-3)


def test_feature_maps_size_and_activation_are_what_was_asked_for(keras):
    model = build(keras, "lenet", 32, Form("tanh", feature_maps=40))
    assert model.input_shape == (None, 32, 32, 3)
    assert model.layers[2].filters == 40
    assert model.layers[-1].activation.__name__ == "tanh"


@pytest.mark.parametrize("name", sorted(FILES))
def test_each_network_is_an_architecture_and_says_what_it_needs(name):
    options = Options.of(image_dir="x", architecture=name)
    row = architecture(name)
    assert family_of(row).small
    with pytest.raises(UserError, match=f"{name} has no pretrained weights; add --weights=none --train=all"):
        check_network(options)


def test_grey_networks_are_known_as_such():
    assert set(GREY) < set(FILES)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"architecture": "lenet", "image_size": 64}, "--image_size=64: lenet takes 28 or 32 pixels"),
        ({"architecture": "lenet", "batch_norm": False}, "--nobatch_norm: lenet has no batch normalisation"),
        ({"architecture": "resnet20", "image_size": 28}, "resnet20 takes 32 pixels"),
    ],
)
def test_what_does_not_go_with_a_network_is_one_line(flags, line):
    options = Options.of(image_dir="x", train="all", weights="none", **flags)
    with pytest.raises(UserError, match=line):
        check_network(options)
