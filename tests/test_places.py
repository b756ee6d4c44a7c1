"""Where a run writes is looked at as a whole, and before the work: every mistake costs a second and one line, not a training."""

from __future__ import annotations

import itertools
import json
import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from label_image.errors import RunError, UserError
from retrain.exporters.table import EXPORT_FORMATS
from retrain.options.options import Options
from retrain.pipeline.outputs import check_outputs, clear_leftovers
from retrain.pipeline.places import places
from retrain.runs.publish import Member, publish
from tests.conftest import STAND_IN, write_photo

ROOT_USER = hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for label in ("cat", "dog"):
        write_photo(tmp_path / "photos" / label / "1.jpg", (9, 9, 9), 1)


def plan_of(**words):
    return Options.of(**{"image_dir": "photos", "export": "tflite", **words})


COLLIDING: dict[str, tuple[dict[str, Any], str]] = {
    "one file": ({"output_tflite": "o/x", "output_labels": "o/x"}, "both are one place"),
    "one file, written otherwise": ({"output_tflite": "o/x", "output_labels": "./p/../o/x"}, "both are one place"),
    "one file where capitals do not count": ({"output_tflite": "o/X", "output_labels": "o/x"}, "both are one place"),
    "one name in two forms of an accent": ({"output_tflite": "o/é", "output_labels": "o/é"}, "both are one"),
    "an ending that is added": ({"output_tflite": "o/x.npz", "checkpoint_path": "o/x"}, "both are one place"),
    "a further precision": (
        {"output_tflite": "o/x.tflite", "quantize": "none,int8", "output_labels": "o/x_int8.tflite"},
        "both are one place",
    ),
    "a link to the other": ({"output_tflite": "link", "output_labels": "real"}, "both are one place"),
    "a file in a folder that is replaced": (
        {"export": "tflite,device_folder", "device_folder": "o/sm", "output_tflite": "o/sm/x"},
        "inside --device_folder=o/sm, which is replaced as a whole",
    ),
    "a store in a folder that is replaced": (
        {"export": "tflite,device_folder", "device_folder": "o", "bottleneck_dir": "o/b"},
        "which is replaced as a whole",
    ),
    "a folder below a file": ({"output_tflite": "o/x", "output_labels": "o/x/y"}, "which is a file"),
    "the file that is gone on from": ({"resume": "o/x.npz", "checkpoint_path": "o/x"}, "--resume goes on from"),
    "a file among the photos": ({"output_tflite": "photos/cat/x.tflite"}, "among the photos"),
    "a file between the classes": ({"output_tflite": "photos/x.tflite"}, "inside --image_dir=photos"),
    "a store between the classes": ({"bottleneck_dir": "photos/b"}, "inside --image_dir=photos"),
    "a file among the networks": ({"output_graph": "tf_files/models/x.pb", "export": "pb"}, "inside --model_dir="),
    "a snapshot": (
        {"output_labels": "o/x_step_100.npz", "checkpoint_path": "o/x", "snapshot_steps": 50},
        "--checkpoint_path writes files of such names there",
    ),
    "an intermediate graph": (
        {
            "output_tflite": "o/Intermediate_5.pb",
            "intermediate_output_graphs_dir": "o/",
            "intermediate_store_frequency": 5,
        },
        "--intermediate_output_graphs_dir writes files of such names there",
    ),
    "a network that was trained here": (
        {"output_tflite": "o/a-0123456789ab.pb", "fine_tuned_dir": "o", "train": "all"},
        "--fine_tuned_dir writes files of such names there",
    ),
    "a store among the photos": ({"bottleneck_dir": "photos/cat/b"}, "among the photos"),
    "a device's photo beside the classes": ({"device_folder": "photos/pi"}, "would have a class more"),
    "the folder of photos": ({"runs_dir": "photos"}, "it is the folder of photos"),
    "the files of an earlier run": ({"output_tflite": "tf_files/runs/one/x.tflite"}, "kept for an earlier run"),
    "what tf_files leads to": ({"output_tflite": "tf_files/sets/newest/x.tflite"}, "is for what tf_files leads to"),
    "the store of features": ({"output_tflite": "tf_files/bottlenecks/bottlenecks.sqlite"}, "features are kept there"),
    "the network that is begun with": (
        {"tfhub_module": "hub", "export": "saved_model", "saved_model_dir": "hub"},
        "begins with --tfhub_module=hub",
    ),
    "the folder one is in": ({"export": "saved_model", "saved_model_dir": "."}, "you are in it"),
    "the folder one is in, for a device": ({"device_folder": "./"}, "you are in it"),
    "the folder one is in, for a file": ({"output_tflite": "."}, "it is a folder"),
    "a folder's name for a file": ({"output_labels": "o/"}, "it is a folder"),
    "a file for a folder": ({"summaries_dir": "real"}, "it is a file"),
    "a file for the runs": ({"runs_dir": "real"}, "it is a file"),
}


