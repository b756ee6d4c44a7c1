"""Applies activations by name, from our own list; no function that the file names is called."""

from __future__ import annotations

from typing import Any


def activated(tf: Any, named: Any, value: Any, keras_3: bool) -> Any:
    """Applies an activation.

    Args:
      tf: TensorFlow.
      named: None, a name, or a dictionary that contains a name or describes a layer such as ReLU.
      value: the tensor.
      keras_3: whether Keras 3 wrote the file; it defines `hard_sigmoid` with another slope.

    Raises:
      ValueError: it is not on the list.
    """
    name, config = _named(named)
    if name in ("linear", "Identity"):
        return value
    build = _NAMES.get(name)
    if build is None:
        raise ValueError(f"its activation {name[:60]!r} is not supported")
    return build(tf, value, config, keras_3)


def _named(named: Any) -> tuple[str, dict[str, Any]]:
    if named is None:
        return "linear", {}
    if isinstance(named, str):
        return named, {}
    kind, config = str(named["class_name"]), named.get("config")
    if kind == "function":  # how Keras 3 writes functions
        return str(config), {}
    return kind, config if isinstance(config, dict) else {}


def _relu(tf: Any, x: Any, config: dict[str, Any], _: bool) -> Any:
    top, slope = config.get("max_value"), float(config.get("negative_slope") or 0)
    threshold = float(config.get("threshold") or 0)
    if threshold == 0 and slope == 0:
        return tf.nn.relu6(x) if top == 6 else tf.nn.relu(x) if top is None else tf.clip_by_value(x, 0.0, float(top))
    above = tf.where(x >= threshold, x, slope * (x - threshold))
    return above if top is None else tf.minimum(above, float(top))


def _leaky(tf: Any, x: Any, config: dict[str, Any], _: bool) -> Any:
    # As the name of an activation its slope is 0.2; a layer states its slope, which Keras 2 called alpha.
    default = 0.3 if config else 0.2
    slope = config.get("negative_slope", config.get("alpha", default))
    return tf.nn.leaky_relu(x, float(slope))


def _hard_sigmoid(tf: Any, x: Any, _: dict[str, Any], keras_3: bool) -> Any:
    return tf.nn.relu6(x + 3.0) * (1.0 / 6.0) if keras_3 else tf.clip_by_value(0.2 * x + 0.5, 0.0, 1.0)


def _elu(tf: Any, x: Any, config: dict[str, Any], _: bool) -> Any:
    alpha = float(config.get("alpha", 1.0))
    return tf.nn.elu(x) if alpha == 1 else tf.where(x > 0, x, alpha * tf.math.expm1(x))


def _softmax(tf: Any, x: Any, config: dict[str, Any], _: bool) -> Any:
    axis = config.get("axis", -1)
    return tf.nn.softmax(x, int(axis[0] if isinstance(axis, list) and len(axis) == 1 else axis))


_NAMES: dict[str, Any] = {
    "relu": lambda tf, x, *_: tf.nn.relu(x),
    "relu6": lambda tf, x, *_: tf.nn.relu6(x),
    "ReLU": _relu,
    "leaky_relu": _leaky,
    "LeakyReLU": _leaky,
    "elu": _elu,
    "ELU": _elu,
    "selu": lambda tf, x, *_: tf.nn.selu(x),
    "gelu": lambda tf, x, *_: tf.nn.gelu(x),
    "sigmoid": lambda tf, x, *_: tf.nn.sigmoid(x),
    "hard_sigmoid": _hard_sigmoid,
    "tanh": lambda tf, x, *_: tf.nn.tanh(x),
    "softmax": _softmax,
    "Softmax": _softmax,
    "log_softmax": lambda tf, x, *_: tf.nn.log_softmax(x),
    "softplus": lambda tf, x, *_: tf.nn.softplus(x),
    "softsign": lambda tf, x, *_: tf.nn.softsign(x),
    "exponential": lambda tf, x, *_: tf.exp(x),
    "mish": lambda tf, x, *_: x * tf.tanh(tf.nn.softplus(x)),
    **dict.fromkeys(("swish", "silu"), lambda tf, x, *_: x * tf.nn.sigmoid(x)),
    **dict.fromkeys(("hard_swish", "hard_silu"), lambda tf, x, *_: x * (tf.nn.relu6(x + 3.0) * (1.0 / 6.0))),
}
