"""Words of a command line in, a run out, exit status back: 0, 1 (a failure), 2 (usage), 130 (Ctrl-C)."""

from __future__ import annotations

import errno
import os
import shlex
import sys
from collections.abc import Callable, Sequence

from label_image.errors import UserError
from label_image.flags import parse
from retrain.plan import PROGRAM, Plan


def main(argv: Sequence[str]) -> int:
    """Runs `python -m retrain`."""

    def work() -> None:
        _check_words(argv)
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


def _check_words(argv: Sequence[str]) -> None:
    """Refuses a folder that was given without --image_dir, which would else be missed under another reason."""
    if any(word.lstrip("-").replace("-", "_").startswith("image_dir") for word in argv if word.startswith("-")):
        return
    for before, word in zip(("", *argv), argv, strict=False):
        is_value = before.startswith("-") and "=" not in before
        if not word.startswith("-") and not is_value and os.path.isdir(word):  # noqa: PTH112 - as typed
            raise UserError(f"{word!r} belongs to no flag; did you mean --image_dir {shlex.quote(word)}?")


def exit_status(program: str, work: Callable[[], None], stopped: Callable[[BaseException], str]) -> int:
    """Does the work; a mistake or a full disk becomes one line and the exit status.

    Args:
      program: what the line begins with.
      work: the whole program.
      stopped: what to say after Ctrl-C.
    """
    try:
        work()
    except UserError as error:
        print(f"{program}: {error}", file=sys.stderr)
        return error.exit_status
    except KeyboardInterrupt as error:
        print(f"{program}: {stopped(error)}", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EACCES, errno.EPERM, errno.EROFS, errno.EDQUOT):
            raise
        print(
            f"{program}: cannot go on: {error.strerror}: {error.filename or 'while writing'}; make room or choose another place",
            file=sys.stderr,
        )
        return 1
    return 0


def _stopped(error: BaseException) -> str:
    done, total = getattr(error, "done", None), getattr(error, "total", None)
    if done is None:
        return "stopped; run the same command again to go on"
    return f"stopped; the features of {done} of {total} photos are kept, the same command goes on from there"
