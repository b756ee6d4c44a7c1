"""Converts a network of our own layers to a headless GraphDef with operations of TensorFlow 1.4; TensorFlow is not needed."""

from __future__ import annotations

from typing import Any

import numpy as np

from retrain.backbones.network_layers import FEATURES, INPUT, Conv, LayeredNetwork
from retrain.formats.graph_def import INT32, constant, new_graph, operation, placeholder


def to_graph(network: LayeredNetwork) -> Any:
    """Makes a GraphDef: INPUT float32 [n, size, size, 3] -> FEATURES float32 [n, width]."""
    graph = new_graph()
    outputs = {INPUT: placeholder(graph, INPUT, [-1, network.size_px, network.size_px, 3])}
    for layer in network.layers:
        if isinstance(layer, Conv):
            outputs[layer.name] = _conv(graph, layer, outputs[layer.source])
        else:
            outputs[layer.name] = operation(graph, "Add", layer.name, [outputs[layer.first], outputs[layer.second]])
    axes = constant(graph, f"{FEATURES}/axes", np.array([1, 2], np.int32))
    operation(graph, "Mean", FEATURES, [outputs[network.layers[-1].name], axes], keep_dims=False)
    graph.node[-1].attr["Tidx"].type = INT32
    return graph


def _conv(graph: Any, layer: Conv, source: str) -> str:
    kernel, bias = layer.folded()
    weights = constant(graph, f"{layer.name}/kernel", kernel)
    op = "DepthwiseConv2dNative" if layer.depthwise else "Conv2D"
    strides = [1, layer.stride, layer.stride, 1]
    output = operation(
        graph, op, f"{layer.name}/convolution", [source, weights], strides=strides, padding="SAME", data_format="NHWC"
    )
    biases = constant(graph, f"{layer.name}/bias", bias)
    output = operation(graph, "BiasAdd", f"{layer.name}/sum", [output, biases], data_format="NHWC")
    return operation(graph, "Relu6", f"{layer.name}/relu6", [output]) if layer.relu6 else output
