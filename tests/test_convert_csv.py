"""A CSV of path and label: which photos it means, and what of it can not be used."""

from __future__ import annotations

import pytest

from label_image.errors import RunError, UserError
from retrain.convert.cli import convert, main
from tests.conftest import COLOURS, write_photo


@pytest.fixture
def photos(tmp_path):
    """photos/a.jpg, photos/b.jpg and photos/more/a.jpg, each another."""
    for number, name in enumerate(("a.jpg", "b.jpg", "more/a.jpg")):
        write_photo(tmp_path / "photos" / name, COLOURS["cyan"], number)
    return tmp_path / "photos"


def converted(tmp_path, text, root=""):
    """Path in the image folder -> which photo it is."""
    source = tmp_path / "photos/list.csv"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    convert("csv", source, tmp_path / "out", root)
    names = {path.read_bytes(): path.relative_to(source.parent).as_posix() for path in source.parent.rglob("*.jpg")}
    return {
        path.relative_to(tmp_path / "out").as_posix(): names[path.read_bytes()]
        for path in (tmp_path / "out").glob("*/*")
    }


@pytest.mark.parametrize(
    "text",
    [
        "a.jpg,cat\nb.jpg,dog\nmore/a.jpg,cat\n",
        "path,label\na.jpg,cat\nb.jpg,dog\nmore/a.jpg,cat\n",
        "\ufeffid;Class;width;File name\n1;cat;5;a.jpg\n2;dog;5;b.jpg\n3;cat;5;more/a.jpg\n",
        "image\tcategory\r\na.jpg\tcat\r\n\r\nb.jpg\tdog\r\nmore/a.jpg\tcat",
        'filename,label\n"a.jpg", cat\n"b.jpg","dog"\n"more\\a.jpg","cat"\n',
    ],
    ids=["plain", "header", "Excel's, columns by name", "tabs", "quotes and backslashes"],
)
def test_rows_are_read_with_or_without_a_header(photos, tmp_path, text):
    assert converted(tmp_path, text) == {"cat/a.jpg": "a.jpg", "dog/b.jpg": "b.jpg", "cat/a_2.jpg": "more/a.jpg"}


def test_paths_may_begin_elsewhere_or_be_whole(photos, tmp_path):
    text = f"a.jpg,cat\n{photos / 'b.jpg'},dog\n"
    assert converted(tmp_path, text, str(photos / "more")) == {"cat/a.jpg": "more/a.jpg", "dog/b.jpg": "b.jpg"}


def test_files_are_copied_not_moved_or_linked(photos, tmp_path):
    converted(tmp_path, "a.jpg,cat\n")
    (tmp_path / "out/cat/a.jpg").write_bytes(b"changed")
    assert (photos / "a.jpg").read_bytes() != b"changed"


def test_a_photo_with_two_labels_is_there_twice_and_a_row_said_twice_once(photos, tmp_path, capsys):
    assert converted(tmp_path, "a.jpg,cat\na.jpg,dog\na.jpg,cat\n") == {"cat/a.jpg": "a.jpg", "dog/a.jpg": "a.jpg"}
    assert "an earlier one, whose photos are copied once: 1\n" in capsys.readouterr().err


def test_files_that_are_not_there_are_counted_with_their_lines(photos, tmp_path, capsys):
    rows = ["path,label", "a.jpg,cat", *(f"lost{number}.jpg,cat" for number in range(7)), "more,cat", "x\0y,cat"]
    (photos / "list.csv").write_text("\n".join(rows))
    assert main(["csv", str(photos / "list.csv"), str(tmp_path / "out")]) == 0
    said = capsys.readouterr()
    assert said.err == (
        "WARNING: not found, and left out: 9 of 10 rows: line 3 (lost0.jpg), line 4 (lost1.jpg), line 5 (lost2.jpg), "
        "line 6 (lost3.jpg), line 7 (lost4.jpg) and 4 more\n"
    )
    assert said.out.startswith("1 pictures, 1 classes, in ")


def test_no_file_at_all_is_a_failure_that_names_the_first(photos, tmp_path):
    with pytest.raises(RunError, match=r"line 1 \(lost.jpg\) names no file in .*--root says") as caught:
        converted(tmp_path, "lost.jpg,cat\n")
    assert caught.value.exit_status == 1
    with pytest.raises(RunError, match="it has no rows"):
        converted(tmp_path, "path,label\n")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a.jpg,cat,7\n", "line 1 has 3 columns, and no header"),
        ("a.jpg,cat\nb.jpg\n", r"line 2 has no label: 'b.jpg'"),
        ("a.jpg,cat\nb.jpg,\n", "line 2 has no label"),
        ('a.jpg,"cat\nb.jpg,dog\n', "is no CSV"),
        (b"a.jpg,cat\nb.jpg,\xe4\n", "not UTF-8"),
        ("a.jpg,cat\nb.jpg,../dog\n", r"cannot use the label '../dog' \(line 2 of"),
        ("a.jpg,cat\nb.jpg,.dog\n", "line 2 of"),
    ],
)
def test_what_is_no_list_of_path_and_label_is_said(photos, tmp_path, text, part):
    with pytest.raises(RunError, match=part) as caught:
        converted(tmp_path, text)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photos"]


def test_a_folder_or_a_root_that_is_not_there_is_a_mistake(photos, tmp_path):
    with pytest.raises(UserError, match="is a folder; give the CSV") as caught:
        convert("csv", photos, tmp_path / "out")
    assert caught.value.exit_status == 2
    with pytest.raises(UserError, match="--root=nowhere: no such folder"):
        converted(tmp_path, "a.jpg,cat\n", "nowhere")
