"""A SavedModel folder in, one flat GraphDef with its variables as constants out, from the image input to the scores."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from label_image.quiet import native_noise_hidden, tensorflow

_SCORES = ("confidences", "probabilities", "scores", "predictions", "prediction", "outputs", "output_0", "logits")
_IMAGES = ("image", "images", "input", "inputs", "input_1", "x")


def frozen_saved_model(folder: Path) -> tuple[Any, str, str, str, str]:
    """Loads a SavedModel.

    Returns:
      the GraphDef, what it is, its input and output tensors, and who names them.

    Raises:
      RunError: TensorFlow does not load it, or nothing in it takes a picture; one line.
    """
    tf = tensorflow()
    try:
        with native_noise_hidden(), warnings_hidden():
            loaded = tf.saved_model.load(str(folder))
            function, why = _function(tf, loaded)
            if function is None:
                raise RunError(f"cannot use {folder}: it has no signature and can not be called; it is no classifier")
            frozen = freeze(function)
    except RunError:
        raise
    except Exception as error:  # a foreign file fails in the parser, the loader or in one of its operations
        raise RunError(f"cannot run {folder}: TensorFlow refuses it ({first_line(error)})") from None
    taken = [tensor for tensor in function.inputs if tensor.dtype not in (tf.resource, tf.variant)]
    source = _pick(frozen.inputs or taken, _keys(function.structured_input_signature), _IMAGES)
    result = _pick(frozen.outputs, _keys(function.structured_outputs), _SCORES)
    return frozen.graph.as_graph_def(), "a SavedModel", source, result, why


def freeze(function: Any) -> Any:
    """A concrete function with its variables as constants and its calls inlined."""
    from label_image.runners.tensorflow import constants_from

    return constants_from(function)


@contextlib.contextmanager
def warnings_hidden() -> Iterator[None]:
    """What TensorFlow and Keras say of NumPy and of their own old forms is nothing that a user can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def first_line(error: Exception) -> str:
    """An error's first line, short enough for one line."""
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__


def _function(tf: Any, loaded: Any) -> tuple[Any, str]:
    """The signature that labels: serving_default, else the first; else what the object is when it is called."""
    signatures = dict(getattr(loaded, "signatures", None) or {})
    for name in ("serving_default", "predict", "image_classification", *signatures):
        if name in signatures:
            return signatures[name], f"signature {name}"
    call = getattr(loaded, "__call__", None)  # noqa: B004 - the restored function itself is wanted
    for function in getattr(call, "concrete_functions", None) or []:
        inputs = [tensor for tensor in function.inputs if tensor.dtype not in (tf.resource, tf.variant)]
        training = [value for value in function.structured_input_signature[0] if value is True]
        if len(inputs) == 1 and not training:
            return function, "the object when called"
    return None, ""


def _keys(structure: Any) -> list[str]:
    """Names of inputs or outputs, in the order TensorFlow flattens them: sorted."""
    if isinstance(structure, tuple) and len(structure) == 2 and isinstance(structure[1], dict):
        structure = structure[1]
    return sorted(structure) if isinstance(structure, dict) else []


def _pick(tensors: list[Any], keys: list[str], wanted: tuple[str, ...]) -> str:
    """The tensor with a likely name; else the first of floats, with most dimensions for an image."""
    if len(keys) == len(tensors):
        for name in wanted:
            for key, tensor in zip(keys, tensors, strict=True):
                if key.lower() == name and tensor.dtype.is_floating | (wanted is _IMAGES):
                    return str(tensor.name)
    ranked = [tensor for tensor in tensors if tensor.dtype.is_floating] or list(tensors)
    if wanted is _IMAGES and len(ranked) > 1:
        ranked.sort(key=lambda tensor: -(tensor.shape.rank or 0))
    return str(ranked[0].name) if ranked else ""
