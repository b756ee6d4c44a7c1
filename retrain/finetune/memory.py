"""Keeps freed memory in the process, because training frees and allocates the same gigabyte at each step.

The GNU C library returns large blocks to the operating system at once, which then has to clear each page again: a quarter of the
time of a step on a CPU. With other C libraries, nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes

from label_image.process import is_ours

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """Applies to the whole process from now on; does nothing if the process belongs to another program."""
    if not is_ours():
        return
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
