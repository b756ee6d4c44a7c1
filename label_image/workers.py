"""Items in, results out in the same order, with a worker a core and memory that stays flat.

Threads, not processes: Pillow and LiteRT let go of Python's lock while they work. Each thread makes its own worker (an
interpreter of its own), so nothing is shared and nothing waits.
"""

from __future__ import annotations

import collections
import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 8  # items in flight a worker: enough to keep it busy while the slowest item of its batch finishes
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of Linux's control groups, where `docker --cpus=2` writes "200000 100000"


def cores() -> int:
    """How many cores this process may use (`taskset` and a container's share count)."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = (int(number) for number in _QUOTA.read_text("ascii").split())
    except (OSError, ValueError):  # no control groups here, or "max", no limit
        return seen
    return max(1, min(seen, math.ceil(quota / period)))


def map_ordered(
    make_worker: Callable[[], Callable[[Item], Result]], items: Iterable[Item], workers: int
) -> Iterator[Result]:
    """Applies a worker to each item.

    Args:
      make_worker: called once in each thread; makes what that thread applies.
      items: read lazily, never more than a few ahead of the results.
      workers: how many threads.

    Yields:
      results in the order of the items. An exception of a worker is raised in its place. When the caller stops early,
      items not begun are dropped and the threads end; use `contextlib.closing` to have that done at once.
    """
    own = threading.local()

    def work(item: Item) -> Result:
        if not hasattr(own, "worker"):
            own.worker = make_worker()
        worker: Callable[[Item], Result] = own.worker
        return worker(item)

    pool = ThreadPoolExecutor(workers)
    waiting: collections.deque[Future[Result]] = collections.deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
