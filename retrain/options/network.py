"""Defines the options of the pretrained network: its name, the folder of its files, and the device that runs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check
from retrain.backbones.table import DEFAULT_ARCHITECTURE, FAMILIES
from retrain.options.option import ALWAYS, option

_NAMES = ", ".join(row.names for row in FAMILIES if row.names)


@dataclass(frozen=True)
class NetworkOptions:
    """Which pretrained network computes the features, where its files are, and what runs it."""

    title: ClassVar[str] = "Pretrained network"

    architecture: str = option(
        DEFAULT_ARCHITECTURE,
        f"The pretrained network: {_NAMES}.",
        used_by=ALWAYS,
        in_snapshot="network",
        common=True,
    )
    tfhub_module: str = option(
        "",
        "A TF-Hub module that computes feature vectors, by its address or folder, instead of --architecture.",
        used_by=ALWAYS,
        in_snapshot="network",
    )
    model_dir: str = option(
        "tf_files/models",
        "The folder of the pretrained networks: the program looks for them there, downloads them to it, and keeps converted files in it.",
        used_by=ALWAYS,
        in_snapshot="no",
    )
    backbone_precision: str = option(
        "float32",
        "The precision in which the network computes the features. For int8 the network is quantized once, with training photos, and the layer is trained on its features.",
        used_by=ALWAYS,
        in_snapshot="no",
        choices=("float32", "int8"),
    )
    device: str = option(
        "auto",
        "Where the network runs: auto, cpu, cpu:N (the whole run uses N cores) or gpu. auto uses a GPU if TensorFlow finds one, and otherwise the CPU.",
        used_by=ALWAYS,
        in_snapshot="no",
        common=True,
    )
    offline: bool = option(
        False,
        "Never connect to the internet: use only pretrained networks that are on this machine.",
        used_by=ALWAYS,
        in_snapshot="no",
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not re.fullmatch(r"auto|gpu|cpu(:[1-9][0-9]{0,3})?", self.device):
            raise UserError(f"--device={self.device} is not one of auto, cpu, cpu:N (N cores, as cpu:2), gpu")
        if not self.architecture and not self.tfhub_module:
            raise UserError("--architecture is empty (an unset shell variable?): leave it out or name a network")
        if self.tfhub_module and self.architecture != DEFAULT_ARCHITECTURE:
            raise UserError(f"--tfhub_module and --architecture={self.architecture} exclude each other; leave one out")

    @property
    def cores(self) -> int:
        """Returns N of --device=cpu:N; 0 means all cores."""
        return int(self.device.partition(":")[2] or 0)
