"""A Keras file (.keras, .h5; Keras 2 and 3) in, one flat GraphDef out. Its first bytes tell what it is, not its name."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_image.detectors.saved_model import first_line, freeze, warnings_hidden
from label_image.errors import RunError
from label_image.quiet import native_noise_hidden, tensorflow

HDF5 = b"\x89HDF\r\n\x1a\n"


def frozen_keras(path: Path) -> tuple[Any, str, str, str, str]:
    """Loads a Keras model and freezes it.

    Returns:
      the GraphDef, what it is, its input and output tensors, and who names them.

    Raises:
      RunError: neither Keras loads it, or it is weights without a network; one line.
    """
    version = _version(path)
    model, loader = _loaded(path, version)
    tf = tensorflow()
    try:
        with native_noise_hidden(), warnings_hidden():
            spec = [tf.TensorSpec(tensor.shape, tensor.dtype) for tensor in model.inputs]
            call = tf.function(lambda *inputs: model(inputs[0] if len(inputs) == 1 else list(inputs), training=False))
            frozen = freeze(call.get_concrete_function(*spec))
    except Exception as error:  # layers of a foreign model fail in many ways
        raise RunError(f"cannot run {path}: {loader} can not trace it ({first_line(error)})") from None
    what = f"a Keras {'HDF5' if _is_hdf5(path) else 'zip'} file (Keras {version or 'of unknown version'}, loaded by {loader})"
    return frozen.graph.as_graph_def(), what, str(frozen.inputs[0].name), str(frozen.outputs[0].name), "the Keras model"


def _version(path: Path) -> str:
    """The Keras that wrote it; "" where it does not say."""
    try:
        if _is_hdf5(path):
            import h5py

            with h5py.File(path, "r") as file:
                if "model_config" not in file.attrs:
                    raise RunError(
                        f"cannot use {path}: it holds weights without a network; save the whole model: model.save(...)"
                    )
                version = file.attrs.get("keras_version", "")
                return version.decode() if isinstance(version, bytes) else str(version)
        with zipfile.ZipFile(path) as archive:
            return str(json.loads(archive.read("metadata.json")).get("keras_version", ""))
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"cannot read {path}: the Keras file is damaged ({first_line(error)})") from None


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == HDF5


def _loaded(path: Path, version: str) -> tuple[Any, str]:
    """Keras 2 wrote what only tf_keras reads; where the first choice refuses, the other is tried."""
    tensorflow()
    loaders = [_by_keras_3, _by_tf_keras] if version.startswith("3") else [_by_tf_keras, _by_keras_3]
    said = []
    for load in loaders:
        try:
            with native_noise_hidden(), warnings_hidden():
                return load(path)
        except ImportError as error:
            said.append(f"{error.name or 'keras'} is not installed")
        except Exception as error:  # as above
            said.append(first_line(error))
    raise RunError(
        f"cannot run {path}: no Keras here loads it ({said[0]}); pip install tf_keras, or export a .tflite of it"
    )


def _by_keras_3(path: Path) -> tuple[Any, str]:
    import keras

    with _rightly_named(path) as named:
        return _without_dropout(keras.models.load_model(named, compile=False)), "keras"


def _by_tf_keras(path: Path) -> tuple[Any, str]:
    import tf_keras

    with _rightly_named(path) as named:
        return _without_dropout(tf_keras.models.load_model(named, compile=False)), "tf_keras"


@contextlib.contextmanager
def _rightly_named(path: Path) -> Iterator[str]:
    """A path whose ending agrees with its first bytes: Keras goes by the ending, so a copy with the right one is made."""
    wanted = ".h5" if _is_hdf5(path) else ".keras"
    if path.suffix == wanted:
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"model{wanted}"
        shutil.copyfile(path, copy)
        yield str(copy)


def _without_dropout(model: Any) -> Any:
    """Layers that were called with training=True would drop out for ever: their rate is set to 0."""
    for layer in getattr(model, "layers", []):
        if hasattr(layer, "rate") and "ropout" in type(layer).__name__:
            layer.rate = 0.0
        _without_dropout(layer)
    return model
