"""Documents that cannot lie: flags and messages are listed from the code, and every command of a page means something."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from label_image.demo.cli import DemoCommand
from label_image.flags import flag_fields, parse
from label_image.label_command import LabelCommand
from retrain.compare.asked import Comparison
from retrain.convert.cli import FORMATS
from retrain.convert.cli import ConvertCommand as Conversion
from retrain.options.options import Options
from retrain.report.cli import ReportCommand as Report
from retrain.runs.cli import RunsCommand as Runs
from tests.conftest import ROOT

PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
MODULES: dict[str, type] = {
    "retrain": Options,
    "retrain.compare": Comparison,
    "label_image": LabelCommand,
    "label_image.demo": DemoCommand,
}
README_LINES = 60  # one screen, and the table of pages
CONVERSION = re.compile(r"^python -m retrain\.convert (.*)$", re.MULTILINE)
COMMAND = re.compile(
    r"^(?:\$ )?(?:!)?python -m (retrain|retrain\.compare|label_image|label_image\.demo) (-\S.*?)(?: [|>&].*)?$",
    re.MULTILINE,
)


def test_the_generated_pages_are_what_the_code_prints():
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_understood(page):
    import shlex

    for module, words in COMMAND.findall(page.read_text("utf-8")):
        if "--help" not in words:
            asked, _ = parse(MODULES[module], shlex.split(words, comments=True), module)
            assert isinstance(asked, MODULES[module])


def test_the_pages_show_how_each_format_is_converted():
    import shlex

    asked = [
        shlex.split(words, comments=True) for words in CONVERSION.findall((ROOT / "docs/using.md").read_text("utf-8"))
    ]
    words = [parse(Conversion, words, "retrain.convert")[1] for words in asked]
    assert [kind for kind, _, _ in words] == list(FORMATS)


def test_the_readme_is_short_and_leads_to_every_page_for_people():
    readme = (ROOT / "README.md").read_text("utf-8")
    assert len(readme.splitlines()) <= README_LINES
    assert [page.name for page in PAGES if page.name not in readme and page.name != "README.md"] == []


def test_the_tour_of_the_house_names_every_folder_of_it():
    named = set(re.findall(r"^\| `(\w+)/` \|", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.MULTILINE))
    folders = {path.parent.name for half in ("retrain", "label_image") for path in (ROOT / half).glob("*/__init__.py")}
    assert named == folders


def test_every_file_that_the_tour_names_exists():
    tour = (
        (ROOT / "CONTRIBUTING.md").read_text("utf-8").partition("## How the code is organised")[2].partition("\n## ")[0]
    )
    for name in re.findall(r"`([\w/]+\.py)`", tour):
        assert any((ROOT / half / name).exists() for half in ("", "label_image", "retrain")), f"CONTRIBUTING.md: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_section_of_the_report_is_explained_under_its_own_heading():
    template = (ROOT / "retrain/report/template.html").read_text("utf-8")
    sections = re.findall(r"<h2 id=\"\w+\">([^<]*)</h2>", template)
    explained = re.findall(r"^## (.*)$", (ROOT / "docs/report.md").read_text("utf-8"), re.MULTILINE)
    assert len(sections) > 8
    assert [heading for heading in explained if heading in sections] == sections


def anchors(page):
    """What a link can name behind its #, as GitHub makes it from the headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_finds_one(page):
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text("utf-8")):
        assert anchor in anchors(page.parent / target if target else page), f"{page.name}: {target}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_named_exists(page):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", page.read_text("utf-8"))) <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_flag_named_exists(page):
    known = {field.name for cls in (*MODULES.values(), Report, Conversion, Runs) for field in flag_fields(cls)}
    others = {
        "out",
        "count",
        "models",
        "repeat",
        "only",
        "size",
        "long",
        "splits",
        "architectures",
        "check",
        "target",
        "help",
        "help_all",
        "pass",
        "name",
        "noname",
        "cups_of_tea",  # the example of CONTRIBUTING.md, with and without underscores
        "cups",
    }
    for name in re.findall(r"`--([a-z_]+)", page.read_text("utf-8")):
        assert name in known | others, f"{page.name}: --{name}"
