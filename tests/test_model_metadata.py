from __future__ import annotations

import json
from pathlib import Path

import pytest

from label_image.describe import describe
from label_image.errors import RunError
from label_image.model_metadata import Metadata, from_json, to_json

METADATA = Metadata(("猫", "a b"), 224, 192, (127.0,), (128.0, 1.0, 2.0), "input", "final_result", {"photos": 3})


def test_metadata_comes_back_as_it_was_written():
    back = from_json(to_json(METADATA), "x")
    assert to_json(back) == to_json(METADATA)
    assert (back.labels, back.height_px, back.width_px, back.mean, back.std) == (
        METADATA.labels,
        224,
        192,
        (127.0,),
        (128.0, 1.0, 2.0),
    )


def test_every_fact_of_a_stored_metadata_says_where_it_came_from():
    assert set(from_json(to_json(METADATA), "x").facts) == {"labels", "size", "range", "input", "output"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "null", '{"format": 1, "labels": 3}', "\x00"])
def test_what_is_no_metadata_is_one_line(text):
    with pytest.raises(RunError, match="metadata in x.tflite"):
        from_json(text, "x.tflite")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("height_px", -1), ("height_px", 1e300), ("width_px", "wide"), ("width_px", None), ("mean", []), ("mean", 3),
        ("mean", [float("nan")]), ("std", [0]), ("std", [float("inf")]), ("std", [1] * 9), ("labels", None), ("layout", "X"),
        ("dtype", "complex"), ("order", 7), ("output", ""), ("outputs", -3), ("crop_px", float("inf")), ("training", 5),
        ("format", "new"), ("format", None), ("training", [1]), ("height_px", float("inf")),
    ],
)  # fmt: skip
def test_a_field_that_nothing_can_mean_is_one_line(field, value):
    text = json.dumps({**json.loads(to_json(METADATA)), field: value})
    with pytest.raises(RunError, match="cannot read the metadata in x: ") as caught:
        from_json(text, "x")
    assert "\n" not in str(caught.value)


def test_what_metadata_says_is_lines_of_its_own_whatever_it_holds():
    evil = "a\x1b[2J\nrange     all is well\u2028"
    metadata = Metadata((evil, "b"), 8, 8, (0.0,), (1.0,), evil, evil, {evil: evil}, what=evil)
    lines = describe(metadata, Path(evil)).splitlines()
    plain = describe(Metadata(("a", "b"), 8, 8, (0.0,), (1.0,), "a", "a", {"a": "a"}, what="a"), Path("a")).splitlines()
    assert [line.split()[0] for line in lines] == [line.split()[0] for line in plain]
    assert all(line.isprintable() for line in lines)


def test_metadata_nested_too_deeply_is_one_line():
    with pytest.raises(RunError, match="nested too deeply"):
        from_json("[" * 100_000, "x")


def test_metadata_of_the_future_says_so():
    later = json.dumps({**json.loads(to_json(METADATA)), "format": 99})
    with pytest.raises(RunError, match="format 99"):
        from_json(later, "x")


def test_unknown_fields_are_ignored():
    assert from_json(json.dumps({**json.loads(to_json(METADATA)), "new": 1}), "x").labels == METADATA.labels
