from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_image.errors import RunError
from label_image.labels import format_labels, parse_labels, read_labels


@given(
    st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), min_size=1).filter(str.strip))
)
def test_names_come_back_as_they_were_written(labels):
    assert list(parse_labels(format_labels(labels))) == labels


@pytest.mark.parametrize("data", [b"a\nb\n", b"a\nb", b"a\r\nb\r\n", b"\xef\xbb\xbfa\nb\n", b"a\nb\n\n\n"])
def test_every_form_of_line_end_gives_the_same_names(data):
    assert parse_labels(data) == ("a", "b")


def test_spaces_and_accents_are_kept():
    assert parse_labels("Café (x)\n猫\n".encode()) == ("Café (x)", "猫")


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(RunError, match="does not exist"):
        read_labels(tmp_path / "no.txt")


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "l.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match="not UTF-8"):
        read_labels(tmp_path / "l.txt")
