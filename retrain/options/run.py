"""The options of the run: where features and records are kept, and what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag


@dataclass(frozen=True)
class RunOptions:
    """Where features and the record of the run are kept, and what is shown."""

    title: ClassVar[str] = "Run"

    bottleneck_dir: str = flag("tf_files/bottlenecks", "Where the photos' features are kept.")
    runs_dir: str = flag(
        "tf_files/runs",
        "Where each run has a folder of its own, with its record, its report and a copy of all that it exports; see python -m retrain.runs.",
    )
    summaries_dir: str = flag(
        "tf_files/training_summaries",
        "Where TensorBoard's event files go, a folder for each run; an empty value writes none.",
    )
    report: str = flag(
        "html",
        "A page about the run beside its record, with an audit of the photos and TensorBoard's pictures of the test; none leaves all three out.",
        choices=("html", "none"),
    )
    print_misclassified_test_images: bool = flag(False, "List the test photos that were labelled wrongly.")
    logging_verbosity: str = flag(
        "INFO",
        "How much is said. Where standard output is no terminal, evaluations are a line each tenth of the steps; DEBUG has the original's three lines for each, all warnings, and the traceback of a fault.",
        choices=("DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not self.runs_dir:
            raise UserError("--runs_dir is empty; name a folder")
