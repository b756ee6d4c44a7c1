"""What users can mend: an error in, one line out.

    UserError        the command can not mean what was typed; the program ends with status 2
    +-- RunError     the command was right and the work failed; status 1
        +-- OutOfMemoryError  a batch does not fit into the device's memory; a smaller one may
        +-- PhotoError   one photo can not be read; the run goes on without it
            +-- NoScoresError  the network has no answer for it

Everything else is a bug and keeps its traceback. The text says what could not be done, what was found, what to do.
"""

from __future__ import annotations


class UserError(Exception):
    """The user typed or pointed at something that can not be meant.

    >>> UserError("cannot split 'daisy': found 2 photos, need 3; add photos").exit_status
    2
    """

    exit_status = 2


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
