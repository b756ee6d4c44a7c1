"""The audit as a user meets it: last lines and run.json of whole runs, kept beside the features, without cleanlab too."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from retrain.audit import audit as auditing
from retrain.audit.audit import Auditor, task_of, without
from retrain.audit.cache import AuditCache
from retrain.audit.findings import AuditFindings, find
from retrain.audit.worker import AuditError, Worker, findings_of
from retrain.types import TESTING, TRAINING, Outcome, Photo, Split
from tests.conftest import COLOURS, ROOT, STAND_IN, write_colour_photos, write_photo
from tests.test_audit import clouds, near, pictures
from tests.test_light import without as without_packages  # noqa: F401 - a fixture

pytestmark = pytest.mark.slow

FAST = ("--how_many_training_steps=50", "--output_graph=")


@pytest.fixture
def flags(model_dir):
    """Flags of a quick run, without the photos."""
    return (f"--architecture={STAND_IN}", f"--model_dir={model_dir}", *FAST)


def audit_of(folder):
    path = max((folder / "tf_files/runs").glob("*/run.json"), key=lambda path: path.stat().st_mtime_ns)
    record = json.loads(path.read_text("utf-8"))
    return record["audit"], record


def split_of(ids, lists=None, digests=None):
    """A split of photos that need not be there."""
    photos = tuple(
        Photo(f"photos/{label}/{place}.jpg", f"class_{label}", digests[place] if digests else f"{place:064x}")
        for place, label in enumerate(ids)
    )
    lists = np.arange(len(ids), dtype=np.int8) % 3 if lists is None else lists
    return Split(photos, tuple(f"class_{label}" for label in range(max(ids) + 1)), lists)


def outcome_of(split, wrong=0):
    rows = np.flatnonzero(split.lists == TESTING)
    said = split.label_ids[rows].copy()
    said[:wrong] = (said[:wrong] + 1) % len(split.labels)
    return Outcome(1 - wrong / len(rows), len(rows), (0.0, 1.0), said, rows, np.ones(len(rows), np.float32))


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory):
    """Coloured photos, of which three lie in another colour's folder, two copied byte by byte into it."""
    folder = write_colour_photos(tmp_path_factory.mktemp("photos") / "colours", 30)
    for number in range(3):
        write_photo(folder / "cyan" / f"wrong_{number}.jpg", COLOURS["magenta"], 500 + number)
    shutil.copy(folder / "yellow/yellow_000.jpg", folder / "cyan/copy.jpg")
    return folder


def test_a_run_names_the_labels_that_look_wrong(retrain_here, flags, mislabelled, tmp_path):
    done = retrain_here(f"--image_dir={mislabelled}", *flags)
    assert done.returncode == 0, done.stderr
    audit, record = audit_of(tmp_path)
    named = {Path(suspect["path"]).name: suspect for suspect in audit["suspects"]}
    assert {"wrong_0.jpg", "wrong_1.jpg", "wrong_2.jpg"} <= set(named)
    assert len(named) <= 0.08 * 94
    for number in range(3):
        suspect = named[f"wrong_{number}.jpg"]
        assert (suspect["label"], suspect["suggested"]) == ("cyan", "magenta")
        assert 0 <= suspect["quality"] < 0.2
        assert suspect["list"] in ("training", "validation", "testing")
    lines = done.stdout.splitlines()
    assert audit["advice"]
    assert set(audit["advice"]) <= set(lines)
    assert len(audit["advice"]) <= 6
    assert any(line.startswith("labels to look at first: ") and "wrong_" in line for line in lines)
    assert [point["photos"] for point in audit["learning_curve"]] == sorted(
        point["photos"] for point in audit["learning_curve"]
    )
    assert len(audit["learning_curve"]) == 10
    assert set(audit["learning_curve"][0]["per_class"]) == set(COLOURS)
    (pair,) = [pair for pair in audit["duplicates"] if pair["exact"]]
    assert {Path(pair["first"]).name, Path(pair["second"]).name} == {"copy.jpg", "yellow_000.jpg"}
    assert pair["first_list"] == pair["second_list"]
    assert any("two labels; decide on one" in line for line in audit["advice"])
    assert 0 < audit["seconds"] <= record["seconds"]["audit"] + 0.01  # a part of that stage; both are rounded


