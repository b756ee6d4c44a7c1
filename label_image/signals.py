"""Ctrl-C, SIGTERM and SIGHUP, one way: KeyboardInterrupt in the main thread, so that each ends with what is done kept.

A signal that is ignored when the program starts stays so: `nohup` ignores SIGHUP, a shell's `&` ignores SIGINT. A second one
while the first is being cleaned up after ends the process at once.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress

TYPE_CHECKING = False  # typing takes 2 ms to import, and `--help` answers at once
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")  # SIGBREAK is Windows' Ctrl-Break
_STOPS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
_USUAL = (signal.SIG_DFL, signal.default_int_handler)
FIRST_OF_SIGNALS = 128  # exit statuses from here on are of signals, as shells have it
_AT_ONCE = b"stopped at once\n"


class Stopped(KeyboardInterrupt):
    """One of the signals came."""


class _State:
    """What a process knows of its signals: a signal's handler has no other place to ask."""

    last = 0  # the number of the signal that came last
    held = 0  # blocks that must not be cut short, one in the other
    waiting = False  # a signal came in such a block
    ending = False  # nothing is left to be kept


def catch() -> None:
    """Takes over the signals that nobody has taken over or ignores; only the main thread can."""
    with suppress(ValueError):  # another thread
        for number in _STOPS:
            if signal.getsignal(number) in _USUAL:
                signal.signal(number, _came)


@contextmanager
def caught() -> Iterator[None]:
    """Takes the signals over for a block, where nobody has, and gives them back."""
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
    """Puts a signal off until the block is done; a second one is not put off."""
    _State.held += 1
    try:
        yield
    finally:
        _State.held -= 1
    if _State.waiting and not _State.held:
        _State.waiting = False
        raise Stopped


def end_at_once() -> None:
    """From now on a signal ends the process where it stands: all is done."""
    _State.ending = True


def status_of_stop() -> int:
    """The exit status after KeyboardInterrupt: 128 and the signal's number; Ctrl-C where it is not known."""
    return FIRST_OF_SIGNALS + (_State.last or signal.SIGINT)


def came() -> bool:
    """Whether any of the signals has come."""
    return _State.last != 0


def asked_to_end() -> bool:
    """Whether SIGTERM or SIGHUP has come: whoever sent it reads in the exit status that the program obeyed."""
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
    """Whether a KeyboardInterrupt is on its way: what runs is a `finally`, an `__exit__` or an `except` block for it."""
    error = sys.exc_info()[1]
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__context__
    return False
