"""The browser that the tests of pages use: it finds what it has to find, so that its silence means something."""

from __future__ import annotations

import pytest

from tests.browser import PHONE, missing, open_page, serious, wider_than_the_screen

GOOD = "<!doctype html><html lang=en><title>good</title><main><h1>Good</h1><p>Text</p></main>"
BAD = (
    "<!doctype html><html lang=en><title>bad</title><main><h1>Bad</h1><img src='data:,'>"
    "<p style='color:#aaa;background:#bbb;width:900px'>pale</p></main>"
)


def test_a_good_page_passes(page, tmp_path):
    (tmp_path / "good.html").write_text(GOOD)
    open_page(page, tmp_path / "good.html", size=PHONE)
    assert serious(page) == []
    assert wider_than_the_screen(page) == 0


def test_a_picture_without_words_pale_text_and_a_wide_paragraph_are_found(page, tmp_path):
    (tmp_path / "bad.html").write_text(BAD)
    open_page(page, tmp_path / "bad.html", size=PHONE)
    assert {line.split(":")[0] for line in serious(page)} == {"image-alt", "color-contrast"}
    assert wider_than_the_screen(page) > 400


def test_darkness_is_what_the_page_sees(page, tmp_path):
    (tmp_path / "good.html").write_text(GOOD)
    for dark in (True, False):
        open_page(page, tmp_path / "good.html", dark=dark)
        assert page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") is dark


def test_without_a_browser_a_test_is_skipped_and_in_ci_it_fails(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="no browser"):
        missing("no browser")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="CI must run"):
        missing("no browser")
