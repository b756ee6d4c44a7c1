"""Results in the order of the items, and no thread left behind."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_image import workers
from label_image.errors import UserError
from label_image.workers import cores, map_ordered
from tests.conftest import ROOT, run_module

_before = set()  # threads of other files' tests, which are not looked at here


def threads(patience_s=10.0):
    """Worker threads of this test that are still there; those told to stop may finish what they have in hand."""
    end = time.monotonic() + patience_s
    while True:
        alive = {thread for thread in threading.enumerate() if thread.name.startswith("ThreadPoolExecutor")} - _before
        if not alive or time.monotonic() > end:
            return alive
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def no_thread_left():
    _before.clear()
    _before.update(threading.enumerate())
    yield
    assert not threads()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers()), st.integers(1, 5))
def test_results_come_in_the_order_of_the_items(items, count):
    assert list(map_ordered(lambda: lambda item: (item, 1), items, count)) == [(item, 1) for item in items]


def test_a_slow_item_does_not_change_the_order():
    rng = random.Random(3)
    delays = [0.05, *(rng.random() * 0.005 for _ in range(40))]

    def slow(item):
        time.sleep(delays[item])
        return item

    assert list(map_ordered(lambda: slow, range(41), 4)) == list(range(41))


def test_items_are_read_only_a_few_ahead_of_the_results():
    read = []

    def endless():
        for number in itertools.count():
            read.append(number)
            yield number

    results: Any = map_ordered(lambda: lambda item: item, endless(), 2)
    for wanted in range(100):
        assert next(results) == wanted
        assert len(read) <= wanted + 1 + 2 * 8
    results.close()
    assert len(read) < 120


def test_each_thread_makes_its_own_worker_once():
    made, barrier = [], threading.Barrier(3)

    def make_worker():
        me = threading.get_ident()
        made.append(me)
        barrier.wait(5)  # all three are at work at the same time
        return lambda _: me == threading.get_ident()

    assert all(map_ordered(make_worker, range(30), 3))
    assert len(set(made)) == len(made) == 3


def test_one_item_makes_one_worker():
    made = []

    def make_worker():
        made.append(1)
        return abs

    assert list(map_ordered(make_worker, [-1], 8)) == [1]
    assert made == [1]


def test_an_exception_is_raised_in_its_place():
    results = map_ordered(lambda: lambda item: 10 // item, [5, 2, 0, 1], 2)
    assert [next(results), next(results)] == [2, 5]
    with pytest.raises(ZeroDivisionError):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


def test_a_worker_that_can_not_be_made_is_an_exception_too():
    def make_worker():
        raise RuntimeError("no interpreter")

    with pytest.raises(RuntimeError, match="no interpreter"):
        list(map_ordered(make_worker, range(100), 2))


def test_an_exception_of_the_items_ends_it():
    def items():
        yield 1
        raise OSError("the folder is gone")

    with pytest.raises(OSError, match="gone"):
        list(map_ordered(lambda: abs, items(), 2))


def test_stopping_early_drops_what_has_not_begun_and_ends_the_threads():
    begun, gate = [], threading.Event()

    def work(item):
        begun.append(item)
        if item:
            gate.wait(10)
        return item

    ordered: Any = map_ordered(lambda: work, range(1000), 2)
    with contextlib.closing(ordered) as results:
        assert next(results) == 0
    gate.set()
    assert not threads()
    assert sorted(begun) in ([0], [0, 1], [0, 1, 2])


def test_ctrl_c_while_waiting_ends_the_threads():
    def work(item):
        if item == 3:
            raise KeyboardInterrupt
        return item

    results = map_ordered(lambda: work, range(100), 2)
    with pytest.raises(KeyboardInterrupt):
        list(results)
    assert not threads()


def test_no_item_gives_no_result():
    assert list(map_ordered(lambda: abs, [], 3)) == []


@pytest.mark.parametrize(
    ("text", "wanted"), [("200000 100000", 2), ("50000 100000", 1), ("150000 100000", 2), ("max 100000", 64), ("", 64)]
)
def test_a_containers_share_of_the_cores_counts(tmp_path, monkeypatch, text, wanted):
    (tmp_path / "cpu.max").write_text(f"{text}\n")
    monkeypatch.setattr(workers, "_QUOTA", tmp_path / "cpu.max")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)), raising=False)
    assert cores() == wanted


def test_where_there_is_no_container_affinity_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "_QUOTA", tmp_path / "no")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 3, 5}, raising=False)
    assert cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert cores() == 1


def test_a_process_held_to_one_core_counts_one_and_so_does_blas(tmp_path):
    (tmp_path / "probe.py").write_text(
        "from label_image.workers import cores, use_at_most\n"
        "use_at_most(1)\n"
        "import numpy, threadpoolctl\n"
        "print(cores(), {pool['num_threads'] for pool in threadpoolctl.threadpool_info()})\n"
    )
    seen = run_module("probe", cwd=tmp_path, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"})
    assert seen.stdout.split("\n")[0] == "1 {1}", seen.stderr


def test_where_a_process_can_not_be_held_to_cores_threads_are_limited(monkeypatch):
    monkeypatch.setattr(workers, "_limit", 0)
    monkeypatch.setattr(workers, "cores", lambda: 8)
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)
    for name in workers._THREADS:
        monkeypatch.setenv(name, "8")
    workers.use_at_most(3)
    assert {os.environ[name] for name in workers._THREADS} == {"3"}
    monkeypatch.undo()
    monkeypatch.setattr(workers, "_limit", 1)
    assert cores() == 1


def test_more_cores_than_there_are_is_refused():
    with pytest.raises(UserError, match=r"cannot use 4000 cores: this process has \d+; give --device=cpu:"):
        workers.use_at_most(4000)
