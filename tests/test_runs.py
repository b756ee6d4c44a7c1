"""The record of a run: complete, strict JSON, the same wherever the photos stand, and without a name of the machine."""

from __future__ import annotations

import getpass
import hashlib
import json
import math
import platform
import shutil

import numpy as np
import pytest

from label_image.errors import RunError, UserError
from retrain.runs import record as record_file
from retrain.types import LISTS
from tests.conftest import COLOURS, STAND_IN, write_photo


@pytest.fixture
def record(trained):
    return record_file.read_record(next(trained.glob("tf_files/runs/*"))).fields


def test_a_record_is_strict_json_with_what_a_report_needs(trained):
    text = next(trained.glob("tf_files/runs/*/run.json")).read_text("utf-8")
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert record["format"] == record_file.FORMAT
    assert {
        "plan",
        "versions",
        "machine",
        "runtime",
        "backbone",
        "digests",
        "seconds",
        "images_s",
        "metrics",
    } <= record.keys()
    assert record["seconds"].keys() >= {"scan", "backbone", "features", "training", "test", "exports", "report"}
    assert record["digests"]["store_key"]
    assert record["machine"]["cores"] >= 1


def test_what_is_no_number_is_null():
    text = record_file.to_json({"a": math.nan, "b": [math.inf, 1.5], "c": [{"d": math.nan, "e": (1, 2)}]})
    assert json.loads(text) == {"a": None, "b": [None, 1.5], "c": [{"d": None, "e": [1, 2]}]}


def test_the_machine_and_its_user_are_not_named(trained):
    record = json.loads(next(trained.glob("tf_files/runs/*/run.json")).read_text("utf-8"))
    facts = json.dumps([record[key] for key in ("machine", "versions", "runtime", "digests", "images_s")])
    for name in (platform.node(), getpass.getuser()):
        assert name not in facts


def test_the_metrics_are_those_of_the_test_photos(record):
    photos, labels = record["test_photos"], record["labels"]
    assert record["tested"] == len(photos) == sum(map(sum, record["metrics"]["confusion"]))
    assert record["metrics"]["right"] + record["metrics"]["mistakes"] == record["tested"]
    assert record["metrics"]["right"] == sum(photo["label"] == photo["predicted"] for photo in photos)
    for photo in photos:
        assert len(photo["scores"]) == len(labels)
        assert sum(photo["scores"]) == pytest.approx(1, abs=1e-4)
        assert photo["score"] == max(photo["scores"])
        assert labels[int(np.argmax(photo["scores"]))] == photo["predicted"]


def test_every_file_has_its_digest(trained, record):
    for export in record["exports"]:
        path = trained / export["path"]
        wanted = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        assert export["sha256"] == wanted


def test_images_a_second_count_what_was_computed_not_what_was_kept(retrain_here, colour_photos, model_dir, tmp_path):
    flags = (
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--output_graph=",
        "--how_many_training_steps=20", "--report=none",
    )  # fmt: skip
    assert retrain_here(*flags).returncode == 0
    first = record_file.read_record(next(tmp_path.glob("tf_files/runs/*"))).fields
    assert first["images_s"]["features"] == pytest.approx(72 / first["extraction"]["seconds"], rel=0.01)
    shutil.rmtree(tmp_path / "tf_files/runs")
    assert retrain_here(*flags).returncode == 0
    second = record_file.read_record(next(tmp_path.glob("tf_files/runs/*"))).fields
    assert "features" not in second["images_s"]
    assert second["digests"] == first["digests"]


def test_the_digest_of_the_photos_follows_their_bytes_and_not_their_place(retrain_here, model_dir, tmp_path):
    for folder, shade in (("one", 0), ("two", 0), ("three", 1)):
        for label, (red, green, blue) in COLOURS.items():
            for number in range(4):
                write_photo(tmp_path / folder / label / f"{number}.jpg", (red, green, blue + shade), number)
    digests = []
    for folder in ("one", "two", "three"):
        done = retrain_here(
            f"--image_dir={folder}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--output_graph=",
            "--how_many_training_steps=5", "--report=none",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        digests.append(
            record_file.read_record(runs_folder := next(tmp_path.glob("tf_files/runs/*"))).fields["digests"]["photos"]
        )
        shutil.rmtree(runs_folder)
    assert digests[0] == digests[1] != digests[2]


def test_counts_are_of_the_lists(record):
    assert all(tuple(row) == LISTS for row in record["counts"].values())
    assert sum(row["testing"] for row in record["counts"].values()) == record["tested"]


def test_a_record_is_read_by_its_folder_or_its_file(tmp_path):
    path = record_file.write_record(tmp_path / "run", {"format": 1, "name": "caf\udce9"})
    for given in (tmp_path / "run", path):
        expected = record_file.RunRecord(tmp_path / "run", {"format": 1, "name": "caf\udce9"})
        assert record_file.read_record(given) == expected


def test_a_record_of_a_later_format_is_refused(tmp_path):
    path = record_file.write_record(tmp_path, {"format": record_file.FORMAT + 1})
    with pytest.raises(RunError, match="it has format 3, but this version reads formats 1 to 2"):
        record_file.read_record(path)


def test_no_record_is_the_users_mistake(tmp_path):
    with pytest.raises(UserError, match="give a folder of tf_files/runs"):
        record_file.read_record(tmp_path)