def test_the_same_photos_are_not_audited_twice(retrain_here, flags, mislabelled, tmp_path, monkeypatch):
    assert retrain_here(f"--image_dir={mislabelled}", *flags).returncode == 0
    first, _ = audit_of(tmp_path)
    (kept,) = (tmp_path / "tf_files/bottlenecks/audits").iterdir()
    before = kept.stat().st_mtime_ns
    with monkeypatch.context() as patch:
        patch.setattr("retrain.audit.audit.Worker", lambda *_: pytest.fail("it was audited again"))
        assert retrain_here(f"--image_dir={mislabelled}", *flags).returncode == 0
    second, _ = audit_of(tmp_path)
    assert kept.stat().st_mtime_ns == before
    assert {**first, "seconds": 0} == {**second, "seconds": 0}
    assert retrain_here(f"--image_dir={mislabelled}", *flags, "--split_seed=1").returncode == 0  # other lists
    assert len(list(kept.parent.iterdir())) == 2


def test_report_none_leaves_the_audit_out(retrain_here, flags, mislabelled, tmp_path):
    done = retrain_here(f"--image_dir={mislabelled}", *flags, "--report=none")
    assert done.returncode == 0, done.stderr
    assert "labels to look at first" not in done.stdout
    assert not (tmp_path / "tf_files" / "bottlenecks" / "audits").exists()
    (record,) = (tmp_path / "tf_files" / "runs").glob("*/run.json")
    assert json.loads(record.read_text())["audit"] is None
    assert not record.with_name("report.html").exists()


def test_a_copy_in_the_test_folder_is_a_leak(retrain_here, flags, tmp_path):
    for which in ("train", "test"):
        write_colour_photos(tmp_path / "photos" / which, 8 if which == "train" else 4)  # the first four are the same
    done = retrain_here("--image_dir=photos", *flags, "--validation_percentage=0")
    assert done.returncode == 0, done.stderr
    audit, record = audit_of(tmp_path)
    assert record["tested"] == audit["leaks"] == 12
    assert (audit["accuracy_without_leaks"], audit["tested_without_leaks"]) == (None, 0)
    assert any(line.startswith("12 test photos are near-duplicates of") for line in audit["advice"])


def test_labels_are_judged_with_numpy_alone(without_packages, flags, mislabelled, tmp_path):  # noqa: F811
    heavy = ["cleanlab", "sklearn", "pandas", "scipy"]
    done = without_packages(heavy, "retrain", f"--image_dir={mislabelled}", *flags)
    assert done.returncode == 0, done.stderr
    audit, _ = audit_of(tmp_path)
    assert {"wrong_0.jpg", "wrong_1.jpg", "wrong_2.jpg"} <= {
        Path(suspect["path"]).name for suspect in audit["suspects"]
    }
    assert len(audit["learning_curve"]) == 10
    assert "labels" not in audit["missing"]


