"""What decodes and computes has a name and a version, wherever numbers are kept or handed on."""

from __future__ import annotations

import PIL
import pytest
from PIL import features

from retrain.features import library_versions
from retrain.features.runtimes import choose


def test_decoders_are_those_that_pillow_was_built_with():
    found = library_versions.decoders()
    assert found["Pillow"] == PIL.__version__
    if features.check_feature("libjpeg_turbo"):
        assert found["libjpeg-turbo"] == features.version_feature("libjpeg_turbo")
        assert "libjpeg" not in found
    assert all(found.values())


def test_a_runtime_says_what_it_is_and_does_not_import_it(model_dir):
    from retrain.backbones.prepare import prepare
    from retrain.options.options import Options
    from tests.conftest import STAND_IN

    backbone = prepare(
        Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network, lambda _: None
    )
    made = choose(backbone, "cpu").made_with
    assert set(made) == {"LiteRT", "kernels"}
    assert made["LiteRT"][0].isdigit()


def test_tensorflows_kernels_are_told_apart(monkeypatch):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    assert library_versions.tensorflow()["kernels"] == "oneDNN"
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert library_versions.tensorflow()["kernels"] == "Eigen"
    assert library_versions.tensorflow("NVIDIA H100")["kernels"] == "NVIDIA H100"


@pytest.mark.parametrize("key", ["", "no JSON", "[]", '{"made_with": 3}', '{"view": "plain"}'])
def test_a_key_that_does_not_say_says_nothing(key):
    assert library_versions.of_key(key) == {}


def test_what_differs_is_told_of_both():
    one, other = {"Pillow": "1", "LiteRT": "2", "kernels": "XNNPACK"}, {"Pillow": "2", "LiteRT": "2", "libwebp": "3"}
    assert library_versions.differing(one, other) == ("Pillow 1, XNNPACK, libwebp none", "Pillow 2, none, libwebp 3")
