"""A CSV of path and label: which photos it means, and what of it cannot be used."""

from __future__ import annotations

from pathlib import Path

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


def run(tmp_path, capsys, text, *flags):
    """(exit status, what was said, the files that were made) of the command on photos a.jpg to d.jpg in `photos`."""
    for number, name in enumerate("abcd"):
        write_photo(tmp_path / "photos" / f"{name}.jpg", COLOURS["cyan"], number)
    source = tmp_path / "list.csv"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    out = tmp_path / "out"
    status = main(["csv", str(source), str(out), "--root", str(tmp_path / "photos"), *flags])
    made = sorted(path.relative_to(out).as_posix() for path in out.rglob("*.*") if path.is_file())
    return status, capsys.readouterr().err, made


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
        "WARNING: not found and left out: 9 of 10 rows: line 3 (lost0.jpg), line 4 (lost1.jpg), line 5 (lost2.jpg), "
        "line 6 (lost3.jpg), line 7 (lost4.jpg) and 4 more\n"
    )
    assert said.out.startswith("1 pictures, 1 classes, in ")


def test_no_file_at_all_is_a_failure_that_names_the_first(photos, tmp_path):
    with pytest.raises(RunError, match=r"line 1 \(lost.jpg\) names no file in .*--root") as caught:
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
        ('a.jpg,"cat\nb.jpg,dog\n', "is not valid CSV"),
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


# --- the column of lists

HONOURED = ["test/cat/c.jpg", "test/dog/d.jpg", "train/cat/a.jpg", "train/dog/b.jpg"]


@pytest.mark.parametrize(
    ("name", "train", "test"),
    [
        ("split", "train", "test"), ("set", "Training", "Testing"), ("subset", "TRAIN", "Test set"), ("partition", "tr_train", "test"),
        ("fold", "train", "test"), ("is_test", "0", "1"), ("is_test", "False", "True"), ("Is Test", "no", "yes"),
        ("is_train", "1", "0"), ("is_training_image", "1", "0"), ("Usage", "Training", "PrivateTest"), ("data_split", "train", "holdout"),
        ("image_set", "train2017", "test2017"), ("phase", "entrenamiento", "prueba"),
    ],
)  # fmt: skip
def test_the_users_test_photos_land_in_test(tmp_path, capsys, name, train, test):
    rows = f"path,label,{name}\na.jpg,cat,{train}\nb.jpg,dog,{train}\nc.jpg,cat,{test}\nd.jpg,dog,{test}\n"
    status, said, made = run(tmp_path, capsys, rows)
    assert (status, made) == (0, HONOURED)
    assert f"train, validation and test from {name!r}" in said


@pytest.mark.parametrize("name", ["is_valid", "is_val", "is_validation", "validation"])
def test_rows_for_validation_land_there(tmp_path, capsys, name):
    rows = f"path,label,{name}\na.jpg,cat,False\nb.jpg,dog,False\nc.jpg,cat,True\nd.jpg,dog,True\n"
    assert run(tmp_path, capsys, rows)[2] == [
        one.replace("test/", "validation/") for one in HONOURED[2:] + HONOURED[:2]
    ]


def test_two_columns_of_yes_and_no_are_read_together(tmp_path, capsys):
    rows = "path,label,is_valid,is_test\na.jpg,cat,0,0\nb.jpg,dog,0,0\nc.jpg,cat,0,1\nd.jpg,dog,1,0\n"
    made = run(tmp_path, capsys, rows)[2]
    assert made == ["test/cat/c.jpg", "train/cat/a.jpg", "train/dog/b.jpg", "validation/dog/d.jpg"]


NUMBERS = "path,label,{}\na.jpg,cat,0\nb.jpg,dog,0\nc.jpg,cat,2\nd.jpg,dog,2\n"


@pytest.mark.parametrize("name", ["split", "set", "partition"])
def test_numbers_that_could_be_lists_are_asked_about_and_never_trained_on_in_silence(tmp_path, capsys, name):
    status, said, made = run(tmp_path, capsys, NUMBERS.format(name))
    assert (status, made) == (1, [])
    assert (
        f"{name!r} contains '0' (2 rows), '2' (2 rows), first in line 2; give the meaning, as in --split_values=0=test"
        in said
    )
    assert run(tmp_path, capsys, NUMBERS.format(name), "--split_values=0=train,2=test")[2] == HONOURED


