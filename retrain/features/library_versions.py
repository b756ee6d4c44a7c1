"""Lists the libraries that decode photos and compute features: part of store keys, metadata of exports and run.json.

The same photo and network give other numbers under another Pillow (its resize changes), another JPEG decoder, another
LiteRT or TensorFlow. What only unpacks without loss (zlib, libtiff) changes none and is not asked.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping
from functools import cache

import PIL
from PIL import features

FIELD = "made_with"  # of a store key
_LIBRARIES = (("jpg", "libjpeg"), ("webp", "libwebp"), ("avif", "libavif"), ("jpg_2000", "OpenJPEG"))  # Pillow's names
_FIRST = ("Pillow", "libjpeg-turbo", "LiteRT", "TensorFlow", "kernels")  # what matters to most photos
_TENSORFLOWS = ("tensorflow", "tensorflow-cpu", "tensorflow-macos", "tf-nightly")


@cache
def decoders() -> dict[str, str]:
    """Returns the libraries that decode photos: name -> version."""
    found = {"Pillow": PIL.__version__}
    turbo = features.check_feature("libjpeg_turbo") and features.version_feature("libjpeg_turbo")
    for module, name in _LIBRARIES:
        version = turbo if module == "jpg" and turbo else features.check(module) and features.version(module)
        if version:
            found["libjpeg-turbo" if version is turbo else name] = str(version)
    heif = _version("pillow-heif")
    return {**found, "pillow-heif": heif} if heif else found


@cache
def litert() -> dict[str, str]:
    """Returns what computes with LiteRT: name -> version or kind."""
    return {"LiteRT": _version("ai-edge-litert"), "kernels": "XNNPACK"}


def tensorflow(device_name: str = "") -> dict[str, str]:
    """Returns what computes with TensorFlow, without importing it.

    Args:
      device_name: of the GPU; "" on the CPU.
    """
    version = next(filter(None, map(_version, _TENSORFLOWS)), "")
    kernels = device_name or ("oneDNN" if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0" else "Eigen")
    return {"TensorFlow": version, "kernels": kernels}


def of_key(key: str) -> dict[str, str]:
    """Returns the versions stated in a store key; {} if the key states none, as older keys do."""
    try:
        found = json.loads(key)[FIELD]
        return {str(name): str(version) for name, version in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def told(found: Mapping[str, str]) -> str:
    """Formats versions: "Pillow 12.3.0, LiteRT 2.3.0, XNNPACK"."""
    names = sorted(found, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return ", ".join(found[name] if name == "kernels" else f"{name} {found[name]}".strip() for name in names)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, str]:
    """Formats the versions in which two sets differ; "none" for a library that only the other set has."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    first, second = ({name: found.get(name, "none") for name in names} for found in (one, other))
    return told(first), told(second)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
