"""tools/shown.py: what a page shows below a command is what the command prints."""

from __future__ import annotations

import pytest

from label_image.errors import RunError
from tools.shown import prepare, rewritten, run, shorten


def shown(page, folder):
    return rewritten(page, folder, folder / "photos")


def test_old_output_is_replaced_and_words_around_it_stay(tmp_path):
    page = "Before.\n\n<!-- run -->\n```\n$ echo new\nold\n```\n\nAfter.\n"
    assert shown(page, tmp_path) == page.replace("old", "new")


def test_a_block_that_is_not_marked_is_left_alone(tmp_path):
    page = "```\n$ echo new\nold\n```\n"
    assert shown(page, tmp_path) == page


def test_commands_of_a_page_share_a_folder_and_hidden_ones_are_not_shown(tmp_path):
    page = "<!-- run hidden: echo inside > a.txt -->\n<!-- run -->\n```\n$ cat a.txt\n```\n"
    assert shown(page, tmp_path) == page.replace("$ cat a.txt\n", "$ cat a.txt\ninside\n")


def test_a_file_of_a_page_is_written_as_it_stands(tmp_path):
    shown("<!-- file a.sh -->\n```bash\necho one (two) $THREE\n```\n", tmp_path)
    assert (tmp_path / "a.sh").read_text() == "echo one (two) $THREE\n"


def test_cells_of_a_notebook_share_one_python_and_show_what_they_print(tmp_path):
    first = "<!-- notebook -->\n```python\nx = 3\nprint('first')\n```\n\n"
    second = "<!-- notebook -->\n```python\nprint(x + 1)\n```\n\n```\nold\n```\n"
    page = shown(first + second, tmp_path)
    assert page == first.rstrip() + "\n\n```\nfirst\n```\n\n" + second.replace("old", "4")


def test_a_command_that_fails_ends_it_unless_its_status_is_expected(tmp_path):
    page = "<!-- run{} -->\n```\n$ exit 2\n```\n"
    assert shown(page.format(" status 2"), tmp_path) == page.format(" status 2")
    with pytest.raises(RunError, match="ended with status 2, expected 0"):
        shown(page.format(""), tmp_path)


def test_no_path_of_this_machine_is_shown(tmp_path):
    assert run("echo $PWD/a.txt", tmp_path, tmp_path) == "a.txt\n"


def test_what_is_left_out_is_marked():
    assert shorten(list("abcde"), ["from", "b", "to", "d"]) == ["...", "b", "c", "..."]
    assert shorten(list("abc"), ["last", "2"]) == ["...", "b", "c"]
    assert shorten(list("abc"), []) == ["a", "b", "c"]


def test_the_photos_of_a_page_are_the_first_of_three_classes(colour_photos, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.shown.CLASSES", ("cyan", "yellow"))
    monkeypatch.setattr("tools.shown.PHOTOS_EACH", 2)
    prepare(colour_photos, tmp_path)
    assert sorted(path.parent.name for path in tmp_path.glob("flowers/*/*")) == ["cyan", "cyan", "yellow", "yellow"]
