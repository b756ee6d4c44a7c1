"""Programs of others read our exports: once a backbone, never so that they could harm a run. A made-up OpenVINO plays each part."""

from __future__ import annotations

import json
import signal
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from retrain.exporters import other_program_run, other_programs
from retrain.exporters.other_programs import Readers
from retrain.exporters.verification_table import table_lines
from retrain.types import Backbone, Export, Reading

READERS = ("openvino",)  # those that read the format
PICTURES = np.zeros((2, 4, 4, 3), np.float32)
SCORES = np.array([[0.25, 0.75], [0.5, 0.5]], np.float32)
# A module called openvino: what `reading` asks of it, and what it does.
MADE_UP = """
import os, sys, time
__version__ = "2099.1-made-up"

class Core:
    def compile_model(self, path, device, options):
        assert path.endswith("export.tflite") and open(path, "rb").read() == b"model"
        {act}
        rows = iter({scores})
        return lambda batch: [[next(rows)]]
"""


@pytest.fixture
def backbone(tmp_path):
    files = (tmp_path / "b.pb", "input", "features", tmp_path / "b.tflite")
    return Backbone("b", "d1", 4, 4, (0.0,), (1.0,), 2, *files)


@pytest.fixture
def made_up(tmp_path, monkeypatch):
    """Installs a reader that does something; no other is there."""
    monkeypatch.setattr(other_programs, "_TIMEOUT_S", 5)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))

    def install(act="pass", scores=SCORES):
        (folder / "openvino.py").write_text(MADE_UP.format(act=act, scores=np.asarray(scores).tolist()))

    return install


def asked(backbone, tmp_path, quantize="none"):
    (tmp_path / "x.tmp").write_bytes(b"model")
    it = Readers("tflite", READERS, backbone, "none/final_result")
    wanted = it.wanted
    try:
        it.ask(tmp_path / "x.tmp", PICTURES)
        return wanted, it.answers(SCORES, quantize)
    finally:
        it.close()


@pytest.mark.parametrize(
    ("act", "scores", "wanted"),
    [
        ("pass", SCORES, Reading("OpenVINO 2099.1", "agrees", 0.0)),
        ("pass", SCORES[:, ::-1], Reading("OpenVINO 2099.1", "differs", 0.5)),
        ("pass", [[1.0], [1.0]], Reading("OpenVINO 2099.1", "differs")),
        ("raise OSError('no')", SCORES, Reading("OpenVINO 2099.1", "refuses")),
        ("os.abort()", SCORES, Reading("OpenVINO", "crashes")),
        ("print('noise')", SCORES, Reading("OpenVINO 2099.1", "agrees", 0.0)),
    ],
)
def test_what_a_reader_does_is_said_and_kept_and_it_is_not_asked_again(
    act, scores, wanted, made_up, backbone, tmp_path
):
    made_up(act, scores)
    assert asked(backbone, tmp_path) == (True, (wanted,))
    made_up(act, scores)
    again = Readers("tflite", READERS, backbone, "none/final_result")
    again._known = dict.fromkeys(again._keys.values(), wanted)  # the made-up file is as new as it was
    assert not again.wanted
    assert again.answers(SCORES, "none") == (wanted,)


def test_a_new_version_of_a_reader_and_another_form_are_asked_anew(made_up, backbone, tmp_path):
    made_up()
    assert asked(backbone, tmp_path)[0]
    assert not asked(backbone, tmp_path)[0]
    assert Readers("tflite", READERS, backbone, "int8/final_result").wanted
    assert not Readers("graph", (), backbone, "none/final_result").wanted
    made_up("pass  # mended")
    assert asked(backbone, tmp_path)[0]


def test_one_that_hangs_is_ended(made_up, backbone, tmp_path, monkeypatch):
    monkeypatch.setattr(other_programs, "_TIMEOUT_S", 0.5)
    made_up("time.sleep(60)")
    (tmp_path / "x.tmp").write_bytes(b"model")
    with closing(Readers("tflite", READERS, backbone, "none/final_result")) as readers:
        readers.ask(tmp_path / "x.tmp", PICTURES)
        (process,) = (one.process for one in readers._asked)
        assert readers.answers(SCORES, "none") == (Reading("OpenVINO", "hangs"),)
    assert process.returncode == -signal.SIGKILL


def test_where_none_is_installed_nothing_is_started(backbone, tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "READERS", ("no_such_reader",))
    monkeypatch.setattr(other_programs, "_start", lambda *_: pytest.fail("started"))
    assert asked(backbone, tmp_path) == (False, ())


def test_a_damaged_memory_is_forgotten(made_up, backbone, tmp_path):
    made_up()
    backbone.graph.with_name("b.pb.readers.json").write_text('{"x": 3}')
    assert asked(backbone, tmp_path)[1][0].outcome == "agrees"
    kept = json.loads(backbone.graph.with_name("b.pb.readers.json").read_text())
    assert [one["outcome"] for one in kept.values()] == ["agrees"]


def test_the_table_says_it():
    export = Export("tflite", Path("x.tflite"), 10**6, 0.0, "", "none", 1.0, 0.9, (0.8, 1.0), 10, 2.0)
    told = Export(**{**vars(export), "readings": (Reading("OpenCV 5.1.0", "differs", 0.9),)})
    assert table_lines([export])[1] + "  OpenCV 5.1.0 gives other scores" == table_lines([told])[1]


@pytest.mark.parametrize("module", ["cv2", "openvino", "tflite_runtime"])
def test_the_real_ones_read_a_real_file(module, tflite, capsys, monkeypatch):
    pytest.importorskip(module, reason=f"{module} is not installed")
    from label_image.runners.litert import LitertRunner

    batch = np.random.default_rng(0).uniform(-1, 1, (2, 128, 128, 3)).astype(np.float32)
    scores = other_program_run.RUNS[module](str(tflite), batch)
    assert np.abs(scores - LitertRunner(tflite).scores(batch)).max() < 1e-4
    assert sys.modules[module].__version__
