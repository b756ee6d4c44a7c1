"""The options of python -m retrain: the original's flags with their defaults, who uses a flag, and what is refused.

The original's flags are those of generations D, E and H: same names, same defaults where a default is a number.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from label_image.errors import UserError
from label_image.flag_fields import flag_fields, groups, spec_of
from label_image.flags import parse
from retrain.options.option import MOMENTUM, option_of
from retrain.options.options import Options
from retrain.pipeline.settings import recipe_of
from tests.conftest import ROOT

ORIGINAL = {
    "image_dir": "", "how_many_training_steps": 4000, "learning_rate": 0.01, "testing_percentage": 10,
    "validation_percentage": 10, "eval_step_interval": 10, "train_batch_size": 100, "test_batch_size": -1,
    "validation_batch_size": 100, "print_misclassified_test_images": False, "final_tensor_name": "final_result",
    "flip_left_right": False, "random_crop": 0, "random_scale": 0, "random_brightness": 0,
    "intermediate_store_frequency": 0, "logging_verbosity": "INFO", "saved_model_dir": "",
}  # fmt: skip
PLACES = (
    "output_graph", "output_labels", "summaries_dir", "intermediate_output_graphs_dir", "model_dir", "bottleneck_dir",
    "checkpoint_path",
)  # fmt: skip
# Commands that people typed (FLAGS.md 3), the program's name left out; $A is filled in as their shells did.
TUTORIALS = [
    "--bottleneck_dir=/tf_files/bottlenecks --how_many_training_steps 500 --model_dir=/tf_files/inception --output_graph=/tf_files/retrained_graph.pb --output_labels=/tf_files/retrained_labels.txt --image_dir /tf_files/flower_photos",
    "--bottleneck_dir=tf_files/bottlenecks --how_many_training_steps=500 --model_dir=tf_files/models/ --summaries_dir=tf_files/training_summaries/mobilenet_0.50_224 --output_graph=tf_files/retrained_graph.pb --output_labels=tf_files/retrained_labels.txt --architecture=mobilenet_0.50_224 --image_dir=tf_files/flower_photos",
    "--image_dir ~/flower_photos --learning_rate=0.5 --summaries_dir=training_summaries/LR_0.5",
    "--image_dir ~/flower_photos --tfhub_module https://tfhub.dev/google/imagenet/mobilenet_v1_100_224/quantops/feature_vector/3",
    "--image_dir=flower_photos --architecture mobilenet_0.25_128_quantized --flip_left_right --random_crop 10 --random_scale=10 --random_brightness=10 --saved_model_dir=/tmp/saved_models/1/",
    "--image_dir=x --intermediate_output_graphs_dir=/tmp/intermediate_graph/ --intermediate_store_frequency=100 --test_batch_size=-1 --print_misclassified_test_images --checkpoint_path=/tmp/_retrain_checkpoint --logging_verbosity=WARN",
]


def test_every_flag_of_the_original_is_there_with_its_default():
    options = Options.of("x").flat()
    assert {name: options[name] for name in ORIGINAL} == {**ORIGINAL, "image_dir": "x"}


def test_what_the_original_wrote_to_tmp_goes_to_tf_files():
    options = Options.of(image_dir="x")
    assert all(options.value(name).startswith("tf_files/") for name in PLACES)


@pytest.mark.parametrize("command", TUTORIALS)
def test_the_tutorials_commands_are_understood(command):
    options, rest = parse(Options, command.split(), "retrain")
    assert rest == []
    for word in command.split():
        name, _, value = word.lstrip("-").partition("=")
        if word.startswith("--") and value:
            assert str(options.value(name)) == value


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_dir": ""}, "--image_dir"),
        ({"architecture": ""}, "unset shell variable"),
        ({"testing_percentage": 60, "validation_percentage": 40}, "leave nothing to train on"),
        ({"train_batch_size": 0}, "--train_batch_size=0"),
        ({"test_batch_size": -2}, "--test_batch_size=-2"),
        ({"learning_rate": 0.0}, "--learning_rate=0.0"),
        ({"how_many_training_steps": -1}, "--how_many_training_steps=-1"),
        ({"eval_step_interval": 0}, "--eval_step_interval=0"),
        ({"testing_percentage": 101}, "--testing_percentage=101"),
        ({"random_brightness": 101}, "--random_brightness=101"),
        ({"device": "tpu"}, "--device=tpu"),
        ({"device": "cpu:0"}, "--device=cpu:0 is not one of auto, cpu, cpu:N"),
        ({"device": "gpu:1"}, "--device=gpu:1"),
        ({"tfhub_module": "x", "architecture": "inception_v3"}, "exclude each other"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_flags_name(changes, message):
    with pytest.raises(UserError, match=message):
        Options.of(**{"image_dir": "x", **changes})


def test_each_option_says_who_uses_it_and_whether_a_snapshot_must_agree_in_it():
    assert [field.name for field in flag_fields(Options) if "option" not in field.metadata] == []


def test_each_group_has_a_title_and_a_dozen_flags_are_explained_first():
    assert all(getattr(inner, "title", "") for _, inner in groups(Options))
    assert sum(spec_of(field).common for field in flag_fields(Options)) == 12


def other_value(field):
    """A value that the flag allows and that is not its default."""
    spec = spec_of(field)
    if isinstance(field.default, bool):
        return not field.default
    others = [choice for choice in spec.choices if choice != field.default]
    numbers = {int: 2, float: 0.5, type(None): 1}
    return others[-1] if others else numbers.get(type(field.default), "8")


# A value of the flag that decides with which the others have no effect.
EXCLUDING = {
    "optimizer": {"optimizer": "lbfgs"}, "lr_policy": {}, "train": {}, "weights": {"train": "all", "weights": "none"},
}  # fmt: skip
MORE = {"test_time_views": {"train": "all", "flip_left_right": True}}
UNUSED = [
    (field, decides)
    for field in flag_fields(Options)
    for use in option_of(field).used_by
    for decides in use.flags
    if use is not MOMENTUM  # tested below
]


@pytest.mark.parametrize(("field", "decides"), UNUSED, ids=lambda value: getattr(value, "name", value))
def test_a_flag_that_has_no_effect_is_refused_with_the_flag_that_decides(field, decides):
    given = {field.name: other_value(field), **EXCLUDING[decides], **MORE.get(field.name, {})}
    with pytest.raises(UserError, match=rf"^--(no)?{field.name}\b.* is not used by --{decides}="):
        Options.of("x", **given)


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({}, "--momentum=0.5 is not used by --optimizer=sgd; give --optimizer=momentum, or leave it out"),
        (
            {"train": "last:2"},
            "--momentum=0.5 is not used by --optimizer=sgd and --fine_tune_optimizer=adam; it goes with --optimizer=momentum or --fine_tune_optimizer=momentum",
        ),
        (
            {"train": "all", "weights": "none", "optimizer": "adam"},
            "--momentum=0.5 is not used by --optimizer=adam; give --optimizer=momentum, or leave it out",
        ),
    ],
)
def test_momentum_is_refused_with_the_optimizer_that_would_use_it(flags, line):
    with pytest.raises(UserError) as caught:
        Options.of("x", momentum=0.5, **flags)
    assert str(caught.value) == line


@pytest.mark.parametrize(("given", "used"), [(0.5, 0.5), (None, 0.9)])
@pytest.mark.parametrize("train", ["last:2", "all"])
def test_momentum_reaches_the_optimizer_that_fine_tunes(train, given, used):
    options = Options.of("x", train=train, fine_tune_optimizer="momentum", momentum=given)
    assert recipe_of(options, 100).optimizer == "momentum"
    assert recipe_of(options, 100).momentum == used


@pytest.mark.parametrize(
    ("flags", "steps"),
    [
        ({"weights": "none", "train_batch_size": 1}, "60,000,000,000 steps of 1"),
        ({"fine_tune_batch_size": 2}, "30,000,000,000 steps of 2"),
    ],
)
def test_epochs_of_too_many_steps_are_told_as_epochs(flags, steps):
    options = Options.of("x", train="all", epochs=1_000_000, **flags)
    line = rf"^--epochs=1000000 is out of range: on 60,000 training photos it takes {steps}, and at most 100,000,000"
    with pytest.raises(UserError, match=line):
        recipe_of(options, 60_000)
    assert recipe_of(options.replaced(epochs=10), 60_000).steps > 0


def test_help_is_answered_without_numpy(tmp_path):
    for word in ("--help", "--help_all"):
        code = f"import sys\nfrom retrain.cli import main\ntry: main(['{word}'])\nfinally: print({{'numpy', 'PIL', 'absl'}} & set(sys.modules))"
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stdout.endswith("set()\n"), done.stderr


def test_the_short_help_names_every_flag_and_the_long_one_explains_it(capsys):
    texts = {}
    for word in ("--help", "--help_all", "--help-all", "--helpfull"):
        with pytest.raises(SystemExit) as stopped:
            parse(Options, [word], "python -m retrain")
        assert stopped.value.code == 0
        texts[word] = capsys.readouterr().out
    assert texts["--help_all"] == texts["--help-all"] == texts["--helpfull"]
    assert "python -m retrain --help_all" in texts["--help"]
    assert len(texts["--help"]) < len(texts["--help_all"]) / 2
    for field in flag_fields(Options):
        name = f"--[no]{field.name}" if isinstance(field.default, bool) else f"--{field.name}"
        assert re.search(rf"{re.escape(name)}\b", texts["--help"])
        assert texts["--help_all"].count(f"  {name}  (default: ") == 1
        explained = f"  {name}  (default: " in texts["--help"]
        assert explained == spec_of(field).common
