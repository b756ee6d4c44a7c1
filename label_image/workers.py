"""Items in, results out in the same order, with a worker a core and memory that stays flat.

Threads, not processes: Pillow and LiteRT let go of Python's lock while they work. Each thread makes its own worker (an
interpreter of its own), so nothing is shared and nothing waits. The items are read by a thread of their own: a result is
handed out when it is there, however long the next item is in coming (a list that is typed or piped slowly).
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

_limit = 0  # cores, where use_at_most can not ask the system; 0 is none

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 8  # items in flight a worker: enough to keep it busy while the slowest item of its batch finishes
# Read by OpenBLAS, MKL, Apple's BLAS and TensorFlow when they start; only where a process can not be held to cores.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "TF_NUM_INTRAOP_THREADS")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")  # of Linux's control groups, where `docker --cpus=2` writes "200000 100000"


def cores() -> int:
    """How many cores this process may use (`taskset` and a container's share count)."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    seen = min(seen, _limit or seen)
    try:
        quota, period = (int(number) for number in _QUOTA.read_text("ascii").split())
    except (OSError, ValueError):  # no control groups here, or "max", no limit
        return seen
    return max(1, min(seen, math.ceil(quota / period)))


def check_cores(count: int) -> None:
    """Raises UserError where this process has fewer cores."""
    here = cores()
    if count > here:
        raise UserError(f"cannot use {count} cores: this process has {here}; give --device=cpu:{here} or --device=cpu")


def use_at_most(count: int) -> None:
    """Holds this process, and what it loads from now on, to some cores, as if the machine had no more.

    For a program's first lines: NumPy and TensorFlow count the cores when they are imported.

    Raises:
      UserError: there are fewer.
    """
    global _limit  # noqa: PLW0603 - how many cores a process has is one fact a process
    check_cores(count)
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:count])
        return
    _limit = count
    os.environ.update(dict.fromkeys(_THREADS, str(count)))


def map_ordered(
    make_worker: Callable[[], Callable[[Item], Result]], items: Iterable[Item], workers: int, ahead: int = 0
) -> Iterator[Result]:
    """Applies a worker to each item.

    Args:
      make_worker: called once in each thread; makes what that thread applies.
      items: read lazily in a thread of its own, never more than a few ahead of the results.
      workers: how many threads.
      ahead: how many items may be in flight at least; for a caller that takes its results in batches.

    Yields:
      results in the order of the items, each as soon as it is there. An exception of a worker or of `items` is raised in
      its place. Whoever stops early (Ctrl-C, `| head`) does not wait for what the workers have in hand.
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

    # A daemon: it may stand in a read of standard input that never ends.
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
    """An error among the items, to be raised where the results are read."""
    future: Future[Any] = Future()
    future.set_exception(error)
    return future
