"""Loads feature vectors of TF-Hub from an address or a folder: TF2 SavedModels and TF1 modules.

By TF-Hub's convention for images, such modules take pixels from 0 to 1; the module determines the size. Addresses and cache are those of
TF-Hub (`TFHUB_CACHE_DIR`, a folder named after the address's SHA-1); our own code downloads. tensorflow_hub is not needed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.detectors.saved_graph import End, by_call, by_signature, check_to_run, read_meta_graph, signatures
from label_image.detectors.saved_model import frozen
from label_image.errors import RunError, UserError
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms, FrozenGraph, converted, freeze, graph_function
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable, scaled

_SIZE_PX = 224  # used if a module takes any size
_SIGNATURES = ("image_feature_vector", "default", "serving_default")  # in order of preference
_OUTPUTS = ("feature_vector", "default")
_MODEL = "saved_model.pb"
_COMPRESSED = "tf-hub-format=compressed"  # the query with which TF-Hub's servers return an archive

Call = Callable[[Any], Any]  # float32 [n, height, width, 3] in 0..1 -> [n, width]


def find(row: Architecture, folder: ModelFolder) -> FoundWeights:
    """Finds the module: in a local folder, in --model_dir or in TFHUB_CACHE_DIR; otherwise downloads it.

    Raises:
      UserError: the folder contains no module.
      RunError: it cannot be downloaded.
    """
    if "://" in row.name:
        module = _brought(row.name, folder)
    else:
        module = Path(row.name)
        if not (module / _MODEL).is_file():
            what = f"it contains no {_MODEL}" if module.is_dir() else "there is no such folder"
            raise UserError(
                f"cannot use --tfhub_module={module}: {what}; give the folder of an unpacked module, or its address (https://...)"
            )
    digest = hashlib.sha256()
    for path in sorted(path for path in module.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(module).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return FoundWeights(digest.hexdigest(), row.name, module)


def _brought(handle: str, folder_of_models: ModelFolder) -> Path:
    """Returns the folder of the module at an address, from a cache or after a download."""
    from retrain.files.archive import unpack

    name = hashlib.sha1(handle.encode()).hexdigest()  # noqa: S324 - TF-Hub's own rule
    cache = os.environ.get("TFHUB_CACHE_DIR")
    for place in (folder_of_models.find(name), Path(cache) / name if cache else None):
        if place and (place / _MODEL).is_file():
            return place
    folder = Path(cache) / name if cache else folder_of_models.place(name)
    archive = folder.with_name(f"{name}.tgz")
    folder_of_models.bring(f"{handle}{'&' if '?' in handle else '?'}{_COMPRESSED}", archive)
    unpack(archive, folder)
    archive.unlink()
    if not (folder / _MODEL).is_file():
        raise RunError(f"cannot use the module {handle}: the download, now in {folder}, contains no {_MODEL}")
    return folder


def load(row: Architecture, found: FoundWeights) -> FrozenGraph:
    """Loads and freezes the module that was found.

    Raises:
      RunError: it cannot be read, or computes no feature vector.
    """
    tf = tensorflow()
    try:
        with native_noise_hidden():
            call, height_px, width_px = _call(Path(str(found.path)))
            # Name and range as in the original's TF-Hub script, so that the tutorial's label_image command works.
            return freeze(call, height_px, width_px, "Placeholder", 255.0)
    except RunError as error:
        raise RunError(f"cannot use the module {row.name}: {str(error).partition(': ')[2]}") from None
    except (OSError, ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        raise RunError(f"cannot use the module {row.name}: {' '.join(str(error).split())[:200]}") from None


@dataclass(frozen=True)
class Module:
    """A TF2 module that can be trained."""

    call: Callable[[Any, bool], Any]  # pixels of 0 to 1, whether in training -> [n, width]
    variables: list[Any]
    trained: list[Any]  # the variables that the module marks as trainable
    height_px: int
    width_px: int


def load_module(found: FoundWeights) -> Module:
    """Loads a module with its variables.

    Raises:
      ValueError: it is a TF1 module, or has nothing to train.
    """
    tf = tensorflow()
    folder = Path(str(found.path))
    meta = read_meta_graph(folder, tags=())
    if meta.object_graph_def.nodes:
        check_to_run(meta, folder)
    else:
        raise ValueError("it has no variables that can be trained")
    with native_noise_hidden():
        module: Any = tf.saved_model.load(str(folder))
    trained = list(getattr(module, "trainable_variables", ()))
    if not callable(module) or not trained:
        raise ValueError("it has no variables that can be trained")
    taken = [found for found in (by_call(meta, folder), by_signature(meta, folder, _SIGNATURES)) if found]

    def call(image: Any, training: bool) -> Any:
        try:
            return _features(module(image, training=training))
        except (TypeError, ValueError):  # a module without this argument
            return _features(module(image))

    return Module(call, list(module.variables), trained, *_size(end for found in taken for end in found.inputs))


def _call(folder: Path) -> tuple[Call, int, int]:
    """Extracts (function, height, width) of a TF1 or TF2 module from its file; TensorFlow's loader would run code of the module."""
    meta = read_meta_graph(folder, tags=())  # graphs with more tags are for training
    found = by_call(meta, folder) or by_signature(meta, folder, [_chosen(signatures(meta), _SIGNATURES)])
    if found is None:
        raise ValueError("it has nothing to call")
    there = {end.key: end for end in found.outputs}
    # The signature returns one tensor without a name, or several by name.
    output = found.outputs[0] if len(there) == 1 else there[_chosen(there, _OUTPUTS)]
    graph_def, source, result = frozen(meta, found, found.inputs[0], output, folder)
    return graph_function(graph_def, source, result), *_size(found.inputs)


