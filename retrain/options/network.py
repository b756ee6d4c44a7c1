"""The options of the pretrained network: which one, where its files are, what runs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag
from retrain.backbones.table import DEFAULT_ARCHITECTURE, FAMILIES

_NAMES = ", ".join(row.names for row in FAMILIES if row.names)


@dataclass(frozen=True)
class NetworkOptions:
    """Which pretrained network computes the features, where its files are, and what runs it."""

    title: ClassVar[str] = "Network"

    architecture: str = flag(
        DEFAULT_ARCHITECTURE,
        f"The pretrained network: {_NAMES}.",
    )
    tfhub_module: str = flag("", "A TF-Hub feature vector (address or folder) instead of --architecture.")
    model_dir: str = flag("tf_files/models", "Where pretrained networks are looked for, downloaded to and kept ready.")
    backbone_precision: str = flag(
        "float32",
        "How the network calculates while features are computed; int8 is quantized once, on training photos, and the layer is trained on what it gives.",
        choices=("float32", "int8"),
    )
    device: str = flag(
        "auto",
        "Where the network runs: auto, cpu, cpu:N (the whole run on N cores) or gpu; auto takes a GPU if TensorFlow sees one, else the CPU.",
    )
    offline: bool = flag(False, "Never use the network.")

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
        """N of --device=cpu:N; 0 means all cores."""
        return int(self.device.partition(":")[2] or 0)
