"""Runs a `.tflite` with LiteRT (XNNPACK); TensorFlow is not needed.

A runner is one interpreter on `threads` threads, for one caller at a time; for many photos, use one runner for each core.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from label_image.quiet import native_noise_hidden
from label_image.runners.sizes import wrong_size


class LitertRunner:
    """Runs a `.tflite` with one image input and one output."""

    name = "litert"

    def __init__(
        self, path: Path, threads: int = 1, input_layer: str = "", output_layer: str = "", content: bytes | None = None
    ) -> None:
        """Opens `path`, or `content` instead of it."""
        from ai_edge_litert.interpreter import Interpreter

        source = {"model_path": str(path)} if content is None else {"model_content": content}
        try:
            with native_noise_hidden():
                self._interpreter: Any = Interpreter(**source, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise RunError(f"cannot run {path}: LiteRT refuses it ({_first(error)})") from None
        self._path = path
        self._input = _named(self._interpreter.get_input_details(), input_layer)
        self._output = _named(self._interpreter.get_output_details(), output_layer)

    def scores(self, batch: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network.

        Args:
          batch: float32 [n, height, width, channels], scaled and laid out as the metadata says; pixels 0..255 for integers.

        Returns:
          float32 [n, outputs], dequantized.
        """
        rows = [self.values(image).reshape(-1) for image in batch]
        return np.stack(rows) if rows else np.zeros((0, int(self._output["shape"][-1])), np.float32)

    def values(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Runs the network on one photo: float32 [height, width, channels] -> float32 [1, ...], the output in its own shape.

        A network with a fixed batch size gets the photo as many times as it needs.
        """
        shape = self._input["shape"]
        several = int(shape[0]) if len(shape) > 1 and image.size * shape[0] == np.prod(shape) else 1
        if several > 1:
            image = np.repeat(image[None], several, axis=0)
        try:
            if image.size != int(np.prod(shape)) or shape[-1] != image.shape[-1]:
                image = self._resized(image)
            self._interpreter.set_tensor(
                self._input["index"], _typed(image.reshape(self._input["shape"]), self._input["dtype"])
            )
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise RunError(f"cannot run {self._path}: {' '.join(str(error).split())[:160]}") from None
        values = self._interpreter.get_tensor(self._output["index"])  # a copy
        if several > 1 and values.shape[:1] == (several,):
            values = values[:1]
        return _dequantized(values, self._output["quantization"])

    def _resized(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Resizes an input of undefined size to that of the image, once."""
        wanted = [1, *image.shape][-len(self._input["shape"]) :]
        index = self._input["index"]
        own = [int(size) for size in self._input.get("shape_signature", ())]
        if len(own) == len(wanted) and any(
            size not in (-1, given) for size, given in zip(own[1:], wanted[1:], strict=True)
        ):
            raise RunError(wrong_size(self._path, own[1:], wanted[1:]))
        with native_noise_hidden():
            self._interpreter.resize_tensor_input(index, wanted, strict=True)
            self._interpreter.allocate_tensors()
        self._input = next(found for found in self._interpreter.get_input_details() if found["index"] == index)
        return image


def _first(error: Exception) -> str:
    """The first sentence of a message; LiteRT joins several without a space."""
    text = re.split(r"(?<=\.)(?=[A-Z])|\n", str(error).strip())[0]
    return text[:160].rstrip(".") or type(error).__name__


def _named(details: list[Any], name: str) -> Any:
    return next((found for found in details if found["name"] == name), details[0])


def _typed(image: npt.NDArray[np.float32], dtype: Any) -> npt.NDArray[Any]:
    """Integer inputs take pixels unchanged: uint8 the value, int8 the value minus 128, whatever scale the file states."""
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return image.astype(kind, copy=False)
    pixels = np.clip(np.rint(image), 0, 255).astype(np.int16)
    return (pixels - 128 if kind == np.int8 else pixels).astype(kind)


def _dequantized(values: npt.NDArray[Any], quantization: tuple[float, int]) -> npt.NDArray[np.float32]:
    scale, zero = quantization
    if values.dtype.kind == "f" or not scale:
        return np.asarray(values, np.float32)
    return (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
