"""Defines the options of the data set: which photos are used, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check
from retrain.options.option import ALWAYS, option


@dataclass(frozen=True)
class DataOptions:
    """Which photos are used, and how they are split into a training, a validation and a test set."""

    title: ClassVar[str] = "Photos and their split"

    image_dir: str = option(
        "",
        "The folder of photos, with one sub-folder for each class. The sub-folders' names are the labels. This flag is required.",
        used_by=ALWAYS,
        in_snapshot="no",
        common=True,
    )
    nested: str = option(
        "none",
        "How folders inside the class folders are read. parts: their photos belong to the class, CLASS/PART/photo.jpg. groups: the folders of --image_dir are groups of classes, GROUP/CLASS/photo.jpg. none: only the photos directly in a class folder are read. The folders train/, validation/ and test/ are understood in each case.",
        used_by=ALWAYS,
        in_snapshot="no",
        choices=("none", "parts", "groups"),
    )
    legacy_labels: bool = option(
        False,
        "Write the labels as the original script (retrain.py of TensorFlow for Poets) did: in lower case, with every character but a-z and 0-9 replaced by a space.",
        used_by=ALWAYS,
        in_snapshot="no",
    )
    strict: bool = option(
        False,
        "Stop at the first photo that cannot be read, instead of leaving it out.",
        used_by=ALWAYS,
        in_snapshot="no",
    )
    testing_percentage: int = option(
        10,
        "Percentage of the photos in the test set, which measures the accuracy at the end.",
        used_by=ALWAYS,
        in_snapshot="no",
        minimum=0,
        maximum=99,
        common=True,
    )
    validation_percentage: int = option(
        10,
        "Percentage of the photos in the validation set, on which the best training step is chosen.",
        used_by=ALWAYS,
        in_snapshot="no",
        minimum=0,
        maximum=99,
    )
    split_seed: int = option(
        0,
        "Seed of the random split into training, validation and test set: another number gives another split.",
        used_by=ALWAYS,
        in_snapshot="no",
        minimum=0,
    )
    legacy_split: bool = option(
        False,
        "Split the photos as the original script did, by a hash of the path as typed; so the split changes when the folder is moved.",
        used_by=ALWAYS,
        in_snapshot="no",
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not self.image_dir:
            raise UserError("no folder of photos given: --image_dir flowers (one sub-folder for each class)")
        if self.testing_percentage + self.validation_percentage >= 100:
            raise UserError(
                f"--testing_percentage={self.testing_percentage} and --validation_percentage={self.validation_percentage} "
                "leave nothing to train on; together they must stay below 100"
            )
        if self.legacy_split and self.split_seed:
            raise UserError("--legacy_split and --split_seed exclude each other: the original's split has no seed")
