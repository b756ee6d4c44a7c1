"""Evidence in, the value range that the network was trained on out, by provenance alone; never by confidence.

In this order: integers are pixels; what metadata or the maker's files say; what the graph does to its input itself. That is
known. Names that only one family of networks has, weights and habits come after it, and are called a guess: whoever trains
a network anew may feed it anything, and keeps the names.
"""

from __future__ import annotations

import re

from label_image.detectors.affine import order, takes
from label_image.detectors.evidence import RAW_DTYPES, Evidence, Range

ZERO_ONE = ((0.0,), (255.0,))
MINUS_ONE_ONE = ((127.5,), (127.5,))
PIXELS = ((0.0,), (1.0,))
NAMED = {"0..255": PIXELS, "0..1": ZERO_ONE, "-1..1": MINUS_ONE_ONE}
LITE = ((127.0,), (128.0,))  # EfficientNet-Lite's own mean and std
CAFFE = ((103.939, 116.779, 123.68), (1.0,))  # keras.applications "caffe" mode: blue, green, red means of ImageNet
TORCH = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))  # 255 times torchvision's mean and std
AZURE_MEAN = (105.0, 117.0, 124.0)  # blue, green, red: Microsoft's Android sample for exports without data_bn
AZURE_SQUARE = 256  # the photo's middle square is made this large before the input's size is cut out

# Names that only one family has -> range, channel order, why. The first that matches counts.
_FAMILIES: tuple[tuple[str, tuple[tuple[float, ...], tuple[float, ...]], str, str], ...] = (
    (r"module_apply|^module/|hub_input", ZERO_ONE, "RGB", "TF-Hub's names: its modules take 0..1"),
    (r"sequential_1_input|dense_Dense1", MINUS_ONE_ONE, "RGB", "Teachable Machine's names"),
    (r"MobilenetV[123]/|MobileNetV[123]/", MINUS_ONE_ONE, "RGB", "MobileNet's own names"),
    (r"efficientnet[-_]lite", LITE, "RGB", "EfficientNet-Lite's own names"),
    (r"InceptionV[1-4]/|InceptionResnetV2/|nasnet|pnasnet", MINUS_ONE_ONE, "RGB", "TF-Slim's names"),
    (r"(^|/)rescaling|resize_and_rescale", PIXELS, "RGB", "a Rescaling layer inside"),
    (r"(^|/)(stem_conv|block1a_dwconv)", PIXELS, "RGB", "Keras EfficientNet's names: it rescales inside"),
    (r"block_\d+_expand|expanded_conv_depthwise", MINUS_ONE_ONE, "RGB", "Keras MobileNetV2's names"),
    (r"conv_dw_\d+", MINUS_ONE_ONE, "RGB", "Keras MobileNet's names"),
    (r"block14_sepconv|mixed10|block8_10|normal_left\d", MINUS_ONE_ONE, "RGB", "names of keras.applications"),
    (r"conv\d_block\d+_preact|post_relu", MINUS_ONE_ONE, "RGB", "Keras ResNetV2's names"),
    (r"conv\d_block\d+_0_relu|pool2_conv", TORCH, "RGB", "Keras DenseNet's names"),
    (r"conv2_block1_1_conv|res2a_branch2a", CAFFE, "BGR", "Keras ResNet's names: BGR less the mean"),
    (r"block5_conv[34]", CAFFE, "BGR", "Keras VGG's names: BGR less the mean"),
)
_SMALL_WEIGHTS = 0.004  # a third of 1/255 of what any initialiser gives a first kernel: a division is folded in


def range_of(found: Evidence, said: Range | None, channels: int) -> Range:
    """Chooses the range.

    Args:
      found: what the file shows.
      said: what the maker's files beside it say.
      channels: 1 or 3.
    """
    if found.dtype == "string":
        return Range(*PIXELS, "the graph reads the photo's file itself")
    if found.dtype in RAW_DTYPES:
        return Range(*PIXELS, f"{found.dtype} input: pixels go in as they are", order=said.order if said else "RGB")
    for stated in (found.range, said):
        if stated is not None:
            return stated
    return (
        _original_inception(found)
        or _azure(found)
        or _inside(found)
        or _by_family(found.names)
        or _by_weights(found)
        or _by_habit(found, channels)
    )


def _original_inception(found: Evidence) -> Range | None:
    if found.input_layer.split(":")[0] == "Mul" and found.affine is None:
        why = "the original Inception's `Mul` takes (pixel - 128) / 128"
        return Range((128.0,), (128.0,), why, sure="DecodeJpeg" in found.names.split("\n"))
    return None


def _azure(found: Evidence) -> Range | None:
    """Azure Custom Vision: BGR in 0..255, the middle of a square of 256; older exports want the mean taken off."""
    ends = (found.input_layer.split(":")[0], found.output_layer.split(":")[0])
    if "data_bn" not in found.names and ends not in (("Placeholder", "loss"), ("Placeholder", "model_outputs")):
        return None
    inside = _inside(found)
    if inside is not None and inside.std != PIXELS[1]:
        return inside  # it has Azure's names, and arithmetic that takes something else
    what = "Azure Custom Vision's names"
    if "data_bn" in found.names or inside is not None:
        what += ", data_bn inside" if "data_bn" in found.names else ", the mean taken off inside"
        return Range(*PIXELS, what, sure=False, order="BGR", crop_px=AZURE_SQUARE)
    what += ", no data_bn inside: less the mean"
    return Range(AZURE_MEAN, (1.0,), what, sure=False, order="BGR", crop_px=AZURE_SQUARE)


def _inside(found: Evidence) -> Range | None:
    """What the graph's own first operations tell: arithmetic, a batch normalisation's statistics, a quantization's limits."""
    affine = found.affine
    name = takes(affine) if affine is not None else ""
    if affine is not None and name:
        what = f"{affine.where} inside the graph: {_shown(affine.scale)} x input {_shown(affine.offset, '+')}"
        if affine.stats:
            what = f"{affine.where} inside the graph expects inputs around {_shown(affine.stats[0])}"
        return Range(*NAMED[name], what, order=order(affine) or "RGB")
    if found.calibrated:
        return Range(*NAMED[found.calibrated], f"its QUANTIZE was made for {found.calibrated}")
    return None


def _shown(numbers: tuple[float, ...], sign: str = "") -> str:
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
        return Range(*PIXELS, "it resizes its input itself, so it was made for pixels", sure=False)
    return None


def _by_habit(found: Evidence, channels: int) -> Range:
    if channels == 3 and found.layout == "NCHW":
        return Range(*TORCH, "channels first, as PyTorch has them: ImageNet's mean and deviation", sure=False)
    return Range(*ZERO_ONE, "nothing in the file tells; most networks made by hand take 0..1", sure=False)
