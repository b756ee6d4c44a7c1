"""The options of training the network itself: its last blocks, or all of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag


@dataclass(frozen=True)
class FineTuningOptions:
    """What of the network is trained beside the layer, and how."""

    title: ClassVar[str] = "Fine-tuning"

    train: str = flag(
        "head",
        "What is trained: head (the layer alone), last:N (also the last N blocks of the network, from the trained layer on), all. Needs TensorFlow but for head.",
    )
    weights: str = flag(
        "pretrained",
        "none: the network begins with random weights and is trained as a whole (--train=all), by --optimizer, --learning_rate and the flags that go with them.",
        choices=("pretrained", "none"),
    )
    epochs: int = flag(
        0,
        "Passes over the training photos when a network is trained; 0 is 12 from pretrained weights, and --how_many_training_steps from none.",
        minimum=0,
        maximum=1_000_000,
    )
    fine_tune_learning_rate: float | None = flag(
        None,
        "Highest rate of --train=last:N and all from pretrained weights: it is reached in the first tenth of the steps and falls along a cosine; left out, 0.001 for adam, 0.002 for momentum, 0.01 for sgd.",
        minimum=1e-9,
        maximum=1e3,
    )
    fine_tune_optimizer: str = flag(
        "adam", "How pretrained weights are trained further.", choices=("sgd", "momentum", "adam")
    )
    fine_tune_batch_size: int = flag(32, "Photos a step while pretrained weights are trained further.", minimum=1)
    frozen_batch_norm: bool = flag(
        True, "Keep the means and variances that pretrained batch normalisation came with; its scales are trained."
    )
    augment: bool = flag(
        True,
        "Where pretrained weights are trained further and no distortion is set: as if --random_crop=10 --random_scale=30 --random_brightness=20 were; and --flip_left_right, if the pretrained network knows mirrored validation photos as well as the photos themselves.",
    )
    batch_norm: bool = flag(True, "Whether resnet20, resnet32 and resnet56 are batch-normalised.")
    feature_maps: int = flag(
        0,
        "Maps of the first convolution of a small network; 0 is its paper's number. A ResNet grows with it.",
        minimum=0,
        maximum=4096,
    )
    image_size: int = flag(
        0, "Rows and columns of a small network's input, in pixels; 0 is its own (lenet 28).", minimum=0, maximum=1024
    )
    distribute: str = flag(
        "none", "mirrored: train the network on all GPUs of this machine at once.", choices=("none", "mirrored")
    )
    fine_tuned_dir: str = flag(
        "tf_files/fine_tuned", "Where the network that --train=last:N or all made is kept; the last one's only."
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not re.fullmatch(r"head|all|last:([1-9][0-9]{0,4})", self.train):
            raise UserError(f"--train={self.train} is not one of head, last:N (N blocks, as last:2), all")

    @property
    def tunes(self) -> bool:
        """Whether more than the layer is trained."""
        return self.train != "head"
