"""The seventeen real classifiers of ../shared: the right answers without a flag, and the scores of their true settings."""

from __future__ import annotations

import pytest

from label_image import Classifier
from label_image.describe import one_line
from label_image.errors import RunError
from tests.conftest import ROOT, SHARED, run_module
from tools.compatibility import DATA, TOLERANCE, TRUTHS, outcome

RUNNABLE = [truth for truth in TRUTHS if not truth.refused]


def test_the_table_has_each_of_the_seventeen():
    assert len({truth.folder for truth in TRUTHS}) == len(TRUTHS) == 17


@pytest.mark.shared
def test_the_table_has_what_lies_there():
    assert {truth.folder for truth in TRUTHS} == {path.name for path in DATA.iterdir() if path.is_dir()}


@pytest.mark.shared
@pytest.mark.parametrize("truth", RUNNABLE, ids=lambda truth: truth.folder)
def test_a_real_classifier_answers_rightly_without_a_flag_and_as_with_its_true_settings(truth):
    found = outcome(truth)
    assert found.error == ""
    assert found.right == len(truth.answers)
    assert found.difference <= TOLERANCE


@pytest.mark.shared
@pytest.mark.parametrize("truth", RUNNABLE, ids=lambda truth: truth.folder)
def test_a_range_that_can_not_be_known_is_called_a_guess_with_its_flag(truth):
    metadata = Classifier(DATA / truth.folder / truth.file).metadata
    assert all(metadata.facts[name] for name in ("size", "range", "order", "input", "output", "labels"))
    known = truth.folder in (
        "imagenet_mnv1_025_128_quant_tflite", "imagenet_mnv1_025_224_metadata_tflite", "automl_labeler_tflite", "tm_mask_quant_tflite"
    )  # fmt: skip
    assert ("a guess" in metadata.facts["range"] and "--input_mean" in metadata.facts["range"]) == (not known)
    assert one_line(metadata).startswith("GUESSED") == (not known)


@pytest.mark.shared
def test_the_one_that_litert_refuses_is_one_line_and_status_1(tmp_path):
    (truth,) = (truth for truth in TRUTHS if truth.refused)
    with pytest.raises(RunError, match="LiteRT refuses it"):
        Classifier(DATA / truth.folder / truth.file)
    photo = SHARED / "data/retrained" / truth.folder / "images/cat.jpg"
    done = run_module("label_image", f"--graph={DATA / truth.folder / truth.file}", f"--image={photo}", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.shared
def test_the_document_names_each_of_them():
    page = (ROOT / "docs/compatibility.md").read_text("utf-8")
    assert [truth.folder for truth in TRUTHS if f"`{truth.folder}/" not in page] == []
