"""A real browser for the tests of pages: Debian's chromium, driven by playwright, without any network.

`page` is an empty page; `open_page(page, path_or_address)` goes there; `serious(page)` is what axe-core finds wrong with it.
Without a browser these tests are skipped and say why; in CI (the environment has CI=true) they fail instead.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that shows a drawing, and nobody asks whether it may
    "--use-fake-ui-for-media-stream",
)
DESKTOP, PHONE = (1280, 900), (390, 844)  # CSS pixels; the phone is an iPhone 14


def missing(what: str) -> None:
    """Skips the test; in CI, where it has to run, fails it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI must run the tests of pages (.ci/run installs what they need)")
    pytest.skip(what)


def chromium() -> str:
    """Where the browser is; the test is over if there is none."""
    found = next(filter(None, map(shutil.which, NAMES)), "")
    if not found:
        missing(f"no browser: none of {', '.join(NAMES)} on the path")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a file; playwright leaves its event loop behind when it ends, not before."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("playwright is not installed: pip install '.[test]'")
    program = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        yield started
        started.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """An empty page of a browser without history, at DESKTOP size.

    A request that leaves this machine, and an error in a script, fail the test when it ends.
    """
    context = browser.new_context(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
    strangers: list[str] = []
    errors: list[str] = []

    def watch(route: Any) -> None:
        if urlsplit(route.request.url).hostname in ("127.0.0.1", "localhost"):
            route.continue_()
        else:
            strangers.append(route.request.url)
            route.abort()

    context.route(lambda url: url.startswith(("http", "ws")), watch)
    made = context.new_page()
    made.on("pageerror", lambda error: errors.append(str(error)))
    yield made
    context.close()
    assert strangers == [], "the page asks the network"
    assert errors == [], "the page's scripts fail"


def open_page(page: Page, where: Path | str, *, size: tuple[int, int] = DESKTOP, dark: bool = False) -> None:
    """Goes to a file or an address, on a screen of that many CSS pixels, in light or dark."""
    page.set_viewport_size({"width": size[0], "height": size[1]})
    page.emulate_media(color_scheme="dark" if dark else "light", reduced_motion="reduce")
    page.goto(where.resolve().as_uri() if isinstance(where, Path) else where)


def serious(page: Page) -> list[str]:
    """What axe-core finds that is serious or critical: a line each, with the rule, and where."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response
    assert found["passes"], "axe-core looked at nothing"
    return [
        f"{rule['id']}: {rule['help']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def wider_than_the_screen(page: Page) -> int:
    """CSS pixels by which the page must be scrolled sideways; 0 on a page that fits."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))
