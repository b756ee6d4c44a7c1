"""Keras files and SavedModels that Keras 3 and tf_keras write here: their scores equal hand-computed ones."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from label_image import Classifier, UserError
from label_image.errors import RunError
from label_image.photo_pixels import decode
from label_image.quiet import tensorflow
from tests.colour_graphs import NAMES, SIDE, colours, expected, weights
from tests.conftest import COLOURS, write_photo

pytestmark = pytest.mark.filterwarnings(
    "ignore"
)  # warnings of the Keras that writes the files, which is not under test
ZERO_ONE = {"mean": 0.0, "std": 255.0}


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos/p.jpg", (90, 160, 200), 5, (SIDE, SIDE))


def labels(folder, text="cyan\nmagenta\nyellow\n"):
    (folder / "labels.txt").write_text(text)


def colour_model(keras, first=(), *, mean=127.5, std=127.5, activation="softmax", name="head", dropout=False):
    """A Sequential of Keras 3 or 2 that classifies by the mean colour."""
    kernel, bias = weights(colours(mean, std))
    dense = keras.layers.Dense(3, activation=activation, name=name)
    layers = [keras.layers.InputLayer((SIDE, SIDE, 3)), *first, keras.layers.GlobalAveragePooling2D()]
    model = keras.Sequential([*layers, *([keras.layers.Dropout(0.5)] if dropout else []), dense])
    dense.set_weights([kernel, bias])
    return model


@pytest.fixture
def keras():
    tensorflow()
    return pytest.importorskip("keras")


@pytest.fixture
def tf_keras():
    tensorflow()
    return pytest.importorskip("tf_keras")


def close(path, photo, **scaling):
    got = Classifier(path).classify(photo)
    np.testing.assert_allclose(got.scores, expected(decode(photo, SIDE, SIDE), **scaling), atol=1e-5)
    assert got.labels == NAMES


def test_a_keras_3_file_has_the_right_scores(keras, tmp_path, photo):
    labels(tmp_path)
    colour_model(keras, **ZERO_ONE).save(tmp_path / "m.keras")
    close(tmp_path / "m.keras", photo, **ZERO_ONE)
    assert "a guess" in Classifier(tmp_path / "m.keras").metadata.facts["range"]


def test_a_rescaling_layer_means_pixels(keras, tmp_path, photo):
    labels(tmp_path)
    colour_model(keras, [keras.layers.Rescaling(1 / 127.5, offset=-1)]).save(tmp_path / "m.keras")
    close(tmp_path / "m.keras", photo)
    assert "inside the graph" in Classifier(tmp_path / "m.keras").metadata.facts["range"]


def test_an_old_h5_as_teachable_machine_writes_it_has_the_right_scores(tf_keras, tmp_path, photo):
    labels(tmp_path, "0 cyan\n1 magenta\n2 yellow")
    colour_model(tf_keras, name="dense_Dense1").save(tmp_path / "keras_model.h5")
    close(tmp_path / "keras_model.h5", photo)
    assert (
        Classifier(tmp_path / "keras_model.h5").metadata.facts["range"].startswith("a guess: Teachable Machine's names")
    )


def test_a_keras_file_that_is_really_hdf5_is_recognised_by_its_first_bytes(tf_keras, tmp_path, photo):
    labels(tmp_path)
    colour_model(tf_keras, dropout=True, name="dense_Dense1").save(tmp_path / "m.h5")
    (tmp_path / "m.h5").rename(tmp_path / "m.keras")
    close(tmp_path / "m.keras", photo)


def test_logits_of_keras_go_through_a_softmax(keras, tmp_path, photo):
    labels(tmp_path)
    colour_model(keras, activation=None, **ZERO_ONE).save(tmp_path / "m.keras")
    close(tmp_path / "m.keras", photo, **ZERO_ONE)


def test_dropout_called_with_training_is_inactive(keras, tmp_path, photo):
    labels(tmp_path)
    kernel, bias = weights(colours(**ZERO_ONE))
    source = keras.Input((SIDE, SIDE, 3))
    pooled = keras.layers.GlobalAveragePooling2D()(source)
    dense = keras.layers.Dense(3, activation="softmax")
    model = keras.Model(source, dense(keras.layers.Dropout(0.5)(pooled, training=True)))
    dense.set_weights([kernel, bias])
    model.save(tmp_path / "m.keras")
    close(tmp_path / "m.keras", photo, **ZERO_ONE)


@pytest.mark.parametrize("maker", ["keras", "tf_keras"])
def test_a_saved_model_has_the_right_scores(maker, request, tmp_path, photo):
    built = colour_model(request.getfixturevalue(maker), name="dense_Dense1")
    folder = tmp_path / "model.savedmodel"
    built.export(str(folder))
    labels(tmp_path, "0 cyan\n1 magenta\n2 yellow\n")
    close(folder, photo)
    for label, colour in COLOURS.items():
        assert Classifier(folder).classify(write_photo(tmp_path / "c.jpg", colour, 4)).top(1)[0][0] == label


def test_a_saved_model_without_a_signature_is_called(tmp_path, photo):
    tf: Any = tensorflow()
    kernel, bias = weights(colours(**ZERO_ONE))

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32)])
        def __call__(self, images):
            return tf.nn.softmax(tf.reduce_mean(images, [1, 2]) @ kernel + bias)

    tf.saved_model.save(Module(), str(tmp_path / "m"))
    labels(tmp_path)
    close(tmp_path / "m", photo, **ZERO_ONE)


def test_lobes_saved_model_with_a_string_as_second_output_has_the_right_scores(tmp_path, photo):
    tf: Any = tensorflow()
    kernel, bias = weights(colours(**ZERO_ONE))

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32, name="Image")])
        def serve(self, Image):  # noqa: N803 - Lobe's own name
            shares = tf.nn.softmax(tf.reduce_mean(Image, [1, 2]) @ kernel + bias)
            return {"Confidences": shares, "Prediction": tf.gather(list(NAMES), tf.argmax(shares, 1))}

    module = Module()
    tf.saved_model.save(module, str(tmp_path / "m"), {"serving_default": module.serve})
    said = {"inputs": {"Image": {}}, "outputs": {"Confidences": {}}, "classes": {"Label": list(NAMES)}}
    (tmp_path / "m/signature.json").write_text(json.dumps(said))
    close(tmp_path / "m", photo, **ZERO_ONE)
    assert "Lobe" in Classifier(tmp_path / "m").metadata.facts["range"]


def test_a_saved_model_that_decodes_files_gets_the_photos_file(tmp_path):
    tf: Any = tensorflow()
    kernel, bias = weights(colours(**ZERO_ONE))

    class Module(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def serve(self, image_bytes):
            image = tf.io.decode_image(image_bytes[0], 3, expand_animations=False)
            pooled = tf.reduce_mean(tf.cast(image, tf.float32) / 255, [0, 1])[None]
            return {"scores": tf.nn.softmax(pooled @ kernel + bias)}

    module = Module()
    tf.saved_model.save(module, str(tmp_path / "m"), {"serving_default": module.serve})
    labels(tmp_path)
    for label, colour in COLOURS.items():
        photo = write_photo(tmp_path / "c.jpg", colour, 4)
        assert Classifier(tmp_path / "m").classify(photo).top(1)[0][0] == label


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("m.keras", b"PK\x03\x04junk", "damaged zip"),
        ("m.h5", b"\x89HDF\r\n\x1a\nshort", "damaged"),
        ("m.h5", b"no hdf5", "not a Keras file"),
    ],
)
def test_a_damaged_keras_file_is_one_line(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(RunError, match=message) as caught:
        Classifier(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_weights_without_a_network_are_one_line(tf_keras, tmp_path):
    colour_model(tf_keras).save_weights(str(tmp_path / "w.h5"))
    with pytest.raises(RunError, match="weights without a network"):
        Classifier(tmp_path / "w.h5")


def test_the_error_for_a_folder_one_level_too_high_lists_its_models(keras, tmp_path):
    colour_model(keras).export(str(tmp_path / "converted/model.savedmodel"))
    with pytest.raises(UserError, match="it contains .*model.savedmodel"):
        Classifier(tmp_path / "converted")
