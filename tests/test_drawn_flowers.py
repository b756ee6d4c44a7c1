"""What other makers would export of the drawn flowers: each labels them without a flag as its maker's own program does.

One linear classifier on 8 x 8 mean colours is trained here and leaves in six forms, with their makers' names, ranges and
label files. The known answers are worked out in NumPy from the true settings. It is asked about pictures that it has seen:
how files are read is what is tested, and colours alone do not tell new drawings apart.
"""

from __future__ import annotations

import numpy as np
import pytest

from label_image import Classifier
from label_image.photo_pixels import decode
from label_image.quiet import native_noise_hidden, tensorflow
from retrain.data.drawn_flowers import LABELS
from retrain.samples import write_samples

pytestmark = pytest.mark.filterwarnings("ignore")  # of the Keras that writes, not of what is tested
SIDE, CELLS = 64, 8
TEACHABLE, ZERO_ONE = (127.5, 127.5), (0.0, 255.0)  # mean, std


def cells(pixels, mean, std):
    """float [n, 64, 64, 3], 0..255 -> float [n, 192], scaled mean colours of 8 x 8 pixels."""
    scaled = (np.asarray(pixels, np.float64) - mean) / std
    return scaled.reshape(len(pixels), CELLS, CELLS, CELLS, CELLS, 3).mean(axis=(2, 4)).reshape(len(pixels), -1)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """Photos, their pixels, their labels, and the weights [192, 5] and biases [5] on cells in 0..1."""
    paths = write_samples(tmp_path_factory.mktemp("drawn") / "flowers", 8, 7)
    truth = np.array([LABELS.index(path.parent.name) for path in paths])
    pixels = np.stack([decode(path, SIDE, SIDE) for path in paths])
    seen = cells(pixels, *ZERO_ONE)
    weights, biases = np.zeros((seen.shape[1], len(LABELS))), np.zeros(len(LABELS))
    wanted = np.eye(len(LABELS))[truth]
    for _ in range(3000):
        slope = (softmax(seen @ weights + biases) - wanted) / len(seen)
        weights -= 0.5 * (seen.T @ slope + 1e-4 * weights)
        biases -= 0.5 * slope.sum(axis=0)
    return paths, pixels, truth, weights, biases


def network(keras, flowers, scaling, first=(), name="dense_Dense1", source="x"):
    """The classifier as layers of Keras 2 or 3, for pixels (p - mean) / std."""
    *_, weights, biases = flowers
    mean, std = scaling
    # p / 255 = (x * std + mean) / 255
    kernel, bias = weights * (std / 255), biases + (mean / 255) * weights.sum(axis=0)
    dense = keras.layers.Dense(len(LABELS), activation="softmax", name=name)
    layers = [*first, keras.layers.AveragePooling2D(CELLS), keras.layers.Flatten(), dense]
    model = keras.Sequential([keras.layers.InputLayer((SIDE, SIDE, 3), name=source), *layers])
    dense.set_weights([kernel, bias])
    return model


def write_labels(folder, numbered):
    lines = [f"{place} {label}" if numbered else label for place, label in enumerate(LABELS)]
    (folder / "labels.txt").write_text("\n".join(lines))


def convert(model, folder, flowers=None):
    """Teachable Machine's `.tflite`: float32, or with photos to calibrate on, uint8 in and out."""
    tf = tensorflow()
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    name = "model_unquant.tflite"
    if flowers is not None:
        name = "model.tflite"
        pixels = flowers[1]
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: (
            [((image[None] - np.float32(127.5)) / np.float32(127.5)).astype(np.float32)] for image in pixels
        )
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.uint8
    (folder / name).write_bytes(converter.convert())
    return folder / name


def teachable_machine_tflite(folder, flowers):
    import tf_keras

    write_labels(folder, numbered=True)
    return convert(network(tf_keras, flowers, TEACHABLE, name="sequential_1", source="sequential_1_input"), folder)


def teachable_machine_uint8(folder, flowers):
    import tf_keras

    write_labels(folder, numbered=True)
    model = network(tf_keras, flowers, TEACHABLE, name="sequential_1", source="sequential_1_input")
    return convert(model, folder, flowers)


def teachable_machine_h5(folder, flowers):
    import tf_keras

    write_labels(folder, numbered=True)
    network(tf_keras, flowers, TEACHABLE).save(folder / "keras_model.h5")
    return folder / "keras_model.h5"


def teachable_machine_saved_model(folder, flowers):
    import tf_keras

    write_labels(folder, numbered=True)
    network(tf_keras, flowers, TEACHABLE).export(str(folder / "model.savedmodel"))
    return folder / "model.savedmodel"


def keras_3(folder, flowers):
    import keras

    write_labels(folder, numbered=False)
    rescaling = keras.layers.Rescaling(1 / 255)
    network(keras, flowers, ZERO_ONE, [rescaling], name="flowers").save(folder / "flowers.keras")
    return folder / "flowers.keras"


def keras_frozen(folder, flowers):
    import tf_keras
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    tf = tensorflow()
    write_labels(folder, numbered=False)
    model = network(tf_keras, flowers, ZERO_ONE, name="predictions")
    spec = tf.TensorSpec([None, SIDE, SIDE, 3], tf.float32, name="x")
    function = tf.function(model).get_concrete_function(spec)
    graph = convert_variables_to_constants_v2(function).graph.as_graph_def()
    (folder / "frozen_graph.pb").write_bytes(graph.SerializeToString())
    return folder / "frozen_graph.pb"


MAKERS = (
    teachable_machine_tflite, teachable_machine_uint8, teachable_machine_h5, teachable_machine_saved_model, keras_3,
    keras_frozen,
)  # fmt: skip


@pytest.mark.parametrize("make", MAKERS, ids=lambda make: make.__name__)
def test_another_makers_classifier_of_the_drawn_flowers_needs_no_flag(make, flowers, tmp_path):
    tensorflow()
    photos, pixels, truth, weights, biases = flowers
    with native_noise_hidden():
        path = make(tmp_path, flowers)
    known = softmax(cells(pixels, *ZERO_ONE) @ weights + biases)
    classifier = Classifier(path)
    answers = [classifier.classify(photo) for photo in photos]
    assert answers[0].labels == LABELS
    scores = np.stack([answer.scores for answer in answers])
    coarse = make is teachable_machine_uint8  # 8 bits all the way
    assert np.abs(scores - known).max() < (0.15 if coarse else 1e-3)
    assert (scores.argmax(axis=1) == known.argmax(axis=1)).mean() >= (0.9 if coarse else 1.0)
    assert (known.argmax(axis=1) == truth).mean() >= 0.95, "the known answers are no nonsense"
