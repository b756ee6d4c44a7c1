"""Turns Ctrl-C, SIGTERM and SIGHUP into KeyboardInterrupt in the main thread, so that finished work is kept.

A signal that is ignored when the program starts stays ignored: `nohup` ignores SIGHUP, a shell's `&` ignores SIGINT. A second
signal during the cleanup after the first ends the process at once.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # importing typing takes 2 ms, and `--help` should answer at once
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # SIGBREAK is Windows' Ctrl-Break
_STOPS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_USUAL = (signal.SIG_DFL, signal.default_int_handler)
FIRST_OF_SIGNALS = 128  # exit statuses from here on mean signals, as in shells
_AT_ONCE = b"stopped at once\n"


class Stopped(KeyboardInterrupt):
    """A signal asked the program to stop."""


class _State:
    """The state of the signals of this process, for the signal handler."""

    last = 0  # the number of the last signal
    held = 0  # number of nested blocks that must not be interrupted
    waiting = False  # a signal arrived in such a block
    ending = False  # all work is done


def catch() -> None:
    """Handles the signals that have their default handlers; this works only in the main thread."""
    with suppress(ValueError):  # raised in other threads
        for number in _STOPS:
            if signal.getsignal(number) in _USUAL:
                signal.signal(number, _came)


@contextmanager
def caught() -> Iterator[None]:
    """Handles the signals within a block, and restores the handlers afterwards."""
    before = {number: signal.getsignal(number) for number in _STOPS}
    catch()
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is _came and handler is not _came:
                signal.signal(number, handler)


@contextmanager
def held() -> Iterator[None]:
    """Delays a signal until the end of the block; a second signal is not delayed."""
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
    if _State.waiting and not _State.held:
        _State.waiting = False
        raise Stopped


def end_at_once() -> None:
    """From now on a signal ends the process at once, because all work is done."""
    _State.ending = True


def status_of_stop() -> int:
    """Returns the exit status after KeyboardInterrupt: 128 plus the number of the signal, SIGINT if it is not known."""
    return FIRST_OF_SIGNALS + (_State.last or signal.SIGINT)


def came() -> bool:
    """Returns whether a signal has arrived."""
    return _State.last != 0


def asked_to_end() -> bool:
    """Returns whether SIGTERM or SIGHUP has arrived; the exit status tells its sender that the program obeyed."""
    return _State.last not in (0, signal.SIGINT)


def _came(number: int, _frame: FrameType | None) -> None:
    _State.last = number
    if _State.ending or _cleaning_up():
        with suppress(OSError):
            os.write(2, b"" if _State.ending else _AT_ONCE)
        os._exit(FIRST_OF_SIGNALS + number)
    if _State.held and not _State.waiting:
        _State.waiting = True
        return
    _State.waiting = False
    raise Stopped


def _cleaning_up() -> bool:
    """Returns whether a KeyboardInterrupt is being handled, in a `finally`, `__exit__` or `except` block."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
