"""Errors that users can correct, each with a one-line message; and plain words for the errors of libraries.

    UserError        the command line is wrong; the program ends with status 2
    +-- LinesError   the same, with a message of several lines
    +-- RunError     the command line is right but the work failed; status 1
        +-- OutOfMemoryError  a batch does not fit into the device's memory; a smaller one may fit
        +-- PhotoError   one photo cannot be read; the run continues without it
            +-- NoScoresError  the network gives no valid scores for it

Every other exception is a bug, which `program` reports in one line. A message states what could not be done, what was
found and what to do.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing collections.abc and typing takes time, and this file is imported before all others
if TYPE_CHECKING:
    from collections.abc import Callable


class UserError(Exception):
    """The command line, or a file that it names, is wrong.

    >>> UserError("cannot split 'daisy': found 2 photos, need 3; add photos").exit_status
    2
    """

    exit_status = 2

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to print: only one."""
        return (str(self),)

    def reword(self, change: Callable[[str], str]) -> None:
        """Changes the text of the message."""
        self.args = tuple(change(part) if isinstance(part, str) else part for part in self.args)


class LinesError(UserError):
    """A mistake whose description needs several lines, for example a folder that can be read in two ways.

    Args:
      lines: the lines of the message; a line end inside a name is shown as an escape.

    >>> LinesError("cannot tell", "seen: a\\nb").lines
    ('cannot tell', 'seen: a\\\\nb')
    """

    def __init__(self, *lines: str) -> None:
        self._lines = tuple(line.replace("\n", "\\n").replace("\r", "\\r") for line in lines)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """The lines to print."""
        return self._lines

    def reword(self, change: Callable[[str], str]) -> None:
        """Changes the text of each line."""
        super().reword(change)
        self._lines = tuple(change(line) for line in self._lines)


class RunError(UserError):
    """The command line is right but the work failed, for example because of unreadable weights or a full disk."""

    exit_status = 1


class OutOfMemoryError(RunError):
    """A batch does not fit into the memory of the device; the caller may try a smaller one."""


class PhotoError(RunError):
    """One photo cannot be read.

    Args:
      reason: the kind of problem in a few words; photos are counted by it.
      detail: what was found in this photo; may be empty.
    """

    undone = "read"  # the verb for what failed

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class NoScoresError(PhotoError):
    """A network's scores for a photo are NaN or infinite, so that no label can be named."""

    undone = "label"


_MEANINGS = {  # by the name of the exception's class, so that the libraries need not be imported
    "DecodeError": "its content is damaged or not of this format",
    "EOFError": "it ends too early",
    "BadGzipFile": "its compressed data is damaged",
    "BadZipFile": "its list of files is damaged",
    "LZMAError": "its compressed data is damaged",
    "RecursionError": "it is nested too deeply",
    "MemoryError": "it needs more memory than is available",
    "OverflowError": "a number in it is too large",
    "StopIteration": "a part of it is missing",
    "IndexError": "a part of it is missing",
    "TypeError": "a part of it has the wrong type",
    "AttributeError": "a part of it has the wrong type",
}
_PYTHONS = ("invalid literal for", "could not convert string", "Exceeds the limit", "cannot convert float")
_OF_PYTHON = "a number in it cannot be read"
_MOST_LETTERS = 160


def meaning(error: BaseException) -> str:
    """Describes a library's error in a few plain words, for use inside a message.

    >>> meaning(EOFError("Compressed file ended before the end-of-stream marker was reached"))
    'it ends too early'
    """
    if isinstance(error, UnicodeError):
        return f"byte {getattr(error, 'start', 0)} is not UTF-8"
    name = type(error).__name__
    if name == "JSONDecodeError":
        return f"line {getattr(error, 'lineno', 0)}, column {getattr(error, 'colno', 0)}"
    if name == "error" and type(error).__module__ == "zlib":
        return _MEANINGS["BadGzipFile"]
    if name in _MEANINGS:
        return _MEANINGS[name]
    if name == "KeyError":
        return f"{error} is missing"
    lines = str(getattr(error, "strerror", None) or error).strip().splitlines()
    text = " ".join(lines[0].split()) if lines else ""
    return _OF_PYTHON if text.startswith(_PYTHONS) else text[:_MOST_LETTERS] or name
