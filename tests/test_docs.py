"""Documents that can not lie: the flag tables are printed from the code, and every command of the README means something."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from label_image.cli import LabelCommand
from label_image.demo.cli import DemoCommand
from label_image.flags import flag_fields, parse
from retrain.compare.asked import Comparison
from retrain.convert.cli import FORMATS
from retrain.convert.cli import ConvertCommand as Conversion
from retrain.options.options import Options
from retrain.report.cli import Command as Report
from retrain.runs.cli import Command as Runs
from tests.conftest import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
MODULES = {
    "retrain": Options,
    "retrain.compare": Comparison,
    "label_image": LabelCommand,
    "label_image.demo": DemoCommand,
}
CONVERSION = re.compile(r"^python -m retrain\.convert (.*)$", re.MULTILINE)
COMMAND = re.compile(
    r"^(?:\$ )?python -m (retrain|retrain\.compare|label_image|label_image\.demo) (-\S.*)$", re.MULTILINE
)


def test_the_flag_page_is_what_the_code_prints():
    done = subprocess.run(
        [sys.executable, "tools/docs.py", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_of_a_page_is_understood(page):
    import shlex

    for module, words in COMMAND.findall(page.read_text("utf-8")):
        if "--help" not in words:
            parse(
                MODULES[module],
                shlex.split(words, comments=True),
                module,
            )


def test_the_readme_shows_how_each_format_is_converted():
    import shlex

    asked = [shlex.split(words, comments=True) for words in CONVERSION.findall((ROOT / "README.md").read_text("utf-8"))]
    words = [parse(Conversion, words, "retrain.convert")[1] for words in asked]
    assert [kind for kind, _, _ in words] == list(FORMATS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


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
        "pass",
        "name",
        "noname",
    }
    for name in re.findall(r"`--([a-z_]+)", page.read_text("utf-8")):
        assert name in known | others, f"{page.name}: --{name}"
