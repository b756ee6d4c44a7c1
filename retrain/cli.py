"""Runs `python -m retrain`: reads the command line, does the work, returns the exit status.

The status is 0, 1 (a failure), 2 (usage), 130 (Ctrl-C), 143 (SIGTERM) or 129 (SIGHUP).
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from label_image.errors import UserError
from label_image.flags import flag_fields, named_as_typed, parse
from label_image.program import exit_status
from label_image.spelling import refuse_odd_flag
from retrain.options.options import PROGRAM, Options


def main(argv: Sequence[str]) -> int:
    """Runs `python -m retrain`."""

    def work() -> None:
        _check_words(argv)
        options, words = parse(Options, argv, PROGRAM)
        if words:
            raise UserError(
                f"{words[0]!r} belongs to no flag; write --flag=value (does a value with spaces need quotes?)"
            )
        if options.network.cores:  # before NumPy starts its threads
            from label_image.workers import use_at_most

            with named_as_typed(Options, argv):
                use_at_most(options.network.cores)
        from retrain.console import Screen
        from retrain.pipeline.run import retrain

        with named_as_typed(Options, argv):
            retrain(options, Screen(options.run.logging_verbosity))

    return exit_status("retrain", work, _stopped)


def _check_words(argv: Sequence[str]) -> None:
    """Refuses a folder that was given without --image_dir; otherwise the message would be that no folder was given."""
    names = [field.name for field in flag_fields(Options)]
    for word in argv:  # after a dash copied from the web, a folder would look like a word without a flag
        refuse_odd_flag(word, names)
    if any(word.lstrip("-").replace("-", "_").startswith("image_dir") for word in argv if word.startswith("-")):
        return
    for before, word in zip(("", *argv), argv, strict=False):
        is_value = before.startswith("-") and "=" not in before
        if not word.startswith("-") and not is_value and os.path.isdir(word):  # noqa: PTH112 - as typed
            raise UserError(f"{word!r} belongs to no flag; did you mean --image_dir {shlex.quote(word)}?")


def _stopped(error: BaseException) -> str:
    done, total = getattr(error, "done", None), getattr(error, "total", None)
    if done is None:
        return "stopped; run the same command again to continue"
    return f"stopped; the features of {done} of {total} photos are kept, and the same command continues from there"
