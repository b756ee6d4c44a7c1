"""Converts a Keras file (.keras or .h5, of Keras 2 or 3) to a flat GraphDef; the format is recognised by the first bytes.

Keras itself is not used, because loading a file with Keras can run code that the file contains. The file is read as a description
and arrays, and the network is built from our own table of layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from label_image.errors import RunError, meaning
from label_image.keras_files import arrays
from label_image.keras_files.network import graph_of
from label_image.keras_files.structure import ForeignError, network
from label_image.quiet import native_noise_hidden, tensorflow

_OTHER_WAYS = "only complete networks of Keras's own layers can be read; export it as a .tflite where it was made"


def frozen_keras(path: Path) -> tuple[Any, str, str, str, str]:
    """Reads a Keras model.

    Returns:
      the GraphDef, the kind of file, its input and output tensors, and where their names come from.

    Raises:
      RunError: the file is damaged, contains weights without a network, or contains something unsupported.
    """
    try:
        file = arrays.read(path)
        structure = network(file.described)
    except ForeignError as error:
        raise RunError(f"cannot use {path}: {error}; {_OTHER_WAYS}") from None
    except Exception as error:  # h5py, zipfile and unexpected JSON raise many kinds of errors
        raise RunError(f"cannot read {path}: the Keras file is damaged ({meaning(error)})") from None
    tensorflow()
    try:
        with native_noise_hidden():
            built = graph_of(file, structure)
    except ForeignError as error:
        raise RunError(f"cannot use {path}: {error}; {_OTHER_WAYS}") from None
    except Exception as error:  # as above
        raise RunError(f"cannot use {path}: its network cannot be built ({meaning(error)})") from None
    what = f"a Keras {'HDF5' if file.legacy else 'zip'} file (Keras {file.version or 'of unknown version'})"
    return built.graph_def, what, built.input_layer, built.output_layer, "the Keras model"
