"""A backbone's name in, a Trainable out: its variables, what of them is trained, and the way back to a Backbone's forms.

Built anew where it is needed: in a strategy's scope for training, plainly to be written. So what is written never knows of
half precision or of several GPUs.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError, UserError
from label_image.pixels import normalise
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.backbones import network_tflite, prepare
from retrain.backbones.families import keras_applications, tfhub
from retrain.backbones.frozen_graph import FrozenGraph, freeze, to_tflite
from retrain.backbones.model_folder import Shelf
from retrain.backbones.network_graph import to_graph
from retrain.backbones.network_keras import from_keras, keras_on_tensorflow, to_keras
from retrain.backbones.network_layers import FEATURES, INPUT, Network
from retrain.backbones.table import Architecture, architecture
from retrain.finetune.blocks import last_blocks
from retrain.finetune.folded import PARTS, FoldedNetwork
from retrain.finetune.renormed import renormed
from retrain.networks.build import Form, build
from retrain.options.options import Options

Arrays = list[npt.NDArray[Any]]


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
    forms: Callable[[], tuple[FrozenGraph, bytes | None, str]] = field(repr=False)  # as Shelf.keep takes them

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


def trainable(
    options: Options,
    say: Callable[[str], None] = lambda _: None,
    *,
    half: bool = False,
    some_photos: Callable[[int], npt.NDArray[np.uint8]] | None = None,
) -> Trainable:
    """Builds the network of a plan.

    Args:
      plan: what is asked for.
      say: for progress of downloads.
      half: to calculate in float16 where that loses nothing.
      some_photos: rows (and columns) -> uint8 [n, rows, rows, 3], some training photos: asked where a network has to be normalised
        anew.

    Raises:
      UserError: it can not be trained, or has not so many blocks.
      RunError: its weights are not to be had.
    """
    row = architecture(options.network.architecture, options.network.tfhub_module)
    makers = {"network": _small, "keras_applications": _application, "tfhub": _module}
    with native_noise_hidden(), _half_precision(half):
        if row.family in makers:
            return makers[row.family](row, options, say)
        return _ours(row, options, half, some_photos)


@contextlib.contextmanager
def _half_precision(half: bool) -> Iterator[None]:
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


def _ours(
    row: Architecture, options: Options, half: bool, some_photos: Callable[[int], npt.NDArray[np.uint8]] | None
) -> Trainable:
    """EfficientNet-Lite and MobileNet: layers of ours; written again without TensorFlow."""
    network = prepare.network_of(options)
    scaling = (row.mean, row.std)
    if options.finetune.weights == "none" or not options.finetune.frozen_batch_norm:
        if options.finetune.weights != "none" and not network.has_statistics and some_photos:
            photos = some_photos(network.size_px)
            network = renormed(network, normalise(photos, *scaling)) if len(photos) else network
        model = to_keras(network)
        if options.finetune.weights == "none":
            _draw(model, options.head.seed)
        return _of_keras(
            row.name, model, options, scaling, lambda image: image, lambda: _written(row, from_keras(model, network))
        )
    folded = FoldedNetwork(network)
    names = [layer.name.replace(".", "_") for layer in folded.convolutions]
    trained = [
        PARTS * place + part
        for place in sorted(last_blocks(names, options.finetune.train, row.name))
        for part in range(PARTS)
    ]

    def call(image: Any, _: bool) -> Any:
        return folded(tensorflow().cast(image, "float16" if half else "float32"))

    return Trainable(
        row.name,
        call,
        folded.variables,
        trained,
        tuple(variable.name for variable in folded.variables),
        network.size_px,
        network.size_px,
        *scaling,
        lambda: _written(row, folded.network()),
    )


def _written(row: Architecture, network: Network) -> tuple[FrozenGraph, bytes | None, str]:
    size_px = network.size_px
    frozen = FrozenGraph(to_graph(network), INPUT, FEATURES, size_px, size_px, row.mean, row.std, network.width)
    return frozen, network_tflite.to_tflite(network), ""


def _small(row: Architecture, options: Options, _: Callable[[str], None]) -> Trainable:
    form = Form(
        options.head.activation, options.finetune.feature_maps, options.finetune.batch_norm, seed=options.head.seed
    )
    model = build(keras_on_tensorflow(), row.name, options.finetune.image_size or row.size_px, form)
    return _of_keras(row.name, model, options, (row.mean, row.std), lambda image: image)


def _application(row: Architecture, options: Options, say: Callable[[str], None]) -> Trainable:
    shelf = Shelf(options, say)
    found = None if options.finetune.weights == "none" else keras_applications.find(row, shelf)
    if options.finetune.weights == "none":
        keras_on_tensorflow().utils.set_random_seed(options.head.seed)
    model, preprocess = keras_applications.build(row, found, shelf)
    return _of_keras(row.name, model, options, ((0.0,), (1.0,)), preprocess)


def _of_keras(
    name: str,
    model: Any,
    options: Options,
    scaling: tuple[tuple[float, ...], tuple[float, ...]],
    preprocess: Callable[[Any], Any],
    forms: Callable[[], tuple[FrozenGraph, bytes | None, str]] | None = None,
) -> Trainable:
    """Of a keras.Model on pixels that are scaled and preprocessed."""
    height_px, width_px = model.input_shape[1:3]
    places = last_blocks([layer.name for layer in model.layers], options.finetune.train, name)
    chosen = {
        id(weight) for place in places for weight in model.layers[place].trainable_weights
    }  # a layer that is fixed has none
    # Statistics of pretrained normalisation stay what they are: some photos of another kind would spoil them.
    moving = options.finetune.weights == "none" or not options.finetune.frozen_batch_norm

    def call(image: Any, training: bool) -> Any:
        return model(preprocess(image), training=training and moving)

    def plain() -> tuple[FrozenGraph, bytes | None, str]:
        frozen = freeze(lambda image: model(preprocess(image), training=False), height_px, width_px)
        return _scaled(frozen, scaling)

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


def _module(row: Architecture, options: Options, say: Callable[[str], None]) -> Trainable:
    """A TF2 module of TF-Hub; those of TF1 are graphs without a gradient."""
    try:
        module = tfhub.load_module(tfhub.find(row, Shelf(options, say)))
    except ValueError as error:
        raise UserError(
            f"--train={options.finetune.train}: the module {row.name} can not be trained: {error}; use --train=head"
        ) from None
    scaling = (0.0,), (255.0,)
    ids = {id(variable) for variable in module.trained}

    def call(image: Any, training: bool) -> Any:
        return module.call(image, training and not options.finetune.frozen_batch_norm)

    def forms() -> tuple[FrozenGraph, bytes | None, str]:
        frozen = freeze(lambda image: module.call(image, False), module.height_px, module.width_px, "Placeholder")
        return _scaled(frozen, scaling)

    trained = [place for place, variable in enumerate(module.variables) if id(variable) in ids]
    return Trainable(
        row.name,
        call,
        module.variables,
        trained,
        tuple(variable.name for variable in module.variables),
        module.height_px,
        module.width_px,
        *scaling,
        forms,
    )


def _scaled(
    frozen: FrozenGraph, scaling: tuple[tuple[float, ...], tuple[float, ...]]
) -> tuple[FrozenGraph, bytes | None, str]:
    frozen = dataclasses.replace(frozen, mean=scaling[0], std=scaling[1])
    try:
        return frozen, *to_tflite(frozen)
    except ValueError as error:
        raise RunError(f"cannot write the trained network: {error}") from None


def _draw(model: Any, seed: int) -> None:
    """New weights for a network of ours: kernels as He and others draw them (arXiv 1502.01852), normalisation that does nothing."""
    rng = np.random.default_rng([seed, 7])
    for layer in model.layers:
        values = layer.get_weights()
        if len(values) == 1:
            kernel = values[0]
            inputs = np.prod(kernel.shape[:2]) * (kernel.shape[2] if kernel.shape[3] > 1 else 1)
            layer.set_weights([rng.normal(0, np.sqrt(2 / inputs), kernel.shape).astype(np.float32)])
        elif values:
            gamma, beta, mean, variance = (np.ones_like(value) for value in values)
            layer.set_weights([gamma, 0 * beta, 0 * mean, variance])
            layer.epsilon = max(layer.epsilon, 1e-3)
