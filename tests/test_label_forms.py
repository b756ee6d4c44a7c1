"""Labels files as people keep them: each form gives the same names, and what gives none is one line."""

from __future__ import annotations

import contextlib
import json
import time

import pytest

from label_image.errors import RunError
from label_image.labels import chosen, fitted, labels_file

NAMES = ("cat", "dog", "red fox")
JSON_INDEX = '{"cat": 0, "red fox": 2, "dog": 1}'
PBTXT = """# COCO
item { name: "/m/01yrx" id: 1 display_name: "cat" }
item {
  id: 2
  name: 'dog'
}
item{name:"red fox",id:3}
"""
YAML = "path: ../coco  # root\nnc: 3\nnames:\n  0: cat\n  1: dog # best\n  2: 'red fox'\ndownload: |\n  import os\n"


def read(tmp_path, data, name="labels.txt"):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return labels_file(path)


@pytest.mark.parametrize(
    "text",
    [
        "cat\ndog\nred fox\n",
        "cat\r\ndog\r\n\r\nred fox\r\n\r\n\r\n",
        "cat\rdog\rred fox\r",
        "\ufeffcat\ndog\nred fox",
        "# my animals\ncat\ndog\n\nred fox\n",
        "cat \n dog\t\nred fox",
        "0 cat\n1 dog\n2 red fox\n",
        "0\tcat\n1\tdog\n2\tred fox\n",
        "0:cat\n1:dog\n2:red fox",
        "1, cat\n2, dog\n3, red fox",
        "cat\t0\nred fox\t2\ndog\t1\n",
        "cat: 0\ndog: 1\nred fox: 2\n",
        "- cat\n- dog\n- 'red fox'\n",
        JSON_INDEX,
        json.dumps(NAMES),
        json.dumps({"0": "cat", "2": "red fox", "1": "dog"}),
        json.dumps({"cat": "0", "dog": "1", "red fox": "2"}),
        json.dumps({"cat": 0.0, "dog": 1.0, "red fox": 2.0}),
        json.dumps({"id2label": {"0": "cat", "1": "dog", "2": "red fox"}, "label2id": {"cat": 0}, "hidden_size": 768}),
        json.dumps({"model": {"labels": list(NAMES)}}),
        json.dumps({"labels": {"class_names": NAMES}}),
        json.dumps({"0": ["n02123045", "cat"], "1": ["n02084071", "dog"], "2": ["n02119022", "red fox"]}),
        json.dumps({"categories": [{"id": 3, "name": "red fox"}, {"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]}),
        json.dumps([{"name": name} for name in NAMES]),
        json.dumps({str(number): {"label": name} for number, name in enumerate(NAMES)}),
        "{'cat': 0, 'dog': 1, 'red fox': 2}",
        "['cat', 'dog', 'red fox']\n",
        "{0: 'cat', 1: 'dog', 2: 'red fox'}",
        PBTXT,
        YAML,
        "names: [cat, 'dog', \"red fox\"]\n",
        "nc: 3\nnames: ['cat', 'dog',\n  'red fox']  # in order\n",
        "names: {0: cat, 1: dog, 2: red fox}\n",
        "names:\n- cat\n- dog\n- red fox\nnc: 3\n",
        "id,name\n0,cat\n1,dog\n2,red fox\n",
        "name;id\nred fox;2\ncat;0\ndog;1\n",
        "class_id\tclass_name\n1\tcat\n2\tdog\n3\tred fox\n",
        "label,class\n0,cat\n1,dog\n2,red fox\n",
        'index,mid,display_name\n0,/m/1,cat\n1,/m/2,dog\n2,/m/3,"red fox"\n',
        ",label\n0,cat\n1,dog\n2,red fox\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_form_gives_the_same_names_in_every_encoding(tmp_path, text, encoding):
    assert read(tmp_path, text.encode(encoding)).names == NAMES


@pytest.mark.parametrize("text", ["label\ncat\ndog\nred fox\n", "cat\ndog\nred fox\n", "cat,0\nred fox,2\ndog,1\n"])
def test_a_table_may_have_one_column_or_no_header(tmp_path, text):
    assert read(tmp_path, text, "classes.csv").names == NAMES


@pytest.mark.parametrize(
    "names",
    [
        ("tench, Tinca tinca", "goldfish, Carassius auratus", "cock"),  # commas in a name make no table
        ("1 euro", "2 euro", "5 euro"),
        ("Class 1", "Class 2", "Class 3"),
        ("[unclear]", "[clear]", "(other)"),
        ("n01440764 tench, Tinca tinca", "n01443537 goldfish", "n01484850 great white shark"),
        ("name", "label", "class"),
        ("- 5 °C", "0 °C", "5 °C"),
        ("AC/DC: live", "Rush: 2112", "U2: War"),
        ("it's", '"quoted"', "back\\slash"),
    ],
)
def test_names_that_look_like_a_form_stay_names(tmp_path, names):
    assert read(tmp_path, "\n".join(names)).names == names


def test_quotes_and_escapes_of_a_form_are_taken_off(tmp_path):
    assert read(tmp_path, "names: [\"a, b\", 'it''s', \"caf\\u00e9\", d#e]  # x").names == (
        "a, b",
        "it's",
        "café",
        "d#e",
    )
    assert read(tmp_path, 'item { id: 1 name: "a \\"b\\" {c}" }').names == ('a "b" {c}',)
    assert read(tmp_path, 'id,name\n0,"a, ""b"""\n1,c\n').names == ('a, "b"', "c")


def test_latin_1_is_read_and_said(tmp_path):
    found = read(tmp_path, "rosé\nœillet\n".encode("cp1252"))
    assert found.names == ("rosé", "œillet")
    assert found.notes == ("the file is not UTF-8 and is read as Latin-1 (Windows-1252)",)


def test_names_that_stand_twice_and_comments_are_said(tmp_path):
    found = read(tmp_path, "# mine\ncrane\nmaillot\ncrane\n")
    assert found.names == ("crane", "maillot", "crane")
    assert found.notes == ("1 line beginning with # skipped", "1 name occurring more than once: 'crane'")
    assert read(tmp_path, "a\nb\n").notes == ()


def test_the_count_of_the_outputs_says_whether_a_comment_is_a_name(tmp_path):
    found = read(tmp_path, "#1\n#2\nother\n")
    assert chosen(found, 3) == ("#1", "#2", "other")
    assert chosen(found, 1) == ("other",)
    assert chosen(read(tmp_path, "a\n\nb\n"), 3) == ("a", "", "b")  # an output without a name


def test_the_background_is_left_out_or_put_in_where_the_count_says_so(tmp_path):
    thousand = tuple(f"n{number}" for number in range(1000))
    assert fitted(("background", *thousand), 1000) == thousand
    assert fitted(thousand, 1001) == ("background", *thousand)
    assert chosen(read(tmp_path, PBTXT), 4) == ("background", *NAMES)  # numbered from 1 on
    assert chosen(read(tmp_path, PBTXT), 3) == NAMES
    assert fitted(NAMES, 4) == NAMES  # nobody knows which


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"PK\x03\x04abc", "looks like a zip archive or an Excel table"),
        (b"\x89PNG\r\n", "looks like a picture"),
        (b"\x1c\0\0\0TFL3abc", "looks like a .tflite"),
        (b"\x80\x04\x95", "looks like a pickle"),
        (b"a\x01b\n", "control characters"),
        (b"<!DOCTYPE html><html>", "looks like a web page"),
        (b'{"cat": 0, "dog": 1', "looks like JSON but is invalid"),
        (b'{"cat": 0, "dog": 2}', "1 is missing"),
        (b'{"cat": 0, "dog": 0}', "0 occurs twice"),
        (b'{"cat": 2, "dog": 3}', "are not consecutive from 0 or 1"),
        (b'{"a": "x", "b": "y"}', "2 entries that are not names and numbers"),
        (b"[1, 2]", "contains a list, but not a list of names"),
        (b"{}", "contains no names"),
        (b"[" * 100_000, "looks like JSON but is invalid"),
        (b'item { name: "cat" }', "an item has no id"),
        (b"names: [cat, dog\n", "is not closed"),
        (b"names:\n  train: x\n", "neither a list nor a map"),
        (b"names: !!python/object/apply:os.system ['touch pwned']\n", "neither a list nor a map"),
        (b"id,name\n0,cat\n2,dog\n", "1 is missing"),
        (b"x" * (4 << 20) + b"yy", "larger than 4 MB"),
    ],
)
def test_what_holds_no_names_is_one_line_that_says_what_it_looks_like(tmp_path, data, message):
    with pytest.raises(RunError, match=message) as caught:
        read(tmp_path, data)
    assert str(caught.value).startswith(f"cannot read labels: {tmp_path / 'labels.txt'}")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_can_not_be_opened_is_one_line(tmp_path):
    with pytest.raises(RunError, match="is a folder; give the labels file in it"):
        labels_file(tmp_path)
    with pytest.raises(RunError, match="File name too long"):
        labels_file(tmp_path / ("x" * 300))
    with pytest.raises(RunError, match="does not exist"):
        labels_file(tmp_path / "no.txt")


@pytest.mark.parametrize(
    "text",
    [
        "item" + " " * 200_000,
        "item {" + "a" * 200_000,
        "item {" + "a " * 100_000,
        "names: [" + " " * 200_000,
        "names: [" + "a'" * 100_000,
        "names:\n" + "  " * 100_000,
        "\n" * 200_000 + "item {",
        "a" + " " * 200_000 + "b",
        "0 a" + " " * 200_000 + "b",
        "#" * 200_000 + '"' * 100_000,
        "[" + ",".join(["1"] * 80_000) + "]",
        "{" + ",".join(f'"a{n}":{n + 2}' for n in range(20_000)) + "}",
        "a\n" * 60_000,
        "a," * 100_000 + "\n" + "b," * 100_000,
    ],
)
@pytest.mark.parametrize("name", ["labels.txt", "labels.csv"])
def test_a_file_made_to_take_long_does_not(tmp_path, text, name):
    begun = time.process_time()
    with contextlib.suppress(RunError):
        read(tmp_path, text, name)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    ("lines", "names"),
    [
        ("2 tulips\n0 daisy\n1 roses\n", ("daisy", "roses", "tulips")),
        ("3: tulips\n1: daisy\n2: roses\n", ("daisy", "roses", "tulips")),
        ("0 a\n1 b\n10 k\n2 c\n", ("0 a", "1 b", "10 k", "2 c")),  # folders' names, sorted as text
        ("7 up\n0 daisy\n1 roses\n", ("7 up", "0 daisy", "1 roses")),  # 2 is missing: names
        ("2 euro\n1 euro\n0 euro\n", ("2 euro", "1 euro", "0 euro")),
    ],
)
def test_numbers_before_names_give_their_order_and_it_is_said(tmp_path, lines, names):
    path = tmp_path / "labels.txt"
    path.write_text(lines)
    found = labels_file(path)
    assert found.names == names
    assert any("give their outputs" in note for note in found.notes) == (names[0] == "daisy")


def test_a_number_below_zero_and_one_too_long_are_said_in_words(tmp_path):
    path = tmp_path / "labels.json"
    for text, said in (('{"a": -1, "b": 0}', "-1 is below 0"), ('{"a": ' + "9" * 5000 + "}", "cannot be read")):
        path.write_text(text)
        with pytest.raises(RunError, match=said) as caught:
            labels_file(path)
        assert "sys." not in str(caught.value)
