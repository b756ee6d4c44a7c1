"""Training end to end: on plain-coloured photos and digits that are drawn, through the whole program and each of its parts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from PIL import Image, ImageDraw

from label_image import Classifier
from label_image.errors import UserError
from retrain.backbones.blocks import blocks_of, last_blocks
from retrain.cli import main
from retrain.files.hashing import file_digest
from retrain.finetune.batches import Batches
from retrain.finetune.pixels import decoded, enlarged, has_colour
from retrain.finetune.recipe import warmed
from retrain.options.options import Options
from retrain.pipeline.check import check
from retrain.pipeline.settings import distortions_of, network_training, recipe_of
from retrain.types import Photo
from tests.conftest import ROOT, STAND_IN

pytestmark = pytest.mark.slow

LENET = ("--architecture=lenet", "--weights=none", "--train=all", "--optimizer=momentum", "--train_batch_size=16")
QUICK = ("--summaries_dir=", "--report=none", "--export=tflite")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shapes in grey, 30 of each, each at another place."""
    folder = tmp_path_factory.mktemp("digits") / "digits"
    rng = np.random.default_rng(0)
    for label in ("bar", "ring", "slash"):
        (folder / label).mkdir(parents=True)
        for number in range(30):
            image = Image.fromarray(rng.integers(0, 40, (28, 28), np.uint8).astype(np.uint8))
            pen, (x, y) = ImageDraw.Draw(image), rng.integers(4, 10, 2).tolist()
            if label == "ring":
                pen.ellipse((x, y, x + 13, y + 13), outline=230, width=2)
            else:
                pen.line((x, y, x + (13 if label == "slash" else 0), y + 13), fill=230, width=2)
            image.save(folder / label / f"{number:02d}.png")
    return folder


def trained(folder: Path) -> tuple[str, bytes]:
    """All weights: the network's, by its digest, and the layer's. Names in a file count on through a process."""
    (network,) = folder.glob("tf_files/fine_tuned/lenet-*.tflite")
    with np.load(folder / "tf_files/retrain_checkpoint.npz") as found:
        return network.stem, found["weights"].tobytes() + found["biases"].tobytes()


def record_of(folder: Path) -> dict:
    (path,) = folder.glob("tf_files/runs/*/run.json")
    return json.loads(path.read_text("utf-8"))


def test_without_a_validation_set_the_last_step_is_kept_and_that_is_said(retrain_here, digits, tmp_path):
    flags = (*LENET, *QUICK, "--how_many_training_steps=60", "--validation_percentage=0")
    done = retrain_here(f"--image_dir={digits}", *flags)
    assert done.returncode == 0, done.stderr
    assert "no photo is kept for validation, so the weights of the last step are kept" in done.stderr
    record = record_of(tmp_path)
    assert record["kept_step"] == record["curve"]["steps"][-1] == 59
    assert record["accuracy"] >= 0.9


def test_early_stopping_of_a_network_without_a_validation_set_is_refused_in_one_line(retrain_here, digits):
    done = retrain_here(
        f"--image_dir={digits}", *LENET, *QUICK, "--validation_percentage=0", "--early_stopping_steps=5"
    )
    assert done.returncode == 2
    assert "--early_stopping_steps=5 needs a validation set, which is empty" in done.stderr.splitlines()[-1]


