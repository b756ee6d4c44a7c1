"""The program `python -m retrain.report`: writes the report page of a run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.flags import flag, parse
from label_image.program import exit_status
from label_image.terminal import say

PROGRAM = "python -m retrain.report"


@dataclass(frozen=True)
class ReportCommand:
    """Writes the report page of a run again, for example `python -m retrain.report tf_files/runs/20261121-145318-efficientnet_lite0`."""

    run: str = flag("", "The folder of the run, or its run.json. Default: the newest run.")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""

    def work() -> None:
        command, words = parse(ReportCommand, argv, PROGRAM, "run")
        if words or sum(not word.startswith("-") for word in argv) > 1:
            raise UserError("give one run only: python -m retrain.report RUN")
        from retrain.report import install_line, missing_libraries, write_report
        from retrain.report.explain import find_head
        from retrain.runs.folder import latest_run
        from retrain.runs.record import read_record

        record = read_record(Path(command.run) if command.run else latest_run())
        missing = missing_libraries()
        if missing:
            raise RunError(f"cannot make a report: {install_line(missing)}")
        say(f"wrote {write_report(record.folder, record.fields, find_head(record.fields))}")

    return exit_status("retrain.report", work)
