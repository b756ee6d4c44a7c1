"""Defines a network that can be trained: its variables, which of them are trained, and its conversion to a backbone's files.

It is built again for each purpose: in a strategy's scope for training, and without one for writing. Therefore the written files
never depend on half precision or on several GPUs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from retrain.backbones.blocks import last_blocks
from retrain.backbones.frozen_graph import Forms, FrozenGraph, freeze, to_tflite
from retrain.backbones.network_keras import keras_on_tensorflow

Arrays = list[npt.NDArray[Any]]
Scaling = tuple[tuple[float, ...], tuple[float, ...]]  # (mean, std): input = (pixel - mean) / std
SomePhotos = Callable[[int], npt.NDArray[np.uint8]]  # rows (and columns) -> uint8 [n, rows, rows, 3], training photos


@dataclass(frozen=True)
class Building:
    """The options for building a network that is trained here."""

    train: str = "head"  # "head", "last:N" or "all"
    pretrained: bool = True  # otherwise it starts from random weights
    frozen_batch_norm: bool = True
    seed: int = 0
    activation: str = "relu"  # this option and the next three are for the small networks
    feature_maps: int = 0
    batch_norm: bool = True
    image_size: int = 0
    half: bool = False  # computes in float16 where no precision is lost
    some_photos: SomePhotos | None = None  # called if normalisation has to be added again

    @property
    def tunes(self) -> bool:
        """Whether the network itself is trained."""
        return self.train != "head"


@dataclass(frozen=True)
class Trainable:
    """A network that can be trained, with its variables."""

    name: str
    call: Callable[[Any, bool], Any]  # float32 [n, height, width, 3], scaled; whether in training -> [n, width]
    variables: list[Any]  # tf.Variable: all variables, always in the same order
    trained: list[int] = field(repr=False)  # the indices of the variables that are trained
    names: tuple[str, ...]  # of the variables
    height_px: int
    width_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    forms: Callable[[], Forms] = field(repr=False)  # converts it to the stored forms

    @property
    def decayed(self) -> list[int]:
        """The indices of the variables to which --weight_decay applies: kernels, but not biases."""
        return [place for place in self.trained if len(self.variables[place].shape) > 1]

    @property
    def values(self) -> Arrays:
        """The values of the variables."""
        return [variable.numpy() for variable in self.variables]

    def assign(self, values: Sequence[npt.NDArray[Any]]) -> None:
        """Sets the values of the variables."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def half_precision(half: bool) -> Iterator[None]:
    """Makes Keras layers that are built in the block compute in float16, with weights in float32."""
    if not half:
        yield
        return
    mixed_precision = keras_on_tensorflow().mixed_precision
    before = mixed_precision.dtype_policy()
    mixed_precision.set_dtype_policy("mixed_float16")
    try:
        yield
    finally:
        mixed_precision.set_dtype_policy(before)


def of_keras(
    name: str,
    model: Any,
    building: Building,
    scaling: Scaling,
    preprocess: Callable[[Any], Any],
    forms: Callable[[], Forms] | None = None,
) -> Trainable:
    """Makes a Trainable of a keras.Model that takes scaled and preprocessed pixels."""
    height_px, width_px = model.input_shape[1:3]
    places = last_blocks([layer.name for layer in model.layers], building.train, name)
    chosen = {
        id(weight) for place in places for weight in model.layers[place].trainable_weights
    }  # a fixed layer has none
    # The statistics of pretrained normalisation stay fixed: a few photos of another kind would make them worse.
    moving = not building.pretrained or not building.frozen_batch_norm

    def call(image: Any, training: bool) -> Any:
        return model(preprocess(image), training=training and moving)

    def plain() -> Forms:
        frozen = freeze(lambda image: model(preprocess(image), training=False), height_px, width_px)
        return scaled(frozen, scaling)

    return Trainable(
        name,
        call,
        [weight.value for weight in model.weights],
        [place for place, weight in enumerate(model.weights) if id(weight) in chosen],
        tuple(weight.path for weight in model.weights),
        height_px,
        width_px,
        *scaling,
        forms or plain,
    )


def scaled(frozen: FrozenGraph, scaling: Scaling) -> Forms:
    """Adds the scaling of pixels to a frozen network and returns its stored forms.

    Raises:
      RunError: TensorFlow cannot run the network.
    """
    frozen = dataclasses.replace(frozen, mean=scaling[0], std=scaling[1])
    try:
        return Forms(frozen, *to_tflite(frozen))
    except ValueError as error:
        raise RunError(f"cannot write the trained network: {error}") from None
