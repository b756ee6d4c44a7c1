"""Writes the answers to standard output or a file, in whole pieces that a first Ctrl-C does not interrupt."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

from label_image import signals, terminal
from label_image.errors import RunError, UserError
from label_image.output_file import OutputFile


class OutputStream:
    """Writes rows that are never left half written. Use it in a `with` block.

    Args:
      utf8: whether to write UTF-8 with LF line ends on every system, for programs. Otherwise the terminal's encoding is
        used, and names that are not UTF-8 are written byte for byte as on disk.
      to: a file instead of standard output.

    Raises:
      UserError: standard output is closed and there is no file.
    """

    def __init__(self, utf8: bool, to: OutputFile | None = None) -> None:
        self._to = to
        if to is None and not terminal.has_output():
            raise UserError("cannot write the answers: standard output is closed; give a file with --output")
        self._caught = contextlib.ExitStack()
        if to is None and isinstance(sys.stdout, io.TextIOWrapper):
            if utf8:
                sys.stdout.reconfigure(encoding="utf-8", newline="\n", errors="strict")
            else:
                sys.stdout.reconfigure(errors="surrogateescape")

    def __enter__(self) -> OutputStream:  # noqa: PYI034 - Self came with Python 3.11
        """Starts to handle Ctrl-C, if nothing else handles it."""
        self._caught.enter_context(signals.caught())
        return self

    def __exit__(self, *_: object) -> None:
        """Restores the former handling of Ctrl-C."""
        self._caught.close()

    def write(self, text: str) -> None:
        """Writes a piece of text and flushes it.

        Raises:
          BrokenPipeError: the reader of the pipe is gone.
          RunError: it cannot be written, for example because the disk is full.
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
        """Delays Ctrl-C until the end of the block."""
        with signals.held():
            yield
