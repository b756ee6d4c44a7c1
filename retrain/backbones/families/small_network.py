"""Defines the family of the tutorials' small networks (`retrain.networks`), which start from random weights."""

from __future__ import annotations

from label_image.errors import UserError
from label_image.quiet import native_noise_hidden
from retrain.backbones.family import Family
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.network_keras import keras_on_tensorflow
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable, half_precision, of_keras
from retrain.networks.build import Form, build

# name -> (size, mean, std)
_SCALINGS = {
    "lenet": (28, 0.0, 256.0),  # Caffe's scale is 0.00390625
    "mlp": (28, 0.0, 255.0),
    "simple_cnn": (28, 0.0, 255.0),
    "pytorch_mnist": (28, 0.0, 255.0),
    "alexnet": (224, 127.5, 127.5),
    "resnet20": (32, 127.5, 63.75),  # pixels of a standard deviation of about 1
    "resnet32": (32, 127.5, 63.75),
    "resnet56": (32, 127.5, 63.75),
}
# Input sizes of some networks in pixels; the others take digits without a border or with a border of two pixels.
_SIZES_PX = {"alexnet": (224,), "resnet20": (32,), "resnet32": (32,), "resnet56": (32,)}
_DIGITS_PX = (28, 32)


def _check(row: Architecture, building: Building) -> None:
    if building.pretrained:
        raise UserError(
            f"{row.name} has no pretrained weights; add --weights=none --train=all to train it from random weights"
        )
    sizes = _SIZES_PX.get(row.name, _DIGITS_PX)
    if building.image_size and building.image_size not in sizes:
        raise UserError(f"--image_size={building.image_size}: {row.name} takes {' or '.join(map(str, sizes))} pixels")
    if not building.batch_norm and not row.name.startswith("resnet"):
        raise UserError(f"--nobatch_norm: {row.name} has no batch normalisation; leave it out")


def _trainable(row: Architecture, building: Building, folder: ModelFolder) -> Trainable:  # noqa: ARG001
    form = Form(building.activation, building.feature_maps, building.batch_norm, seed=building.seed)
    with native_noise_hidden(), half_precision(building.half):
        model = build(keras_on_tensorflow(), row.name, building.image_size or row.size_px, form)
        return of_keras(row.name, model, building, (row.mean, row.std), lambda image: image)


FAMILY = Family(
    architectures=tuple(
        Architecture(name, __name__, size_px, (mean,), (std,), licence="yours")
        for name, (size_px, mean, std) in _SCALINGS.items()
    ),
    check=_check,
    make_trainable=_trainable,
    small=True,
)
