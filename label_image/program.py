"""Runs every program: turns whatever ends it into one line for the user and the exit status for the shell.

    0    done                          130  Ctrl-C
    1    the work failed               143  SIGTERM
    2    the command line is wrong     129  SIGHUP

Tracebacks are for developers: set the environment variable TRACEBACK_VARIABLE, or --logging_verbosity=DEBUG, to see them.
This file is imported before all others, so that Ctrl-C during startup also becomes one line; therefore it imports little.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys

from label_image import signals, terminal
from label_image.errors import UserError
from label_image.process import OwnProcess

TYPE_CHECKING = False  # importing typing takes 2 ms, and `--help` should answer at once
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

TRACEBACK_VARIABLE = "POETS_TRACEBACK"
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes 3 ms to import
_OURS = tuple(os.path.join(_ROOT, name, "") for name in ("label_image", "retrain"))  # noqa: PTH118 - as above
_MOST_LETTERS = 400  # of a library's message that are shown
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free some space or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions or choose another place"),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ENOENT), "give another name"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "allow more open files (ulimit -n)"),
    errno.EFBIG: "the file would exceed the size allowed here (ulimit -f)",
    errno.EIO: "the disk or the network drive does not answer; choose another place",
    errno.ENOMEM: "close other programs, or process less at a time",
}


class _Shown:
    """Which errors show a traceback."""

    of_all: bool = bool(os.environ.get(TRACEBACK_VARIABLE))
    of_unexpected: bool = of_all


def show_tracebacks() -> None:
    """From now on, unexpected errors print their traceback before their line."""
    _Shown.of_unexpected = True


def run_program(module: str) -> NoReturn:
    """Runs a module's `main(argv)` as the whole process, and ends the process.

    The module is imported here, so that errors during its import are handled too. The process ends without Python's own
    cleanup, which would wait for threads that are blocked in a download or a network; functions registered with `atexit`
    are called, unless a signal ended the work.
    """
    signals.catch()
    status = exit_status(module.removesuffix(".cli"), lambda: _main(module), whole_process=True)
    signals.end_at_once()
    if status == 0 and signals.asked_to_end():
        status = signals.status_of_stop()
    if status < signals.FIRST_OF_SIGNALS:
        atexit._run_exitfuncs()  # noqa: SLF001 - os._exit would skip the functions that libraries registered
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (
            OSError,
            ValueError,
            AttributeError,
        ):  # a library closed or replaced it; our own lines are already written
            continue
    os._exit(status)


def exit_status(
    program: str,
    work: Callable[[], int | None],
    stopped: Callable[[BaseException], str] = lambda _: "stopped",
    *,
    after_pipe: int = 1,
    whole_process: bool = False,
) -> int:
    """Does the work, and turns whatever ends it into one line on standard error and an exit status.

    Args:
      program: what the line begins with.
      work: the whole program; returns its exit status, None for 0.
      stopped: returns the line to print after a signal.
      after_pipe: the status when the reader of standard output is gone (`| head`); no line is printed then.
      whole_process: whether SystemExit becomes the exit status too; otherwise it is raised again.
    """
    try:
        with OwnProcess():
            return work() or 0
    except BrokenPipeError:
        _forget_output()
        return after_pipe
    except KeyboardInterrupt as error:
        terminal.warn(f"{program}: {stopped(error)}")
        return signals.status_of_stop()
    except SystemExit as error:
        if not whole_process:
            raise
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except UserError as error:
        if _Shown.of_all:
            _show_traceback()
        for place, line in enumerate(error.lines):
            terminal.warn(line if place else f"{program}: {line}")
        return error.exit_status
    except BaseException as error:
        if signals.came() and isinstance(error, (ImportError, SystemError)):  # a C library turned Ctrl-C into this
            terminal.warn(f"{program}: {stopped(error)}")
            return signals.status_of_stop()
        return _unexpected(program, error)


def _unexpected(program: str, error: BaseException) -> int:
    """Prints one line for an unexpected error; returns the exit status."""
    if _Shown.of_unexpected:
        _show_traceback()
    terminal.warn(f"{program}: {line_of(error)}")
    return 1


def line_of(error: BaseException) -> str:
    """Describes an error that has no message of ours in one line.

    >>> line_of(OSError(28, "No space left on device", "model.pb"))
    'cannot continue: No space left on device: model.pb; free some space or choose another place'
    """
    if isinstance(error, MemoryError):
        return f"cannot continue: out of memory; {_ADVICE[errno.ENOMEM]}"
    if isinstance(error, OSError) and error.errno:
        where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
        advice = _ADVICE.get(error.errno)
        return f"cannot continue: {error.strerror or error}{where}{f'; {advice}' if advice else ''}"
    if isinstance(error, ImportError) and error.name and error.name.split(".")[0] not in ("label_image", "retrain"):
        return f"cannot start: the package {error.name} is not installed or cannot be imported ({_short(error)})"
    return (
        f"internal error: {type(error).__name__}: {_short(error)} ({_place(error)}); "
        f"please report it with the traceback, which the command prints with {TRACEBACK_VARIABLE}=1 before it"
    )


def _main(module: str) -> int | None:
    import importlib

    terminal.open_missing()
    _quiet_python()
    status: int | None = importlib.import_module(module).main(sys.argv[1:])
    return status


def _quiet_python() -> None:
    """Hides Python's warnings and ignored errors, which are for developers, unless tracebacks are on."""
    if _Shown.of_all:
        return
    sys.unraisablehook = lambda _: None
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")


def _show_traceback() -> None:
    import traceback

    for part in traceback.format_exc().splitlines():
        terminal.warn(part)


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return text if len(text) <= _MOST_LETTERS else f"{text[:_MOST_LETTERS]}..."


def _place(error: BaseException) -> str:
    """Finds the last line of our own code in an error's traceback: `retrain/data/split.py line 40`."""
    place, entry = "outside our code", error.__traceback__
    while entry is not None:
        path = entry.tb_frame.f_code.co_filename
        if path.startswith(_OURS) and path != __file__:
            place = f"{os.path.relpath(path, _ROOT)} line {entry.tb_lineno}"
        entry = entry.tb_next
    return place.replace(os.sep, "/")


def _forget_output() -> None:
    """Discards what is still buffered for standard output, so that Python reports no error at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return
