"""docs/troubleshooting.md lists every message of the sources and no other, each in a block that explains it."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tools.messages import PageError, fill, messages, read_sources

FOUND = {"retrain/data/scan.py": ["no photo in …"], "retrain/cli.py": ["unknown flag --…"]}
PAGE = "# Trouble\n<!-- messages: {} -->\n<!-- end -->\nOther words.\n"


@pytest.fixture
def root(tmp_path):
    for package in ("label_image", "retrain"):
        (tmp_path / package).mkdir()
    (tmp_path / "label_image/errors.py").write_text("class UserError(Exception): ...\nclass RunError(UserError): ...\n")
    return tmp_path


def raised(root, code):
    (root / "retrain/a.py").write_text(code)
    return messages(read_sources(root)).get("retrain/a.py", [])


def test_a_message_is_listed_with_gaps_for_what_it_fills_in(root):
    code = "raise UserError(f'cannot read {path!r}: found {len(x):,} photos, ' + 'need 3')"
    assert raised(root, code) == ["cannot read …: found … photos, need 3"]


def test_both_forms_of_a_message_are_listed(root):
    assert raised(root, "raise RunError('it is empty' if empty else f'it has {n} parts')") == [
        "it has … parts",
        "it is empty",
    ]


def test_a_message_that_another_module_words_is_found(root):
    (root / "retrain/words.py").write_text("def too_few(count):\n    return f'found {count} photos; add some'\n")
    assert raised(root, "from retrain.words import too_few\nraise UserError(too_few(2))") == [
        "found … photos; add some"
    ]


def test_an_error_class_of_a_modules_own_is_one_too(root):
    assert raised(root, "class Odd(RunError): ...\nraise Odd('the disk is odd')") == ["the disk is odd"]


def test_what_only_hands_a_text_on_is_no_message(root):
    assert raised(root, "raise RunError(str(error))\nraise RunError(f'{path}: {error}')") == []


def test_pythons_own_errors_are_not_for_users(root):
    assert raised(root, "raise ValueError('a fault of ours')") == []


def test_a_block_is_filled_and_the_words_around_it_stay():
    page = fill(PAGE.format("retrain"), FOUND)
    assert page == (
        "# Trouble\n<!-- messages: retrain -->\n```\nno photo in …\nunknown flag --…\n```\n<!-- end -->\nOther words.\n"
    )
    assert fill(page, FOUND) == page


def test_a_file_is_listed_in_the_block_that_names_it_most_closely():
    page = fill(PAGE.format("retrain") + PAGE.format("retrain/data"), FOUND)
    assert page.index("unknown flag") < page.index("messages: retrain/data") < page.index("no photo in")


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ("retrain/data", "retrain/cli.py: raise messages, and no block names them"),
        ("retrain retrain/gone.py", "retrain/gone.py: stand in a block and raise no message"),
        ("retrain retrain", "retrain: stand in two blocks"),
    ],
)
def test_a_page_that_does_not_fit_the_sources_is_refused_with_what_to_edit(names, complaint):
    with pytest.raises(PageError, match=complaint):
        fill(PAGE.format(names), FOUND)


def test_a_block_without_an_end_is_refused():
    with pytest.raises(PageError, match="ends with the line"):
        fill("<!-- messages: retrain -->\n", FOUND)


def test_the_messages_of_this_project_are_found():
    found = messages(read_sources(ROOT))
    assert "unknown flag --… (--help lists them all)" in found["label_image/flags.py"]
    assert len(found) > 100