def test_the_column_of_lists_can_be_left_out(tmp_path, capsys):
    _, said, made = run(tmp_path, capsys, NUMBERS.format("split"), "--split_column=none")
    assert made == ["cat/a.jpg", "cat/c.jpg", "dog/b.jpg", "dog/d.jpg"]
    assert "not read: 'split'" in said


def test_fold_numbers_are_no_lists_unless_the_user_says_so(tmp_path, capsys):
    status, said, made = run(tmp_path, capsys, NUMBERS.format("fold"))
    assert (status, len(made)) == (0, 4)
    assert "'fold' contains fold numbers, which name no subset, and is not read" in said
    assert "not read: 'fold'" in said
    (tmp_path / "out").rename(tmp_path / "old")
    assert run(tmp_path, capsys, NUMBERS.format("fold"), "--split_values=2=test")[2] == HONOURED


def test_a_column_about_something_else_is_said_not_to_be_read(tmp_path, capsys):
    rows = "path,label,dataset\na.jpg,cat,v\nb.jpg,dog,w\nc.jpg,cat,x\nd.jpg,dog,y\n"
    status, said, made = run(tmp_path, capsys, rows)
    assert (status, len(made)) == (0, 4)
    assert "'dataset' names no subsets ('v', 'w', 'x', 'y'), and is not read" in said


def test_a_word_that_is_no_list_is_refused_with_its_line(tmp_path, capsys):
    rows = "path,label,split\na.jpg,cat,train\nb.jpg,dog,extra\nc.jpg,cat,test\n"
    status, said, made = run(tmp_path, capsys, rows)
    assert (status, made) == (1, [])
    assert "'split' contains 'extra' (1 row), first in line 3" in said


def test_a_photo_for_training_and_test_is_kept_for_the_test_alone(tmp_path, capsys):
    rows = "path,label,split\na.jpg,cat,train\na.jpg,cat,test\n./b.jpg,dog,test\nb.jpg,dog,train\nc.jpg,cat,train\nd.jpg,dog,train\n"
    _, said, made = run(tmp_path, capsys, rows)
    assert made == ["test/cat/a.jpg", "test/dog/b.jpg", "train/cat/c.jpg", "train/dog/d.jpg"]
    assert (
        "photos that are in two subsets by different rows, kept in test or validation only: 2: line 3 (a.jpg), line 5 (b.jpg)"
        in said
    )


def test_rows_for_the_test_without_a_label_are_left_out_and_counted(tmp_path, capsys):
    rows = "path,label,split\na.jpg,cat,train\nb.jpg,dog,train\nc.jpg,,test\n"
    status, said, made = run(tmp_path, capsys, rows)
    assert (status, made) == (0, ["cat/a.jpg", "dog/b.jpg"])
    assert "rows for test or validation without a label, left out: 1: line 4 (c.jpg)" in said


def test_a_table_of_test_photos_alone_is_not_trained_on(tmp_path, capsys):
    status, said, made = run(tmp_path, capsys, "path,label,split\na.jpg,cat,test\nb.jpg,dog,test\n")
    assert (status, made) == (1, [])
    assert "there are no training photos" in said


# --- columns


def test_columns_are_named_by_flags_or_numbers(tmp_path, capsys):
    named = "foo,bar,baz\n1,a.jpg,cat\n2,b.jpg,dog\n"
    flags = ("--path_column=bar", "--label_column", "baz")
    assert run(tmp_path, capsys, named, *flags)[2] == ["cat/a.jpg", "dog/b.jpg"]
    (tmp_path / "out").rename(tmp_path / "old")
    bare = "1,a.jpg,cat\n2,b.jpg,dog\n"
    assert run(tmp_path, capsys, bare, "--path_column=2", "--label_column=3")[2] == ["cat/a.jpg", "dog/b.jpg"]


