"""A network that can be trained: its variables, which of them are trained, and the way back to a backbone's files.

It is built anew where it is needed: in a strategy's scope for training, plainly to be written. So what is written never
depends on half precision or on several GPUs.
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
    """How a network is built that is trained here."""

    train: str = "head"  # "head", "last:N" or "all"
    pretrained: bool = True  # else it begins with random weights
    frozen_batch_norm: bool = True
    seed: int = 0
    activation: str = "relu"  # these four are of the small networks
    feature_maps: int = 0
    batch_norm: bool = True
    image_size: int = 0
    half: bool = False  # calculates in float16 where that loses nothing
    some_photos: SomePhotos | None = None  # asked where a network has to be normalised anew

    @property
    def tunes(self) -> bool:
        """Whether the network itself is trained."""
        return self.train != "head"


@dataclass(frozen=True)
class Trainable:
    """A network that can be trained."""

    name: str
    call: Callable[[Any, bool], Any]  # float32 [n, height, width, 3], scaled; whether it is trained -> [n, width]
    variables: list[Any]  # tf.Variable: all that it is made of, in an order that is the same each time
    trained: list[int] = field(repr=False)  # which of them training changes
    names: tuple[str, ...]  # of the variables
    height_px: int
    width_px: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    forms: Callable[[], Forms] = field(repr=False)  # what it is kept as

    @property
    def decayed(self) -> list[int]:
        """Which of these --weight_decay holds down: kernels, no biases."""
        return [place for place in self.trained if len(self.variables[place].shape) > 1]

    @property
    def values(self) -> Arrays:
        """The variables' values."""
        return [variable.numpy() for variable in self.variables]

    def assign(self, values: Sequence[npt.NDArray[Any]]) -> None:
        """Sets the variables."""
        for variable, value in zip(self.variables, values, strict=True):
            variable.assign(value)


@contextlib.contextmanager
def half_precision(half: bool) -> Iterator[None]:
    """Keras layers that are made in the block calculate in float16 and keep their weights in float32."""
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
    """Of a keras.Model on pixels that are scaled and preprocessed."""
    height_px, width_px = model.input_shape[1:3]
    places = last_blocks([layer.name for layer in model.layers], building.train, name)
    chosen = {
        id(weight) for place in places for weight in model.layers[place].trainable_weights
    }  # a layer that is fixed has none
    # Statistics of pretrained normalisation stay what they are: some photos of another kind would spoil them.
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
    """The forms of a frozen network whose pixels are scaled before it.

    Raises:
      RunError: TensorFlow cannot run it.
    """
    frozen = dataclasses.replace(frozen, mean=scaling[0], std=scaling[1])
    try:
        return Forms(frozen, *to_tflite(frozen))
    except ValueError as error:
        raise RunError(f"cannot write the trained network: {error}") from None
