"""An export format is one file and its rows: one that exists only here is in the help, the docs, the run and label_image."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import COLOURS, ROOT, STAND_IN, write_photo

# Adds the two rows, and then is the program that is named.
WITH_ROWS = """
import importlib, sys
from label_image.model_kinds import table as kinds
from retrain.exporters import table

NPZ = kinds.ModelKind(
    "npz", "NPZ file", "an .npz", "tests.npz_format", (".npz",),
    recognises=lambda path, head: "head_weights.npy" in kinds.zipped(path, head), kept="retrained.npz", package="numpy",
)
kinds.MODEL_KINDS += (NPZ,)
table.EXPORT_FORMATS += (
    table.ExportFormat("npz", "npz", "output_npz", "The file for the classifier as plain arrays", "tests.npz_format", NPZ, needs_litert=True),
)

program = sys.argv.pop(1)
if program == "call":
    print(eval(sys.argv[1], {"importlib": importlib}))
else:
    sys.exit(importlib.import_module(f"{program}.cli").main(sys.argv[1:]))
"""


def run(folder, program, *words):
    command = [sys.executable, "-c", WITH_ROWS, program, *map(str, words)]
    return subprocess.run(
        command, cwd=folder, env={"PYTHONPATH": str(ROOT), "PATH": ""}, capture_output=True, text=True, check=False
    )


def call(folder, expression):
    done = run(folder, "call", expression)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def exported(tmp_path_factory, colour_photos, model_dir):
    """A folder in which a classifier was trained and exported in the new format, and what the run said."""
    folder = tmp_path_factory.mktemp("npz")
    done = run(
        folder, "retrain", f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}",
        "--how_many_training_steps=300", "--export=tflite,npz",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_its_flag_is_in_the_help_and_in_the_docs(tmp_path):
    shown = run(tmp_path, "retrain", "--help_all").stdout
    assert "--output_npz" in shown
    assert "The file for the classifier as plain arrays. Without this flag none is written" in " ".join(shown.split())
    assert "commas: tflite, pb, saved_model, onnx, device_folder, npz." in " ".join(shown.split())
    assert "| `--output_npz` | `none` | The file for the classifier as plain arrays." in call(
        ROOT, "importlib.import_module('tools.docs').flag_page()"
    )


def test_a_run_writes_it_and_verifies_it_and_says_so_in_its_table(exported):
    folder, said = exported
    (line,) = [line for line in said.splitlines() if line.startswith("tf_files/retrained.npz")]
    assert "100.0%" in line
    assert (folder / "tf_files/retrained.npz").is_file()


def test_the_record_and_the_page_of_the_run_name_it(exported):
    (record,) = (exported[0] / "tf_files/runs").glob("*/run.json")
    (made,) = [one for one in json.loads(record.read_text())["exports"] if one["kind"] == "npz"]
    assert (made["path"], made["agreement"], made["quantize"]) == ("tf_files/retrained.npz", 1.0, "none")
    assert made["images"] > 0
    assert made["largest_difference"] < 1e-4
    assert (record.parent / "retrained.npz").is_file()
    assert "retrained.npz" in next(record.parent.glob("*.html")).read_text()


def test_label_image_labels_with_it(exported, tmp_path):
    photo = write_photo(tmp_path / "new.jpg", COLOURS["magenta"], 99)
    done = run(exported[0], "label_image", "--graph=tf_files/retrained.npz", f"--image={photo}")
    assert done.returncode == 0, done.stderr
    assert next(line for line in done.stdout.splitlines() if "score=" in line).startswith("magenta ")


def test_a_run_that_has_nothing_else_is_labelled_with_by_it(exported, tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "one/retrained.npz").write_bytes((exported[0] / "tf_files/retrained.npz").read_bytes())
    found = call(
        tmp_path, "importlib.import_module('label_image.find_run').graph_of(__import__('pathlib').Path('one'))"
    )
    assert found == "one/retrained.npz\n"


def test_the_page_of_the_demo_offers_it(exported):
    found = call(exported[0], "importlib.import_module('label_image.demo.choices').choices('')")
    assert "'tf_files/retrained.npz'" in found


def test_it_may_not_write_over_another_output(exported, colour_photos, model_dir):
    done = run(
        exported[0], "retrain", f"--image_dir={colour_photos}", f"--model_dir={model_dir}", "--output_npz=x", "--output_labels=x"
    )  # fmt: skip
    assert done.returncode == 2
    assert "--output_npz=x and --output_labels=x: both are one place" in done.stderr or (
        "--output_labels=x and --output_npz=x: both are one place" in done.stderr
    )


def test_without_the_rows_nobody_knows_it(exported):
    command = [sys.executable, "-m", "label_image", "--graph=tf_files/retrained.npz", "--image=x.jpg"]
    done = subprocess.run(
        command, cwd=exported[0], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "a zip archive" in done.stderr
