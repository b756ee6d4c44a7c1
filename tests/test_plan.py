"""The original's flags, generations D, E and H (FLAGS.md 1.1): same names, same defaults where a default is a number."""

from __future__ import annotations

import pytest

from label_image.errors import UserError
from label_image.flags import parse
from retrain.options.options import Options

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
def test_what_can_not_be_meant_is_refused_with_the_flags_name(changes, message):
    with pytest.raises(UserError, match=message):
        Options.of(**{"image_dir": "x", **changes})
