"""Provides the networks of keras.applications, each with its own preprocessing inside the graph.

`keras:MobileNetV2` takes pixels from 0 to 255. The `preprocess_input` of that application is part of the graph, so that no
export can do it differently. Keras provides the address, the digest and the cache of the weights; our own code downloads them.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from label_image.quiet import check_tensorflow, native_noise_hidden
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms, FrozenGraph, converted, freeze
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.network_keras import keras_on_tensorflow
from retrain.backbones.table import DEFAULT_ARCHITECTURE, Architecture
from retrain.backbones.trainable import Building, Trainable, half_precision, of_keras
from retrain.files.hashing import file_digest

KERAS_PREFIX = "keras:"
# The networks of keras.applications (Keras 3.15), which a test compares; listed so that a wrong name is refused at once.
APPLICATIONS = (
    *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    *(f"DenseNet{layers}" for layers in (121, 169, 201)),
    *(f"EfficientNetB{version}" for version in range(8)),
    *(f"EfficientNetV2{version}" for version in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    *("InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small"),
    *("NASNetLarge", "NASNetMobile", "VGG16", "VGG19", "Xception"),
    *(f"ResNet{layers}{version}" for layers in (50, 101, 152) for version in ("", "V2")),
)


def find(row: Architecture, folder: ModelFolder) -> FoundWeights:
    """Finds `NAME.weights.h5` in --model_dir, or else the ImageNet weights of this Keras, which are not downloaded yet."""
    own = folder.find(f"{row.name.removeprefix(KERAS_PREFIX)}.weights.h5")
    if own:
        return FoundWeights(file_digest(own), str(own), own)
    check_tensorflow(row.name)
    published = (
        f"{row.name}, ImageNet, Keras {importlib.metadata.version('keras')}"  # Keras' source contains the digests
    )
    return FoundWeights(hashlib.sha256(published.encode()).hexdigest(), published)


def load(row: Architecture, found: FoundWeights, folder: ModelFolder) -> FrozenGraph:
    """Builds the application without its head.

    Raises:
      RunError: its weights cannot be obtained, or belong to another network.
    """
    model, preprocess = build(row, found, folder)
    height_px, width_px = model.input_shape[1:3]
    return freeze(lambda image: model(preprocess(image), training=False), height_px, width_px)


def build(row: Architecture, found: FoundWeights | None, folder: ModelFolder) -> tuple[Any, Callable[[Any], Any]]:
    """Builds the application without its head: (keras.Model, preprocessing of pixels from 0 to 255); `found` None means random weights.

    Raises:
      RunError: its weights cannot be obtained, or belong to another network.
    """
    keras = keras_on_tensorflow()
    builder = getattr(keras.applications, row.name.removeprefix(KERAS_PREFIX))
    preprocess = sys.modules[builder.__module__].preprocess_input
    if found is None:
        return builder(include_top=False, pooling="avg", weights=None, input_shape=_shape(builder)), preprocess
    with _brought_by(folder, keras) as brought:
        try:
            weights = None if found.path else "imagenet"
            model = builder(include_top=False, pooling="avg", weights=weights, input_shape=_shape(builder))
            if found.path:
                model.load_weights(str(found.path))
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            remedy = f"delete {' and '.join(map(str, brought)) or 'it in Keras cache'} and try again"
            if found.path:
                remedy = f"they must be saved from keras.applications.{builder.__name__}(include_top=False)"
            raise RunError(
                f"cannot use the weights of {row.name} ({found.source}): {' '.join(str(error).split())[:200]}; {remedy}, "
                f"or use {DEFAULT_ARCHITECTURE}, which needs no download"
            ) from None
    return model, preprocess


@contextlib.contextmanager
def _brought_by(folder: ModelFolder, keras: Any) -> Iterator[list[Path]]:
    """Replaces Keras' download by ours in the block: it can be resumed, and is refused with --offline.

    Only Keras' own download function is replaced, not one that other code uses. Yields the list of requested files.
    """
    files: list[Path] = []

    def retrieve(url: str, target: str, *_: Any) -> None:
        name = url.rsplit("/", 1)[1]
        files.append(folder.find(name) or folder.bring(url, folder.place(name)))
        shutil.copyfile(files[-1], target)

    module = sys.modules[keras.utils.get_file.__module__]
    talks, before = keras.config.is_interactive_logging_enabled(), module.urlretrieve
    keras.config.disable_interactive_logging()
    module.urlretrieve = retrieve  # type: ignore[attr-defined]
    try:
        yield files
    finally:
        module.urlretrieve = before  # type: ignore[attr-defined]
        if talks:
            keras.config.enable_interactive_logging()


def _shape(builder: Any) -> tuple[int, int, int]:
    """Returns the size at which the application was trained, or 224 for MobileNetV3, which takes any size and states none."""
    height_px, width_px, channels = builder(weights=None).input_shape[1:]
    return height_px or 224, width_px or 224, channels


def _convert(row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:
    return converted(row.name, lambda: load(row, found, folder), say)


def _trainable(row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
    with native_noise_hidden(), half_precision(building.half):
        if not building.pretrained:
            keras_on_tensorflow().utils.set_random_seed(building.seed)
        model, preprocess = build(row, find(row, folder) if building.pretrained else None, folder)
        return of_keras(row.name, model, building, ((0.0,), (1.0,)), preprocess)


FAMILY = Family(
    architectures=tuple(
        Architecture(f"{KERAS_PREFIX}{name}", __name__, licence="the application's own") for name in APPLICATIONS
    ),
    find=find,
    convert=_convert,
    make_trainable=_trainable,
)
