"""A family of networks is one file and one row: this file is the family, and each test adds its row.

Run as a program, `python -m tests.test_new_family MODULE WORDS ...` adds the row and then runs MODULE's command line.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from retrain.backbones import table
from retrain.backbones.family import Family
from retrain.backbones.frozen_graph import Forms
from retrain.backbones.lookup import architecture, family_of
from retrain.backbones.model_folder import FoundWeights, ModelFolder
from retrain.backbones.network_layers import INPUT, Conv, LayeredNetwork, Norm
from retrain.backbones.own_layers import forms_of, trainable_layers
from retrain.backbones.table import Architecture, FamilyRow
from retrain.backbones.trainable import Building, Trainable
from tests.conftest import COLOURS, ROOT, write_photo

NAME = "three_colours"
ROW = FamilyRow("tests.test_new_family", NAME)


def network(row: Architecture) -> LayeredNetwork:
    """A network of one convolution, which passes the three colours on."""
    ones, zeros = np.ones(3, np.float32), np.zeros(3, np.float32)
    kernel = np.eye(3, dtype=np.float32)[None, None]
    return LayeredNetwork(row.size_px, (Conv("colours", INPUT, kernel, Norm(ones, zeros, zeros, ones, 1e-3), 1, True),))


def find(row: Architecture, folder: ModelFolder) -> FoundWeights:
    return FoundWeights("three colours, version 1", "the test")


def convert(row: Architecture, found: FoundWeights, folder: ModelFolder, say: Callable[[str], None]) -> Forms:
    return forms_of(row, network(row))


def make_trainable(row: Architecture, building: Building, folder: ModelFolder) -> Trainable:
    return trainable_layers(row, network(row), building)


FAMILY = Family(
    architectures=(Architecture(NAME, "tests.test_new_family", 32, (0.0,), (51.0,)),),
    find=find,
    convert=convert,
    make_trainable=make_trainable,
)


def main(words: list[str]) -> int:
    vars(table)["FAMILIES"] = (*table.FAMILIES, ROW)
    module = importlib.import_module(words[0])
    return int(module.main(words[1:]))


def run(folder, module, *words):
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_new_family", module, *map(str, words)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def row(monkeypatch):
    monkeypatch.setattr(table, "FAMILIES", (*table.FAMILIES, ROW))
    return ROW


def test_its_network_is_found_by_name_and_is_one_of_those_that_help_names(row, tmp_path):
    assert family_of(architecture(NAME)) is FAMILY
    assert NAME in run(tmp_path, "retrain.cli", "--help_all")


def test_the_documents_name_it(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from retrain.backbones import table; from tests.test_new_family import ROW;"
        "table.FAMILIES = (*table.FAMILIES, ROW); import tools.docs; print(tools.docs.flag_page())"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert NAME in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("train", ["head", "all"])
def test_a_run_trains_exports_verifies_and_labels_with_it(tmp_path, colour_photos, train):
    words = ["--how_many_training_steps=200", *(["--train=all", "--epochs=1"] if train == "all" else [])]
    said = run(tmp_path, "retrain.cli", f"--image_dir={colour_photos}", f"--architecture={NAME}", *words)
    assert "tf_files/retrained.tflite" in said
    (record,) = tmp_path.glob("tf_files/runs/*/run.json")
    found = json.loads(record.read_text("utf-8"))
    assert found["plan"]["architecture"] == NAME
    assert {export["agreement"] for export in found["exports"] if export["kind"] in ("tflite", "graph")} == {1.0}
    for label, colour in COLOURS.items():
        photo = write_photo(tmp_path / f"{label}.jpg", colour, 7)
        assert f"\n{label}" in run(tmp_path, "label_image.cli", f"--image={photo}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
