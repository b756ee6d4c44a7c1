"""Every row of `make bench` at its smallest size, so that none rots; times are nobody's business here."""

from __future__ import annotations

import json
import math
import shutil

import pytest

from benchmarks import __main__ as benchmarks
from benchmarks import machine, results
from benchmarks.baselines import original
from benchmarks.bench import Bench
from benchmarks.growth import KINDS, Growth
from benchmarks.process import run
from benchmarks.row import Row, in_turn
from label_image.workers import cores
from retrain.backbones.lookup import architecture
from retrain.backbones.model_folder import ModelFolder
from retrain.backbones.weights import from_archive
from tests.conftest import SHARED, run_module

ROWS = {  # room -> how many rows it has at its smallest
    "extraction": 3, "int8": 1, "large_photos": 3, "inception": 1, "head": 4, "whole_run": 5, "start": 4, "folder": 1,
    "store": 7, "memory": 1, "classes": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    scratch = tmp_path_factory.mktemp("bench")
    shutil.copytree(SHARED / "data/models", scratch / "models", copy_function=shutil.copyfile)
    return Bench(SHARED / "data/flower_photos", scratch / "models", scratch, repeat=1, full=False)


def test_every_room_is_tested():
    assert tuple(ROWS) == benchmarks.ROOMS


@pytest.mark.shared
@pytest.mark.parametrize("room", ROWS)
def test_room(bench, room):
    rows = list(benchmarks.rows_of(room, bench))
    assert len(rows) == ROWS[room]
    for row in rows:
        assert row.ours
        assert all(math.isfinite(value) and value >= 0 for value in (*row.ours, *row.theirs))
        assert (row.met is None) == (row.goal == "")
    assert len({(row.what, row.baseline, row.goal) for row in rows}) == len(rows)


@pytest.mark.shared
def test_the_original_s_way_sees_what_is_on_the_photo(bench):
    name = "mobilenet_1.0_224"
    found = from_archive(architecture(name), ModelFolder.of(bench.options(bench.photos, name).network, print))
    way = original.Extraction(found.data, 224)
    daisies = sorted((bench.photos / "daisy").glob("*.jpg"))[:4]
    assert [int(way.features(str(path)).argmax()) for path in daisies].count(986) >= 3  # ImageNet's daisy


def test_a_ratio_says_how_many_times_as_good():
    faster = Row("photos", "images/s", (20.0, 30.0), "half", (10.0, 10.0), at_least=2.5)
    assert (faster.ratios, faster.met, faster.goal) == ((2.0, 3.0), True, "≥ 2.5 x")
    slower = Row("a run", "s", (2.0, 2.0), "half of it", (1.0, 1.0), at_least=1.0)
    assert (slower.ratios, slower.met) == ((0.5, 0.5), False)
    bound = Row("a run", "s", (1.0, 4.0, 2.0), at_most=1.9)
    assert (bound.ratios, bound.met, bound.goal) == ((), False, "≤ 1.9 s")
    assert Row("a run", "s", (1.0,), "the bound", (2.0,)).met is None


def test_turns_go_there_and_back():
    order = []
    works = {name: lambda name=name: float(order.append(name) or len(order)) for name in "ab"}
    assert in_turn(works, 3) == {"a": (1.0, 4.0, 5.0), "b": (2.0, 3.0, 6.0)}
    assert "".join(order) == "abbaab"


def test_the_table_and_the_record_say_the_same(tmp_path):
    rows = [Row("a|run", "s", (2.0, 4.0, 3.0), "the bound", (6.0,), at_least=3, note="with a note")]
    about = {**machine.machine(), "size": "smallest", "repeat": 3, "load_at_start": [1.0], "load_at_end": [2.0]}
    results.write(tmp_path, about, {"runs": rows})
    table = (tmp_path / "results.md").read_text("utf-8")
    assert "| a/run | 3 s | 2 to 4 | the bound | 6 | 2 | 1.5 to 3 | ≥ 3 x | **no** |" in table
    assert "0 of 1 goals are met" in table
    assert "with a note" in table
    (record,) = json.loads((tmp_path / "results.json").read_text("utf-8"))["rows"]["runs"]
    assert (record["ours_median"], record["ratio_median"], record["met"]) == (3.0, 2.0, False)


def test_int8_dot_products_are_seen_in_the_processor_s_flags():
    assert machine.has_int8_dot_products("flags\t\t: fpu avx2 avx512_vnni\n")
    assert machine.has_int8_dot_products("Features\t: fp asimd asimddp\n")
    assert not machine.has_int8_dot_products("flags\t\t: fpu avx2 fma\n")


def test_a_process_is_timed_and_its_own_peak_is_told(tmp_path):
    held = bytearray(300_000_000)  # a parent's peak is not the child's
    small, large = (run(["-c", f"x = b'x' * {size}; print(len(x))"], tmp_path) for size in (1, 150_000_000))
    assert (small.output, large.output) == ("1\n", "150000000\n")
    assert small.peak_mb < 100
    assert 150 < large.peak_mb < 250 < len(held) / 1e6
    assert run(["-c", "import time; time.sleep(0.2)"], tmp_path).seconds >= 0.2
    with pytest.raises(RuntimeError, match="ValueError: what it said"):
        run(["-c", "raise ValueError('what it said')"], tmp_path)


def test_without_the_photos_it_says_so_and_fails(tmp_path):
    done = run_module("benchmarks", f"--photos={tmp_path / 'none'}", f"--out={tmp_path}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("benchmarks: cannot measure without real photos and weights: no folder ")
    done = run_module("benchmarks", "--only=extraction,speling", cwd=tmp_path)
    assert (done.returncode, "'speling' is not a group of rows" in done.stderr) == (2, True)


@pytest.mark.shared
def test_one_room_in_one_go(tmp_path):
    done = run_module(
        "benchmarks", "--size=smallest", "--repeat=2", "--only=classes", f"--out={tmp_path}", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("wrote ")
    record = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert len(record["rows"]["classes"]) == ROWS["classes"]
    assert len(record["rows"]["classes"][0]["ours"]) == 2


def test_a_line_goes_through_its_points():
    growth = Growth("a run", "photos", {1: 3.0, 2: 5.0, 4: 9.0})
    assert growth.line == pytest.approx((1.0, 2.0))
    assert growth.explained == pytest.approx(1.0)
    assert "seconds = 1 + 2 x photos; explained 1.000" in growth.markdown()
    assert Growth("a run", "photos", {1: 3.0, 2: 9.0, 3: 3.0}).explained == pytest.approx(0.0)


@pytest.mark.shared
@pytest.mark.parametrize("kind", KINDS)
def test_growth(bench, kind):
    growth = KINDS[kind](bench)
    assert all(value > 0 for value in growth.points.values())
    assert len(growth.points) >= min(2, cores())
