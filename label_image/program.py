"""The edge of every program: whatever happens inside, the user reads one line and the shell gets the right exit status.

    0    done                          130  Ctrl-C
    1    the work failed               143  SIGTERM
    2    what was typed is wrong       129  SIGHUP

A traceback is for who mends the program: TRACEBACK_VARIABLE in the environment, or --logging_verbosity=DEBUG, shows it. This
file is imported before anything else is, so that Ctrl-C in a program's first moments is a line too; it imports little.
"""

from __future__ import annotations

import atexit
import errno
import os
import sys

from label_image import signals, terminal
from label_image.errors import UserError

TYPE_CHECKING = False  # typing takes 2 ms to import, and `--help` answers at once
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

TRACEBACK_VARIABLE = "POETS_TRACEBACK"
_ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120 - pathlib takes 3 ms to import
_OURS = tuple(os.path.join(_ROOT, name, "") for name in ("label_image", "retrain"))  # noqa: PTH118 - as above
_MOST_LETTERS = 400  # of what a library says
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "make room or choose another place"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "change its permissions or choose another place"),
    **dict.fromkeys((errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.ENOENT), "give another name"),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "allow more open files (ulimit -n)"),
    errno.EFBIG: "the file would be larger than is allowed here (ulimit -f)",
    errno.EIO: "the disk or the network drive does not answer; choose another place",
    errno.ENOMEM: "close other programs, or ask for less at a time",
}


class _Shown:
    """Which errors' tracebacks are asked for."""

    of_all: bool = bool(os.environ.get(TRACEBACK_VARIABLE))
    of_unforeseen: bool = of_all


def show_tracebacks() -> None:
    """From now on, the traceback of an error that nobody has foreseen is printed before its line."""
    _Shown.of_unforeseen = True


def run_program(module: str) -> NoReturn:
    """Runs a module's `main(argv)` as the whole process, and ends it.

    For the first line of what `python -m` starts: the module is imported here, inside the net. The process ends without
    Python's own clearing up, which would wait for threads that stand in a download or a network; functions that were
    registered with `atexit` are called, unless a signal ended the work.
    """
    signals.catch()
    status = exit_status(module.removesuffix(".cli"), lambda: _main(module), whole_process=True)
    signals.end_at_once()
    if status == 0 and signals.asked_to_end():
        status = signals.status_of_stop()
    if status < signals.FIRST_OF_SIGNALS:
        atexit._run_exitfuncs()  # noqa: SLF001 - what others asked for; os._exit would leave it out
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # a library closed or replaced it; our own lines are out
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
    """Does the work; whatever ends it becomes one line on standard error and the exit status.

    Args:
      program: what the line begins with.
      work: the whole program; returns its exit status, None for 0.
      stopped: what to say after a signal.
      after_pipe: the status when nobody reads standard output any more (`| head`), which is not told.
      whole_process: whether SystemExit, which ends a process, is its status too.
    """
    try:
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
        if signals.came() and isinstance(error, (ImportError, SystemError)):  # a library in C made it of Ctrl-C
            terminal.warn(f"{program}: {stopped(error)}")
            return signals.status_of_stop()
        return _unforeseen(program, error)


def _unforeseen(program: str, error: BaseException) -> int:
    """One line for what should not have happened; the exit status."""
    if _Shown.of_unforeseen:
        _show_traceback()
    terminal.warn(f"{program}: {line_of(error)}")
    return 1


def line_of(error: BaseException) -> str:
    """One line for an error that nobody has put into words.

    >>> line_of(OSError(28, "No space left on device", "model.pb"))
    'cannot go on: No space left on device: model.pb; make room or choose another place'
    """
    if isinstance(error, MemoryError):
        return f"cannot go on: out of memory; {_ADVICE[errno.ENOMEM]}"
    if isinstance(error, OSError) and error.errno:
        where = f": {os.fsdecode(error.filename)}" if isinstance(error.filename, (str, bytes)) else ""
        advice = _ADVICE.get(error.errno)
        return f"cannot go on: {error.strerror or error}{where}{f'; {advice}' if advice else ''}"
    if isinstance(error, ImportError) and error.name and error.name.split(".")[0] not in ("label_image", "retrain"):
        return f"cannot start: the package {error.name} is not installed or does not load ({_short(error)})"
    return (
        f"this should not have happened: {type(error).__name__}: {_short(error)} ({_place(error)}); "
        f"please report it, with what {TRACEBACK_VARIABLE}=1 before the command prints"
    )


def _main(module: str) -> int | None:
    import importlib

    terminal.open_missing()
    _quiet_python()
    status: int | None = importlib.import_module(module).main(sys.argv[1:])
    return status


def _quiet_python() -> None:
    """Python's own complaints (a library's warnings, errors that are ignored) are for who mends programs."""
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
    """The last line of ours that an error came through: `retrain/data/split.py line 40`."""
    place, entry = "no line of ours", error.__traceback__
    while entry is not None:
        path = entry.tb_frame.f_code.co_filename
        if path.startswith(_OURS) and path != __file__:
            place = f"{os.path.relpath(path, _ROOT)} line {entry.tb_lineno}"
        entry = entry.tb_next
    return place.replace(os.sep, "/")


def _forget_output() -> None:
    """What is still to be written goes nowhere, so that Python does not complain at its end."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return