@pytest.mark.parametrize("case", COLLIDING)
def test_what_would_write_over_another_is_refused(tmp_path, case):
    words, message = COLLIDING[case]
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "tf_files/runs/one").mkdir(parents=True)
    (tmp_path / "tf_files/runs/one/run.json").write_text("{}")
    with pytest.raises(UserError, match=message) as refused:
        check_outputs(plan_of(**words))
    assert refused.value.exit_status == 2
    assert f"--{next(iter(words)) if case != 'a further precision' else 'output_tflite'}" in str(refused.value) or (
        any(f"--{name}" in str(refused.value) for name in words)
    )
    assert not (tmp_path / "o").exists()


# Each flag that names an output, and what else it takes to be used.
OUTPUTS: dict[str, dict[str, Any]] = {
    row.flag: {"export": "tflite,pb,saved_model,onnx,device_folder"} for row in EXPORT_FORMATS
} | {
    "output_labels": {},
    "checkpoint_path": {},
    "runs_dir": {},
    "bottleneck_dir": {},
    "summaries_dir": {},
    "fine_tuned_dir": {"train": "all"},
    "intermediate_output_graphs_dir": {"intermediate_store_frequency": 5},
}
TREES = ("runs_dir", "bottleneck_dir", "summaries_dir", "fine_tuned_dir", "intermediate_output_graphs_dir")
FOLDERS = tuple(row.flag for row in EXPORT_FORMATS if row.is_folder)
PAIRS = [pair for pair in itertools.combinations(OUTPUTS, 2) if not {*pair} <= {*TREES}]


def typed(flag, path):
    return f"{path}/" if flag == "intermediate_output_graphs_dir" else str(path)


def test_every_flag_that_names_an_output_is_in_the_table_of_pairs():
    known = {place.flag for place in places(plan_of(train="all", intermediate_store_frequency=5, **EVERYTHING))}
    assert known == {*OUTPUTS}


EVERYTHING = {"export": ",".join(row.name for row in EXPORT_FORMATS)}


