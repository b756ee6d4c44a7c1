"""The output of label_image as text, json, jsonl and csv."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import signal

import numpy as np
import pytest

from label_image.output import OutputStream
from label_image.output_formats import EXPLAINED, SORTED, ResultRow, format_for, shortest

GOOD = ResultRow("a.jpg", (("daisy", 0.75), ("rose, red", 0.25)), seconds=0.1234)
BAD = ResultRow("b.jpg", error='no picture: begins with "x"')


def written(name, *rows, one=False, sorting=False, labels=2):
    pieces = []
    form = format_for(name, pieces.append, one=one, extra=SORTED if sorting else ())
    form.begin(labels)
    for row in rows:
        form.row(row)
    form.end()
    return "".join(pieces)


def table(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_the_text_for_one_photo_equals_that_of_the_original_program():
    expected = "\nEvaluation time (1-image): 0.123s\n\ndaisy (score=0.75000)\nrose, red (score=0.25000)\n"
    assert written("text", GOOD, one=True) == expected


def test_the_text_for_many_photos_has_a_block_for_each():
    expected = (
        'a.jpg\ndaisy (score=0.75000)\nrose, red (score=0.25000)\n\nb.jpg\nerror: no picture: begins with "x"\n\n'
    )
    assert written("text", GOOD, BAD) == expected


def test_text_says_where_a_photo_was_put():
    row = ResultRow("a.jpg", (("daisy", 0.75),), sorted="moved", sorted_to="out/daisy/a.jpg")
    assert "moved to out/daisy/a.jpg\n" in written("text", row, sorting=True)


def test_every_row_of_a_table_has_the_same_columns():
    rows = table(written("csv", GOOD, BAD, labels=3))
    assert rows[0] == ["image", "label", "score", "error", "label_2", "score_2", "label_3", "score_3"]
    assert rows[1] == ["a.jpg", "daisy", "0.75", "", "rose, red", "0.25", "", ""]
    assert rows[2] == ["b.jpg", "", "", 'no picture: begins with "x"', "", "", "", ""]


def test_the_first_columns_of_a_table_do_not_depend_on_top_k():
    for labels in (1, 2, 9):
        assert table(written("csv", labels=labels))[0][:4] == ["image", "label", "score", "error"]


def test_a_table_is_quoted_as_rfc_4180_says():
    assert '"rose, red"' in written("csv", GOOD)
    assert '"no picture: begins with ""x"""' in written("csv", BAD)
    for name in ('a"b,c.jpg', " a "):
        assert table(written("csv", ResultRow(name)))[1][0] == name


@pytest.mark.parametrize("form", ["text", "csv", "json", "jsonl"])
@pytest.mark.parametrize(
    "evil", ["a\nb.jpg\nrose (score=1.00000)", "\x1b]0;x\x07", "a\rb", "\x9b2J", "a\u202eb", "a\u2028b"]
)
def test_no_name_can_move_the_cursor_or_add_a_row(form, evil):
    row = ResultRow(evil, ((evil, 0.5),), sorted="copied", sorted_to=evil, heat_map=evil)
    for one in (row, ResultRow("a.jpg", error=evil)):
        text = written(form, one)
        assert not set(text) & set("\x1b\x07\r\x9b\u202e\u2028")
        plain = ResultRow("a", (("b", 0.5),), sorted="copied", sorted_to="c", heat_map="d")
        plain = plain if one is row else ResultRow("a.jpg", error="x")
        assert len(text.splitlines()) == len(written(form, plain).splitlines())
        if form == "json":
            assert evil in (json.loads(text)[0]["image"], json.loads(text)[0]["error"])


