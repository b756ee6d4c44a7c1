"""Lists the versions of the libraries that decode photos and compute features; they are part of store keys, export metadata and run.json.

The features of a photo change with the version of Pillow (its resize changes), of the JPEG decoder, and of LiteRT or TensorFlow.
Lossless decoders (zlib, libtiff) do not affect them and are not listed.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping
from functools import cache

import PIL
from PIL import features

FIELD = "made_with"  # field of a store key
_LIBRARIES = (
    ("jpg", "libjpeg"),
    ("webp", "libwebp"),
    ("avif", "libavif"),
    ("jpg_2000", "OpenJPEG"),
)  # as Pillow names them
_FIRST = ("Pillow", "libjpeg-turbo", "LiteRT", "TensorFlow", "kernels")  # listed first, because they affect most photos
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
    """Returns the libraries that compute features with LiteRT: name -> version or kind."""
    return {"LiteRT": _version("ai-edge-litert"), "kernels": "XNNPACK"}


def tensorflow(device_name: str = "") -> dict[str, str]:
    """Returns the libraries that compute features with TensorFlow, without importing it.

    Args:
      device_name: name of the GPU; "" for the CPU.
    """
    version = next(filter(None, map(_version, _TENSORFLOWS)), "")
    kernels = device_name or ("oneDNN" if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0" else "Eigen")
    return {"TensorFlow": version, "kernels": kernels}


def of_key(key: str) -> dict[str, str]:
    """Returns the library versions in a store key; {} if it has none, as keys of earlier versions."""
    try:
        found = json.loads(key)[FIELD]
        return {str(name): str(version) for name, version in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def told(found: Mapping[str, str]) -> str:
    """Formats library versions for the user: "Pillow 12.3.0, LiteRT 2.3.0, XNNPACK"."""
    names = sorted(found, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return ", ".join(found[name] if name == "kernels" else f"{name} {found[name]}".strip() for name in names)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, str]:
    """Formats the differences of two sets of library versions; "none" stands for a library that one of them lacks."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    first, second = ({name: found.get(name, "none") for name in names} for found in (one, other))
    return told(first), told(second)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
