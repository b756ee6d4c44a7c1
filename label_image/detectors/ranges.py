"""Determines the range of input values on which a network was trained, from the origin of the file and never from its scores.

Certain sources come first: integer inputs take pixels, then metadata or the maker's files, then the first operations of the graph.
Names that only one family of networks uses, the size of weights, and conventions come after these and are reported as a guess,
because a network that was trained again keeps its names even if it was trained on another range.
"""

from __future__ import annotations

import re

from label_image.detectors.affine import channel_order, input_range
from label_image.detectors.evidence import RAW_DTYPES, Evidence, Range

ZERO_ONE = ((0.0,), (255.0,))
MINUS_ONE_ONE = ((127.5,), (127.5,))
PIXELS = ((0.0,), (1.0,))
NAMED = {"0..255": PIXELS, "0..1": ZERO_ONE, "-1..1": MINUS_ONE_ONE}
LITE = ((127.0,), (128.0,))  # EfficientNet-Lite's own mean and std
CAFFE = (
    (103.939, 116.779, 123.68),
    (1.0,),
)  # mode "caffe" of keras.applications: the blue, green and red means of ImageNet
TORCH = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # 255 times torchvision's mean and std
AZURE_MEAN = (105.0, 117.0, 124.0)  # blue, green, red, from Microsoft's Android sample; for exports without data_bn
AZURE_SQUARE = 256  # the central square of the photo is resized to this before the input's size is cropped from it

# Patterns of names that only one family uses -> range, channel order, reason. The first match counts.
_FAMILIES: tuple[tuple[str, tuple[tuple[float, ...], tuple[float, ...]], str, str], ...] = (
    (r"module_apply|^module/|hub_input", ZERO_ONE, "RGB", "TF-Hub's names: its modules expect 0..1"),
    (r"sequential_1_input|dense_Dense1", MINUS_ONE_ONE, "RGB", "Teachable Machine's names"),
    (r"MobilenetV[123]/|MobileNetV[123]/", MINUS_ONE_ONE, "RGB", "MobileNet's own names"),
    (r"efficientnet[-_]lite", LITE, "RGB", "EfficientNet-Lite's own names"),
    (r"InceptionV[1-4]/|InceptionResnetV2/|nasnet|pnasnet", MINUS_ONE_ONE, "RGB", "TF-Slim's names"),
    (r"(^|/)rescaling|resize_and_rescale", PIXELS, "RGB", "a Rescaling layer inside"),
    (r"(^|/)(stem_conv|block1a_dwconv)", PIXELS, "RGB", "Keras EfficientNet's names: it contains its rescaling"),
    (r"block_\d+_expand|expanded_conv_depthwise", MINUS_ONE_ONE, "RGB", "Keras MobileNetV2's names"),
    (r"conv_dw_\d+", MINUS_ONE_ONE, "RGB", "Keras MobileNet's names"),
    (r"block14_sepconv|mixed10|block8_10|normal_left\d", MINUS_ONE_ONE, "RGB", "names of keras.applications"),
    (r"conv\d_block\d+_preact|post_relu", MINUS_ONE_ONE, "RGB", "Keras ResNetV2's names"),
    (r"conv\d_block\d+_0_relu|pool2_conv", TORCH, "RGB", "Keras DenseNet's names"),
    (r"conv2_block1_1_conv|res2a_branch2a", CAFFE, "BGR", "Keras ResNet's names: BGR minus the mean"),
    (r"block5_conv[34]", CAFFE, "BGR", "Keras VGG's names: BGR minus the mean"),
)
_SMALL_WEIGHTS = 0.004  # far below 1/255 of what initialisers give: a division by 255 must be folded into the weights


