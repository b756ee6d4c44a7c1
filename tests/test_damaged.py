"""A damaged network never ends the process: ours is told by its checksum, a stranger's is run in a child first."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from benchmarks.torture.fields import mutated
from label_image import Classifier, UserError
from label_image.detectors import checksum
from label_image.detectors.tflite_entry import entry, place_of
from label_image.errors import RunError
from label_image.find_metadata import Overrides, metadata_of
from label_image.model_metadata import METADATA_KEY
from label_image.runners import trial
from retrain.formats.tflite_model import TfliteModel
from tests.colour_graphs import NAMES, SIDE, graph_of
from tests.conftest import COLOURS, SHARED, run_module, write_photo
from tests.test_detectors_tflite import colour_tflite

# Seeds of benchmarks/torture/fields.py that kill LiteRT 2.3 on real classifiers, and how.
KILLS = [
    ("keras_potato_tflite/2.tflite", 128), ("keras_potato_tflite/2.tflite", 243), ("tm_mask_quant_tflite/model.tflite", 35),
    ("tm_mask_quant_tflite/model.tflite", 92), ("tm_mask_quant_tflite/model.tflite", 192),
    ("automl_labeler_tflite/automl_labeler_model.tflite", 92), ("automl_labeler_tflite/automl_labeler_model.tflite", 270),
]  # fmt: skip


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos/p.jpg", COLOURS["cyan"], 5, (SIDE, SIDE))


@pytest.mark.shared
@pytest.mark.parametrize(("name", "seed"), KILLS)
def test_damage_that_kills_litert_is_one_line(shared_data, tmp_path, name, seed):
    path = tmp_path / "m.tflite"
    path.write_bytes(mutated((shared_data / "retrained" / name).read_bytes(), seed))
    with pytest.raises(UserError) as caught:
        Classifier(path)
    assert "\n" not in str(caught.value)


@pytest.mark.shared
def test_the_program_says_which_signal_it_was_and_ends_with_status_1(shared_data, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(mutated((shared_data / "retrained" / KILLS[0][0]).read_bytes(), KILLS[0][1]))
    photo = write_photo(tmp_path / "p.jpg", (1, 200, 3), 1)
    done = run_module("label_image", f"--graph={path}", f"--image={photo}", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"label_image: cannot use {path}: its network crashed LiteRT (SIGFPE); the file is damaged\n"
    )


@pytest.mark.parametrize("kind", ["tflite", "pb"])
def test_no_damage_to_a_field_ends_in_more_than_a_line(tmp_path, photo, kind):
    path = tmp_path / f"m.{kind}"
    sound = (colour_tflite(path) if kind == "tflite" else graph_of(path)).read_bytes()
    ended = {"answered": 0, "refused": 0}
    for seed in range(60 if kind == "tflite" else 25):
        path.write_bytes(mutated(sound, seed))
        try:
            assert np.isfinite(Classifier(path, threads=1).classify(photo).scores).all()
            ended["answered"] += 1
        except UserError as error:
            ended["refused"] += "\n" not in str(error)
    assert min(ended.values()) > 0
    assert sum(ended.values()) == seed + 1


def test_a_mutation_is_the_same_for_the_same_seed_and_changes_something(tmp_path):
    for sound in (colour_tflite(tmp_path / "m.tflite").read_bytes(), graph_of(tmp_path / "g.pb").read_bytes()):
        assert mutated(sound, 7) == mutated(sound, 7)
        assert len({mutated(sound, seed) for seed in range(20)}) > 15


def test_our_export_carries_its_checksum_and_is_not_tried_in_a_child(tflite, monkeypatch):
    assert len(entry(tflite, checksum.KEY)) == 4
    assert checksum.is_whole(tflite.read_bytes(), tflite)
    monkeypatch.setattr(trial, "run_in_child", None)  # would be called
    assert Classifier(tflite).metadata.labels


@pytest.mark.parametrize("where", ["weights", "metadata", "labels", "end"])
def test_one_wrong_byte_in_our_export_is_told(tflite, tmp_path, where):
    data = bytearray(tflite.read_bytes())
    metadata = place_of(bytes(data), METADATA_KEY)
    at = {
        "weights": len(data) // 2,
        "metadata": metadata.start + 3,
        "labels": data.rindex(b"cyan"),
        "end": len(data) - 1,
    }[where]
    data[at] ^= 1
    path = tmp_path / "m.tflite"
    path.write_bytes(data)
    with pytest.raises(RunError, match="damaged or changed after python -m retrain wrote it"):
        Classifier(path)
    with pytest.raises(RunError, match="damaged or changed"):
        metadata_of(path, Overrides())


def test_an_export_cut_short_is_told(tflite, tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(tflite.read_bytes()[:-20])
    with pytest.raises(UserError):
        Classifier(path)


def test_only_what_has_a_place_for_it_is_sealed(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    with pytest.raises(ValueError, match="no entry"):
        checksum.sealed(path.read_bytes())
    assert not checksum.is_whole(path.read_bytes(), path)
    model = TfliteModel(path)
    model.metadata(checksum.KEY, checksum.EMPTY)
    path.write_bytes(checksum.sealed(model.to_bytes()))
    assert checksum.is_whole(path.read_bytes(), path)


def test_a_child_that_cannot_be_started_stops_nobody(tmp_path, photo, monkeypatch):
    trial.stop_child()
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no python"))
    assert Classifier(colour_tflite(tmp_path / "m.tflite")).classify(photo).labels == NAMES


def test_a_child_that_was_killed_between_two_files_is_started_anew(tmp_path, photo):
    path = colour_tflite(tmp_path / "m.tflite")
    Classifier(path)
    child = trial._child
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert Classifier(path).classify(photo).labels == NAMES


def test_the_child_ends_with_the_process_that_started_it(tmp_path):
    path = colour_tflite(tmp_path / "m.tflite")
    code = (
        "from label_image import Classifier; from label_image.runners import trial; import os, signal\n"
        f"Classifier({str(path)!r}); print(trial._child.pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            break
        if (state := (SHARED.__class__(f"/proc/{pid}/stat"))).exists() and state.read_text().split()[2] == "Z":
            break
        subprocess.run(["sleep", "0.05"], check=True)
    else:
        pytest.fail("the child is still there")