def test_a_network_trained_from_nothing_is_exported_proven_and_labels(retrain_here, digits, tmp_path):
    done = retrain_here(
        f"--image_dir={digits}", *LENET, "--how_many_training_steps=60", "--saved_model_dir=tf_files/saved",
        "--device_folder=tf_files/device", "--quantize=none,int8", "--max_quantization_loss=100",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = record_of(tmp_path)
    assert record["accuracy"] >= 0.9
    assert record["backbone"]["name"] == "lenet"
    assert {export["kind"] for export in record["exports"]} >= {"tflite", "graph", "saved_model", "device_folder"}
    assert all(export["agreement"] in (None, 1.0) for export in record["exports"] if export["quantize"] == "none")
    curve = record["curve"]
    assert curve["steps"][-1] == 59
    assert curve["judged_photos"] > 0
    assert curve["judged_loss"] == curve["validation_loss"]  # all validation photos are looked at each time
    assert curve["kept_step"] == curve["steps"][int(np.argmin(curve["judged_loss"]))]
    photo = next(digits.glob("ring/*.png"))
    answers = [
        Classifier(tmp_path / "tf_files" / name).classify(photo).top(1)[0][0]
        for name in ("retrained.tflite", "retrained_graph.pb", "saved", "device/model.tflite")
    ]
    assert answers == ["ring"] * 4
    events = list(tmp_path.glob("tf_files/training_summaries/*/train/*"))
    assert b"layer_0/weights/summaries/histogram" in events[0].read_bytes()
    assert b"first_layer" in events[0].read_bytes()
    assert (tmp_path / record["backbone"]["graph"]).is_file()
    (report,) = tmp_path.glob("tf_files/runs/*/report.html")
    assert 'alt="the 20 kernels of the first layer"' in report.read_text("utf-8")


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(retrain_here, digits, tmp_path):
    made = []
    for seed in (0, 0, 1):
        done = retrain_here(f"--image_dir={digits}", *LENET, *QUICK, "--how_many_training_steps=12", f"--seed={seed}")
        assert done.returncode == 0, done.stderr
        made.append(trained(tmp_path))
    assert made[0] == made[1]
    assert made[0][0] != made[2][0]
    assert made[0][1] != made[2][1]


def test_a_killed_training_goes_on_to_the_same_weights(digits, tmp_path, monkeypatch):
    words = (
        f"--image_dir={digits}", *LENET, *QUICK, "--random_crop=10", "--flip_left_right", "--snapshot_steps=10",
        "--how_many_training_steps=150",
    )  # fmt: skip

    def run_in(folder: Path, *more: str) -> None:
        monkeypatch.chdir(folder)
        assert main([*words, *more]) == 0

    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "retrain", *words], cwd=broken, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 120
    while not list(broken.glob("tf_files/*_step_*.npz")) and running.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
    running.send_signal(signal.SIGKILL)
    running.wait()
    # Each takes the place of the one before; the kill may have come between.
    newest = max(broken.glob("tf_files/*_step_*.npz"), key=lambda path: int(path.stem.rsplit("_", 1)[1]))
    run_in(whole)
    run_in(broken, f"--resume={newest.relative_to(broken)}")
    assert trained(whole) == trained(broken)


def test_a_snapshot_of_another_training_is_refused(retrain_here, digits):
    words = (f"--image_dir={digits}", *LENET, *QUICK)
    assert retrain_here(*words, "--how_many_training_steps=4", "--snapshot_steps=2").returncode == 0
    snapshot = "--resume=tf_files/retrain_checkpoint_step_4.npz"
    done = retrain_here(*words, "--how_many_training_steps=8", "--learning_rate=0.02", snapshot)
    assert done.returncode == 2
    assert "it was made with --learning_rate=0.01, and now it is --learning_rate=0.02" in done.stderr
    done = retrain_here(*words, "--how_many_training_steps=8", "--flip_left_right", snapshot)
    assert "--flip_left_right" in done.stderr