@pytest.mark.parametrize(
    ("text", "flags", "status", "part"),
    [
        (
            "foo,bar,baz\na.jpg,cat,1\n",
            (),
            1,
            "its columns are 'foo', 'bar', 'baz'; name them: --path_column and --label_column",
        ),
        ("path,bar,baz\na.jpg,cat,1\n", (), 1, "its columns are 'path', 'bar', 'baz'; name them: --label_column"),
        (
            "path,cat,dog\na.jpg,1,0\nb.jpg,0.0,1.0\n",
            (),
            1,
            "each class has a column, with 1 in the row's class (cat, dog); write",
        ),
        ("path,x,z\na.jpg,1,1\nb.jpg,0,1\n", (), 1, "its columns are 'path', 'x', 'z'; name them: --label_column"),
        ("path,bar,baz\na.jpg,cat,1\n", ("--label_column=ba",), 2, "no column for --label_column=ba in"),
        ("a.jpg,cat,1\nb.jpg,dog,2\n", (), 1, "give them by number, as in --path_column=1 --label_column=2"),
        ("a.jpg,cat\n", ("--label_column=7",), 2, "no column for --label_column=7"),
        ("path,label\na.jpg,cat\n", ("--split_column=list",), 2, "no column for --split_column=list"),
        ("path,label,s\na.jpg,cat,1\n", ("--split_column=s", "--split_values=1"), 2, "is not VALUE=train"),
    ],
)
def test_columns_that_are_not_known_are_listed_with_the_flags(tmp_path, capsys, text, flags, status, part):
    found, said, made = run(tmp_path, capsys, text, *flags)
    assert (found, made) == (status, [])
    assert part in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("header", "rows", "said"),
    [
        (
            "image,filename,label",
            "1,a.jpg,cat\n2,b.jpg,dog\n",
            "path from 'filename', label from 'label'; not read: 'image'",
        ),
        ("filename,label,class_name", "a.jpg,0,cat\nb.jpg,1,dog\n", "label from 'class_name'; not read: 'label'"),
        ("id,breed,age", "a,cat,1\nb,dog,2\n", "path from 'id', label from 'breed'; not read: 'age'"),
        ("foo,bar", "a.jpg,cat\nb.jpg,dog\n", "path from 'foo', label from 'bar'"),
        ("species,photo", "cat,a.jpg\ndog,b.jpg\n", "path from 'photo', label from 'species'"),
    ],
)
def test_known_columns_are_taken_and_what_is_not_read_is_said(tmp_path, capsys, header, rows, said):
    status, err, made = run(tmp_path, capsys, f"{header}\n{rows}")
    assert (status, made) == (0, ["cat/a.jpg", "dog/b.jpg"])
    assert said in err


def test_two_columns_the_other_way_round_are_told_by_what_is_there(tmp_path, capsys):
    assert run(tmp_path, capsys, "cat,a.jpg\ndog,b.jpg\n")[2] == ["cat/a.jpg", "dog/b.jpg"]


@pytest.mark.parametrize(
    "data",
    [
        "path\tlabel\na.jpg\tcat\nb.jpg\tdog\n".encode("utf-16"),
        "path\tlabel\na.jpg\tcat\nb.jpg\tdog\n".encode("utf-16-be").join([b"\xfe\xff", b""]),
        "\ufeffpath;label\na.jpg;cat\nb.jpg;dog\n".encode(),
        b"a.jpg cat\nb.jpg dog\n",
        b"path|label\na.jpg|cat\nb.jpg|dog\n",
    ],
    ids=["UTF-16", "UTF-16 the other way", "BOM", "spaces", "bars"],
)
def test_other_encodings_and_separators_are_read(tmp_path, capsys, data):
    assert run(tmp_path, capsys, data)[2] == ["cat/a.jpg", "dog/b.jpg"]


# --- names of photos


def test_names_without_an_ending_are_found_and_ambiguous_ones_are_said(tmp_path, capsys):
    for number, name in enumerate(("train/x.png", "train/y.JPG", "test/z.jpg", "train/z.jpg")):
        write_photo(tmp_path / "photos" / name, COLOURS["magenta"], number)
    status, said, made = run(tmp_path, capsys, "id,breed\na,cat\nx,dog\ny,cat\nz,dog\nnone,dog\n")
    assert (status, made) == (0, ["cat/a.jpg", "cat/y.JPG", "dog/x.png"])
    assert "by their name without a suffix: 3" in said
    assert "rows that match several files, left out: 1: line 5 (z)" in said
    assert "not found and left out: 1 of 5 rows: line 6 (none)" in said


