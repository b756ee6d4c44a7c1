"""Quantizes a backbone: to float16, to int8 weights only, or to int8 throughout.

It uses ai-edge-quantizer, LiteRT's own tool, on the headless `.tflite`, without TensorFlow. The result is stored beside the backbone.

A backbone in int8 throughout needs the ranges of the values between its layers (calibration); they are measured on training photos of
all classes. Its input and output are float32, and the average over rows and columns stays float32: a feature is the mean of about
49 8-bit numbers, and thus more precise than each of them. The head is never quantized. It is trained on the features of the
quantized backbone, which compensates for the error of the quantization.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import PhotoError, RunError, UserError
from label_image.photo_pixels import decode, normalise
from label_image.quiet import native_noise_hidden
from label_image.workers import cores
from retrain.backbones.model_folder import ModelFolder
from retrain.files.hashing import bytes_of
from retrain.formats.tflite_codes import with_right_codes
from retrain.formats.tflite_model import SIGNATURE, TfliteModel
from retrain.types import Backbone, Photo

# More photos do not improve it (docs/results.md): after a few dozen photos the ranges hardly change.
CALIBRATION_PHOTOS = 60


def quantized(
    backbone: Backbone, precision: str, photos: Sequence[Photo], folder: ModelFolder, say: Callable[[str], None]
) -> Backbone:
    """Returns the backbone in another precision; the file is made once for these labels.

    Args:
      backbone: a float32 backbone that LiteRT can run.
      precision: "float16", "dynamic" (int8 weights, float32 values between the layers) or "int8".
      photos: training photos; calibration for int8 uses CALIBRATION_PHOTOS of them, from all classes in turn.
      folder: --model_dir, where the file is stored.
      say: called with a line about work that takes long.

    Raises:
      UserError: the quantizer is not installed, or LiteRT cannot run the backbone.
      RunError: the quantizer fails.
    """
    if backbone.tflite is None:
        raise UserError(
            f"cannot quantize {backbone.name}: LiteRT cannot run it ({backbone.why_no_tflite}); use --quantize=none --backbone_precision=float32"
        )
    labels = sorted({photo.label for photo in photos}) if precision == "int8" else []
    suffix = f"{precision}-{hashlib.sha256(repr(labels).encode()).hexdigest()[:8]}" if labels else precision

    def make() -> bytes:
        if precision == "int8":
            say(
                f"quantizing {backbone.name} to int8, which is needed only once for these labels, with {min(CALIBRATION_PHOTOS, len(photos))} of its photos"
            )
        return _quantize(backbone, precision, photos)

    path, digest = folder.derived(backbone, suffix, make)
    return dataclasses.replace(backbone, tflite=path, digest=digest, precision=precision)


def in_turn(photos: Sequence[Photo], count: int) -> list[Photo]:
    """Returns the first `count` photos when the classes take turns."""
    classes: dict[str, list[Photo]] = {}
    for photo in photos:
        classes.setdefault(photo.label, []).append(photo)
    rounds = itertools.zip_longest(*(classes[label] for label in sorted(classes)))
    return list(itertools.islice((photo for round_ in rounds for photo in round_ if photo), count))


def _quantize(backbone: Backbone, precision: str, photos: Sequence[Photo]) -> bytes:
    try:
        from ai_edge_quantizer import qtyping, quantizer, recipe
    except ImportError:
        raise UserError(
            "cannot quantize: ai-edge-quantizer is not installed; pip install ai-edge-quantizer, or use --quantize=none --backbone_precision=float32"
        ) from None
    assert backbone.tflite is not None  # noqa: S101 - `quantized` has checked it
    work: Any = quantizer.Quantizer(_with_signature(backbone))
    statistics = None
    with _quiet():
        try:
            if precision == "float16":
                weights = qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT)
                config = qtyping.OpQuantizationConfig(
                    weight_tensor_config=weights,
                    compute_precision=qtyping.ComputePrecision.FLOAT,
                    explicit_dequantize=True,
                )
                for name in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"):
                    operation = getattr(qtyping.TFLOperationName, name)
                    work.update_quantization_recipe(".*", operation, config, quantizer.AlgorithmName.FLOAT_CASTING)
            elif precision == "dynamic":
                work.load_quantization_recipe(recipe.dynamic_wi8_afp32())
            else:
                work.load_quantization_recipe(recipe.static_wi8_ai8())
                for name in ("INPUT", "OUTPUT", "MEAN"):
                    operation = getattr(qtyping.TFLOperationName, name)
                    work.update_quantization_recipe(".*", operation, None, quantizer.AlgorithmName.NO_QUANTIZE)
                statistics = work.calibrate({SIGNATURE: _inputs(backbone, photos)}, num_threads=cores())
            made = bytes(work.quantize(statistics).quantized_model)
            return with_right_codes(made, f"{backbone.name} in {precision}")
        except (ValueError, RuntimeError, KeyError, TypeError, NotImplementedError) as error:
            reason = " ".join(str(error).split())[:200]
            raise RunError(f"cannot quantize {backbone.name} to {precision}: {reason}") from None


def _inputs(backbone: Backbone, photos: Sequence[Photo]) -> list[dict[str, npt.NDArray[np.float32]]]:
    """Reads the photos for calibration: float32 [1, height, width, 3] each."""
    inputs = []
    for photo in in_turn(photos, CALIBRATION_PHOTOS):
        with contextlib.suppress(PhotoError):  # the error is reported when the features are computed
            pixels = decode(bytes_of(photo.path, photo.sha256), backbone.height_px, backbone.width_px)
            inputs.append({backbone.input_layer: normalise(pixels, backbone.mean, backbone.std)[None]})
    if not inputs:
        raise RunError(f"cannot quantize {backbone.name} to int8: none of the training photos can be read")
    return inputs


def _with_signature(backbone: Backbone) -> bytes:
    """Returns the model's bytes with one signature, named as in the graph, which the quantizer requires."""
    model = TfliteModel(backbone.tflite)
    model.signature(SIGNATURE, backbone.input_layer, backbone.features_layer)
    return model.to_bytes()


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hides the reports and progress bars that the quantizer prints."""
    nowhere = io.StringIO()
    with (
        contextlib.redirect_stdout(nowhere),
        contextlib.redirect_stderr(nowhere),
        native_noise_hidden(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
