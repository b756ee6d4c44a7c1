"""Converts a network of our own layers to a headless `.tflite` with the operators of TensorFlow's converter, without TensorFlow."""

from __future__ import annotations

import numpy as np

from retrain.backbones.network_layers import FEATURES, INPUT, Add, Conv, LayeredNetwork
from retrain.formats.tflite_model import TfliteModel


def to_tflite(network: LayeredNetwork) -> bytes:
    """Returns the bytes of a `.tflite`: float32 [1, size, size, 3] -> float32 [1, width]; the batch size is variable."""
    model = TfliteModel()
    sizes = network.sizes()
    tensors = {INPUT: model.tensor(INPUT, [1, network.size_px, network.size_px, 3], batch=True)}
    for layer in network.layers:
        size, channels = sizes[layer.name], network.channels(layer.name)
        tensors[layer.name] = model.tensor(layer.name, [1, size, size, channels], batch=True)
        if isinstance(layer, Conv):
            _conv(model, layer, tensors)
        else:
            _add(model, layer, tensors)
    axes = model.tensor(f"{FEATURES}/axes", [2], np.array([1, 2], np.int32))
    features = model.tensor(FEATURES, [1, network.width], batch=True)
    model.operator(
        "MEAN", [tensors[network.layers[-1].name], axes], features, model.options("ReducerOptions", keepDims=False)
    )
    model.graph.inputs = np.array([tensors[INPUT]], np.int32)
    model.outputs([features])
    return model.to_bytes()


def _conv(model: TfliteModel, layer: Conv, tensors: dict[str, int]) -> None:
    kernel, bias = layer.folded()
    # TFLite kernels are [out, height, width, in]; depthwise kernels are [1, height, width, channels].
    kernel = np.ascontiguousarray(kernel.transpose((3, 0, 1, 2)))
    inputs = [
        tensors[layer.source],
        model.tensor(f"{layer.name}/kernel", list(kernel.shape), kernel),
        model.tensor(f"{layer.name}/bias", list(bias.shape), bias),
    ]
    shared = {
        "padding": model.constant("Padding", "SAME"),
        "strideH": layer.stride,
        "strideW": layer.stride,
        "dilationHFactor": 1,
        "dilationWFactor": 1,
        "fusedActivationFunction": model.constant("ActivationFunctionType", "RELU6" if layer.relu6 else "NONE"),
    }
    if layer.depthwise:
        options = model.options("DepthwiseConv2DOptions", depthMultiplier=1, **shared)
        model.operator("DEPTHWISE_CONV_2D", inputs, tensors[layer.name], options)
    else:
        model.operator("CONV_2D", inputs, tensors[layer.name], model.options("Conv2DOptions", **shared))


def _add(model: TfliteModel, layer: Add, tensors: dict[str, int]) -> None:
    none = model.constant("ActivationFunctionType", "NONE")
    options = model.options("AddOptions", fusedActivationFunction=none)
    model.operator("ADD", [tensors[layer.first], tensors[layer.second]], tensors[layer.name], options)
