"""The one place where all programs print: lines on standard output and standard error, safe whatever a name holds.

A line never holds a control character: file names, labels, metadata and what servers say may hold an escape sequence or a
line end, which would move the cursor or make a row of its own. Characters that the stream's encoding lacks are escaped. What
can not be printed on standard output is an error; standard error is written where that is possible.
"""

from __future__ import annotations

import errno
import io
import os
import sys

from label_image.errors import RunError

TYPE_CHECKING = False  # typing takes 2 ms to import, and `--help` answers at once
if TYPE_CHECKING:
    from typing import TextIO

_BIDI = (0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))  # they turn the order of letters round
_LINE_ENDS = (0x2028, 0x2029)
_RAW_C1 = range(0xDC80, 0xDCA0)  # the bytes 80 to 9f of a name that is not UTF-8: an 8-bit terminal obeys them
CONTROLS = (*range(0x20), *range(0x7F, 0xA0), *_BIDI, *_LINE_ENDS)


def _escape(code: int) -> str:
    short = {9: "\\t", 10: "\\n", 13: "\\r"}
    return short.get(code) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


_ESCAPES = {code: _escape(code) for code in CONTROLS} | {code: f"\\x{code - 0xDC00:02x}" for code in _RAW_C1}


def clean(text: str) -> str:
    r"""The same text with control characters as escapes, so that it is one line and stays where it is printed.

    Escaped are C0, DEL, C1, the marks that turn the order of letters round, and Unicode's line ends.

    >>> print(clean("a\x1b[2J\nb\u202e"), clean("Gänse 写真"))
    a\x1b[2J\nb\u202e Gänse 写真
    """
    return text if text.isprintable() else text.translate(_ESCAPES)


def say(line: str) -> None:
    """Prints a line on standard output, and sends it off.

    Raises:
      BrokenPipeError: the reader has gone.
      RunError: it can not be written, for example because the disk is full.
    """
    write(f"{clean(line)}\n")


def warn(line: str) -> None:
    """Prints a line on standard error; where that is closed or full, nothing."""
    err = sys.stderr
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError):
        pass  # said where standard output is written
    if err is None:
        return
    try:
        err.write(encodable(f"{clean(line)}\n", err))
        err.flush()
    except (OSError, ValueError):
        return


def write(text: str) -> None:
    """Writes text to standard output as it is, control characters included, and sends it off; raises as `say`."""
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
    r"""The same with escapes for the characters that a stream can not show: `\u5199` on a Windows console."""
    if text.isascii():
        return text
    encoding, errors = getattr(stream, "encoding", None) or "utf-8", getattr(stream, "errors", None) or "strict"
    try:
        text.encode(encoding, errors)
    except UnicodeEncodeError:
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody sits before a stream; a closed one is none."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:
        return False


def open_missing() -> frozenset[int]:
    """Opens those of the descriptors 0 to 2 that are closed, and those of 1 and 2 that can not be written, on nothing.

    For a program's first lines: otherwise the next file that is opened gets the number, and what is printed lands in it.

    Returns:
      which of them were of no use.
    """
    missing = set()
    for number in range(3):
        try:
            os.write(number, b"") if number else os.fstat(number)
        except OSError as error:
            if error.errno != errno.EBADF:  # a full disk, or a reader that has gone: said when something is printed
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
            stream.reconfigure(errors="backslashreplace")  # a file's name need not be in the terminal's encoding
    _missing.update(missing)
    return frozenset(missing)


_missing: set[int] = set()


def has_output() -> bool:
    """Whether what is written to standard output can be read by anybody."""
    return sys.stdout is not None and 1 not in _missing


def _nowhere(number: int) -> TextIO:
    return open(number, "w", encoding="utf-8", closefd=False)
