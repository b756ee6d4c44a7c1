"""Prints the last lines of a run: the accuracy of the classifier, the files that were written, and how to label a photo."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from retrain.console import Screen
from retrain.exporters.table import runs_in_label_image
from retrain.exporters.verification_table import table_lines
from retrain.types import Outcome, Split


def closing_lines(split: Split, outcome: Outcome, made: Sequence[Path], screen: Screen) -> None:
    """Prints the last lines.

    Args:
      split: the photos.
      outcome: the test results, with the exports and the audit.
      made: the path of the record, and of the report if it was written.
      screen: prints the lines.
    """
    screen.result("")
    if outcome.accuracy is not None:
        low, high = outcome.interval
        screen.result(
            f"accuracy {outcome.accuracy:.1%} on {outcome.tested} test photos; 95% confidence interval for new photos like these: {low:.1%} to {high:.1%}"
        )
    for line in (*(outcome.audit.advice if outcome.audit else ()), *table_lines(outcome.exports)):
        screen.result(line)
    for path in made:
        screen.result(f"wrote {path}")
    screen.result("")
    screen.result("label a photo:")
    graph = next((one.path for one in outcome.exports if runs_in_label_image(one.kind)), None)
    test_row = outcome.rows[0] if len(outcome.rows) else 0
    flag = "" if graph in (Path("tf_files/retrained.tflite"), None) else f" --graph={shlex.quote(str(graph))}"
    screen.result(f"  python -m label_image{flag} --image={shlex.quote(split.photos[test_row].path)}")