def test_a_grey_network_refuses_colour_in_one_line(retrain_here, colour_photos):
    done = retrain_here(f"--image_dir={colour_photos}", *LENET, *QUICK)
    assert done.returncode == 2
    assert "training photos have some; use simple_cnn or resnet20" in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 2


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ({"train": "last:0"}, "--train=last:0 is not one of head, last:N"),
        ({"train": "most"}, "--train=most is not one of head, last:N"),
        ({"weights": "none"}, "--weights=none is not used by --train=head"),
        ({"weights": "none", "train": "last:2"}, "--weights=none leaves nothing trained to build on"),
        ({"weights": "none", "train": "all", "optimizer": "lbfgs"}, "--optimizer=lbfgs"),
        ({"train": "all", "backbone_precision": "int8"}, "int8 cannot be trained"),
        ({"fine_tune_learning_rate": 0.1}, "--fine_tune_learning_rate=0.1 is not used by --train=head"),
        ({"train": "all", "distribute": "mirrored", "device": "cpu"}, "--distribute=mirrored needs GPUs"),
        ({"train": "all", "fine_tune_learning_rate": -1.0}, "out of range"),
        ({"train": "all", "epochs": -1}, "out of range"),
        ({"train": "all", "weights": "none", "lr_policy": "inv"}, "--lr_policy=inv needs --gamma"),
    ],
)
def test_what_can_not_be_meant_is_one_line(flags, line):
    with pytest.raises(UserError, match=line):
        Options.of(image_dir="x", **flags)


def test_more_blocks_than_there_are_is_one_line_before_any_feature_is_computed(retrain_here, colour_photos):
    done = retrain_here(f"--image_dir={colour_photos}", "--train=last:99", *QUICK)
    assert done.returncode == 2
    line = "retrain: --train=last:99: efficientnet_lite0 has 17 blocks; give at most last:17, or all"
    assert done.stderr.splitlines()[-1] == line
    assert "bottleneck" not in done.stdout + done.stderr


def test_a_network_without_blocks_says_so(retrain_here, colour_photos, model_dir):
    words = (f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}")
    done = retrain_here(*words, "--train=last:2", *QUICK)
    assert done.returncode == 2
    assert f"{STAND_IN} has no layer names that show its blocks; use --train=all" in done.stderr


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (
            {"architecture": "inception_v3"},
            "inception_v3 is a frozen graph, which cannot be trained; use --train=head",
        ),
        ({"tfhub_module": "a", "train": "last:2"}, "--train=last:2: the blocks of a TF-Hub module are unknown"),
        ({"tfhub_module": "a", "weights": "none"}, "--weights=none: a TF-Hub module always has its own weights"),
    ],
)
def test_what_a_network_does_not_allow_is_one_line_before_it_is_fetched(flags, line):
    with pytest.raises(UserError, match=line):
        check(Options.of(**{"image_dir": "x", "train": "all", **flags}))


def test_a_trained_backbone_goes_on_from_its_head_and_takes_its_place(retrain_here, colour_photos, model_dir, tmp_path):
    words = (f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", "--report=none")
    before = {*Path(model_dir).glob("*float16*")}
    done = retrain_here(
        *words, "--train=all", "--epochs=2", "--how_many_training_steps=100", "--export=tflite,pb", "--quantize=none,float16",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = record_of(tmp_path)
    assert record["accuracy"] == 1.0
    assert "trained further here (all)" in record["backbone"]["source"]
    assert "fine_tuning" in record["seconds"]
    made = sorted(path.name for path in (tmp_path / "tf_files/fine_tuned").iterdir() if path.is_file())
    kept = [
        name for name in made if not name.endswith(".readers.json")
    ]  # what other readers said, where one is installed
    assert len(kept) == 6, made  # .json .pb .tflite, the proof, and the float16 form with its digest
    assert {*Path(model_dir).glob("*float16*")} == before


def test_the_last_one_is_kept_and_no_other_but_what_is_not_ours(retrain_here, digits, tmp_path):
    strangers = {
        "resnet-0123456789ab.json": '{"source": "the web"}',
        "resnet-0123456789ab.pb": "",
        "mine-0123456789ab.tflite": "",
    }
    (tmp_path / "tf_files/fine_tuned").mkdir(parents=True)
    for name, text in strangers.items():
        (tmp_path / "tf_files/fine_tuned" / name).write_text(text)
    for steps in (2, 3):
        done = retrain_here(f"--image_dir={digits}", *LENET, *QUICK, f"--how_many_training_steps={steps}")
        assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "tf_files/fine_tuned").glob("lenet-*.tflite"))) == 1
    assert all((tmp_path / "tf_files/fine_tuned" / name).exists() for name in strangers)


