"""Whole runs whose photos, features or libraries are not what they were: a right result and a plain line, never a false blame."""

from __future__ import annotations

import dataclasses
import json
import shutil
from contextlib import closing

import numpy as np
import pytest

from label_image.errors import PhotoError, RunError
from retrain.exporters import verify
from retrain.exporters.exporter import Verified
from retrain.features import library_versions
from retrain.files.hashing import file_digest
from retrain.finetune.unreadable import Unreadable
from retrain.pipeline import exports, modes, write_exports
from retrain.pipeline import run as whole_run
from retrain.pipeline.backbone import backbone_stage
from retrain.store.feature_store import Store, key_of
from retrain.types import Photo, Split
from tests.conftest import STAND_IN, write_colour_photos, write_photo

FAST = (
    "--how_many_training_steps=50",
    "--export=tflite",
    "--report=none",
    "--summaries_dir=",
    f"--architecture={STAND_IN}",
)


@pytest.fixture
def run(retrain_here, model_dir, tmp_path):
    """Trains on 12 photos of each of three colours, in `photos`."""
    write_colour_photos(tmp_path / "photos", 12)

    def go(*more):
        return retrain_here("--image_dir=photos", f"--model_dir={model_dir}", *FAST, *more)

    return go


def record(tmp_path):
    newest = max(tmp_path.glob("tf_files/runs/*/run.json"), key=lambda path: path.stat().st_mtime_ns)
    return json.loads(newest.read_text())


def layer(tmp_path):
    return np.load(tmp_path / "tf_files/retrain_checkpoint.npz")["weights"]


def poison(tmp_path, wrong):
    """Writes features that are wrong, with checksums that are right; returns the store's keys."""
    with closing(Store(tmp_path / "tf_files/bottlenecks")) as store:
        for key, (photos, width) in store.holds().items():
            features, _ = store.read(key, photos, width)
            store.write(key, zip(photos, wrong(features), strict=True))
        return list(store.holds())


def test_kept_features_that_are_wrong_are_found_out_computed_anew_and_trained_on(run, tmp_path):
    assert run().returncode == 0
    right = layer(tmp_path)
    poison(tmp_path, lambda features: features[::-1])
    done = run()
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "stored features" in line]
    assert "are wrong (photos/" in line
    assert (
        "the exports are correct: the features of all 36 photos are computed again, and training starts again" in line
    )
    assert "please report" not in done.stderr
    assert (layer(tmp_path) == right).all()
    done = run()
    assert "stored features" not in done.stderr
    assert "bottleneck files" not in done.stdout
    assert (layer(tmp_path) == right).all()


def test_with_the_few_that_are_asked_each_time_hidden_the_export_tells(run, tmp_path, monkeypatch):
    assert run().returncode == 0
    right = layer(tmp_path)
    poison(tmp_path, lambda features: features[::-1])
    monkeypatch.setattr(modes, "ask_some", lambda *_: None)
    done = run()
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if "stored features" in line]
    assert "the exports are correct" in line
    assert (layer(tmp_path) == right).all()


def test_a_graph_that_is_known_by_its_bits_and_not_run_tells_too(run, tmp_path, monkeypatch):
    assert run().returncode == 0
    right = layer(tmp_path)
    monkeypatch.setattr(modes, "ask_some", lambda *_: None)
    monkeypatch.setattr(verify, "verify", lambda *_: Verified(0.0, "in a test"))
    poison(tmp_path, np.zeros_like)
    done = run()
    assert done.returncode == 0, done.stderr
    assert "the exports are correct" in done.stderr
    assert (layer(tmp_path) == right).all()


@pytest.mark.parametrize("value", [0.0, np.nan, 1e30])
def test_features_that_are_no_numbers_or_huge_are_found_out_too(run, tmp_path, value):
    assert run().returncode == 0
    right = layer(tmp_path)
    poison(tmp_path, lambda features: np.full_like(features, value))
    done = run()
    assert done.returncode == 0, done.stderr
    assert (layer(tmp_path) == right).all()


def test_an_export_that_is_wrong_is_still_the_one_to_blame(run, tmp_path, monkeypatch):
    real = write_exports.metadata_of
    monkeypatch.setattr(write_exports, "metadata_of", lambda *given: dataclasses.replace(real(*given), mean=(0.0,)))
    done = run()
    assert done.returncode == 1
    assert "is wrong and was not kept" in done.stderr
    assert "please report this" in done.stderr
    assert "stored features" not in done.stderr
    kept = record(tmp_path)
    assert kept["failed"]["stage"] == "exports"
    assert "the export tf_files/retrained.tflite is wrong and was not kept" in kept["failed"]["what"]
    assert (kept["exports"], kept["accuracy"]) == ([], 1.0)
    assert not (tmp_path / "tf_files/retrained.tflite").exists()


