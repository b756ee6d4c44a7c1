"""Prints lines on standard output and standard error for all programs, safely for any content.

A line never contains a control character: file names, labels, metadata and answers of servers may contain an escape sequence or
a line end, which would move the cursor or start another row. Characters that the stream's encoding lacks are escaped. A failure
to write to standard output is an error; a failure to write to standard error is ignored.
"""

from __future__ import annotations

import errno
import io
import os
import sys

from label_image.errors import RunError

TYPE_CHECKING = False  # importing typing takes 2 ms, and `--help` should answer at once
if TYPE_CHECKING:
    from typing import TextIO

_BIDI = (
    0x061C,
    0x200E,
    0x200F,
    *range(0x202A, 0x202F),
    *range(0x2066, 0x206A),
)  # characters that change the text direction
_LINE_ENDS = (0x2028, 0x2029)
_RAW_C1 = range(
    0xDC80, 0xDCA0
)  # the bytes 80 to 9f of a name that is not UTF-8: control characters on an 8-bit terminal
CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *_BIDI, *_LINE_ENDS)


def _escape(code: int) -> str:
    short = {9: "\\t", 10: "\\n", 13: "\\r"}
    return short.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


_ESCAPES = {code: _escape(code) for code in CONTROLS} | {code: f"\\x{code - 0xDC00:02x}" for code in _RAW_C1}


def clean(text: str) -> str:
    r"""Escapes control characters, so that the text is one line and cannot move the cursor.

    Escaped are C0, DEL, C1, the characters that change the text direction, and Unicode's line ends.

    >>> print(clean("a\x1b[2J\nb\u202e"), clean("Gänse 写真"))
    a\x1b[2J\nb\u202e Gänse 写真
    """
    return text if text.isprintable() else text.translate(_ESCAPES)


def say(line: str) -> None:
    """Prints a line on standard output and flushes it.

    Raises:
      BrokenPipeError: the reader of the pipe is gone.
      RunError: it cannot be written, for example because the disk is full.
    """
    write(f"{clean(line)}\n")


def warn(line: str) -> None:
    """Prints a line on standard error, or nothing if that is closed or full."""
    err = sys.stderr
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        pass  # reported when standard output is written
    if err is None:
        return
    try:
        err.write(encodable(f"{clean(line)}\n", err))
        err.flush()
    except (OSError, ValueError):
        return


def write(text: str) -> None:
    """Writes text to standard output unchanged, including control characters, and flushes it; raises as `say`."""
    out = sys.stdout
    if out is None:
        return
    try:
        out.write(encodable(text, out))
        out.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise RunError(f"cannot write to standard output: {error.strerror or error}") from None


def encodable(text: str, stream: TextIO) -> str:
    r"""Escapes the characters that a stream's encoding lacks, for example as `\u5199` on a Windows console."""
    if text.isascii():
        return text
    encoding, errors = getattr(stream, "encoding", None) or "utf-8", getattr(stream, "errors", None) or "strict"
    try:
        text.encode(encoding, errors)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def is_terminal(stream: TextIO | None) -> bool:
    """Returns whether a stream is an open terminal."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def open_missing() -> frozenset[int]:
    """Opens the null device on those of the descriptors 0 to 2 that are closed or, for 1 and 2, cannot be written.

    To be called at a program's start: otherwise the next opened file would get that number, and output would be written into it.

    Returns:
      the descriptors that were unusable.
    """
    missing = set()
    for number in range(3):
        try:
            os.write(number, b"") if number else os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:  # a full disk or a closed pipe is reported when something is printed
                continue
            missing.add(number)
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
    if sys.stdout is None:
        sys.stdout = _nowhere(1)
    if sys.stderr is None:
        sys.stderr = _nowhere(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # file names may not fit the terminal's encoding
    _missing.update(missing)
    return frozenset(missing)


_missing: set[int] = set()


def has_output() -> bool:
    """Returns whether standard output was open when the program started."""
    return sys.stdout is not None and 1 not in _missing


def _nowhere(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", closefd=False)
