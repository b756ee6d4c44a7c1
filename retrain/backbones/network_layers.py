"""Defines the types of a convolutional network of our own: layers with their weights, in order, without a framework.

`network_tflite`, `network_graph` and `network_keras` each convert such a network to a file or model of their kind. Therefore the
three forms contain the same weights, and the first two need no TensorFlow.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Float32 = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Norm:
    """Batch normalisation in inference: (x - mean) / sqrt(variance + epsilon) * gamma + beta; each float32 [channels]."""

    gamma: Float32
    beta: Float32
    mean: Float32
    variance: Float32
    epsilon: float


@dataclass(frozen=True)
class Conv:
    """A convolution with TensorFlow's "same" padding, batch-normalised, then ReLU6 where `relu6`."""

    name: str
    source: str  # the layer whose output is its input
    kernel: Float32  # [height, width, channels in, channels out]; depthwise: [height, width, channels, 1]
    norm: Norm
    stride: int
    relu6: bool
    depthwise: bool = False

    @property
    def channels(self) -> int:
        """Number of channels of the output."""
        return int(self.kernel.shape[2] if self.depthwise else self.kernel.shape[3])

    def folded(self) -> tuple[Float32, Float32]:
        """Returns the kernel (same shape) and bias [channels] that combine convolution and normalisation."""
        norm = self.norm
        scale = norm.gamma.astype(np.float64) / np.sqrt(norm.variance.astype(np.float64) + norm.epsilon)
        shaped = scale[:, None] if self.depthwise else scale
        kernel = (self.kernel * shaped).astype(np.float32)
        return kernel, (norm.beta - norm.mean * scale).astype(np.float32)


@dataclass(frozen=True)
class Add:
    """The sum of two layers' outputs."""

    name: str
    first: str
    second: str


@dataclass(frozen=True)
class LayeredNetwork:
    """A network without its head: float32 [n, size_px, size_px, 3] -> the last layer's average over height and width."""

    size_px: int
    layers: tuple[Conv | Add, ...]  # ordered so that each source comes before its use; the first layer takes INPUT
    classifier: tuple[Float32, Float32] | None = field(
        default=None, repr=False
    )  # its original head: [width, classes], [classes]

    @property
    def width(self) -> int:
        """Number of features for each photo."""
        return self.channels(self.layers[-1].name)

    @property
    def has_statistics(self) -> bool:
        """Whether batch normalisation still has separate means and variances; published graphs may have folded them."""
        return any(isinstance(layer, Conv) and layer.norm.epsilon > 0 for layer in self.layers)

    def channels(self, name: str) -> int:
        """Returns the number of channels of the layer `name`."""
        layer = next(layer for layer in self.layers if layer.name == name)
        return layer.channels if isinstance(layer, Conv) else self.channels(layer.first)

    def sizes(self) -> dict[str, int]:
        """Returns the rows (and columns) of each layer's output in pixels, by the layer's name."""
        sizes = {INPUT: self.size_px}
        for layer in self.layers:
            sizes[layer.name] = (
                -(-sizes[layer.source] // layer.stride) if isinstance(layer, Conv) else sizes[layer.first]
            )
        return sizes


INPUT = "input"  # the name of a LayeredNetwork's input in every form
FEATURES = "features"  # the name of its output
