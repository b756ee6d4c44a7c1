"""Feature vectors of TF-Hub: an address or a folder, a TF2 SavedModel or a TF1 module.

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

from label_image.detectors.saved_graph import End, by_call, by_signature, check_to_run, read_meta_graph, signatures
from label_image.detectors.saved_model import frozen
from label_image.errors import RunError, UserError
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms, FrozenGraph, converted, freeze, graph_function
from retrain.backbones.model_folder import ModelFolder, Weights
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable, scaled

_SIZE_PX = 224  # where a module takes any size
_SIGNATURES = ("image_feature_vector", "default", "serving_default")  # which is asked first
_OUTPUTS = ("feature_vector", "default")
_MODEL = "saved_model.pb"
_COMPRESSED = "tf-hub-format=compressed"  # what TF-Hub's servers want to hear for an archive

Call = Callable[[Any], Any]  # float32 [n, height, width, 3] in 0..1 -> [n, width]


def find(row: Architecture, folder: ModelFolder) -> Weights:
    """The module on disk: a local folder, in --model_dir, in TFHUB_CACHE_DIR, or fetched.

    Raises:
      UserError: a folder that holds no module.
      RunError: it cannot be fetched.
    """
    if "://" in row.name:
        module = _brought(row.name, folder)
    else:
        module = Path(row.name)
        if not (module / _MODEL).is_file():
            what = f"it holds no {_MODEL}" if module.is_dir() else "there is no such folder"
            raise UserError(
                f"cannot use --tfhub_module={module}: {what}; give an unpacked module's folder or its address (https://...)"
            )
    digest = hashlib.sha256()
    for path in sorted(path for path in module.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(module).as_posix()}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return Weights(digest.hexdigest(), row.name, module)


def _brought(handle: str, folder_of_models: ModelFolder) -> Path:
    """The folder of the module at an address, out of a cache or the network."""
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
            call, height_px, width_px = _call(Path(str(found.path)))
            # Name and range as the original's TF-Hub script had them, so that the tutorial's label_image command fits.
            return freeze(call, height_px, width_px, "Placeholder", 255.0)
    except RunError as error:
        raise RunError(f"cannot use the module {row.name}: {str(error).partition(': ')[2]}") from None
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
        except (TypeError, ValueError):  # one that does not ask: TF-Hub's own do
            return _features(module(image))

    return Module(call, list(module.variables), trained, *_size(end for found in taken for end in found.inputs))


def _call(folder: Path) -> tuple[Call, int, int]:
    """(function, height, width) of a module of either kind, cut out of its file: TensorFlow's loader would run what it brings."""
    meta = read_meta_graph(folder, tags=())  # graphs with more tags are for training
    found = by_call(meta, folder) or by_signature(meta, folder, [_chosen(signatures(meta), _SIGNATURES)])
    if found is None:
        raise ValueError("it has nothing to call")
    there = {end.key: end for end in found.outputs}
    # What is called gives one tensor without a name, or several by name.
    output = found.outputs[0] if len(there) == 1 else there[_chosen(there, _OUTPUTS)]
    graph_def, source, result = frozen(meta, found, found.inputs[0], output, folder)
    return graph_function(graph_def, source, result), *_size(found.inputs)


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


def _size(inputs: Iterable[End]) -> tuple[int, int]:
    """Rows and columns of the first picture whose size is fixed."""
    shapes = [end.shape for end in inputs if end.shape is not None and len(end.shape) == 4]
    fixed = ((shape[1], shape[2]) for shape in shapes if shape[1] > 0 and shape[2] > 0)
    return next(fixed, (_SIZE_PX, _SIZE_PX))


def _convert(row: Architecture, found: Weights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
    return converted(row.name, lambda: load(row, found), say)


def _check(row: Architecture, building: Building) -> None:  # noqa: ARG001
    if not building.tunes:
        return
    if not building.pretrained:
        raise UserError("--weights=none: a TF-Hub module comes with its weights; give an --architecture instead")
    if building.train != "all":
        raise UserError(f"--train={building.train}: a TF-Hub module does not say where its blocks are; use --train=all")


def _trainable(row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
    """A TF2 module of TF-Hub; those of TF1 are graphs without a gradient."""
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
