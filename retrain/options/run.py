"""Defines the options of the run: where features and records are stored, and what is shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check
from retrain.options.option import ALWAYS, option


@dataclass(frozen=True)
class RunOptions:
    """Where features and the record of the run are kept, and what is shown."""

    title: ClassVar[str] = "Records and messages"

    bottleneck_dir: str = option(
        "tf_files/bottlenecks",
        "The folder that keeps the features of the photos, so that later runs need not compute them again.",
        used_by=ALWAYS,
        in_snapshot="no",
    )
    runs_dir: str = option(
        "tf_files/runs",
        "The folder in which each run gets a folder of its own, with its record, its report and a copy of all exports; see python -m retrain.runs.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
    )
    summaries_dir: str = option(
        "tf_files/training_summaries",
        "The folder for TensorBoard's event files, with a folder for each run; an empty value writes none.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
    )
    report: str = option(
        "html",
        "html writes a page about the run beside its record, searches the photos for wrong labels and duplicates, and writes pictures for TensorBoard. none does none of these.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
        choices=("html", "none"),
    )
    print_misclassified_test_images: bool = option(
        False,
        "List the test photos that were labelled wrongly.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
    )
    logging_verbosity: str = option(
        "INFO",
        "Which messages are printed. INFO prints about ten evaluations if standard output is not a terminal. DEBUG prints three lines for each evaluation, as the original script did, all warnings, and the traceback of an error.",
        used_by=ALWAYS,
        in_snapshot="no",
        in_compare=False,
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