def test_two_devices_make_the_steps_of_one(retrain_here, tmp_path, digits):
    """On two logical CPUs, in a process of its own: TensorFlow counts devices when it starts."""
    words = [f"--image_dir={digits}", *LENET, *QUICK, "--how_many_training_steps=8", "--learning_rate=0.05"]
    code = f"""
import sys
from label_image.quiet import tensorflow
import tensorflow as tf
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2)
from retrain.cli import main
sys.exit(main({words!r} + ["--distribute=mirrored"]))
"""
    (tmp_path / "two.py").write_text(code)

    def layer() -> np.ndarray:
        with np.load(tmp_path / "tf_files/retrain_checkpoint.npz") as found:
            return found["weights"]

    done = subprocess.run(
        [sys.executable, "two.py"], cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "on 2 devices" in done.stdout
    two = layer()
    one = retrain_here(*words)
    assert one.returncode == 0, one.stderr
    assert "devices" not in one.stdout
    assert np.allclose(layer(), two, atol=1e-4)  # the same sums, in two parts
    assert not np.array_equal(layer(), two)


def test_mirrored_on_one_device_is_one_line(retrain_here, digits):
    done = retrain_here(f"--image_dir={digits}", *LENET, *QUICK, "--distribute=mirrored")
    assert done.returncode == 1
    assert "--distribute=mirrored: TensorFlow sees 1 device" in done.stderr


def test_every_photo_comes_once_a_pass_and_steps_can_be_made_in_any_order():
    batches = Batches(np.zeros((10, 4, 4, 3), np.uint8), np.arange(10), (4, 4), 4)
    rows = np.concatenate([batches.rows(step) for step in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert rows[:10].tolist() != rows[10:].tolist()
    assert np.array_equal(batches.rows(1), rows[4:8])
    assert [len(ids) for _, ids in batches.from_step(3, 6)] == [4, 4, 4]


def test_a_batch_without_distortions_is_what_labelling_sees(digits, tmp_path):
    from label_image.photo_pixels import decode

    files = sorted(digits.glob("*/*.png"))[:6]
    photos = [Photo(str(path), path.parent.name, file_digest(path)) for path in files]
    with decoded(photos, (28, 28), tmp_path, lambda *_: pytest.fail("read")) as pixels:
        batches = Batches(pixels, np.arange(6), (28, 28), 6)
        seen, ids = batches.at(0)
        assert seen.dtype == np.uint8
        for picture, place in zip(seen, ids, strict=True):
            assert np.array_equal(picture, decode(files[place], 28, 28))


def test_distorted_batches_repeat_and_keep_their_size():
    options = Options.of(
        image_dir="x", train="all", random_crop=10, random_scale=20, flip_left_right=True, pad_and_crop=2,
        random_brightness=10, random_colour=10,
    )  # fmt: skip
    distortions = distortions_of(options)
    large = enlarged(distortions, 20)
    assert large == 27  # 20 * 1.1 * 1.2, up
    pixels = np.random.default_rng(0).integers(0, 255, (3, large, large, 3)).astype(np.uint8)
    batches = Batches(pixels, np.arange(3), (20, 20), 3, distortions)
    first, again, other = batches.at(5)[0], batches.at(5)[0], batches.at(6)[0]
    assert first.shape == (3, 20, 20, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_colour_is_more_than_the_rounding_of_a_grey_jpeg():
    grey = np.repeat(np.random.default_rng(0).integers(0, 254, (1, 8, 8, 1)), 3, axis=3).astype(np.uint8)
    assert has_colour(
        np.concatenate([grey, grey + np.array([0, 1, 1], np.uint8), grey // 2 + np.array([0, 40, 0], np.uint8)])
    ).tolist() == [
        False,
        False,
        True,
    ]


def test_the_rate_rises_then_falls_and_from_nothing_follows_the_flags():
    options = Options.of(image_dir="x", train="all", fine_tune_learning_rate=0.1, epochs=4)
    recipe = recipe_of(options, 320)
    rates = [recipe.rate(step) for step in range(recipe.steps)]
    assert recipe.steps == 40
    assert max(rates) == rates[3] == pytest.approx(0.1)
    assert rates[0] == pytest.approx(0.025)
    assert rates[-1] < 0.001
    assert warmed(1.0, 0, 1) == 1.0
    options = Options.of(
        image_dir="x", train="all", weights="none", lr_policy="step", gamma=0.1, stepsize=5, learning_rate=1.0,
        epochs=2, train_batch_size=10,
    )  # fmt: skip
    recipe = recipe_of(options, 45)
    assert (recipe.steps, recipe.batch_size) == (9, 10)
    assert [recipe.rate(step) for step in (4, 5)] == pytest.approx([1.0, 0.1])


def test_blocks_are_what_their_papers_draw():
    names = [
        "input",
        "conv1_conv",
        "conv2_block1_1_conv",
        "conv2_block1_out",
        "conv2_block2_out",
        "post_relu",
        "avg_pool",
    ]
    assert blocks_of(names) == [[0, 1], [2, 3], [4, 5, 6]]
    assert last_blocks(names, "last:1", "x") == {4, 5, 6}
    assert last_blocks(names, "all", "x") == set(range(7))
    pairs = ["Conv2d_0", "Conv2d_1_depthwise", "Conv2d_1_pointwise", "Conv2d_2_depthwise", "Conv2d_2_pointwise"]
    assert blocks_of(pairs) == [[0], [1, 2], [3, 4]]
    with pytest.raises(UserError, match="x has 3 blocks; give at most last:3, or all"):
        last_blocks(names, "last:4", "x")
    with pytest.raises(UserError, match="has no layer names that show its blocks"):
        last_blocks(["a", "b"], "last:1", "x")


@pytest.mark.filterwarnings("default::DeprecationWarning")  # Keras's own, while it saves
def test_a_keras_application_is_trained_and_comes_back_with_other_weights(tmp_path):
    """Without a download: its random weights are what there is to train on from."""
    from retrain.backbones.network_keras import keras_on_tensorflow
    from retrain.pipeline.network import trainable

    keras = keras_on_tensorflow()
    model = keras.applications.MobileNetV2(include_top=False, pooling="avg", weights=None, input_shape=(224, 224, 3))
    model.save_weights(tmp_path / "MobileNetV2.weights.h5")
    options = Options.of(image_dir="x", architecture="keras:MobileNetV2", train="last:2", model_dir=str(tmp_path))
    network = trainable(options)
    trained = {network.names[place] for place in network.trained}
    assert any("block_16_project" in name for name in trained)
    assert any("Conv_1" in name for name in trained)
    assert not any("block_14" in name or "moving" in name for name in trained)
    values = network.values
    values[network.trained[0]] = values[network.trained[0]] + 1
    network.assign(values)
    assert np.array_equal(network.values[network.trained[0]], values[network.trained[0]])


def test_a_folded_network_gives_the_features_of_its_backbone_and_goes_back(tmp_path, model_dir):
    from label_image.runners.litert import LitertRunner
    from retrain.backbones.prepare import prepare
    from retrain.pipeline.network import trainable

    options = Options.of(image_dir="x", architecture=STAND_IN, train="all", model_dir=str(model_dir))
    backbone, network = prepare(options.network, lambda _: None), trainable(options)
    pixels = np.random.default_rng(0).uniform(-1, 1, (1, 128, 128, 3)).astype(np.float32)
    expected = LitertRunner(backbone.tflite).scores(pixels)
    assert np.allclose(network.call(pixels, False), expected, atol=1e-6)
    kernel, bias = network.values
    network.assign([kernel * 0.5, bias])
    frozen, tflite, why = network.forms()
    assert (frozen.width, why) == (3, "")
    (tmp_path / "tuned.tflite").write_bytes(tflite)
    assert np.allclose(LitertRunner(tmp_path / "tuned.tflite").scores(pixels), 1 + (expected - 1) / 2, atol=1e-6)


@pytest.mark.parametrize("asks", [True, False])
def test_a_module_of_tfhub_is_trained_as_a_whole(tmp_path, asks):
    import tensorflow as tf

    from retrain.pipeline.network import trainable

    module = tf.train.Checkpoint()  # as TF-Hub's reusable SavedModels: lists of variables, and a function to call
    kernel, fixed = tf.Variable(tf.ones((3, 4))), tf.Variable(2.0, trainable=False)
    module.variables, module.trainable_variables = [kernel, fixed], [kernel]

    def features(images, training=False):
        return fixed * tf.reduce_mean(images, [1, 2]) @ kernel + (1.0 if training else 0.0)

    images = tf.TensorSpec([None, 32, 32, 3], tf.float32)
    if asks:
        module.__call__ = tf.function(features)
        for training in (True, False):
            module.__call__.get_concrete_function(images, training=training)
    else:
        module.__call__ = tf.function(features, input_signature=[images])
    tf.saved_model.save(module, str(tmp_path / "module"))
    network = trainable(
        Options.of(image_dir="x", tfhub_module=str(tmp_path / "module"), train="all", frozen_batch_norm=False)
    )
    assert (network.height_px, network.std) == (32, (255.0,))
    assert [network.values[place].shape for place in network.trained] == [(3, 4)]
    pixels = np.full((1, 32, 32, 3), 0.5, np.float32)
    assert np.allclose(network.call(pixels, False), 3.0)
    assert np.allclose(network.call(pixels, True), 4.0 if asks else 3.0)
    values = network.values
    values[network.trained[0]] = values[network.trained[0]] * 2
    network.assign(values)
    frozen, tflite, _ = network.forms()
    assert (frozen.width, frozen.std) == (4, (255.0,))
    assert tflite is not None


def test_half_precision_keeps_its_weights_in_full_and_learns(digits, tmp_path):
    """float16 as on a GPU, here on the processor: slow, but the same numbers."""
    import tensorflow as tf

    from retrain.finetune.engine import Engine, EngineSettings
    from retrain.finetune.train_network import _random_head
    from retrain.pipeline.network import trainable

    options = Options.of(
        image_dir="x", architecture="lenet", weights="none", train="all", optimizer="momentum", learning_rate=0.05,
        how_many_training_steps=15,
    )  # fmt: skip
    files = sorted(digits.glob("*/*.png"))
    photos = [Photo(str(path), path.parent.name, file_digest(path)) for path in files]
    ids = np.array([("bar", "ring", "slash").index(photo.label) for photo in photos])
    network = trainable(options, half=True)
    assert {value.dtype for value in network.values} == {np.dtype("float32")}
    how = network_training(options, 90)
    settings = EngineSettings(0.0, 0.0, 0, np.ones(3, np.float32))
    head = _random_head(network, ("bar", "ring", "slash"), how)
    engine = Engine(network, head, how.recipe, tf.distribute.get_strategy(), settings, half=True)
    with decoded(photos, (28, 28), tmp_path, lambda *_: pytest.fail("read")) as pixels:
        losses = [engine.step(pixels, ids, step)[0] for step in range(15)]
    assert losses[-1] < 0.5 * losses[0]


def test_a_folded_network_is_normalised_anew_and_stays_the_same(model_dir):
    from retrain.backbones import prepare
    from retrain.backbones.network_keras import from_keras, to_keras
    from retrain.backbones.renormed import renormed

    network = prepare.network_of(Options.of(image_dir="x", architecture=STAND_IN, model_dir=str(model_dir)).network)
    assert not network.has_statistics
    images = np.random.default_rng(0).uniform(-1, 1, (20, network.size_px, network.size_px, 3)).astype(np.float32)
    again = renormed(network, images)
    assert again.has_statistics
    plain, model = to_keras(network), to_keras(again)
    expected = plain(images, training=False).numpy()
    assert np.allclose(model(images, training=False), expected, atol=1e-4 * np.abs(expected).max())
    # Statistics of these very photos: normalised by the batch, the network does the same.
    assert np.allclose(model(images, training=True), expected, atol=0.01 * np.abs(expected).max())
    assert from_keras(model, again).has_statistics


def test_pretrained_normalisation_can_be_trained(retrain_here, colour_photos, model_dir, tmp_path):
    done = retrain_here(
        f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}", *QUICK,
        "--train=all", "--frozen_batch_norm=false", "--epochs=2", "--how_many_training_steps=100",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    record = record_of(tmp_path)
    assert np.isfinite(record["curve"]["train_loss"]).all()
    assert record["accuracy"] == 1.0


@pytest.mark.parametrize(("symmetric", "flips"), [(True, True), (False, False)])
def test_photos_are_mirrored_where_the_network_knows_them_mirrored(symmetric, flips, capfd):
    from retrain.console import Screen
    from retrain.data.augment import Distortions
    from retrain.finetune.engine import Engine
    from retrain.finetune.train_network import _mirrored

    class LeftEye:
        """Sees only the left half, or both alike."""

        def logits(self, pixels):
            halves = pixels.reshape(len(pixels), 8, 2, 4, 3).astype(np.float32).mean(axis=(1, 3, 4))
            seen = halves.mean(axis=1) if symmetric else halves[:, 0]
            return np.stack([seen, 100 - seen], axis=1)

    photos = np.zeros((20, 8, 8, 3), np.uint8)
    photos[:10, :, :4] = 200  # light on the left: class 0
    label_ids = np.repeat([0, 1], 10)
    assert (
        _mirrored(Distortions(), cast("Engine", LeftEye()), photos, label_ids, Screen("INFO")).flip_left_right is flips
    )
    expected = "training mirrors photos too" if flips else "training does not mirror photos"
    assert expected in capfd.readouterr().out
    nothing = _mirrored(Distortions(), cast("Engine", LeftEye()), photos[:0], label_ids[:0], Screen("INFO"))
    assert nothing.flip_left_right is False


@pytest.mark.shared
def test_real_weights_are_trained_further_on_real_photos(retrain_here, shared_data, tmp_path):
    for label in ("roses", "sunflowers"):
        (tmp_path / "photos" / label).mkdir(parents=True)
        for photo in sorted((shared_data / "flower_photos" / label).glob("*.jpg"))[:60]:
            (tmp_path / "photos" / label / photo.name).symlink_to(photo)
    words = (
        "--image_dir=photos", "--architecture=mobilenet_0.25_128", f"--model_dir={shared_data / 'models'}", "--train=last:4",
        "--epochs=4", "--testing_percentage=30", "--summaries_dir=", "--report=none", "--export=tflite,pb",
    )  # fmt: skip
    done = retrain_here(*words)
    assert done.returncode == 0, done.stderr
    assert "training the last 4 blocks of mobilenet_0.25_128" in done.stdout
    record = record_of(tmp_path)
    assert record["accuracy"] >= 0.85
    assert record["curve"]["train_accuracy"][-1] > 0.7  # of distorted photos, after ten steps or so
    shares = dict(map(tuple, record["curve"]["share_losses"]))
    assert record["curve"]["share"] == min(shares, key=lambda share: shares[share])
    assert len(record["curve"]["judged_loss"]) == len(record["curve"]["steps"])
    proven = {export["kind"]: export["agreement"] for export in record["exports"]}
    assert proven["tflite"] == proven["graph"] == 1.0