def refused(one, other, first, second):
    words = OUTPUTS[one] | OUTPUTS[other] | {one: typed(one, first), other: typed(other, second)}
    with pytest.raises(UserError) as error:
        check_outputs(plan_of(**words))
    assert f"--{one}" in str(error.value)
    assert f"--{other}" in str(error.value)
    assert "\n" not in str(error.value)
    assert not Path("o").exists()


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_two_outputs_in_one_place_are_refused_whichever_they_are(one, other, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    name = "o/x.npz"  # as --checkpoint_path ends
    refused(one, other, name, f"./p/../{name}")
    refused(one, other, "real/y.npz", tmp_path / "link/Y.npz")


@pytest.mark.parametrize(("one", "other"), PAIRS)
def test_an_output_inside_one_that_is_a_file_or_is_replaced_whole_is_refused(one, other):
    for inner, outer in ((one, other), (other, one)):
        if outer not in TREES:
            refused(inner, outer, "o/x.npz/deep/y.npz", "o/x.npz")


@pytest.mark.parametrize("flag", OUTPUTS)
def test_an_output_inside_the_folder_of_photos_is_refused(flag, tmp_path):
    (tmp_path / "link").symlink_to("photos")
    for place in ("photos/cat/x.npz", "photos/new/x.npz", "link/../link/cat/x.npz"):
        with pytest.raises(UserError, match=f"--{flag}") as error:
            check_outputs(plan_of(**OUTPUTS[flag] | {flag: typed(flag, place)}))
        assert "photos" in str(error.value)


def test_a_folder_that_is_mounted_twice_is_one(tmp_path, monkeypatch):
    """Its two paths differ, and no link explains it; a hard link of a folder would do the same."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    seen = Path.stat

    def stat_of(path, **words):
        return seen(tmp_path / "here" if path == tmp_path / "there" else path, **words)

    monkeypatch.setattr(Path, "stat", stat_of)
    refused("output_tflite", "output_labels", "here/deep/x", "there/deep/x")


@pytest.mark.parametrize(
    "words",
    [
        {},
        {"image_dir": "."},
        {"output_tflite": "out/x.tflite", "output_labels": "out/y.txt", "checkpoint_path": "out/x.npz"},
        {"output_tflite": "/dev/null", "output_labels": "/dev/null"},
        {"output_tflite": "tf_files/runs/x.tflite"},
        {"summaries_dir": "s", "runs_dir": "s"},
        {"runs_dir": "."},
    ],
    ids=str,
)
def test_what_does_no_harm_is_allowed(words, tmp_path):
    (tmp_path / "tf_files").mkdir()
    (tmp_path / "tf_files/retrained.tflite").write_text("of an earlier run")
    before = sorted(tmp_path.rglob("*"))
    check_outputs(plan_of(**words))
    assert sorted(tmp_path.rglob("*")) == before  # nothing is left behind, which could be taken for a class


def test_a_checkpoint_keeps_the_ending_that_was_typed():
    assert (
        plan_of(checkpoint_path="a/x.npz").exports.checkpoint_stem
        == plan_of(checkpoint_path="a/x").exports.checkpoint_stem
        == "a/x"
    )


def test_names_that_are_too_long_are_found_before_the_work():
    with pytest.raises(RunError, match="--output_tflite=.*File name too long"):
        check_outputs(plan_of(output_tflite="x" * 256))
    with pytest.raises(RunError, match="--checkpoint_path=.*File name too long"):
        check_outputs(plan_of(checkpoint_path="x" * 245, snapshot_steps=100))
    check_outputs(plan_of(output_tflite="x" * 255))
    with pytest.raises(UserError, match="no name may hold that"):
        check_outputs(plan_of(output_tflite="a\0b"))


def test_a_socket_a_disk_and_our_own_output_are_refused(tmp_path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        with pytest.raises(UserError, match="not a file but a disk or a socket"):
            check_outputs(plan_of(output_tflite="socket"))
    log = (tmp_path / "log").open("w")  # as `> log` does
    with log, pytest.raises(UserError, match="the output of this run is printed there"):
        check_outputs(plan_of(output_tflite=f"/dev/fd/{log.fileno()}"))
    terminal = os.openpty()[1]
    with pytest.raises(UserError, match="the output of this run is printed there"):
        check_outputs(plan_of(output_labels=os.ttyname(terminal)))
    os.mkfifo(tmp_path / "pipe")
    check_outputs(plan_of(output_tflite="pipe"))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has it")
def test_a_device_that_takes_nothing_is_named(tmp_path):
    run = tmp_path / "tf_files/runs/one"
    run.mkdir(parents=True)
    (run / "retrained.tflite").write_text("a classifier")
    with pytest.raises(RunError, match="cannot write /dev/full: No space left"):
        publish(run, [Member("retrained.tflite", Path("/dev/full"))], run.parent)


@pytest.mark.skipif(not ROOT_USER, reason="mknod needs root")
def test_a_device_stays_one(retrain_here, colour_photos, model_dir, tmp_path):
    """`device_file_replaced`, on a node of our own."""
    try:
        os.mknod(tmp_path / "null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("this container allows no device nodes")
    os.mkfifo(tmp_path / "pipe")
    reader = subprocess.Popen(["cat", str(tmp_path / "pipe")], stdout=subprocess.PIPE)
    done = retrain_here(
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--output_tflite=null",
        "--export=tflite", "--output_labels=pipe", "--how_many_training_steps=5", "--report=none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert stat.S_ISCHR((tmp_path / "null").stat().st_mode)
    assert reader.communicate(timeout=20)[0] == b"cyan\nmagenta\nyellow\n"
    (record,) = tmp_path.glob("tf_files/runs/*/run.json")
    assert (record.parent / "retrained.tflite").stat().st_size == json.loads(record.read_text())["exports"][0]["bytes"]


@pytest.mark.parametrize(
    ("words", "flag"),
    [
        ({}, "output_tflite"),
        ({"output_tflite": "out/x", "output_labels": "out/l", "checkpoint_path": "", "summaries_dir": ""}, "runs_dir"),
        ({"runs_dir": "out/runs", "output_tflite": "out/x", "output_labels": "out/l", "checkpoint_path": ""}, "summ"),
    ],
    ids=["everything", "the runs", "the summaries"],
)
def test_a_place_that_cannot_be_written_is_found_before_the_work(tmp_path, monkeypatch, words, flag):
    """`runs_folder_fixed`: tf_files cannot be made here; root is refused nothing, so that a file stands in for it."""
    (tmp_path / "tf_files").write_text("a file")
    with pytest.raises((RunError, UserError), match=f"--{flag}"):
        check_outputs(plan_of(**words))


def test_a_file_in_the_place_of_the_sets_is_found_before_the_work(tmp_path):
    (tmp_path / "tf_files").mkdir()
    (tmp_path / "tf_files/sets").write_text("mine")
    with pytest.raises(RunError, match="cannot write --output_tflite=tf_files/sets: File exists"):
        check_outputs(plan_of())


def test_all_can_go_elsewhere(retrain_here, colour_photos, model_dir, tmp_path):
    (tmp_path / "tf_files").write_text("a file")
    done = retrain_here(
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--export=tflite",
        "--output_tflite=out/x.tflite", "--output_labels=out/l.txt", "--checkpoint_path=out/x.npz", "--summaries_dir=",
        "--bottleneck_dir=out/b", "--runs_dir=out/runs", "--how_many_training_steps=5", "--report=none",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert {"x.tflite", "l.txt", "x.npz", "b", "runs"} == {path.name for path in (tmp_path / "out").iterdir()}
    (run,) = (tmp_path / "out/runs").iterdir()
    assert (run / "retrained.tflite").read_bytes() == (tmp_path / "out/x.tflite").read_bytes()


def test_what_killed_runs_left_is_cleared_everywhere(tmp_path):
    folders = ("tf_files", "tf_files/models", "tf_files/models/deep", "tf_files/bottlenecks/audits", "out")
    ended = subprocess.Popen(["true"])
    ended.wait()
    from label_image.process_mark import mark

    place = mark().rpartition("-")[2]
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / f".x.{ended.pid}-1-{place}.tmp").write_text("half")
    clear_leftovers(plan_of(output_tflite="out/x.tflite"))
    assert list(tmp_path.rglob(".*")) == []


def test_a_link_is_kept_and_its_target_replaced(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "m.tflite").symlink_to("sub/gone/m.tflite")
    check_outputs(plan_of(output_tflite="m.tflite"))
    assert Path("m.tflite").is_symlink()
