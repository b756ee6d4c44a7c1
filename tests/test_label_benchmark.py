"""`--benchmark` measures what it says."""

from __future__ import annotations

import csv
import io
import json

import pytest

from label_image.benchmark import Speed, measure, percentile, written
from label_image.errors import RunError
from tests.conftest import COLOURS, write_photo

NUMBERS = ("load_ms", "first_image_ms", "median_ms", "p95_ms", "images_per_s")
SPEED = Speed("a.tflite", 1, 100.5, 5.25, 4.0, 6.0, 250.0, 2)


def test_percentiles_by_hand():
    assert percentile([5.0], 95) == 5.0
    assert percentile([float(n) for n in range(20, 0, -1)], 95) == 19.0
    assert percentile([float(n) for n in range(1, 101)], 50) == 50.0


def test_every_form_holds_the_same_numbers():
    fields = json.loads(written(SPEED, "json"))
    assert fields == json.loads(written(SPEED, "jsonl"))
    names, values = csv.reader(io.StringIO(written(SPEED, "csv")))
    assert dict(zip(names, values, strict=True)) == {name: str(value) for name, value in fields.items()}
    assert "p95                 6.0 ms\nimages/s          250.0 with 2 workers\n" in written(SPEED, "text")


def test_photos_that_can_not_be_read_are_left_out(tflite, tmp_path):
    from label_image import Classifier

    (tmp_path / "bad.jpg").touch()
    paths = [str(tmp_path / "bad.jpg"), str(write_photo(tmp_path / "good.jpg", COLOURS["cyan"], 1))]
    speed = measure(lambda: Classifier(tflite, threads=2), paths, 2, spell_s=0.1)
    assert speed.photos == 1
    assert all(getattr(speed, name) > 0 for name in NUMBERS)
    assert speed.median_ms <= speed.p95_ms
    with pytest.raises(RunError, match="none of 1 photos can be labelled"):
        measure(lambda: Classifier(tflite), paths[:1], 2, spell_s=0.1)


def test_without_a_photo_one_is_drawn(label_image, tflite):
    done = label_image(f"--graph={tflite}", "--benchmark", "--format=json", "--threads=1")
    assert done.returncode == 0, done.stderr
    fields = json.loads(done.stdout)
    assert all(fields[name] > 0 for name in NUMBERS)
    assert (fields["photos"], fields["workers"]) == (1, 1)
    # One worker after the other photo or beside nothing else: the two ways of measuring agree.
    assert 0.3 < fields["images_per_s"] * fields["median_ms"] / 1000 < 3
