"""Limits BLAS to one thread for small matrix products."""

from __future__ import annotations

import contextlib
import os
from typing import Any

_FEW_PRODUCTS = 2**24  # number of multiplications below which several threads are slower than one
_VARIABLE = "KMP_DUPLICATE_LIB_OK"  # threadpoolctl sets it on import, which affects the whole process


def one_thread_for(products: int = 0) -> contextlib.AbstractContextManager[Any]:
    """Runs small matrix products on one thread.

    OpenBLAS divides a product of 2**19 multiplications or more among threads. For so small a product this is not faster, and while
    other programs are running, the threads wait for each other: 4,000 steps of 5 classes took 10 to 50 s instead of 0.9 s.
    """
    if products >= _FEW_PRODUCTS:
        return contextlib.nullcontext()
    unset = _VARIABLE not in os.environ
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:  # without threadpoolctl, NumPy decides about its threads
        return contextlib.nullcontext()
    if unset:
        os.environ.pop(_VARIABLE, None)
    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits
