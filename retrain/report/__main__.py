"""`python -m retrain.report`: a run's folder in, its page made anew out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import RunError, UserError
from label_image.flags import flag, parse
from retrain.report import install_line, missing_libraries, write_report
from retrain.report.explain import find_head
from retrain.runs import latest_run, read_record
from retrain.screen import Screen

PROGRAM = "python -m retrain.report"


@dataclass(frozen=True)
class Command:
    """Makes the page of a run again, for example `python -m retrain.report tf_files/runs/20261121-145318-efficientnet_lite0`."""

    run: str = flag("", "The run's folder, or its run.json; left out, it is the newest one.")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    try:
        command, words = parse(Command, argv, PROGRAM, "run")
        if words or sum(not word.startswith("-") for word in argv) > 1:
            raise UserError("one run at a time; python -m retrain.report RUN")
        screen = Screen()
        folder, record = read_record(Path(command.run) if command.run else latest_run())
        missing = missing_libraries()
        if missing:
            raise RunError(f"cannot make a report: {install_line(missing)}")
        screen.result(f"wrote {write_report(folder, record, find_head(record))}")
    except UserError as error:
        print(f"retrain.report: {error}", file=sys.stderr)
        return error.exit_status
    except OSError as error:
        print(f"retrain.report: cannot write the report: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
