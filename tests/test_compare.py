"""`python -m retrain.compare` as a user types it, on coloured photos; and its sums by hand."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from retrain.compare import chart, jobs
from retrain.compare.findings import find
from retrain.compare.mcnemar import holm, p_value, sentence
from retrain.compare.payoff import Crossing, Line, crossing, line_of
from retrain.compare.records import Answer, ComparedRun
from retrain.compare.table import markdown
from retrain.store.feature_store import Store, key_of
from retrain.types import Pace
from tests.conftest import ROOT, STAND_IN, run_module, write_colour_photos


@pytest.fixture(scope="module")
def flags(colour_photos, model_dir):
    """Flags of quick runs on the colours."""
    return (
        f"--image_dir={colour_photos}",
        f"--architecture={STAND_IN}",
        f"--model_dir={model_dir}",
        "--how_many_training_steps=50",
    )


@pytest.fixture
def compare(tmp_path):
    return lambda *words, **options: run_module("retrain.compare", *words, cwd=tmp_path, **options)


def result_in(folder):
    """(the one comparison's folder, its compare.json)."""
    (found,) = (folder / "tf_files/comparisons").iterdir()
    return found, json.loads((found / "compare.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def devices(tmp_path_factory, flags):
    """A folder in which all cores and one have been compared, and what was said."""
    folder = tmp_path_factory.mktemp("devices")
    done = run_module("retrain.compare", *flags, "--devices=cpu,cpu:1", cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


# Runs that are made


def test_devices_each_make_their_features_in_a_process_of_their_own(devices):
    folder, out = devices
    _, found = result_in(folder)
    assert [run["name"] for run in found["runs"]] == ["cpu", "cpu:1"]
    assert [run["pace"]["computed"] for run in found["runs"]] == [72, 72]
    for run in found["runs"]:
        assert {"scan", "backbone", "features", "training", "test", "exports"} <= set(run["seconds"])
        assert sum(run["seconds"].values()) < run["wall_s"]
        assert 20e6 < run["host_peak_bytes"] < 1e9  # Python with NumPy, no TensorFlow
        assert run["device_peak_bytes"] is None
    assert "- cpu:1: LiteRT on the CPU, 1 of its cores" in out
    for heading in ("test accuracy", "images/s", "plateau at step", "memory", "| 10,000 |"):
        assert heading in out


def test_devices_are_held_against_each_other_in_features_scores_and_answers(devices):
    folder, out = devices
    _, found = result_in(folder)
    (pair,) = found["pairs"]
    assert pair["features"]["photos"] == 72
    assert pair["features"]["largest"] == 0  # the same kernels, one photo a call
    assert pair["features"]["least_cosine"] == pytest.approx(1)
    assert (pair["answers_differ"], pair["largest_score_difference"], pair["p"]) == (0, 0, 1)
    assert pair["shared"] == found["runs"][0]["tested"] > 0
    assert f"- cpu and cpu:1: of {pair['shared']} photos, both label the same ones correctly" in out


def test_the_result_is_text_json_a_picture_and_the_records_and_nothing_else_is_left(devices):
    folder, out = devices
    where, _ = result_in(folder)
    assert sorted(path.name for path in where.iterdir()) == ["compare.json", "compare.md", "compare.svg", "runs"]
    assert (where / "compare.md").read_text("utf-8").split("\n\n", 1)[1] in out
    picture = ET.fromstring((where / "compare.svg").read_text("utf-8"))
    words = {"".join(element.itertext()).strip() for element in picture.iter() if element.tag.endswith("}text")}
    assert {"cpu", "cpu:1", "validation accuracy, %", "features", "exports"} <= words
    record = json.loads((where / "runs/2-cpu_1/run.json").read_text("utf-8"))
    assert record["plan"]["device"] == "cpu:1"
    assert [path.name for path in (folder / "tf_files").iterdir()] == ["comparisons"]


def test_the_runs_of_a_comparison_can_be_compared_again(devices, compare, tmp_path):
    folder, _ = devices
    where, found = result_in(folder)
    done = compare(*sorted((where / "runs").iterdir()))
    assert done.returncode == 0, done.stderr
    assert "| 1-cpu   | cpu    |" in done.stdout
    again = result_in(tmp_path)[1]
    assert [run["accuracy"] for run in again["runs"]] == [run["accuracy"] for run in found["runs"]]
    assert again["pairs"][0]["shared"] == found["pairs"][0]["shared"]
    assert again["payoff"] is None  # nobody waited for these processes


def test_learning_rates_share_features_which_are_made_before_the_clock_starts(compare, flags, tmp_path):
    done = compare(*flags, "--learning_rates=0.5,0.001,0.01", "--bottleneck_dir=kept")
    assert done.returncode == 0, done.stderr
    _, found = result_in(tmp_path)
    assert (tmp_path / "kept/bottlenecks.sqlite").is_file()
    assert [run["pace"]["computed"] for run in found["runs"]] == [0, 0, 0]
    assert "images/s" not in done.stdout
    assert [run["settings"] for run in found["runs"]] == [{"learning_rate": rate} for rate in ("0.5", "0.001", "0.01")]
    curves = [run["validation_accuracy"] for run in found["runs"]]
    assert all(len(curve) == 6 for curve in curves)  # steps 0, 10, .. 40 and 49
    records = [json.loads(path.read_text("utf-8")) for path in sorted(result_in(tmp_path)[0].glob("runs/*/run.json"))]
    losses = [record["curve"]["train_loss"][-1] for record in records]
    assert losses[0] < losses[2] < losses[1]  # the faster, the farther after 50 steps
    assert "The p values have Holm's correction" in done.stdout
    assert found["payoff"] is None


def test_lists_are_mixed_and_each_device_makes_features_once(compare, flags, tmp_path):
    done = compare(*flags, "--device=cpu,cpu:1", "--seed=0,1")
    assert done.returncode == 0, done.stderr
    _, found = result_in(tmp_path)
    assert [run["name"] for run in found["runs"]] == [
        f"seed {seed} {device}" for seed in (0, 1) for device in ("cpu", "cpu:1")
    ]
    assert [run["pace"]["computed"] for run in found["runs"]] == [72, 72, 0, 0]
    pairs = [(pair["first"], pair["other"]) for pair in found["pairs"]]
    assert pairs == [(f"seed {seed} cpu", f"seed {seed} cpu:1") for seed in (0, 1)]  # nothing but the device differs
    accuracy = [run["accuracy"] for run in found["runs"]]
    assert re.search(rf"^\| cpu:1 +\| 2 +\| {(accuracy[1] + accuracy[3]) / 2:.1%} ", done.stdout, re.MULTILINE)


def test_a_networks_precision_is_swept_like_any_flag(compare, flags, tmp_path):
    done = compare(*flags, "--backbone_precision=float32,int8", "--max_quantization_loss=100")
    assert done.returncode == 0, done.stderr
    _, found = result_in(tmp_path)
    assert [run["name"] for run in found["runs"]] == ["float32", "int8"]
    assert [run["pace"]["computed"] for run in found["runs"]] == [72, 72]
    assert 0.001 < found["pairs"][0]["features"]["largest"] < 0.1  # of 0..2, in 255 steps
    assert "- int8: LiteRT on the CPU in int8" in done.stdout


def test_without_a_gpu_one_line_says_why_and_nothing_is_written(compare, flags, tmp_path):
    done = compare(*flags, "--devices=cpu,gpu", env={"CUDA_VISIBLE_DEVICES": "-1"})
    assert done.returncode == 1
    assert re.fullmatch(r"compare: no GPU for --devices=gpu: .*TensorFlow .*CPU.*(install|unset).*\n", done.stderr)
    assert done.stdout == ""
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_the_run_in_hand_and_writes_nothing(flags, tmp_path):
    command = [sys.executable, "-m", "retrain.compare", *flags, "--how_many_training_steps=10000000", "--seeds=0,1"]
    process = subprocess.Popen(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if line.startswith("1 of 2"):
            break
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "compare: stopped; no file was written\n")
    assert [path.name for path in tmp_path.iterdir()] == ["tf_files"]  # the features
    assert [path.name for path in (tmp_path / "tf_files").iterdir()] == ["bottlenecks"]


def test_a_run_that_fails_is_named_with_its_own_line(compare, flags, tmp_path):
    done = compare(*flags, f"--image_dir={tmp_path / 'nowhere'}", "--seeds=0,1")
    assert done.returncode == 2
    assert done.stderr.startswith("compare: the run features: ")
    assert "nowhere" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "tf_files/comparisons").exists()


@pytest.mark.parametrize(("load", "says"), [(0.4, ""), (1.5, "load 1.5 on 2 cores"), (8.0, "load 8.0 on 2 cores")])
def test_a_busy_machine_is_said(monkeypatch, load, says):
    monkeypatch.setattr(jobs, "cores", lambda: 2)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0, 0), raising=False)
    note = jobs.busy()
    assert bool(note) == bool(says)
    assert says in note
    assert note in markdown(find([a_run(), a_run("b")], False, note))


# Runs that exist


@pytest.fixture
def runs(devices, tmp_path):
    """Two runs' folders that a test may spoil."""
    where, _ = result_in(devices[0])
    for number, source in enumerate(sorted((where / "runs").iterdir())):
        shutil.copytree(source, tmp_path / f"run{number}")
    return tmp_path / "run0", tmp_path / "run1"


def spoil(folder, change):
    path = folder / "run.json"
    record = json.loads(path.read_text("utf-8"))
    change(record)
    path.write_text(json.dumps(record), "utf-8")


def test_a_worse_run_is_called_worse(compare, runs):
    def wrong(record):
        for photo in record["test_photos"]:
            photo["predicted"] = "cyan" if photo["label"] != "cyan" else "yellow"

    spoil(runs[1], wrong)
    done = compare(*runs)
    assert done.returncode == 0, done.stderr
    said = re.search(
        r"run0 is significantly better than run1 on (\d+) photos \(.*: (\d+) and 0; p = (.*)\)",
        done.stdout,
    )
    assert said[1] == said[2]
    assert float(said[3]) == pytest.approx(2 * 0.5 ** int(said[1]), rel=0.1)


def test_a_run_is_understood_from_another_folder_with_other_words_for_its_photos(compare, runs, tmp_path, flags):
    folder = tmp_path / "project"
    photos = write_colour_photos(folder / "photos")
    for number, image_dir in enumerate(("photos", str(photos))):
        done = run_module(
            "retrain", *flags, f"--image_dir={image_dir}", "--output_graph=", f"--seed={number}", cwd=folder
        )
        assert done.returncode == 0, done.stderr
    done = compare(*sorted((folder / "tf_files/runs").iterdir()))
    assert done.returncode == 0, done.stderr
    assert "no test photo in common" not in done.stdout


def test_runs_without_a_shared_photo_cannot_be_compared(compare, runs, tmp_path):
    spoil(runs[1], lambda record: [photo.update(path=f"/else{photo['path']}") for photo in record["test_photos"]])
    done = compare(*runs)
    assert done.returncode == 1
    assert done.stderr.startswith("compare: these runs have no test photo in common")
    assert not (tmp_path / "tf_files").exists()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is not JSON"),
        ('{"plan": {}', "it is not JSON"),
        ("[1, 2]", "it is not the record of a run"),
        ('{"plan": 3}', "it is not the record of a run"),
        ('{"format": 2, "plan": 3}', "'plan' must be an object, found 3"),
        ('{"format": 2, "plan": {}}', "'accuracy' is missing in its record"),
        ('{"format": 0, "plan": {}}', "it has format 0, but this version reads formats 1 to 2"),
        ('{"format": 3, "plan": {}}', "it has format 3, but this version reads formats 1 to 2"),
        ('{"format": 2, "failed": {"stage": "exports", "what": "no room"}}', "that run failed (no room)"),
        ("[" * 100_000, "it is nested too deeply"),
        ("\x00\xff", "it is not JSON"),
    ],
)
def test_a_broken_record_is_one_line(compare, runs, tmp_path, text, says):
    (runs[1] / "run.json").write_bytes(text.encode("latin-1"))
    done = compare(*runs)
    assert done.returncode == 1
    assert done.stderr.startswith("compare: cannot ")
    assert says in done.stderr
    assert str(runs[1]) in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "tf_files").exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(field, value) for field in ("seconds", "test_photos", "interval_95", "curve", "runtime") for value in ("?", 7, [["?"]])],
        ("accuracy", "?"),
        ("extraction", "?"),
        ("extraction", {"computed": "?"}),
        ("curve", {"steps": 3}),
        ("seconds", {"features": "?"}),
        ("tested", None),
    ],
)  # fmt: skip
def test_a_record_with_a_field_of_another_kind_is_one_line(compare, runs, field, value):
    spoil(runs[1], lambda record: record.update({field: value}))
    done = compare(*runs)
    assert done.returncode == 1, done.stdout
    assert re.fullmatch(
        r"compare: cannot read .*run1/run.json: .*; the file was damaged or edited: run the training again\n",
        done.stderr,
    )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "nothing to compare"),
        (["--devices=cpu"], "nothing to compare: list two settings"),
        (["--devices=cpu,"], "--devices=cpu, has an empty value"),
        (["--seeds=1,1"], "--seeds=1,1 has a value twice"),
        (["--learning_rates=0.5,fast"], "--learning_rates=0.5,fast must be numbers separated by commas"),
        (["--seeds=1,1.5"], "--seeds=1,1.5 must be whole numbers separated by commas"),
        (["--learning_rates=0.5,-1"], "--learning_rates=-1.0 is out of range"),
        (["--devices=cpu,tpu"], "--devices=tpu is not one of"),
        (["--devices=cpu,cpu:4000"], "cannot use 4000 cores"),
        (["--output_graph=x.pb", "--seeds=0,1"], "unknown flag --output_graph"),
        (["nowhere", "else"], "no run at nowhere"),
        (["nowhere"], "cannot compare nowhere alone"),
        ([".", "./"], "a run is named twice"),
        (["nowhere", "--seeds=0,1"], "'nowhere' is an existing run"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_status_2(compare, words, says, tmp_path):
    if words and says.startswith(("nothing", "--", "cannot use", "unknown")):
        words = ["--image_dir=photos", *words]
    done = compare(*words)
    assert says in done.stderr
    assert (done.returncode, done.stderr.count("\n"), done.stdout) == (2, 1, "")
    assert not list(tmp_path.iterdir())


# The sums


@pytest.mark.parametrize(
    ("only", "p"),
    [
        ((0, 0), 1.0),
        ((3, 3), 1.0),
        ((0, 6), 2 / 64),
        ((1, 5), 2 * (1 + 6) / 64),
        ((10, 2), 2 * (1 + 12 + 66) / 4096),
        ((450, 550), 0.00173054),  # scipy.stats.binomtest(450, 1000).pvalue
        ((500, 600), 0.00283613),  # scipy.stats.chi2.sf(99**2 / 1100, 1)
    ],
)
def test_mcnemar(only, p):
    assert p_value(*only) == pytest.approx(p, rel=1e-4)
    assert p_value(*reversed(only)) == p_value(*only)


def test_the_approximation_meets_the_exact_test_where_it_takes_over():
    assert p_value(470, 530) == pytest.approx(p_value(471, 530), rel=0.1)


def test_holm_raises_the_least_most_and_keeps_the_order():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_sentence_says_what_the_photos_can_show():
    assert sentence("a", "b", 100, (4, 6), 0.75).startswith("a and b: no significant difference on 100 photos (")
    assert sentence("a", "b", 100, (1, 12), 0.003).startswith("b is significantly better than a on 100 photos (")
    assert sentence("a", "b", 100, (0, 0), 1) == "a and b: of 100 photos, both label the same ones correctly"
    assert sentence("a", "b", 0, (0, 0), 1) == "a and b: no test photo in common, so they cannot be compared"


@pytest.mark.parametrize(
    ("first", "other", "photos", "sooner"),
    [
        ((1, 0.1), (6, 0.05), 101, "b"),  # at 100 both have 11 s
        ((6, 0.05), (1, 0.1), 101, "a"),
        ((1, 0.1), (0.5, 0.05), None, "b"),
        ((1, 0.1), (2, 0.1), None, "a"),
        ((1, 0.1), (1.05, 0.01), None, "b"),  # they cross before the first photo
        ((1, 0.1), (2, 0.2), None, "a"),
    ],
)
def test_the_number_of_photos_above_which_a_run_is_faster(first, other, photos, sooner):
    lines = Line("a", *first), Line("b", *other)
    assert crossing(*lines) == Crossing("a", "b", photos, sooner)
    if photos:
        assert min(lines, key=lambda line: line.seconds(photos)).name == sooner
        assert min(lines, key=lambda line: line.seconds(photos - 2)).name != sooner


def a_run(name="a", **changes):
    fields = {
        "accuracy": 0.5, "tested": 2, "interval": (0.1, 0.9), "seconds": {"features": 10.0, "training": 4.0, "exports": 1.0},
        "steps": (0, 10, 20, 30, 39), "validation_accuracy": (0.2, 0.80, 0.895, 0.9, 0.88), "all_steps": 40, "kept_step": 30,
        "answers": {}, "why": "", "pace": Pace(), "settings": {},
    }  # fmt: skip
    return ComparedRun(name, **{**fields, **changes})


def test_the_plateau_is_the_first_step_within_a_point_of_the_best():
    found = find(
        [a_run(), a_run("b", steps=(), validation_accuracy=()), a_run("c", validation_accuracy=(float("nan"),) * 5)],
        False,
    )
    assert (found.plateaus[0].step, found.plateaus[0].seconds) == (20, pytest.approx(10 + 4 * 21 / 40))
    assert found.plateaus[1:] == (None, None)
    assert "| a   | 50.0% of 2" in markdown(found)


def test_a_runs_line_is_its_start_and_its_pace_after_the_first_batch():
    pace = Pace(computed=132, seconds=14.0, first=32, first_seconds=4.0)
    line = line_of(a_run(pace=pace, wall_s=30.0, seconds={"backbone": 5.0, "features": 14.0, "training": 9.0}))
    assert line.photo_s == pytest.approx(0.1)  # 100 photos in 10 s
    assert line.start_s == pytest.approx(
        2 + 5 + 4 - 3.2
    )  # the process, the network, the first batch less its 32 photos


def test_answers_are_paired_by_photo():
    def answers(**predicted):
        return {path: Answer("x", label, score) for path, (label, score) in predicted.items()}

    first = a_run(answers=answers(p=("x", 0.9), q=("x", 0.8), r=("y", 0.6), s=("y", 0.5)))
    other = a_run("b", answers=answers(p=("x", 0.7), q=("y", 0.9), r=("x", 0.6), t=("x", 1.0)))
    (pair,) = find([first, other], False).pairs
    assert (pair.shared, pair.only_first, pair.only_other, pair.answers_differ) == (3, 1, 1, 2)
    assert pair.largest_score_difference == pytest.approx(0.2)


def test_features_are_held_against_each_other_from_the_runs_own_stores(tmp_path):
    rows = np.array([[0, 1], [2, 3], [4, 5]], np.float32)
    digests = [f"{number:064x}" for number in range(3)]
    for name, features in (("a", rows), ("b", rows + np.array([[0, 0], [0, 0], [0.5, 0]], np.float32))):
        store = Store(tmp_path / name)
        store.write(key_of(backbone="n", view="mobile/1/flip1"), [(digests[0], np.array([9, 9], np.float32))])
        store.write(key_of(backbone="n", view="plain", runtime=name), zip(digests, features, strict=True))
        assert sorted(len(held) for held, _ in store.holds().values()) == [1, 3]
        store.close()
    (pair,) = find([a_run(name, bottleneck_dir=tmp_path / name) for name in "ab"], False).pairs
    drift = pair.features
    assert (drift.photos, drift.largest) == (3, 0.5)
    assert drift.typical == pytest.approx((0.25 / 6) ** 0.5 / rows.std(axis=0).mean())
    assert drift.least_cosine == pytest.approx((4.5 * 4 + 25) / ((4.5**2 + 25) ** 0.5 * 41**0.5))


# The picture


def drawn(path, *runs):
    """(the words of the picture, its text)."""
    chart.write(find(list(runs), False), path)
    text = path.read_text("utf-8")
    return [element.text for element in ET.fromstring(text).iter() if element.tag.endswith("}text")], text


def test_the_picture_shows_the_mean_of_seeds_over_logarithmic_steps(tmp_path):
    low = a_run("lr=1 seed=0", group="lr=1", round="0", steps=(0, 9, 99), validation_accuracy=(0.1, 0.3, 0.5))
    high = a_run("lr=1 seed=1", group="lr=1", round="1", steps=(0, 9, 99), validation_accuracy=(0.3, 0.5, 0.7))
    assert chart._curve([low, high]) == ([1, 10, 100], [pytest.approx(20), pytest.approx(40), pytest.approx(60)])
    words, text = drawn(tmp_path / "c.svg", low, high)
    assert {"Accuracy during training, mean of 2 runs each", "Time of each phase, first run of each", "lr=1"} <= set(
        words
    )
    assert {"validation accuracy, %", "training steps (logarithmic)", "seconds", "1", "10", "100"} <= set(words)
    (line,) = re.findall(r' d="([^"]*)" class="line reactive', text)
    numbers = [float(number) for number in re.findall(r"[\d.]+", line)]
    across, up = numbers[::2], numbers[1::2]
    assert across[1] - across[0] == pytest.approx(across[2] - across[1])  # a decade each
    assert up[0] - up[1] == pytest.approx(up[1] - up[2])  # 20 points each


def test_the_picture_of_the_same_runs_is_the_same(tmp_path):
    assert drawn(tmp_path / "a.svg", a_run(), a_run("b")) == drawn(tmp_path / "b.svg", a_run(), a_run("b"))


def test_the_picture_fetches_and_runs_nothing(tmp_path):
    _, text = drawn(tmp_path / "c.svg", a_run(), a_run("b"))
    assert "<script" not in text
    assert re.findall(r"https?://[^\" ]*", text) == ["http://www.w3.org/2000/svg"]


def test_runs_without_a_curve_and_names_of_any_kind_are_drawn(tmp_path):
    bare = {"steps": (), "validation_accuracy": ()}
    unknown = {"steps": (0, 10), "validation_accuracy": (float("nan"), 0.5)}
    words, _ = drawn(tmp_path / "c.svg", a_run("<a> & \x1b[31m", **bare), a_run("b" * 90, **unknown))
    assert "<a> & \\x1b[31m" in words
    assert "b" * 59 + "…" in words
    words, _ = drawn(tmp_path / "d.svg", a_run(**bare), a_run("b", **bare))
    assert "Accuracy during training" in words


def test_twenty_runs_are_told_apart_by_colour_and_dashes(tmp_path):
    _, text = drawn(tmp_path / "c.svg", *(a_run(f"run {number}") for number in range(20)))
    looks = re.findall(r"\.serie-\d+ path \{ ([^}]*) \}", text)
    assert len(looks) == len(set(looks)) == 20


@pytest.mark.shared
def test_the_tutorials_question_on_real_photos(compare, shared_data, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    shutil.copyfile(
        shared_data / "models/mobilenet_v1_0.25_128_frozen.tgz", models / "mobilenet_v1_0.25_128_frozen.tgz"
    )
    done = compare(
        f"--image_dir={shared_data / 'flower_photos'}", "--architecture=mobilenet_0.25_128", "--model_dir=models",
        "--learning_rates=1.0,0.01", "--how_many_training_steps=1000", "--offline",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    _, found = result_in(tmp_path)
    assert all(0.6 < run["accuracy"] < 0.95 for run in found["runs"])
    fast, slow = found["runs"]
    assert fast["kept_step"] < slow["kept_step"]
    assert Path(tmp_path / "tf_files/bottlenecks").is_dir()
