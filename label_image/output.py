"""Text in, whole pieces of it on standard output: Ctrl-C waits until the piece is out, a second one does not."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType

from label_image.errors import RunError, UserError
from label_image.output_file import OutputFile


class Output:
    """Standard output, for rows that are never left half written. Use it in a `with` block.

    Args:
      utf8: for programs to read: UTF-8 with plain line ends wherever this runs. Else as the terminal wants it, and names
        that are not UTF-8 byte for byte as they are on disk.
      to: a file in the place of standard output.
    """

    def __init__(self, utf8: bool, to: OutputFile | None = None) -> None:
        self._to = to
        if to is None and sys.stdout is None:
            raise UserError("no place for the answers: standard output is closed")
        self._busy = 0
        self._asked = False  # Ctrl-C came while busy
        self._before: object = None
        if to is None and isinstance(sys.stdout, io.TextIOWrapper):
            if utf8:
                sys.stdout.reconfigure(encoding="utf-8", newline="\n", errors="strict")
            else:
                sys.stdout.reconfigure(errors="surrogateescape")

    def __enter__(self) -> Output:  # noqa: PYI034 - Self came with Python 3.11
        """Takes Ctrl-C over, where that can be done and nobody else has."""
        if (
            threading.current_thread() is threading.main_thread()
            and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        ):
            self._before = signal.signal(signal.SIGINT, self._interrupted)
        return self

    def __exit__(self, *_: object) -> None:
        """Gives Ctrl-C back."""
        if self._before is not None:
            signal.signal(signal.SIGINT, signal.default_int_handler)

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
                _write(text)
                sys.stdout.flush()
            except BrokenPipeError:
                raise
            except OSError as error:
                raise RunError(f"cannot write the answers: {error.strerror or error}") from None

    @contextlib.contextmanager
    def whole(self) -> Iterator[None]:
        """Puts Ctrl-C off until the block is done."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
        if self._asked and not self._busy:
            self._asked = False
            raise KeyboardInterrupt

    def _interrupted(self, _signal: int, _frame: FrameType | None) -> None:
        if self._busy and not self._asked:
            self._asked = True
            return
        raise KeyboardInterrupt


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # a name or label that this terminal can not show
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
