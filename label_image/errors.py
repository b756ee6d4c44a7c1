"""Errors that users can mend, each one line; and what a library's error means, in words.

    UserError        the command can not mean what was typed; the program ends with status 2
    +-- LinesError   the same, told in several lines
    +-- RunError     the command was right and the work failed; status 1
        +-- OutOfMemoryError  a batch does not fit into the device's memory; a smaller one may
        +-- PhotoError   one photo can not be read; the run goes on without it
            +-- NoScoresError  the network has no answer for it

Everything else is a fault of ours, which `edge` reports in a line of its own. The text says what could not be done, what was found, what to do.
"""

from __future__ import annotations


class UserError(Exception):
    """The user typed or pointed at something that can not be meant.

    >>> UserError("cannot split 'daisy': found 2 photos, need 3; add photos").exit_status
    2
    """

    exit_status = 2

    @property
    def lines(self) -> tuple[str, ...]:
        """What is printed: one line."""
        return (str(self),)


class LinesError(UserError):
    """A mistake that takes more than a line to tell, as where a folder can be read in several ways.

    Args:
      lines: each without line ends; one that a name brings with it is shown as such.

    >>> LinesError("cannot tell", "seen: a\\nb").lines
    ('cannot tell', 'seen: a\\\\nb')
    """

    def __init__(self, *lines: str) -> None:
        self._lines = tuple(line.replace("\n", "\\n").replace("\r", "\\r") for line in lines)
        super().__init__("\n".join(self._lines))

    @property
    def lines(self) -> tuple[str, ...]:
        """What is printed."""
        return self._lines


class RunError(UserError):
    """The work could not be done, though it was asked for rightly: weights that do not read, a full disk."""

    exit_status = 1


class OutOfMemoryError(RunError):
    """A batch does not fit into the memory of the device; whoever made the batch may try a smaller one."""


class PhotoError(RunError):
    """One photo can not be read.

    Args:
      reason: what kind of trouble, in few words; photos are counted by it.
      detail: what was found in this file; may be empty.
    """

    undone = "read"  # what could not be done with the photo

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail


class NoScoresError(PhotoError):
    """A network answers a photo with something that is no number; whatever stands first then is no label."""

    undone = "label"


_MEANINGS = {  # by the class's name: the libraries are not imported here
    "DecodeError": "its bytes are damaged, or something else",
    "EOFError": "it ends too early",
    "BadGzipFile": "its compressed data is damaged",
    "BadZipFile": "its list of files is damaged",
    "LZMAError": "its compressed data is damaged",
    "RecursionError": "it is nested too deeply",
    "MemoryError": "it needs more memory than there is",
    "OverflowError": "a number in it is too large",
    "StopIteration": "a part of it is missing",
    "IndexError": "a part of it is missing",
    "TypeError": "a part of it is of another kind than it has to be",
    "AttributeError": "a part of it is of another kind than it has to be",
}
_PYTHONS = ("invalid literal for", "could not convert string", "Exceeds the limit", "cannot convert float")
_OF_PYTHON = "a number in it can not be read"
_MOST_LETTERS = 160


def meaning(error: BaseException) -> str:
    """What an error of a library means, in words and in one line, for the brackets of a message.

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
