"""Limits BLAS to one thread for small matrix products."""

from __future__ import annotations

import contextlib
import os
from typing import Any

_FEW_PRODUCTS = 2**24  # multiplications below which threads cost more than they give
_VARIABLE = "KMP_DUPLICATE_LIB_OK"  # threadpoolctl sets it when it is imported; it concerns the whole process


def one_thread_for(products: int = 0) -> contextlib.AbstractContextManager[Any]:
    """Keeps matrix products of few multiplications on one thread.

    OpenBLAS shares out a product of 2**19 multiplications or more. So small a one is not done sooner by two threads, and
    while other programs work they wait for each other: 4,000 steps of 5 classes took 10 to 50 s instead of 0.9 s.
    """
    if products >= _FEW_PRODUCTS:
        return contextlib.nullcontext()
    unset = _VARIABLE not in os.environ
    try:
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, import-not-found, unused-ignore]
    except ImportError:  # then it is as slow as NumPy alone
        return contextlib.nullcontext()
    if unset:
        os.environ.pop(_VARIABLE, None)
    limits: contextlib.AbstractContextManager[Any] = threadpool_limits(1, "blas")
    return limits
