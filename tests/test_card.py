from __future__ import annotations

import json

import pytest

from label_image.card import Card, from_json, to_json
from label_image.errors import RunError

CARD = Card(("猫", "a b"), 224, 192, (127.0,), (128.0, 1.0, 2.0), "input", "final_result", {"photos": 3})


def test_a_card_comes_back_as_it_was_written():
    back = from_json(to_json(CARD), "x")
    assert to_json(back) == to_json(CARD)
    assert (back.labels, back.height_px, back.width_px, back.mean, back.std) == (
        CARD.labels,
        224,
        192,
        (127.0,),
        (128.0, 1.0, 2.0),
    )


def test_every_fact_of_a_stored_card_says_where_it_came_from():
    assert set(from_json(to_json(CARD), "x").facts) == {"labels", "size", "range", "input", "output"}


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1}', "null", '{"format": 1, "labels": 3}', "\x00"])
def test_what_is_no_card_is_one_line(text):
    with pytest.raises(RunError, match="card in x.tflite"):
        from_json(text, "x.tflite")


def test_a_card_of_the_future_says_so():
    later = json.dumps({**json.loads(to_json(CARD)), "format": 99})
    with pytest.raises(RunError, match="format 99"):
        from_json(later, "x")


def test_unknown_fields_are_ignored():
    assert from_json(json.dumps({**json.loads(to_json(CARD)), "new": 1}), "x").labels == CARD.labels
