"""Chooses the devices on which TensorFlow trains a network."""

from __future__ import annotations

from typing import Any

from label_image.errors import RunError


def strategy_of(tf: Any, *, mirrored: bool) -> Any:
    """Returns the tf.distribute strategy: one device, or all GPUs together.

    Raises:
      RunError: there are not several devices.
    """
    if not mirrored:
        return tf.distribute.get_strategy()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        raise RunError(f"--distribute=mirrored: TensorFlow sees {len(devices)} device; leave it out")
    return tf.distribute.MirroredStrategy(
        [device.name for device in devices],
        cross_device_ops=None if devices[0].device_type == "GPU" else tf.distribute.ReductionToOneDevice(),
    )


def has_gpu(tf: Any) -> bool:
    """Whether TensorFlow sees a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))
