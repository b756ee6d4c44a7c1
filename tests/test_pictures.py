"""`make pictures`: a picture is taken of a page only if every figure on it is that of run.json."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import Any

import pytest
from PIL import Image

from label_image.errors import RunError
from retrain.runs.record import read_record, write_record
from tests.browser import chromium, open_page
from tests.conftest import ROOT, STAND_IN
from tools import pictures

pytestmark = pytest.mark.slow


@pytest.fixture
def run(trained, tmp_path):
    folder = next(trained.glob("tf_files/runs/*"))
    return shutil.copytree(folder, tmp_path / "run")


def test_the_command_trains_and_leaves_a_small_picture_and_its_credits(colour_photos, model_dir, tmp_path):
    chromium()
    done = subprocess.run(
        [
            sys.executable, ROOT / "tools/pictures.py", f"--photos={colour_photos}", f"--out={tmp_path}",
            f"--flags=--architecture={STAND_IN}", f"--flags=--model_dir={model_dir}", "--flags=--output_graph=",
        ],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "report.webp") as picture:
        assert picture.width == pictures.SIZE[0]
    assert (tmp_path / "report.webp").stat().st_size < pictures.MOST_BYTES
    assert (tmp_path / "report.md").read_text().startswith("# The pictures of the report\n\nDrawn by `make pictures`")


@pytest.mark.parametrize("place", [("accuracy",), ("metrics", "confusion", 0, 1), ("curve", "train_loss", 0)])
def test_a_figure_that_is_not_the_records_is_found(run, page, place):
    open_page(page, run / "report.html")
    record = read_record(run).fields
    assert pictures.wrong_figures(page, record) == []
    inner: Any = record
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = 0.123
    assert [line.split(":")[0] for line in pictures.wrong_figures(page, record)] == [json.dumps(list(place))]


def test_a_text_that_differs_from_its_value_is_found(run, page):
    open_page(page, run / "report.html")
    page.evaluate("document.querySelector('h1 data').textContent = '99.9 %'")
    assert len(pictures.wrong_figures(page, read_record(run).fields)) == 1


def test_no_picture_is_taken_of_a_page_that_lies(run, page, tmp_path):
    record = read_record(run).fields
    write_record(run, {**record, "tested": 10_000})
    with pytest.raises(RunError, match="no picture is taken"):
        pictures.draw(page, run, tmp_path)
    assert not (tmp_path / "report.webp").exists()


def test_a_page_without_figures_is_no_proof(page):
    page.set_content("<p>nothing</p>")
    assert pictures.wrong_figures(page, {}) == ["the page shows no figure"]


def test_the_pictures_in_the_repository_are_small_and_their_photographers_are_named():
    folder = ROOT / "docs/pictures"
    for name in ("report.webp", "mistakes.webp", "page.webp", "folders.webp", "heat_map.webp"):
        assert (folder / name).stat().st_size < pictures.MOST_BYTES, name
    assert (folder / "report.md").read_text("utf-8").count("CC-BY by") >= 2
