"""Snapshots: training goes on to the same bits, and what does not fit is refused in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
import pytest

from label_image.errors import RunError, UserError
from retrain.head.snapshots import read_snapshot, snapshot_path, write_snapshot
from retrain.head.train import train
from retrain.pipeline.settings import layer_training
from tests.conftest import ROOT, STAND_IN
from tests.test_head import bottlenecks, plan_of, trained

KINDS: dict[str, dict[str, Any]] = {
    "default": {},
    "views and all options": {
        "optimizer": "adam", "hidden_units": "6,5", "activation": "tanh", "dropout": 0.3, "label_smoothing": 0.1,
        "weight_decay": "0.001", "lr_policy": "inv", "gamma": 0.01, "power": 0.75,
    },
    "momentum": {"optimizer": "momentum", "momentum": 0.8, "lr_policy": "step", "gamma": 0.5, "stepsize": 30},
    "cosine": {"lr_policy": "cosine"},
    "whole list": {"train_batch_size": -1, "validation_batch_size": -1},
}  # fmt: skip


def train_with_snapshots(data, options):
    """The head, and its snapshots by their number of steps."""
    taken = {}
    labels = tuple(f"class {number}" for number in range(data.label_ids.max() + 1))

    def keep(snapshot):
        taken[snapshot.state["steps"]] = snapshot

    head = train(data, labels, layer_training(options), on_snapshot=keep)
    return head, taken


def bits(head):
    layers = [(layer.weights.tobytes(), layer.biases.tobytes()) for layer in head.hidden]
    return head.weights.tobytes(), head.biases.tobytes(), layers, head.curve


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_that_went_on_gives_the_same_bits_as_one_without_a_break(kind, tmp_path):
    data = bottlenecks(apart=0.5, views=3 if "views" in kind else 1)
    options = plan_of(how_many_training_steps=200, eval_step_interval=7, train_batch_size=20, snapshot_steps=100)
    options = options.replaced(**KINDS[kind])
    whole, _ = train_with_snapshots(data, options)
    short = options if kind == "cosine" else options.replaced(how_many_training_steps=100)
    _, taken = train_with_snapshots(data, short)
    path = tmp_path / "state.npz"
    write_snapshot(path, taken[100])
    went_on = trained(data, options.replaced(resume=str(path)))
    assert bits(went_on) == bits(whole)
    assert bits(trained(data, short)) != bits(whole) or kind == "cosine"


def test_a_snapshot_does_not_change_when_training_goes_on():
    options = plan_of(how_many_training_steps=60, snapshot_steps=30, hidden_units="4", optimizer="momentum")
    _, taken = train_with_snapshots(bottlenecks(), options)
    _, alone = train_with_snapshots(bottlenecks(), options.replaced(how_many_training_steps=30))
    assert list(taken) == [30, 60]
    for name, array in alone[30].arrays.items():
        assert array.tobytes() == taken[30].arrays[name].tobytes(), name
    assert alone[30].state == taken[30].state


@pytest.fixture
def snapshot(tmp_path):
    _, taken = train_with_snapshots(bottlenecks(), plan_of(how_many_training_steps=20, snapshot_steps=10))
    path = tmp_path / "state.npz"
    write_snapshot(path, taken[10])
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"learning_rate": 0.5},
            "it was made with --learning_rate=0.01, and now it is --learning_rate=0.5; give the same",
        ),
        (
            {"optimizer": "momentum", "momentum": 0.5},
            "it was made with --optimizer=sgd, and now it is --optimizer=momentum",
        ),
        ({"weight_decay": "0.1"}, "it was made with no --weight_decay, and now it is --weight_decay=0.1"),
        ({"hidden_units": "5"}, "it was made with no --hidden_units"),
        ({"seed": 3}, "--seed=0, and now it is --seed=3"),
        ({"how_many_training_steps": 10}, "it has 10 steps already, --how_many_training_steps=10; ask for more"),
    ],
)
def test_another_plan_is_refused(snapshot, changes, message):
    options = plan_of(**{"how_many_training_steps": 20, "resume": str(snapshot), **changes})
    with pytest.raises(UserError, match=re.escape(message)):
        trained(bottlenecks(), options)


@pytest.mark.parametrize("changes", [{"seed": 1}, {"a_list": (29, 10, 5)}, {"width": 7}, {"views": 2}])
def test_other_photos_are_refused(snapshot, changes):
    with pytest.raises(UserError, match="trained on other photos, subsets or features"):
        trained(bottlenecks(**changes), plan_of(how_many_training_steps=20, resume=str(snapshot)))


def test_what_is_no_snapshot_is_refused_in_one_line(snapshot, tmp_path):
    whole = snapshot.read_bytes()
    broken = {"cut.npz": whole[: len(whole) // 2], "text.npz": b"not a zip", "empty.npz": b""}
    for name, data in broken.items():
        (tmp_path / name).write_bytes(data)
    np.savez(tmp_path / "layer.npz", weights=np.zeros(3))
    np.savez(tmp_path / "pickle.npz", meta=np.array({"format": 1}, dtype=object))
    for name in (*broken, "layer.npz", "pickle.npz"):
        with pytest.raises(UserError, match="it is not a complete snapshot"):
            read_snapshot(tmp_path / name)
    with pytest.raises(UserError, match="there is no such file"):
        read_snapshot(tmp_path / "nowhere.npz")


def resaved(path, target, change):
    """The snapshot with its members changed, and its digest as it was."""
    with np.load(path) as found:
        members = {name: found[name] for name in found.files}
    change(members)
    np.savez(target, **members)


def meta_of(members):
    return json.loads(str(members["meta"]))


def test_what_was_changed_by_hand_is_refused_in_one_line(snapshot, tmp_path):
    def with_meta(**changes):
        return lambda members: members.update(meta=np.array(json.dumps({**meta_of(members), **changes})))

    def array(name, value):
        return lambda members: members.update({name: value})

    for number, change in enumerate((
        array("parameter_0", np.zeros((1, 1), np.float32)), array("parameter_0", np.zeros(3)), array("more", np.zeros(1)),
        array("meta", np.array("{")), array("meta", np.zeros(3)), array("meta", np.array("[" * 100_000)),
        lambda members: members.pop("points"), with_meta(state={}), with_meta(state=None), with_meta(asked=[]),
        with_meta(digest=7), with_meta(format="2"), with_meta(content=None),
    )):  # fmt: skip
        target = tmp_path / f"{number}.npz"
        resaved(snapshot, target, change)
        with pytest.raises(UserError, match=r"cannot resume from .*: it (is not a complete snapshot|has format)"):
            read_snapshot(target)


def test_bytes_changed_anywhere_are_refused_in_one_line_or_change_nothing(snapshot, tmp_path):
    whole, rng = snapshot.read_bytes(), np.random.default_rng(0)
    good, refused = read_snapshot(snapshot), 0
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(len(data), size=rng.integers(1, 4)):
            data[place] ^= 1 << rng.integers(8)
        (tmp_path / "bad.npz").write_bytes(data)
        try:
            found = read_snapshot(tmp_path / "bad.npz")
        except UserError:
            refused += 1
            continue
        assert found.state == good.state
        assert all((found.arrays[name] == good.arrays[name]).all() for name in good.arrays)
    assert refused > 100


@pytest.mark.parametrize(
    "change",
    [
        lambda found: found.arrays.update(parameter_0=np.zeros((1, 1), np.float32)),
        lambda found: found.arrays.update(parameter_0=found.arrays["parameter_0"].astype(np.float64)),
        lambda found: found.arrays.update(points=np.zeros((2, 4))),
        lambda found: found.arrays.update(more=np.zeros(2)),
        lambda found: found.arrays.pop("sampler_0"),
        lambda found: found.state.pop("rngs"),
        lambda found: found.state.update(rngs=[{"bit_generator": "none"}] * 4),
        lambda found: found.state.update(rngs=7),
        lambda found: found.state.update(kept=[3]),
        lambda found: found.state.update(next=[1]),
        lambda found: found.state.update(steps=None),
        lambda found: found.state.update(steps="many"),
    ],
)
def test_a_state_that_training_can_not_take_is_refused_in_one_line(snapshot, change):
    found = read_snapshot(snapshot)
    change(found)
    write_snapshot(snapshot, found)
    with pytest.raises(UserError, match="it is not a complete snapshot"):
        trained(bottlenecks(), plan_of(how_many_training_steps=20, resume=str(snapshot)))


def test_a_snapshot_that_can_not_be_written_ends_the_run_in_one_line(snapshot, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write"):
        write_snapshot(tmp_path / "file" / "state.npz", read_snapshot(snapshot))


def test_a_run_that_is_resumed_leaves_the_same_files(retrain_here, colour_photos, model_dir, tmp_path):
    words = [
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--hidden_units=8",
        "--optimizer=adam", "--dropout=0.2", "--snapshot_steps=100", "--summaries_dir=",
    ]  # fmt: skip
    files = ("retrained.tflite", "retrained_graph.pb")
    assert retrain_here(*words, "--how_many_training_steps=200").returncode == 0
    whole = {name: (tmp_path / "tf_files" / name).read_bytes() for name in files}
    first = retrain_here(*words, "--how_many_training_steps=100")
    assert {name: (tmp_path / "tf_files" / name).read_bytes() for name in files} != whole
    path = snapshot_path(plan_of().exports.checkpoint_stem, 100)
    assert f"wrote {path}; --resume={path} goes on from there" in first.stdout + first.stderr
    done = retrain_here(*words, "--how_many_training_steps=200", f"--resume={path}")
    assert done.returncode == 0, done.stderr
    assert {name: (tmp_path / "tf_files" / name).read_bytes() for name in files} == whole
    refused = retrain_here(*words, "--how_many_training_steps=200", f"--resume={path}", "--split_seed=5")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, refused.stderr.count("\n"))
    assert refused.stderr.splitlines()[-1].startswith(
        f"retrain: cannot resume from {path}: it was trained on other photos"
    )


def test_a_run_that_was_killed_goes_on_to_the_same_bits(retrain, colour_photos, model_dir, tmp_path):
    words = [
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--hidden_units=32",
        "--optimizer=momentum", "--lr_policy=inv", "--gamma=0.001", "--power=0.75", "--snapshot_steps=1000", "--summaries_dir=",
        "--output_graph=", "--report=none", "--logging_verbosity=ERROR", "--how_many_training_steps=20000",
    ]  # fmt: skip
    assert retrain(*words).returncode == 0
    layer = tmp_path / "tf_files/retrain_checkpoint.npz"
    whole = layer.read_bytes()
    for path in (tmp_path / "tf_files").glob("*_step_*.npz"):
        path.unlink()
    layer.unlink()
    path = tmp_path / snapshot_path(plan_of().exports.checkpoint_stem, 2000)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, "-m", "retrain", *words], cwd=tmp_path, env=env) as running:
        while not path.exists():
            assert running.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        running.kill()
    assert running.returncode == -signal.SIGKILL
    assert not layer.exists()
    done = retrain(*words, f"--resume={path}")
    assert done.returncode == 0, done.stderr
    assert layer.read_bytes() == whole