def test_a_run_imports_neither_scikit_learn_nor_scipy_nor_pandas(flags, mislabelled, tmp_path):
    code = f"""
import sys
from retrain.cli import main
assert main({[f"--image_dir={mislabelled}", *flags]!r}) == 0
assert not [m for m in sys.modules if m.split(".")[0] in ("sklearn", "scipy", "pandas")]
"""
    env = {**os.environ, "PYTHONPATH": str(Path(auditing.__file__).resolve().parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False, env=env
    )
    assert done.returncode == 0, done.stderr


def test_the_process_finds_what_the_function_finds():
    features, ids = clouds()
    ids[:6] = (ids[:6] + 1) % 3
    task = task_of(split_of(ids), features)
    worker = Worker(task)
    try:
        found = worker.findings()
    finally:
        worker.close()
    expected = find(task)
    assert dataclasses.replace(found, suspects=[]) == dataclasses.replace(expected, suspects=[])
    assert [s[:2] for s in found.suspects] == [s[:2] for s in expected.suspects]
    assert {row for row, _, _ in found.suspects} >= set(range(6))


def test_a_process_that_is_not_needed_any_more_ends():
    features, ids = clouds()
    worker = Worker(task_of(split_of(ids), features))
    worker.close()
    assert worker._process.returncode == -signal.SIGKILL


def test_a_process_that_dies_is_a_line_not_a_traceback(tmp_path, monkeypatch):
    features, ids = clouds()
    broken = features.copy()
    broken = broken[:100]  # fewer than labels: the process cannot work with it
    worker = Worker(dataclasses.replace(task_of(split_of(ids), features), features=broken))
    with pytest.raises(AuditError, match="Error"):
        worker.findings()
    worker.close()

    def refused(*_, **__):
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", refused)
    split = split_of(ids)
    auditor = Auditor(split, features, "key", tmp_path)
    audit = auditor.audit(outcome_of(split))
    auditor.close()
    assert audit.missing == "the photos were not audited: [Errno 12] Cannot allocate memory"
    assert audit.advice == (audit.missing,)
    assert not (tmp_path / "audits").exists()  # tried again next time


def test_a_damaged_audit_is_found_anew(tmp_path):
    cache, findings = (
        AuditCache(tmp_path),
        AuditFindings([(1, 0, 0.5)], [(0, 1, False, 0.75)], [1], [(8, 0.5, [0.25, 1.0])], ["why"]),
    )
    cache.write("a" * 64, findings)
    assert cache.read("a" * 64) == findings
    assert cache.read("b" * 64) is None
    (path,) = (tmp_path / "audits").iterdir()
    for text in ("", "{", "[]", '{"suspects": 1}', json.dumps({**dataclasses.asdict(findings), "pairs": [[1]]})):
        path.write_text(text)
        assert cache.read("a" * 64) is None, text


def test_the_oldest_audits_go(tmp_path):
    cache = AuditCache(tmp_path)
    for number in range(25):
        cache.write(f"{number:064d}"[::-1], AuditFindings([], [], [], [], [str(number)]))
        path = next(path for path in (tmp_path / "audits").iterdir() if path.stem == f"{number:064d}"[::-1][:32])
        os.utime(path, (number, number))
    left = {json.loads(path.read_text())["missing"][0] for path in (tmp_path / "audits").iterdir()}
    assert len(left) == 20
    assert "24" in left
    assert "0" not in left


def test_findings_that_are_none_are_refused():
    with pytest.raises((ValueError, KeyError, TypeError)):
        findings_of("{}")


def test_the_accuracy_without_leaks_is_that_of_the_others():
    split = split_of([0, 1] * 30)
    outcome = outcome_of(split, wrong=4)  # the first 4 of 20
    assert without([], split, outcome) == (0.8, 20)
    assert without(outcome.rows[:4].tolist(), split, outcome) == (1.0, 16)
    assert without(outcome.rows.tolist(), split, outcome) == (None, 0)


def test_leaks_are_told_and_counted(tmp_path):
    features = pictures()
    features = np.vstack([features, near(features[:2])])
    lists = np.full(402, TRAINING, np.int8)
    lists[380:] = TESTING
    split = split_of([0, 1] * 201, lists)
    auditor = Auditor(split, features, "key", tmp_path)
    try:
        audit = auditor.audit(outcome_of(split))
    finally:
        auditor.close()
    assert (audit.leaks, audit.tested_without_leaks, audit.accuracy_without_leaks) == (2, 20, 1.0)
    assert [(p.first, p.second, p.first_list, p.second_list) for p in audit.duplicates] == [
        ("photos/0/0.jpg", "photos/0/400.jpg", "training", "testing"),
        ("photos/1/1.jpg", "photos/1/401.jpg", "training", "testing"),
    ]
    assert any("without them the accuracy is 100.0% (N=20)" in line for line in audit.advice)


@pytest.mark.shared
def test_flipped_labels_and_planted_duplicates_among_real_flowers_are_found(shared_data, tmp_path, retrain_here):
    """300 flowers, 15 of them in another folder, 16 copied in four ways: as benchmarks/audit.py, but through run.json."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "flowers"
    sources = sorted((shared_data / "flower_photos").glob("*/*.jpg"))
    chosen = [sources[i] for i in rng.choice(len(sources), 300, replace=False)]
    labels = sorted({path.parent.name for path in chosen})
    for number, path in enumerate(chosen):
        label = path.parent.name
        if number < 15:
            label = labels[(labels.index(label) + int(rng.integers(1, len(labels)))) % len(labels)]
        (folder / label).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / label / path.name)
    for number, path in enumerate(chosen[20:36]):
        image = Image.open(path).convert("RGB")
        x, y = image.width // 20, image.height // 20
        made = (
            image.resize((image.width * 6 // 10, image.height * 6 // 10)),
            image,
            ImageOps.mirror(image),
            image.crop((x, y, image.width - x, image.height - y)),
        )[number % 4]
        made.save(folder / path.parent.name / f"copy_of_{path.name}", quality=40 if number % 4 == 1 else 90)
    done = retrain_here(f"--image_dir={folder}", *FAST)
    assert done.returncode == 0, done.stderr
    audit, _ = audit_of(tmp_path)
    flipped = {path.name for path in chosen[:15]}
    suspects = [Path(suspect["path"]).name for suspect in audit["suspects"]]
    assert len(suspects) <= 0.08 * 316
    assert len(flipped & set(suspects)) >= 11
    pairs = [sorted(Path(pair[which]).name for which in ("first", "second")) for pair in audit["duplicates"]]
    right = [pair for pair in pairs if f"copy_of_{pair[0]}" == pair[1]]
    assert len(right) >= 14
    assert len(pairs) - len(right) <= 5


def test_ctrl_c_while_the_audit_is_waited_for_leaves_it_out_of_the_run(tmp_path, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Worker, "findings", interrupted)
    features, ids = clouds(60)
    split = split_of(ids)
    auditor = Auditor(split, features, "key", tmp_path)
    audit = auditor.audit(outcome_of(split))
    auditor.close()
    assert audit.missing == "the photos were not audited: stopped"
    assert not (tmp_path / "audits").exists()


@pytest.mark.parametrize("asked", ["by the system", "by its input"])
def test_the_process_ends_when_the_one_that_started_it_is_killed(tmp_path, asked):
    """A kill while the audit runs: it sleeps instead of searching for duplicates."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys, time\n"
        "if 'retrain.audit.worker' in sys.orig_argv:\n"
        "    from retrain.audit import findings\n"
        "    findings.find = lambda *_: time.sleep(60)\n"
        "    def refused(*_): raise OSError\n"
        "    import ctypes\n" + ("    ctypes.CDLL = refused\n" if asked == "by its input" else "")
    )
    code = (
        "import time\nfrom retrain.audit.audit import task_of\nfrom retrain.audit.worker import Worker\n"
        "from tests.test_audit_run import clouds, split_of\n"
        "features, ids = clouds()\nworker = Worker(task_of(split_of(ids), features))\n"
        "print(worker._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    parent = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}
    )
    child = int(parent.stdout.readline())
    time.sleep(0.5)
    os.kill(child, 0)
    parent.kill()
    parent.communicate()
    until = time.monotonic() + 20
    while _lives(child) and time.monotonic() < until:
        time.sleep(0.05)
    assert not _lives(child)


def _lives(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