@pytest.mark.parametrize("formula", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\uff1d1+1", "'=1", " =1", "''-x"])
def test_no_cell_of_a_table_is_a_formula_and_removing_one_apostrophe_gives_the_text(formula):
    cells = table(written("csv", ResultRow(formula, ((formula, -0.5),))))[1]
    assert [cell[:1] for cell in cells[:2]] == ["'", "'"]
    assert cells[0][1:] == cells[1][1:] == formula
    assert cells[2] == "-0.5"
    assert table(written("csv", ResultRow(formula, error=formula)))[1][3] == f"'{formula}"
    assert json.loads(written("json", ResultRow(formula)))[0]["image"] == formula


def test_an_apostrophe_alone_is_no_formula():
    assert table(written("csv", ResultRow("'tis.jpg", (("l'eau", 0.5),))))[1][:2] == ["'tis.jpg", "l'eau"]


def test_every_object_has_the_same_keys():
    objects = json.loads(written("json", GOOD, BAD))
    assert objects[0] == {
        "image": "a.jpg",
        "labels": [{"label": "daisy", "score": 0.75}, {"label": "rose, red", "score": 0.25}],
        "error": None,
    }
    assert objects[1] == {"image": "b.jpg", "labels": [], "error": BAD.error}


def test_no_photos_give_an_empty_array():
    assert json.loads(written("json")) == []


def test_an_array_is_sent_element_by_element():
    pieces = []
    form = format_for("json", pieces.append, one=False)
    form.begin(1)
    form.row(GOOD)
    form.row(BAD)
    assert [(piece[:2], piece[-1]) for piece in pieces] == [("[\n", "\n"), (",{", "\n")]
    form.end()
    assert len(json.loads("".join(pieces))) == 2


def test_jsonl_has_one_line_for_each_photo_whatever_its_name():
    lines = written("jsonl", ResultRow("a\nb.jpg"), BAD).splitlines()
    assert [json.loads(line)["image"] for line in lines] == ["a\nb.jpg", "b.jpg"]


def test_sorting_adds_where_a_photo_went():
    row = ResultRow("a.jpg", (("daisy", 0.75),), sorted="copied", sorted_to="out/daisy/a.jpg")
    assert table(written("csv", row, sorting=True, labels=1))[1][-2:] == ["copied", "out/daisy/a.jpg"]
    assert json.loads(written("jsonl", row, sorting=True))["sorted_to"] == "out/daisy/a.jpg"
    assert json.loads(written("jsonl", BAD, sorting=True))["sorted"] is None


def test_the_heat_map_is_the_last_column_and_null_if_there_is_none():
    row = ResultRow("a.jpg", (("daisy", 0.75),), sorted="copied", sorted_to="out/a.jpg", heat_map="maps/a_heat.jpg")
    pieces: list[str] = []
    for name in ("csv", "jsonl"):
        form = format_for(name, pieces.append, one=False, extra=SORTED + EXPLAINED)
        form.begin(1)
        form.row(row)
        form.row(BAD)
        form.end()
    header, first, second, *objects = pieces
    assert header.endswith(",sorted,sorted_to,heat_map\n")
    assert first == "a.jpg,daisy,0.75,,copied,out/a.jpg,maps/a_heat.jpg\n"
    assert second.endswith(",,,\n")
    assert [json.loads(line)["heat_map"] for line in objects] == ["maps/a_heat.jpg", None]


def test_scores_are_read_back_to_the_last_bit():
    scores = np.random.default_rng(0).random(2000, np.float32) ** 8
    scores = np.concatenate([scores, np.array([0, 1, 1e-45, 3.4e38, -2.5], np.float32)])
    for score in scores:
        text = json.dumps(shortest(float(score)))
        assert np.float32(json.loads(text)) == score
        assert len(text) <= 15


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_leaves_json_valid(score):
    row = ResultRow("a.jpg", (("daisy", score),))
    assert json.loads(written("json", row))[0]["labels"] == [{"label": "daisy", "score": None}]
    assert table(written("csv", row, labels=1))[1] == ["a.jpg", "daisy", "", ""]


def test_names_that_are_not_utf8_leave_json_and_csv_readable():
    name = os.fsdecode(b"caf\xe9.jpg")
    text = written("json", ResultRow(name, (("Gänseblümchen", 0.5),)))
    assert os.fsencode(json.loads(text.encode("utf-8"))[0]["image"]) == b"caf\xe9.jpg"
    assert table(written("csv", ResultRow(name)).encode("utf-8").decode())[1][0] == r"caf\xe9.jpg"


def test_ctrl_c_waits_until_the_row_is_written(capsys):
    def rows(output):
        with output.whole():
            os.kill(os.getpid(), signal.SIGINT)
            output.write("a whole row\n")
        output.write("never\n")

    with OutputStream(utf8=True) as output, pytest.raises(KeyboardInterrupt):
        rows(output)
    assert capsys.readouterr().out == "a whole row\n"
