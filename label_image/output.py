"""Standard output for answers: whole pieces of text, which Ctrl-C does not cut; a second Ctrl-C does."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

from label_image import signals, terminal
from label_image.errors import RunError, UserError
from label_image.output_file import OutputFile


class OutputStream:
    """Standard output, for rows that are never left half written. Use it in a `with` block.

    Args:
      utf8: for programs to read: UTF-8 with plain line ends wherever this runs. Else as the terminal wants it, and names
        that are not UTF-8 byte for byte as they are on disk.
      to: a file in the place of standard output.

    Raises:
      UserError: standard output is closed, and no file takes its place.
    """

    def __init__(self, utf8: bool, to: OutputFile | None = None) -> None:
        self._to = to
        if to is None and not terminal.has_output():
            raise UserError("no place for the answers: standard output is closed")
        self._caught = contextlib.ExitStack()
        if to is None and isinstance(sys.stdout, io.TextIOWrapper):
            if utf8:
                sys.stdout.reconfigure(encoding="utf-8", newline="\n", errors="strict")
            else:
                sys.stdout.reconfigure(errors="surrogateescape")

    def __enter__(self) -> OutputStream:  # noqa: PYI034 - Self came with Python 3.11
        """Takes Ctrl-C over, where that can be done and nobody else has."""
        self._caught.enter_context(signals.caught())
        return self

    def __exit__(self, *_: object) -> None:
        """Gives Ctrl-C back."""
        self._caught.close()

    def write(self, text: str) -> None:
        """Writes a piece and sends it off.

        Raises:
          BrokenPipeError: the reader has gone.
          RunError: the disk is full, or whatever else keeps it from being written.
        """
        with self.whole():
            if self._to is not None:
                self._to.write(text)
                return
            try:
                terminal.write(text)
            except RunError as error:
                reason = str(error).partition(": ")[2]
                raise RunError(f"cannot write the answers: {reason}") from None

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Puts Ctrl-C off until the block is done."""
        with signals.held():
            yield