def test_paths_of_another_machine_are_found_by_their_end(tmp_path, capsys):
    for number, name in enumerate(("one/x.jpg", "two/x.jpg")):
        write_photo(tmp_path / "photos" / name, COLOURS["magenta"], number)
    rows = "path,label\n/content/data/photos/a.jpg,cat\nC:\\data\\b.jpg,dog\n/content/two/x.jpg,dog\n"
    _, said, made = run(tmp_path, capsys, rows)
    assert made == ["cat/a.jpg", "dog/b.jpg", "dog/x.jpg"]
    assert "by the last part of their path: 3" in said
    assert (tmp_path / "out/dog/x.jpg").read_bytes() == (tmp_path / "photos/two/x.jpg").read_bytes()


def test_paths_that_lead_out_of_the_root_are_said_and_no_other_files_are_copied(tmp_path, capsys):
    write_photo(tmp_path / "more/e.jpg", COLOURS["yellow"], 1)
    status, said, made = run(tmp_path, capsys, "path,label\na.jpg,cat\n../more/e.jpg,dog\n../list.csv,dog\n")
    assert (status, made) == (0, ["cat/a.jpg", "dog/e.jpg"])
    assert "copied nevertheless: 1: line 3 (../more/e.jpg)" in said
    assert "to files that are not pictures, left out: 1: line 4 (../list.csv)" in said


# --- several labels in a cell

TAGS = "image_name,tags\na,clear primary\nb,haze primary\nc,clear\nd,haze\n"


def test_several_labels_in_a_cell_are_no_class_in_silence(tmp_path, capsys):
    status, said, made = run(tmp_path, capsys, TAGS)
    assert (status, made) == (1, [])
    assert "2 of 4 rows" in said
    assert "('clear primary', 'haze primary')" in said
    assert "--several_labels=first" in said


@pytest.mark.parametrize(
    ("how", "made"),
    [
        ("first", ["clear/a.jpg", "clear/c.jpg", "haze/b.jpg", "haze/d.jpg"]),
        ("leave_out", ["clear/c.jpg", "haze/d.jpg"]),
        ("whole", ["clear primary/a.jpg", "clear/c.jpg", "haze primary/b.jpg", "haze/d.jpg"]),
    ],
)
def test_the_user_says_what_becomes_of_several_labels(tmp_path, capsys, how, made):
    assert run(tmp_path, capsys, TAGS, f"--several_labels={how}")[2] == made


@pytest.mark.parametrize("cell", ["cat|dog", "cat;dog", '"cat, dog"', "\"['cat', 'dog']\""])
def test_other_separators_of_labels_are_known(tmp_path, capsys, cell):
    rows = f"image,labels\na.jpg,{cell}\nb.jpg,dog\nc.jpg,cat\n"
    assert run(tmp_path, capsys, rows)[0] == 1
    assert run(tmp_path, capsys, rows, "--several_labels=first")[2] == ["cat/a.jpg", "cat/c.jpg", "dog/b.jpg"]


def test_a_class_of_two_words_is_a_class_and_that_is_said(tmp_path, capsys):
    rows = "id,breed\na,golden retriever\nb,labrador retriever\nc,bull terrier\n"
    status, said, made = run(tmp_path, capsys, rows)
    assert (status, len(made)) == (0, 3)
    assert "3 labels of several words are read as one class each: 'golden retriever'" in said


def test_flags_of_tables_are_refused_for_other_formats(tmp_path, capsys):
    for flag in ("--path_column=a", "--split_column=none", "--several_labels=first"):
        assert main(["mnist", str(tmp_path), str(tmp_path / "out"), flag]) == 2
        assert "is for csv; leave it out with mnist" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/dev/zero").is_char_device(), reason="there is no device that never ends")
def test_a_device_is_not_read_to_its_end(tmp_path):
    with pytest.raises(UserError, match="is a device; give the CSV"):
        convert("csv", Path("/dev/zero"), tmp_path / "out")


def test_a_file_of_the_system_is_no_photo(tmp_path, capsys):
    status, said, made = run(tmp_path, capsys, f"path,label\na.jpg,cat\nb.jpg,dog\n{Path('/etc/hostname')},cat\n")
    assert (status, made) == (0, ["cat/a.jpg", "dog/b.jpg"])
    assert "line 4 (/etc/hostname)" in said
