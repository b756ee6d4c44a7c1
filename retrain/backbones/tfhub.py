"""A TF-Hub feature vector in, a headless FrozenGraph out: an address or a folder, a TF2 SavedModel or a TF1 module.

Such modules take pixels of 0 to 1 by TF-Hub's convention for images; the size is the module's own. Addresses and cache are
TF-Hub's (`TFHUB_CACHE_DIR`, a folder named after the address's sha1), the download is ours; tensorflow_hub is not needed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.errors import RunError, UserError, meaning
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.backbones.frozen import FrozenGraph, freeze, graph_function
from retrain.backbones.shelf import Shelf, Weights
from retrain.backbones.table import Architecture

_SIZE_PX = 224  # where a module takes any size
_SIGNATURES = ("image_feature_vector", "default", "serving_default")  # which is asked first
_OUTPUTS = ("feature_vector", "default")
_MODEL = "saved_model.pb"
_COMPRESSED = "tf-hub-format=compressed"  # what TF-Hub's servers want to hear for an archive

Call = Callable[[Any], Any]  # float32 [n, height, width, 3] in 0..1 -> [n, width]


def find(row: Architecture, shelf: Shelf) -> Weights:
    """The module on disk: a local folder, in --model_dir, in TFHUB_CACHE_DIR, or fetched.

    Raises:
      UserError: a folder that holds no module.
      RunError: it can not be fetched.
    """
    if "://" in row.name:
        folder = _brought(row.name, shelf)
    else:
        folder = Path(row.name)
        if not (folder / _MODEL).is_file():
            what = f"it holds no {_MODEL}" if folder.is_dir() else "there is no such folder"
            raise UserError(
                f"cannot use --tfhub_module={folder}: {what}; give an unpacked module's folder or its address (https://...)"
            )
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return Weights(digest.hexdigest(), row.name, folder)


def _brought(handle: str, shelf: Shelf) -> Path:
    """The folder of the module at an address, out of a cache or the network."""
    from retrain.backbones.archive import unpack

    name = hashlib.sha1(handle.encode()).hexdigest()  # noqa: S324 - TF-Hub's own rule
    cache = os.environ.get("TFHUB_CACHE_DIR")
    for place in (shelf.find(name), Path(cache) / name if cache else None):
        if place and (place / _MODEL).is_file():
            return place
    folder = Path(cache) / name if cache else shelf.place(name)
    archive = folder.with_name(f"{name}.tgz")
    shelf.bring(f"{handle}{'&' if '?' in handle else '?'}{_COMPRESSED}", archive)
    unpack(archive, folder)
    archive.unlink()
    if not (folder / _MODEL).is_file():
        raise RunError(f"cannot use the module {handle}: what was fetched, now in {folder}, holds no {_MODEL}")
    return folder


def load(row: Architecture, found: Weights) -> FrozenGraph:
    """Loads the module that was found.

    Raises:
      RunError: it does not read, or gives no feature vector.
    """
    tf = tensorflow()
    try:
        with native_noise_hidden():
            call, height_px, width_px = _call(tf, str(found.path))
            # Name and range as the original's TF-Hub script had them, so that the tutorial's label_image command fits.
            return freeze(call, height_px, width_px, "Placeholder", 255.0)
    except (OSError, ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        raise RunError(f"cannot use the module {row.name}: {' '.join(str(error).split())[:200]}") from None


@dataclass(frozen=True)
class Module:
    """A TF2 module that can be trained."""

    call: Callable[[Any, bool], Any]  # pixels of 0 to 1, whether it is trained -> [n, width]
    variables: list[Any]
    trained: list[Any]  # those of them that the module means to be trained
    height_px: int
    width_px: int


def load_module(found: Weights) -> Module:
    """Loads a module with its variables.

    Raises:
      ValueError: it is one of TF1, or has nothing to train.
    """
    tf = tensorflow()
    with native_noise_hidden():
        module: Any = tf.saved_model.load(str(found.path))
    trained = list(getattr(module, "trainable_variables", ()))
    if not callable(module) or not trained:
        raise ValueError("it has no variables that can be trained")
    functions = [*getattr(module.__call__, "concrete_functions", []), *module.signatures.values()]
    specs = [spec for function in functions for spec in tf.nest.flatten(function.structured_input_signature)]

    def call(image: Any, training: bool) -> Any:
        try:
            return _features(module(image, training=training))
        except (TypeError, ValueError):  # one that does not ask: TF-Hub's own do
            return _features(module(image))

    return Module(call, list(module.variables), trained, *_size(specs))


def _call(tf: Any, folder: str) -> tuple[Call, int, int]:
    """(function, height, width) of a module of either kind."""
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    try:
        saved = SavedModel.FromString((Path(folder) / _MODEL).read_bytes())
    except Exception as error:  # protobuf's DecodeError has moved between versions
        raise ValueError(f"its {_MODEL} does not read ({meaning(error)})") from None
    if not saved.meta_graphs:
        raise ValueError(f"its {_MODEL} holds no graph")
    if any(graph.HasField("object_graph_def") for graph in saved.meta_graphs):
        return _tf2_call(tf, folder)
    tags = min((list(graph.meta_info_def.tags) for graph in saved.meta_graphs), key=len)
    return _tf1_call(tf, folder, tags)  # graphs with more tags are for training


def _tf2_call(tf: Any, folder: str) -> tuple[Call, int, int]:
    module: Any = tf.saved_model.load(folder)
    signatures = module.signatures
    if callable(module):
        functions = [*getattr(module.__call__, "concrete_functions", []), *signatures.values()]
        specs = [spec for function in functions for spec in tf.nest.flatten(function.structured_input_signature)]
        return lambda image: _features(module(image)), *_size(specs)
    name = _chosen(signatures, _SIGNATURES)
    ((argument, spec),) = signatures[name].structured_input_signature[1].items()
    # Through `module`, which owns the variables: a signature alone does not keep them.
    return lambda image: _features(module.signatures[name](**{argument: image})), *_size([spec])


def _tf1_call(tf: Any, folder: str, tags: list[str]) -> tuple[Call, int, int]:
    """Variables of TF1 are frozen in a session: as functions, TensorFlow 2 leaves those of the oldest kind out."""
    graph = tf.Graph()
    with graph.as_default(), tf.compat.v1.Session() as session:
        signatures = tf.compat.v1.saved_model.loader.load(session, tags, folder).signature_def
        signature = signatures[_chosen(signatures, _SIGNATURES)]
        source = next(iter(signature.inputs.values())).name
        output = signature.outputs[_chosen(signature.outputs, _OUTPUTS)].name
        size = _size([graph.get_tensor_by_name(source)])
        frozen = tf.compat.v1.graph_util.convert_variables_to_constants(
            session, graph.as_graph_def(), [output.split(":")[0]]
        )
    function = graph_function(frozen, source.split(":")[0], output.split(":")[0])
    return function, *size


def _features(outputs: Any) -> Any:
    """The feature vector of what a module gives: a tensor, or several by name."""
    return outputs[_chosen(outputs, _OUTPUTS)] if isinstance(outputs, Mapping) else outputs


def _chosen(names: Iterable[str], wanted: tuple[str, ...]) -> str:
    """The first of the wanted names that is there; the only one there is, whatever its name."""
    there = list(names)
    if len(there) == 1:
        return there[0]
    found = next((name for name in wanted if name in there), None)
    if found is None:
        raise ValueError(f"it has {', '.join(there) or 'nothing to call'}; expected {' or '.join(wanted)}")
    return found


def _size(specs: Iterable[Any]) -> tuple[int, int]:
    """Rows and columns of the first picture whose size is fixed."""
    shapes = (spec.shape for spec in specs if hasattr(spec, "shape"))
    fixed = (shape for shape in shapes if shape.rank == 4 and shape[1] and shape[2])
    height_px, width_px = next(((shape[1], shape[2]) for shape in fixed), (_SIZE_PX, _SIZE_PX))
    return int(height_px), int(width_px)
