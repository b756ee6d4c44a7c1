"""The options of the data set: which photos, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag


@dataclass(frozen=True)
class DataOptions:
    """Which photos are used, and how they are split into a training, a validation and a test set."""

    title: ClassVar[str] = "Photos"

    image_dir: str = flag("", "The folder of photos, one sub-folder a class.")
    nested: str = flag(
        "none",
        "What folders below the class folders are: parts (photos below a class folder belong to the class: CLASS/PART/photo.jpg) or groups (the folders of --image_dir are groups of classes: GROUP/CLASS/photo.jpg). With none only photos in a class folder itself are read; train/, validation/ and test/ folders are understood in each case.",
        choices=("none", "parts", "groups"),
    )
    legacy_labels: bool = flag(
        False, "Labels as the original wrote them: lower case, all but a-z and 0-9 turned into spaces."
    )
    strict: bool = flag(False, "Stop at the first photo that can not be read, instead of leaving it out.")
    testing_percentage: int = flag(10, "Share of the photos kept for the final test.", minimum=0, maximum=99)
    validation_percentage: int = flag(
        10, "Share of the photos on which the best step is chosen.", minimum=0, maximum=99
    )
    split_seed: int = flag(0, "Deals the photos into other lists; 0 is the plain deal.", minimum=0)
    legacy_split: bool = flag(
        False, "Lists as the original dealt them, by the path as typed; they change when the folder moves."
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not self.image_dir:
            raise UserError("no folder of photos given: --image_dir flowers (one sub-folder a class)")
        if self.testing_percentage + self.validation_percentage >= 100:
            raise UserError(
                f"--testing_percentage={self.testing_percentage} and --validation_percentage={self.validation_percentage} "
                "leave nothing to train on; together they must stay below 100"
            )
        if self.legacy_split and self.split_seed:
            raise UserError("--legacy_split and --split_seed exclude each other: the original's split has no seed")
