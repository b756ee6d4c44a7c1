"""The name of a Keras application in, a headless FrozenGraph out, with the application's own preprocessing inside it.

`keras:MobileNetV2` takes pixels of 0 to 255: what `preprocess_input` of that application does is part of the graph, so that
no export can get it wrong.
"""

from __future__ import annotations

import difflib
import hashlib
import sys
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.backbones.frozen import FrozenGraph, freeze
from retrain.backbones.table import KERAS_PREFIX, Architecture
from retrain.plan import DEFAULT_ARCHITECTURE, Plan


def load(row: Architecture, plan: Plan) -> tuple[FrozenGraph, str, str]:
    """Builds the application without its head.

    Weights: `NAME.weights.h5` in --model_dir, else Keras's own cache, else the network.

    Returns:
      (the network, sha256 of its weights, where they came from)

    Raises:
      UserError: Keras has no such application.
      RunError: its weights are not to be had.
    """
    tensorflow()
    import keras

    name, builder, module = _application(keras, row.name.removeprefix(KERAS_PREFIX))
    own = Path(plan.model_dir) / f"{name}.weights.h5"
    try:
        with native_noise_hidden():
            if own.is_file():
                model = builder(include_top=False, pooling="avg", weights=None, input_shape=_shape(builder))
                model.load_weights(str(own))
                source = str(own)
            else:
                model, source = _with_imagenet(builder, plan)
    except (OSError, ValueError, RuntimeError) as error:
        raise RunError(
            f"cannot get the weights of keras:{name}: {' '.join(str(error).split())[:200]}; tried {own}, Keras's cache "
            f"and the network; put them at {own}, or use {DEFAULT_ARCHITECTURE}, which needs no download"
        ) from None
    height_px, width_px = model.input_shape[1:3]
    frozen = freeze(lambda image: model(module.preprocess_input(image), training=False), height_px, width_px)
    return frozen, _digest(model), source


def _with_imagenet(builder: Any, plan: Plan) -> tuple[Any, str]:
    if plan.offline:
        import socket

        kept, socket.socket.connect = socket.socket.connect, _refuse  # type: ignore[method-assign]
    try:
        model = builder(include_top=False, pooling="avg", weights="imagenet", input_shape=_shape(builder))
    finally:
        if plan.offline:
            socket.socket.connect = kept  # type: ignore[method-assign]
    return model, "Keras"


def _refuse(*_: object) -> None:
    raise OSError("--offline: the network is not to be used")


def _application(keras: Any, typed: str) -> tuple[str, Any, Any]:
    """(exact name, constructor, module with preprocess_input) of an application, whatever case was typed."""
    builders = {name: item for name, item in vars(keras.applications).items() if name[0].isupper() and callable(item)}
    exact = {name.lower(): name for name in builders}.get(typed.lower())
    if exact is None:
        close = difflib.get_close_matches(typed, builders, 3, 0.4)
        raise UserError(
            f"unknown --architecture=keras:{typed}; {'did you mean keras:' + ' or keras:'.join(close) + '?' if close else 'see keras.io/api/applications'}"
        )
    builder = builders[exact]
    return exact, builder, sys.modules[builder.__module__]


def _shape(builder: Any) -> tuple[int, int, int]:
    """The size at which the application was trained."""
    height_px, width_px, channels = builder(weights=None).input_shape[1:]
    return int(height_px or 224), int(width_px or 224), int(channels)


def _digest(model: Any) -> str:
    digest = hashlib.sha256()
    for array in model.get_weights():
        digest.update(array.tobytes())
    return digest.hexdigest()
