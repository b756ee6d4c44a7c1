"""Opens a Keras file (.keras, .h5; Keras 2 and 3) as one flat GraphDef. Its first bytes tell what it is, not its name.

Keras is not asked: loading a file by Keras runs what the file brings along. The file is read as structure and arrays, and the
network is built from our own table of layers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from label_image.errors import RunError, meaning
from label_image.keras_files import arrays
from label_image.keras_files.network import graph_of
from label_image.keras_files.structure import ForeignError, network
from label_image.quiet import native_noise_hidden, tensorflow

_OTHER_WAYS = "only whole networks of Keras's own layers are read; export a .tflite of it where it was made"


def frozen_keras(path: Path) -> tuple[Any, str, str, str, str]:
    """Reads a Keras model.

    Returns:
      the GraphDef, what it is, its input and output tensors, and who names them.

    Raises:
      RunError: it is damaged, is weights without a network, or holds what is not read; one line.
    """
    try:
        file = arrays.read(path)
        structure = network(file.described)
    except ForeignError as error:
        raise RunError(f"cannot use {path}: {error}; {_OTHER_WAYS}") from None
    except Exception as error:  # h5py, zipfile and what stands in the JSON fail in many ways
        raise RunError(f"cannot read {path}: the Keras file is damaged ({meaning(error)})") from None
    tensorflow()
    try:
        with native_noise_hidden():
            built = graph_of(file, structure)
    except ForeignError as error:
        raise RunError(f"cannot use {path}: {error}; {_OTHER_WAYS}") from None
    except Exception as error:  # as above
        raise RunError(f"cannot use {path}: its network can not be built ({meaning(error)})") from None
    what = f"a Keras {'HDF5' if file.legacy else 'zip'} file (Keras {file.version or 'of unknown version'})"
    return built.graph_def, what, built.input_layer, built.output_layer, "the Keras model"
