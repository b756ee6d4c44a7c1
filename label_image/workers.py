"""Processes items in parallel threads, yields the results in order, and keeps the memory use constant.

Threads are sufficient because Pillow and LiteRT release Python's global interpreter lock while they work. Each thread makes its
own worker (with its own interpreter), so that no thread waits for another. A separate thread reads the items, so that a result
is yielded as soon as it is ready, even if the next item arrives slowly (a list that is typed or piped).
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from label_image.errors import UserError

_limit = 0  # cores, if the system cannot enforce use_at_most; 0 means no limit

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 8  # items in progress per worker: enough to keep all workers busy while the slowest item finishes
# Read by OpenBLAS, MKL, Apple's BLAS and TensorFlow when they start; set only if the system cannot restrict a process to cores.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of Linux's control groups; `docker --cpus=2` writes "200000 100000" there


def cores() -> int:
    """Returns how many cores this process may use, considering `taskset` and a container's quota."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    seen = min(seen, _limit or seen)
    try:
        quota, period = (int(number) for number in _QUOTA.read_text("ascii").split())
    except (OSError, ValueError):  # no control groups, or "max", which means no limit
        return seen
    return max(1, min(seen, math.ceil(quota / period)))


def check_cores(count: int) -> None:
    """Raises UserError if this process has fewer cores."""
    here = cores()
    if count > here:
        raise UserError(f"cannot use {count} cores: this process has {here}; give --device=cpu:{here} or --device=cpu")


def use_at_most(count: int) -> None:
    """Restricts this process, and the libraries that it loads afterwards, to a number of cores.

    To be called at a program's start, because NumPy and TensorFlow count the cores when they are imported.

    Raises:
      UserError: the process has fewer cores.
    """
    global _limit  # noqa: PLW0603 - the number of cores belongs to the process
    check_cores(count)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
        return
    _limit = count
    os.environ.update(dict.fromkeys(_THREADS, str(count)))


def map_ordered(
    make_worker: Callable[[], Callable[[Item], Result]], items: Iterable[Item], workers: int, ahead: int = 0
) -> Iterator[Result]:
    """Applies a worker to each item in parallel.

    Args:
      make_worker: called once in each thread; returns the function that the thread applies.
      items: read lazily in a separate thread, only a few items ahead of the results.
      workers: the number of threads.
      ahead: the least number of items that may be in progress, for a caller that takes results in batches.

    Yields:
      the results in the order of the items, each as soon as it is ready. An exception of a worker or of `items` is raised
      at its position. A caller that stops early (Ctrl-C, `| head`) does not wait for the running workers.
    """
    own = threading.local()

    def work(item: Item) -> Result:
        if not hasattr(own, "worker"):
            own.worker = make_worker()
        worker: Callable[[Item], Result] = own.worker
        return worker(item)

    pool = ThreadPoolExecutor(workers)
    waiting: SimpleQueue[Future[Result] | None] = SimpleQueue()
    room = threading.Semaphore(max(workers * _AHEAD, ahead))
    stopped = threading.Event()

    def feed() -> None:
        try:
            for item in items:
                room.acquire()
                if stopped.is_set():
                    return
                waiting.put(pool.submit(work, item))
        except BaseException as error:
            waiting.put(_failed(error))
        waiting.put(None)

    # A daemon thread, because it may block forever reading standard input.
    threading.Thread(target=feed, name="label_image-items", daemon=True).start()
    finished = False
    try:
        while future := waiting.get():
            yield future.result()
            room.release()
        finished = True
    finally:
        stopped.set()
        room.release()
        pool.shutdown(wait=finished, cancel_futures=True)


def _failed(error: BaseException) -> Future[Any]:
    """Wraps an error of the items in a Future, so that it is raised where the results are read."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
