"""Which programs decode photos and compute features here: part of the store's keys, of exports' metadata and of run.json.

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
    """What turns a photo's bytes into pixels: name -> version."""
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
    """What computes on LiteRT: name -> version or kind."""
    return {"LiteRT": _version("ai-edge-litert"), "kernels": "XNNPACK"}


def tensorflow(device_name: str = "") -> dict[str, str]:
    """The same of TensorFlow, which is not imported for it.

    Args:
      device_name: of the GPU; "" on the CPU.
    """
    version = next(filter(None, map(_version, _TENSORFLOWS)), "")
    kernels = device_name or ("oneDNN" if os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1") != "0" else "Eigen")
    return {"TensorFlow": version, "kernels": kernels}


def of_key(key: str) -> dict[str, str]:
    """What the features under a store key were made with; {} where the key does not say it, as older ones do not."""
    try:
        found = json.loads(key)[FIELD]
        return {str(name): str(version) for name, version in found.items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def told(found: Mapping[str, str]) -> str:
    """For people: "Pillow 12.3.0, LiteRT 2.3.0, XNNPACK"."""
    names = sorted(found, key=lambda name: _FIRST.index(name) if name in _FIRST else len(_FIRST))
    return ", ".join(found[name] if name == "kernels" else f"{name} {found[name]}".strip() for name in names)


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, str]:
    """What two sets do not share, each for people; "none" of what only the other has."""
    names = [name for name in {**one, **other} if one.get(name) != other.get(name)]
    first, second = ({name: found.get(name, "none") for name in names} for found in (one, other))
    return told(first), told(second)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
