"""Lists the operations, such as `x / 127.5` and `x[..., ::-1]`, that may stand between the layers of a Keras network.

Keras 3 writes the name of one of its classes, Keras 2 the name of a TensorFlow function in `TFOpLambda`. Both are looked up in this
list only, which contains nothing but computations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Operation = Callable[..., Any]  # (tf, *arguments, **keywords) -> tensor


def _axis(value: Any) -> Any:
    return (
        [int(index) for index in value] if isinstance(value, (list, tuple)) else None if value is None else int(value)
    )


def _reduced(name: str) -> Operation:
    def build(tf: Any, x: Any, axis: Any = None, keepdims: bool = False) -> Any:
        return getattr(tf, name)(x, _axis(axis), bool(keepdims))

    return build


def _two(name: str) -> Operation:
    def build(tf: Any, x: Any, y: Any) -> Any:
        return getattr(tf, name)(x, y)

    return build


def _one(name: str) -> Operation:
    def build(tf: Any, x: Any) -> Any:
        return getattr(tf.nn if hasattr(tf.nn, name) else tf, name)(x)

    return build


def _item(_: Any, x: Any, key: Any = (), slice_spec: Any = None) -> Any:
    listed = slice_spec if slice_spec is not None else key
    return x[tuple(_index(index) for index in (listed if isinstance(listed, (list, tuple)) else [listed]))]


def _index(value: Any) -> Any:
    if isinstance(value, int) or value is None:
        return value
    if isinstance(value, dict):
        if value.get("class_name") == "__ellipsis__":
            return Ellipsis
        inside = value.get("config", value) if value.get("class_name") in (None, "slice", "__slice__") else {}
        if isinstance(inside, dict) and {"start", "stop", "step"} <= inside.keys():
            return slice(*(None if inside[word] is None else int(inside[word]) for word in ("start", "stop", "step")))
    raise ValueError("an index of this form is not supported")


def _cast(tf: Any, x: Any, dtype: Any = "float32") -> Any:
    if dtype not in ("float32", "float16", "bfloat16", "float64", "half"):
        raise ValueError("a cast to integers is not supported")
    return tf.cast(x, tf.float32)


def _bias(tf: Any, x: Any, bias: Any, data_format: Any = None) -> Any:
    if data_format not in (None, "NHWC", "channels_last"):
        raise ValueError("channels first is not supported")
    return tf.nn.bias_add(x, tf.convert_to_tensor(bias, tf.float32))


def _clipped(tf: Any, x: Any, x_min: Any = None, x_max: Any = None, **words: Any) -> Any:
    low, high = words.pop("clip_value_min", x_min), words.pop("clip_value_max", x_max)
    if words:
        raise ValueError("a clip with other arguments is not supported")
    return tf.clip_by_value(x, float(low), float(high))


def _resized(tf: Any, images: Any, size: Any, method: str = "bilinear", antialias: bool = False) -> Any:
    if method not in ("nearest", "bilinear"):
        raise ValueError(f"resizing by {str(method)[:20]!r} is not supported")
    return tf.image.resize(images, [int(number) for number in size], method, antialias=bool(antialias))


OF_TENSORFLOW: dict[str, Operation] = {
    **dict.fromkeys(("__operators__.add", "math.add", "add"), _two("add")),
    **dict.fromkeys(("__operators__.subtract", "math.subtract", "subtract"), _two("subtract")),
    **dict.fromkeys(("__operators__.multiply", "math.multiply", "multiply"), _two("multiply")),
    **dict.fromkeys(("__operators__.truediv", "math.truediv", "math.divide", "truediv", "divide"), _two("divide")),
    **dict.fromkeys(("math.maximum", "maximum"), _two("maximum")),
    **dict.fromkeys(("math.minimum", "minimum"), _two("minimum")),
    **dict.fromkeys(("math.pow", "pow"), _two("pow")),
    **dict.fromkeys(("math.reduce_mean", "reduce_mean"), _reduced("reduce_mean")),
    **dict.fromkeys(("math.reduce_max", "reduce_max"), _reduced("reduce_max")),
    **dict.fromkeys(("math.reduce_sum", "reduce_sum"), _reduced("reduce_sum")),
    **{
        f"nn.{name}": _one(name)
        for name in ("relu", "relu6", "sigmoid", "softmax", "silu", "swish", "gelu", "tanh", "elu", "selu")
    },
    **{
        f"math.{name}": _one(name)
        for name in ("sigmoid", "tanh", "softplus", "square", "sqrt", "abs", "exp", "negative")
    },
    **{name: _one(name) for name in ("sigmoid", "tanh", "square", "sqrt", "abs", "exp", "identity")},
    "nn.bias_add": _bias,
    "cast": _cast,
    "clip_by_value": _clipped,
    "image.resize": _resized,
    "__operators__.getitem": _item,
}

OF_KERAS_3: dict[str, Operation] = {
    "TrueDivide": _two("divide"),
    "Divide": _two("divide"),
    "Power": _two("pow"),
    "GetItem": _item,
    "Mean": _reduced("reduce_mean"),
    "Max": _reduced("reduce_max"),
    "Sum": _reduced("reduce_sum"),
    "Clip": _clipped,
    "Cast": _cast,
    "Stack": lambda tf, x, axis=0: tf.stack(list(x), int(axis)),
    "HardSwish": lambda tf, x: x * (tf.nn.relu6(x + 3.0) * (1.0 / 6.0)),
    "HardSilu": lambda tf, x: x * (tf.nn.relu6(x + 3.0) * (1.0 / 6.0)),
    "HardSigmoid": lambda tf, x: tf.nn.relu6(x + 3.0) * (1.0 / 6.0),
    "Gelu": lambda tf, x, approximate=True: tf.nn.gelu(x, bool(approximate)),
    **{
        kind: _one(kind.lower())
        for kind in ("Relu", "Relu6", "Sigmoid", "Tanh", "Silu", "Negative", "Square", "Sqrt", "Exp")
    },
    "Absolute": _one("abs"),
    "Abs": _one("abs"),
}
_SETTINGS = ("axis", "keepdims", "x_min", "x_max", "dtype", "approximate")  # arguments of the constructors of Keras 3
LAMBDAS = ("TFOpLambda", "SlicingOpLambda")


def operation(kind: str, config: dict[str, Any]) -> tuple[Operation, dict[str, Any]] | None:
    """Looks up an operation; returns its function and the arguments of its constructor, or None if it is not on the list.

    Raises:
      ValueError: a TFOpLambda whose function is not on the list.
    """
    if kind in LAMBDAS:
        function = str(config.get("function"))
        if function not in OF_TENSORFLOW:
            raise ValueError(f"it uses tf.{function[:60]}, an operation that is not supported")
        return OF_TENSORFLOW[function], {}
    if kind in OF_KERAS_3:
        return OF_KERAS_3[kind], {name: config[name] for name in _SETTINGS if config.get(name) is not None}
    return None
