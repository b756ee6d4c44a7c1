"""The last lines of a run: how good the classifier is, where it is, and what to type next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from retrain.console import Screen
from retrain.exporters.write_all import table_lines
from retrain.types import Outcome, Split


def closing_lines(split: Split, outcome: Outcome, made: Sequence[Path], screen: Screen) -> None:
    """Prints the last lines.

    Args:
      split: the photos.
      outcome: of the test, with the exports and the audit.
      made: the record, and the report where there is one.
      screen: prints.
    """
    screen.result("")
    if outcome.accuracy is not None:
        low, high = outcome.interval
        screen.result(
            f"accuracy {outcome.accuracy:.1%} on {outcome.tested} test photos; on new photos like these, 95 times in 100, between {low:.1%} and {high:.1%}"
        )
    for line in (*(outcome.audit.advice if outcome.audit else ()), *table_lines(outcome.exports)):
        screen.result(line)
    for path in made:
        screen.result(f"wrote {path}")
    screen.result("")
    screen.result("label a photo:")
    graph = next((one.path for one in outcome.exports if one.kind in ("tflite", "graph", "saved_model", "onnx")), None)
    test_row = outcome.rows[0] if len(outcome.rows) else 0
    flag = "" if graph in (Path("tf_files/retrained.tflite"), None) else f" --graph={shlex.quote(str(graph))}"
    screen.result(f"  python -m label_image{flag} --image={shlex.quote(split.photos[test_row].path)}")