def test_a_run_whose_export_failed_is_listed_and_shown_but_not_used(run, tmp_path, monkeypatch, capfd):
    from retrain.report import cli as report
    from retrain.runs import cli as runs

    with monkeypatch.context() as patch:
        patch.setattr(exports, "write_exports", failing)
        assert run().returncode == 1
    (folder,) = tmp_path.glob("tf_files/runs/*")
    assert record(tmp_path)["failed"] == {"stage": "exports", "what": "cannot write x.tflite: disk full"}
    assert runs.main(["list"]) == 0
    assert "its exports failed" in capfd.readouterr().out
    assert runs.main(["use", folder.name]) == 1
    assert "that run failed (cannot write x.tflite: disk full); train again" in capfd.readouterr().err
    assert report.main([str(folder)]) == 0
    page = (folder / "report.html").read_text("utf-8")
    assert "This run failed" in page
    assert "cannot write x.tflite: disk full" in page


def failing(*_):
    raise RunError("cannot write x.tflite: disk full")


def test_features_that_come_out_otherwise_each_time_end_in_one_line(run, tmp_path, monkeypatch):
    monkeypatch.setattr(write_exports, "TOLERANCE", -1.0)  # whatever is computed counts as different
    monkeypatch.setattr(verify, "TOLERANCE", -1.0)
    done = run()
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("and the same happened again; please report this")


def test_a_photo_replaced_after_the_scan_is_left_out_and_the_later_run_is_right(run, tmp_path, monkeypatch):
    assert run().returncode == 0
    photo = tmp_path / record(tmp_path)["test_photos"][0]["path"]
    shutil.rmtree(tmp_path / "tf_files")
    shutil.copy2(photo, tmp_path / "kept.jpg")
    real = backbone_stage

    def replacing(*given):
        write_photo(photo, (9, 9, 9), 5)
        return real(*given)

    with monkeypatch.context() as patch:
        patch.setattr(modes, "backbone_stage", replacing)
        done = run()
    assert done.returncode == 0, done.stderr
    assert f"left out {photo.relative_to(tmp_path)}: changed (its bytes changed during the run" in done.stderr
    shutil.copy2(tmp_path / "kept.jpg", photo)
    done = run()
    assert done.returncode == 0, done.stderr
    assert "left out" not in done.stderr
    assert file_digest(photo) in {one["sha256"] for one in record(tmp_path)["test_photos"]}


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_exports_are_verified_without_a_photo_that_changed_since_its_features_came(run, tmp_path, monkeypatch, how):
    real, gone = write_exports.write_exports, []

    def first_changing(options, split, variants, outcome, *others):
        gone.append(tmp_path / split.photos[outcome.rows[0]].path)
        gone[0].unlink() if how == "removed" else write_photo(gone[0], (9, 9, 9), 5)
        return real(options, split, variants, outcome, *others)

    monkeypatch.setattr(exports, "write_exports", first_changing)
    done = run()
    assert done.returncode == 0, done.stderr
    reason = "not found" if how == "removed" else "changed"
    assert f"retrained.tflite is verified without {gone[0].relative_to(tmp_path)} ({reason}" in done.stderr
    made = next(made for made in record(tmp_path)["exports"] if made["kind"] == "tflite")
    assert made["images"] == record(tmp_path)["tested"] - 1


def test_another_pillow_is_one_line_and_no_error(run, tmp_path, monkeypatch):
    assert run().returncode == 0
    monkeypatch.setattr(library_versions, "decoders", lambda: {"Pillow": "99.0"})
    done = run()
    assert done.returncode == 0, done.stderr
    (line,) = [
        line for line in done.stdout.splitlines() if line.startswith("features of 36 photos were computed with ")
    ]
    assert "computing them again with Pillow 99.0" in line
    assert record(tmp_path)["made_with"]["Pillow"] == "99.0"


def test_exports_say_what_decoded_and_computed(run, tmp_path):
    from label_image import Classifier

    assert run().returncode == 0
    made = Classifier(tmp_path / "tf_files/retrained.tflite").metadata.training["made_with"]
    assert f"Pillow {library_versions.decoders()['Pillow']}" in made
    assert "LiteRT " in made
    assert "libjpeg-turbo" in record(tmp_path)["versions"]


def test_what_was_imported_is_not_dropped_with_what_can_be_computed(tmp_path):
    from retrain.store.text_bottlenecks import imported_key

    row = np.array([1, 2], np.float32)
    with closing(Store(tmp_path)) as store:
        store.write(imported_key("inception_v3"), [("ab" * 32, row)])
        store.write(key_of(view="plain", made_with={"Pillow": "1"}), [("ab" * 32, row), ("cd" * 32, row)])
    whole_run.forget_features(tmp_path, [Photo("a.jpg", "a", "ab" * 32)])
    with closing(Store(tmp_path)) as store:
        assert sorted(digests for digests, _ in store.holds().values()) == [["ab" * 32], ["cd" * 32]]


def test_a_validation_photo_that_changed_does_not_count_as_a_black_picture():
    split = Split(
        (Photo("a", "a", ""), Photo("b", "b", ""), Photo("c", "a", "")), ("a", "b"), np.array([0, 0, 1], np.int8)
    )
    unread = Unreadable(split, np.array([0, 1]), np.array([2]))
    unread.validation(0, PhotoError("changed"))
    unread.check(strict=False)
    assert unread.readable.all()
    assert unread.readable_validation.tolist() == [False]
