"""Says whether this process belongs to a program of ours, which may change what the whole process shares.

A library must not: when `label_image` or `retrain` is imported by somebody's program, warnings, descriptors and the memory
allocator of that program stay as they are.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing typing takes 2 ms, and `--help` should answer at once
if TYPE_CHECKING:
    from types import TracebackType


class OwnProcess:
    """A block in which a program of ours runs."""

    _running = 0

    def __enter__(self) -> None:
        """The program starts."""
        OwnProcess._running += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """The program ends."""
        OwnProcess._running -= 1


def is_ours() -> bool:
    """Returns whether a program of ours is running."""
    return OwnProcess._running > 0  # noqa: SLF001 - the counter of this file
