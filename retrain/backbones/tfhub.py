"""A TF-Hub feature vector in, a headless FrozenGraph out: an address, a local folder, TF2 SavedModels and TF1 modules.

Such modules take pixels of 0 to 1 by TF-Hub's convention for images; the size is the module's own.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.backbones.frozen import FrozenGraph, freeze
from retrain.backbones.table import Architecture
from retrain.plan import DEFAULT_ARCHITECTURE, Plan

_SIZE_PX = 224  # where a module takes any size


def load(row: Architecture, plan: Plan) -> tuple[FrozenGraph, str, str]:
    """Loads the module.

    Returns:
      (the network, sha256 of the module's files, where it came from)

    Raises:
      RunError: the module is not to be had, or gives no feature vector.
    """
    folder = _folder(row.name, plan)
    tf = tensorflow()
    try:
        with native_noise_hidden():
            module = tf.saved_model.load(str(folder))
            call, height_px, width_px = _callable(tf, module)
            frozen = freeze(lambda image: call(image / 255.0), height_px, width_px)
    except (OSError, ValueError, TypeError, KeyError, tf.errors.OpError) as error:
        raise RunError(f"cannot use the module {row.name}: {' '.join(str(error).split())[:200]}") from None
    return frozen, _digest(folder), str(folder) if folder == Path(row.name) else f"TF-Hub, {row.name}"


def _folder(handle: str, plan: Plan) -> Path:
    """The module on disk: a local folder, TF-Hub's cache, or fetched into it."""
    if Path(handle).is_dir():
        return Path(handle)
    if "://" not in handle:
        raise RunError(f"cannot use --tfhub_module={handle}: no such folder, and no address (https://...)")
    cached = Path(os.environ.get("TFHUB_CACHE_DIR", "")) / hashlib.sha1(handle.encode()).hexdigest()  # noqa: S324 - TF-Hub's own rule
    if os.environ.get("TFHUB_CACHE_DIR") and cached.is_dir():
        return cached
    remedy = (
        f"put the unpacked module into a folder and give that, or use {DEFAULT_ARCHITECTURE}, which needs no download"
    )
    if plan.offline:
        raise RunError(f"cannot fetch the module {handle}: --offline, and it is not in TFHUB_CACHE_DIR; {remedy}")
    tensorflow()
    with native_noise_hidden():
        import tensorflow_hub as hub
    try:
        return Path(hub.resolve(handle))
    except Exception as error:  # urllib, tarfile and hub each raise their own
        raise RunError(f"cannot fetch the module {handle}: {' '.join(str(error).split())[:200]}; {remedy}") from None


def _callable(tf: Any, module: Any) -> tuple[Any, int, int]:
    """(function on float32 [n, h, w, 3] in 0..1 -> [n, width], height, width)."""
    signatures = getattr(module, "signatures", {})
    name = next((key for key in ("image_feature_vector", "default", "serving_default") if key in signatures), None)
    if name is None and not callable(module):
        raise ValueError("it has no signature image_feature_vector, default or serving_default and can not be called")
    signature: Any = signatures[name] if name else None
    height_px, width_px = _size(signature, module)
    if callable(module):
        return module, height_px, width_px
    ((argument, _),) = signature.structured_input_signature[1].items()
    outputs = signature.structured_outputs
    output = next((key for key in ("feature_vector", "default") if key in outputs), next(iter(outputs)))
    if len(outputs[output].shape) != 2:
        raise ValueError(f"its output {output} has shape {outputs[output].shape}, not [photos, features]")
    return lambda image: signature(**{argument: tf.cast(image, tf.float32)})[output], height_px, width_px


def _size(signature: Any, module: Any) -> tuple[int, int]:
    specs = list(signature.structured_input_signature[1].values()) if signature is not None else []
    for function in getattr(getattr(module, "__call__", None), "concrete_functions", []):  # noqa: B004 - an attribute of it
        specs += [spec for spec in function.structured_input_signature[0] if hasattr(spec, "shape")]
    for spec in specs:
        if spec.shape.rank == 4 and spec.shape[1] and spec.shape[2]:
            return int(spec.shape[1]), int(spec.shape[2])
    return _SIZE_PX, _SIZE_PX


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