def _features(outputs: Any) -> Any:
    """Selects the feature vector of a module's outputs: a tensor, or several by name."""
    return outputs[_chosen(outputs, _OUTPUTS)] if isinstance(outputs, Mapping) else outputs


def _chosen(names: Iterable[str], wanted: tuple[str, ...]) -> str:
    """Returns the first of the wanted names that exists; if there is only one name, returns that one."""
    there = list(names)
    if len(there) == 1:
        return there[0]
    found = next((name for name in wanted if name in there), None)
    if found is None:
        raise ValueError(f"it has {', '.join(there) or 'nothing to call'}; expected {' or '.join(wanted)}")
    return found


def _size(inputs: Iterable[End]) -> tuple[int, int]:
    """Returns rows and columns of the first picture input with a fixed size."""
    shapes = [end.shape for end in inputs if end.shape is not None and len(end.shape) == 4]
    fixed = ((shape[1], shape[2]) for shape in shapes if shape[1] > 0 and shape[2] > 0)
    return next(fixed, (_SIZE_PX, _SIZE_PX))


def _convert(row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
    return converted(row.name, lambda: load(row, found), say)


def _check(row: Architecture, building: Building) -> None:  # noqa: ARG001
    if not building.tunes:
        return
    if not building.pretrained:
        raise UserError("--weights=none: a TF-Hub module always has its own weights; give an --architecture instead")
    if building.train != "all":
        raise UserError(f"--train={building.train}: the blocks of a TF-Hub module are unknown; use --train=all")


def _trainable(row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
    """Builds a TF2 module of TF-Hub for training; TF1 modules are graphs without a gradient."""
    try:
        module = load_module(find(row, folder))
    except ValueError as error:
        raise UserError(
            f"--train={building.train}: the module {row.name} cannot be trained: {error}; use --train=head"
        ) from None
    scaling = (0.0,), (255.0,)
    ids = {id(variable) for variable in module.trained}

    def call(image: Any, training: bool) -> Any:
        return module.call(image, training and not building.frozen_batch_norm)

    def forms() -> Forms:
        frozen = freeze(lambda image: module.call(image, False), module.height_px, module.width_px, "Placeholder")
        return scaled(frozen, scaling)

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


FAMILY = Family(architectures=(), find=find, convert=_convert, check=_check, make_trainable=_trainable)
