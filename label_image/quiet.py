"""Hides the log lines that LiteRT and TensorFlow write to standard error from C++ when they start.

Nothing is hidden if the environment variable TF_CPP_MIN_LOG_LEVEL is 0.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

from label_image.errors import RunError
from label_image.extras import install
from label_image.process import is_ours

INSTEAD = "use a .tflite, which needs none"  # for the end of a line about a classifier
_LOUD = os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "0"
_ONE_AT_A_TIME = threading.RLock()  # two threads that replace descriptor 2 at the same time would lose it


@contextlib.contextmanager
def native_noise_hidden() -> Iterator[None]:
    """Discards what native code writes to file descriptor 2 while the block runs; use it for short blocks only.

    Only in a program of ours: another program's descriptors are its own.
    """
    if _LOUD or not is_ours():
        yield
        return
    with _ONE_AT_A_TIME, _descriptor_2_to_nowhere():
        yield


@contextlib.contextmanager
def _descriptor_2_to_nowhere() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # the process was started without a standard error
        yield
        return
    if sys.stderr is not None:
        sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def has_tensorflow() -> bool:
    """Returns whether TensorFlow is installed, without importing it."""
    return importlib.util.find_spec("tensorflow") is not None


def check_tensorflow(what: str, otherwise: str = "") -> None:
    """Finds out before the work whether TensorFlow is there; does not import it.

    Args:
      what: what needs it.
      otherwise: what could be done instead, for the end of the line.

    Raises:
      RunError: it is not installed.
    """
    if not has_tensorflow():
        line = f"{what} needs TensorFlow, which is not installed: {install('tensorflow')}"
        raise RunError(f"{line}, or {otherwise}" if otherwise else line)


def tensorflow() -> Any:
    """Imports TensorFlow and starts its devices without their log lines; this takes 3 to 5 s the first time.

    Raises:
      RunError: TensorFlow is not installed.
    """
    if "tensorflow" in sys.modules:
        return sys.modules["tensorflow"]
    if not _LOUD:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    check_tensorflow("this")
    # oneDNN's kernels make training 1.3 to 2 times as fast; by default TensorFlow uses them on newer processors only.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with native_noise_hidden():
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)  # allocates memory as needed instead of all at once
        tf.constant(0)  # starts the devices, which write most of the log lines
        if not _LOUD:
            tf.get_logger().setLevel("ERROR")
            from absl import logging as absl_logging

            absl_logging.set_verbosity(absl_logging.ERROR)
    return tf
