"""Keeps freed memory in the process: training frees and takes the same gigabyte at each step.

The C library hands large pieces back to the system at once, which then has to clear each page of them again: a quarter of a step's
work on a CPU. Only where that library is GNU's; elsewhere nothing is done.
"""

from __future__ import annotations

import contextlib
import ctypes

from label_image.process import is_ours

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_NEVER = 2**31 - 1


def keep_freed_memory() -> None:
    """From now on, for the whole process; nothing is done where the process is another program's."""
    if not is_ours():
        return
    with contextlib.suppress(OSError, AttributeError, TypeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
