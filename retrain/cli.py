"""Runs `python -m retrain`: reads the command line, does the work, returns the exit status.

The status is 0, 1 (a failure), 2 (usage), 130 (Ctrl-C), 143 (SIGTERM) or 129 (SIGHUP).
"""

from __future__ import annotations

from collections.abc import Sequence

from label_image.edge import exit_status
from label_image.errors import UserError
from label_image.flags import parse
from retrain.plan import PROGRAM, Plan


def main(argv: Sequence[str]) -> int:
    """Runs `python -m retrain`."""

    def work() -> None:
        plan, words = parse(Plan, argv, PROGRAM)
        if words:
            raise UserError(
                f"{words[0]!r} belongs to no flag; write --flag=value (does a value with spaces need quotes?)"
            )
        if plan.cores:  # before NumPy starts its threads
            from label_image.workers import use_at_most

            use_at_most(plan.cores)
        from retrain.screen import Screen
        from retrain.stages import retrain

        retrain(plan, Screen(plan.logging_verbosity))

    return exit_status("retrain", work, _stopped)


def _stopped(error: BaseException) -> str:
    done, total = getattr(error, "done", None), getattr(error, "total", None)
    if done is None:
        return "stopped; run the same command again to go on"
    return f"stopped; the features of {done} of {total} photos are kept, the same command goes on from there"