def range_of(found: Evidence, said: Range | None, channels: int) -> Range:
    """Chooses the range.

    Args:
      found: the evidence from the file.
      said: the range that the maker's files beside it state, if any.
      channels: 1 or 3.
    """
    if found.dtype == "string":
        return Range(*PIXELS, "the graph decodes the photo's file itself")
    if found.dtype in RAW_DTYPES:
        return Range(*PIXELS, f"{found.dtype} input: takes pixels unchanged", order=said.order if said else "RGB")
    for stated in (found.range, said):
        if stated is not None:
            return stated
    return (
        _original_inception(found)
        or _azure(found)
        or _by_first_operations(found)
        or _by_family(found.names)
        or _by_weights(found)
        or _by_convention(found, channels)
    )


def _original_inception(found: Evidence) -> Range | None:
    if found.input_layer.split(":")[0] == "Mul" and found.affine is None:
        why = "the original Inception's `Mul` expects (pixel - 128) / 128"
        return Range((128.0,), (128.0,), why, sure="DecodeJpeg" in found.names.split("\n"))
    return None


def _azure(found: Evidence) -> Range | None:
    """Azure Custom Vision: BGR in 0..255, cropped from a square of 256; older exports need the mean subtracted."""
    ends = (found.input_layer.split(":")[0], found.output_layer.split(":")[0])
    if "data_bn" not in found.names and ends not in (("Placeholder", "loss"), ("Placeholder", "model_outputs")):
        return None
    inside = _by_first_operations(found)
    if inside is not None and inside.std != PIXELS[1]:
        return inside  # it has Azure's names, but its arithmetic expects another range
    what = "Azure Custom Vision's names"
    if "data_bn" in found.names or inside is not None:
        what += ", data_bn inside" if "data_bn" in found.names else ", which subtracts the mean itself"
        return Range(*PIXELS, what, sure=False, order="BGR", crop_px=AZURE_SQUARE)
    what += ", no data_bn inside: minus the mean"
    return Range(AZURE_MEAN, (1.0,), what, sure=False, order="BGR", crop_px=AZURE_SQUARE)


def _by_first_operations(found: Evidence) -> Range | None:
    """The range that the first operations imply: arithmetic, the statistics of a batch normalisation, or the limits of a QUANTIZE."""
    affine = found.affine
    name = input_range(affine) if affine is not None else ""
    if affine is not None and name:
        what = f"{affine.where} inside the graph: {_formatted(affine.scale)} x input {_formatted(affine.offset, '+')}"
        if affine.stats:
            what = f"{affine.where} inside the graph expects inputs around {_formatted(affine.stats[0])}"
        return Range(*NAMED[name], what, order=channel_order(affine) or "RGB")
    if found.calibrated:
        return Range(*NAMED[found.calibrated], f"its QUANTIZE was calibrated for {found.calibrated}")
    return None


def _formatted(numbers: tuple[float, ...], sign: str = "") -> str:
    texts = [f"{number:{sign}.4g}" for number in numbers]
    return texts[0] if len(texts) == 1 else f"{'+ ' if sign else ''}[{' '.join(texts)}]"


def _by_family(names: str) -> Range | None:
    for pattern, (mean, std), channels, why in _FAMILIES:
        if re.search(pattern, names, re.MULTILINE):
            return Range(mean, std, why, sure=False, order=channels)
    return None


def _by_weights(found: Evidence) -> Range | None:
    if 0 < found.kernel_rms < _SMALL_WEIGHTS:
        why = f"the first weights are so small ({found.kernel_rms:.1g}) that a division by 255 is folded into them"
        return Range(*PIXELS, why, sure=False)
    if found.resizes:
        return Range(*PIXELS, "it resizes its input itself, so it expects pixels", sure=False)
    return None


def _by_convention(found: Evidence, channels: int) -> Range:
    if channels == 3 and found.layout == "NCHW":
        return Range(*TORCH, "channels first, as in PyTorch: ImageNet's mean and standard deviation", sure=False)
    return Range(*ZERO_ONE, "nothing in the file determines it; most hand-made networks expect 0..1", sure=False)
