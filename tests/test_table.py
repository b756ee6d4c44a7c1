"""Names of backbones, as typed."""

from __future__ import annotations

import pytest

from label_image.errors import UserError
from retrain.backbones.lookup import all_architectures, architecture, family_of
from retrain.backbones.table import TFHUB


def test_every_architecture_of_the_original_is_there():
    names = {
        f"mobilenet_{width}_{size}{end}"
        for width in ("1.0", "0.75", "0.50", "0.25")
        for size in (224, 192, 160, 128)
        for end in ("", "_quantized")
    }
    assert len(names) == 32
    assert names | {"inception_v3"} <= set(all_architectures())


@pytest.mark.parametrize("name", sorted(all_architectures()))
def test_each_row_is_found_by_its_name_in_any_case(name):
    row = architecture(f" {name.upper()} ")
    assert row.name.lower() == name
    assert row in family_of(row).architectures


def test_the_rows_say_what_the_original_said():
    row = architecture("mobilenet_0.50_160_quantized")
    assert row.url.endswith("/mobilenet_v1_0.50_160_frozen.tgz")
    assert (row.member, row.size_px, row.mean, row.std) == ("quantized_graph.pb", 160, (127.5,), (127.5,))
    row = architecture("inception_v3")
    assert row.url.endswith("/inception-2015-12-05.tgz")
    assert (row.member, row.size_px, row.mean, row.std) == ("classify_image_graph_def.pb", 299, (128.0,), (128.0,))
    assert architecture("efficientnet_lite1").size_px == 240


@pytest.mark.parametrize("version", [0, 1, 2])
def test_weights_that_are_unpickled_have_a_known_digest(version):
    assert len(architecture(f"efficientnet_lite{version}").sha256) == 64


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("inceptionv3", "inception_v3 or keras:InceptionV3"),
        ("mobilenet_0.5_224", "mobilenet_0.50_224"),
        ("mobilenet_1.00_224", "mobilenet_1.0_224"),
        ("mobilenet_v1_1.0_224", "mobilenet_1.0_224"),
        ("mobilenet_1.0_224_quant", "mobilenet_1.0_224_quantized"),
        ("mobilenet_v1_0.5_160_quant", "mobilenet_0.50_160_quantized"),
        ("efficientnet-lite0", "efficientnet_lite0"),
        ("MobileNetV2", "keras:MobileNetV2"),
        ("resnet_50", "keras:ResNet50"),
        ("keras:MobileNetV9", "keras:MobileNetV2 or keras:MobileNet or keras:MobileNetV3Small"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(typed, meant):
    with pytest.raises(UserError) as caught:
        architecture(typed)
    assert str(caught.value) == f"unknown --architecture={typed}; did you mean {meant}?"


def test_a_name_near_to_none_is_answered_with_examples():
    with pytest.raises(UserError, match="unknown --architecture=yolo; for example efficientnet_lite0, "):
        architecture("yolo")


def test_a_module_goes_before_the_name():
    row = architecture("efficientnet_lite0", "https://tfhub.dev/x/1")
    assert (row.name, row.family) == ("https://tfhub.dev/x/1", TFHUB.module)
