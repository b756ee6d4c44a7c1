"""Networks that are not classifiers of whole photos are refused with one line that says what they seem to be; --output_layer overrides this."""

from __future__ import annotations

import numpy as np
import pytest

from label_image import Classifier, Overrides
from label_image.detectors.purpose import INDEX, Output, purpose_by_outputs, purpose_by_scores, purpose_by_shape
from label_image.errors import RunError
from label_image.find_metadata import metadata_of
from label_image.model_metadata import Metadata
from retrain.formats.graph_def import constant, operation
from retrain.formats.tflite_model import TfliteModel
from tests.colour_graphs import NAMES, SIDE, graph_of
from tests.conftest import SHARED, write_photo
from tests.test_detectors_tflite import colour_tflite
from tests.test_no_scores import saved_model_of

CASES = SHARED / "cases/graphs"


@pytest.fixture
def photo(tmp_path):
    return write_photo(tmp_path / "photos/p.jpg", (90, 160, 200), 5, (SIDE, SIDE))


def scores(name="s", width=5, kind="probabilities"):
    return Output(name, (1, width), kind)


@pytest.mark.parametrize(
    ("outputs", "finds_boxes", "word"),
    [
        ([scores()], False, ""),
        ([scores(kind="sigmoid")], False, ""),
        ([scores(kind="logits")], False, ""),
        ([scores(), Output("features", (1, 1280), "features")], False, ""),  # its embedding as a second output
        ([scores("age"), scores("mood")], False, "a network with 2 outputs: age"),
        ([scores(kind="logits"), Output("b", (1, 9), "as is")], False, "a network with 2 outputs"),
        ([scores(), Output("boxes", (1, 10, 4), "as is")], False, "an object detector"),
        ([scores()], True, "an object detector"),
        ([Output("masks", (1, 32, 32, 4), "probabilities")], False, "a segmenter"),
        ([Output("rows", (1, 100, 85), "sigmoid")], False, "an object detector or text recogniser"),
        ([Output("pooled", (1, 1, 1, 9), "probabilities")], False, ""),
        ([Output("open", (-1, 9), "probabilities")], False, ""),
        ([Output("open", (-1, -1, -1, 9), "probabilities")], False, "a segmenter"),
        ([Output("unknown", (), "as is")], False, ""),
        ([Output("class", (1,), INDEX)], False, "a network that returns the index of one class"),
        ([scores(), Output("class", (1,), INDEX)], False, ""),
    ],
)
def test_outputs_show_what_a_network_is_for(outputs, finds_boxes, word):
    found = purpose_by_outputs(outputs[0], outputs, finds_boxes=finds_boxes)
    assert found.startswith(word) if word else found == ""


def answered(output, *numbers, labels=()):
    metadata = Metadata(labels, 8, 8, (0,), (1,), output=output)
    return purpose_by_scores(metadata, np.array(numbers, np.float32).reshape(1, -1))


def test_scores_show_what_a_network_is_for_if_its_structure_does_not():
    assert answered("probabilities", 0.2, 0.8) == ""
    assert "add up to 3, not 1" in answered("probabilities", *[0.5] * 6)
    assert answered("probabilities", *[0.0] * 1000, 0.4) == ""  # eight bits: equal scores are rounded to zero
    assert answered("sigmoid", 0.9, 0.9, 0.9) == ""
    assert "between -3 and 2" in answered("as is", -3, 2)
    assert answered("as is", -3, 2, labels=("a", "b")) == ""  # the outputs have labels
    assert answered("logits", -3, 2) == ""
    assert "one number, -0.395" in answered("as is", -0.395)  # tanh
    assert answered("as is", 0.4) == ""
    assert answered("logits", -0.395) == ""
    assert answered("as is", 0.6, 0.8, 0.0).startswith("a network without a head")  # normalised features
    assert answered("as is", 0.6, 0.8, labels=("a", "b")) == answered("as is", 0.0, 1.0) == ""
    assert answered("as is", 0.5, 0.4) == answered("sigmoid", 0.6, 0.8) == ""
    assert purpose_by_shape((8, 3)) == ""


@pytest.mark.shared
@pytest.mark.parametrize(("name", "word"), [("segmentation", "a segmenter"), ("detection", "an object detector")])
def test_segmenters_and_detectors_are_refused_and_output_layer_overrides_this(label_image, photo, name, word):
    path = CASES / f"{name}.tflite"
    done = label_image(f"--graph={path}", f"--image={photo}")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"it seems to be {word}" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    layer = {"segmentation": "Identity", "detection": "PartitionedCall:2"}[name]
    classifier = Classifier(path, Overrides(output_layer=layer))
    assert classifier.metadata.output_layer == layer
    assert classifier.classify(photo).scores.size == {"segmentation": 4096, "detection": 10}[name]


@pytest.mark.shared
def test_an_embedding_is_recognised_and_not_reported_as_a_wrong_number_of_labels(shared_data):
    with pytest.raises(RunError, match=r"a network without a head \(an embedding\)"):
        Classifier(shared_data / "models/coral_mobilenet_v1_1.0_224_quant_embedding_extractor.tflite")


def headless(path, activation):
    """A convolution and the mean over rows and columns."""
    model = TfliteModel()
    source = model.tensor("image", [1, SIDE, SIDE, 3])
    model.graph.inputs = np.array([source], np.int32)
    kernel = model.tensor("k", [4, 1, 1, 3], np.ones((4, 1, 1, 3), np.float32))
    conv, pooled = model.tensor("conv", [1, SIDE, SIDE, 4]), model.tensor("pooled", [1, 4])
    options = model.options(
        "Conv2DOptions", padding=0, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1,
        fusedActivationFunction=model.constant("ActivationFunctionType", activation),
    )  # fmt: skip
    model.operator("CONV_2D", [source, kernel, model.tensor("b", [4], np.zeros(4, np.float32))], conv, options)
    axes = model.tensor("axes", [2], np.array([1, 2], np.int32))
    model.operator("MEAN", [conv, axes], pooled, model.options("ReducerOptions", keepDims=False))
    model.outputs([pooled])
    path.write_bytes(model.to_bytes())
    return path


def test_a_mean_of_features_is_an_embedding_and_a_mean_of_scores_is_not(tmp_path, photo):
    path = headless(tmp_path / "h.tflite", "RELU6")
    with pytest.raises(RunError, match="without a head"):
        metadata_of(path, Overrides())
    insists = Classifier(path, Overrides(output_layer="pooled"))
    assert (insists.metadata.output, len(insists.classify(photo).scores)) == ("as is", 4)
    assert Classifier(headless(tmp_path / "n.tflite", "NONE")).metadata.output == "logits"
    (tmp_path / "labels.txt").write_text("a\nb\nc\nd\n")  # a labels file beside the network means that they are scores
    assert Classifier(path).metadata.output == "logits"


def test_a_network_that_takes_text_is_one_line(tmp_path):
    model = TfliteModel()
    source, scores_of = model.tensor("words", [1]), model.tensor("scores", [1, 3])
    model.graph.tensors[source].type = 5  # the type of strings
    model.graph.inputs = np.array([source], np.int32)
    model.operator("SOFTMAX", [source], scores_of, model.options("SoftmaxOptions", beta=1.0))
    model.outputs([scores_of])
    (tmp_path / "m.tflite").write_bytes(model.to_bytes())
    with pytest.raises(RunError, match="its input is text or files"):
        Classifier(tmp_path / "m.tflite")


def test_our_own_backbone_without_a_head_is_not_a_classifier(trained, model_dir):
    for path in sorted(model_dir.rglob("*.tflite")):
        with pytest.raises(RunError, match="without a head"):
            Classifier(path)


def test_two_outputs_of_a_tflite_are_named(tmp_path, photo):
    path = colour_tflite(tmp_path / "m.tflite")
    model = TfliteModel(path)
    first = int(model.graph.outputs[0])
    second = model.tensor("mood", [1, 3])
    logits = next(number for number, _ in enumerate(model.graph.tensors) if number == first - 1)
    model.operator("SOFTMAX", [logits], second, model.options("SoftmaxOptions", beta=1.0))
    model.graph.outputs = np.array([first, second], np.int32)
    path.write_bytes(model.to_bytes())
    with pytest.raises(RunError, match=r"a network with 2 outputs: scores \[1, 3\], mood \[1, 3\]"):
        Classifier(path)
    assert Classifier(path, Overrides(output_layer="mood")).classify(photo).labels == NAMES


def test_a_graph_with_an_output_for_each_position_is_a_segmenter(tmp_path, photo):
    def end(graph, _):
        kernel = constant(graph, "places/k", np.ones((1, 1, 3, 4), np.float32))
        conv = operation(graph, "Conv2D", "places", ["input", kernel], strides=[1, 1, 1, 1], padding="SAME")
        return operation(graph, "Softmax", "final_result", [conv])

    path = graph_of(tmp_path / "g.pb", end=end)
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(
        RunError, match=r"a segmenter: it has an output for each position in the image, \[1, 16, 16, 4\]"
    ):
        Classifier(path)
    insists = Classifier(path, Overrides(output_layer="final_result"))
    assert insists.classify(photo).scores.size == SIDE * SIDE * 4


def test_a_softmax_over_another_axis_is_recognised_by_its_sum(tmp_path):
    def end(graph, logits):
        once = operation(graph, "Softmax", "soft", [logits])
        return operation(graph, "Mul", "final_result", [once, constant(graph, "three", np.array([3], np.float32))])

    path = graph_of(tmp_path / "g.pb", end=end)
    (tmp_path / "labels.txt").unlink()
    with pytest.raises(RunError, match="not a classifier: "):
        Classifier(path)


@pytest.mark.parametrize("kind", ["pb", "saved_model"])
def test_a_graph_with_two_outputs_of_scores_is_refused_and_one_with_scores_and_features_is_not(tmp_path, photo, kind):
    from tests.test_no_scores import batch_graph

    graph = batch_graph(1)
    graph.node[-1].name = "one"
    operation(graph, "Softmax", "two", ["logits"])
    path = tmp_path / "g.pb"
    if kind == "pb":
        path.write_bytes(graph.SerializeToString())
    else:
        path = two_outputs(graph, tmp_path / "saved")
    with pytest.raises(RunError, match="a network with 2 outputs"):
        Classifier(path)
    name = "two" if kind == "pb" else next(iter(layers_in_metadata(path)))
    assert len(Classifier(path, Overrides(output_layer=name)).classify(photo).scores) == 3


def layers_in_metadata(path):
    """Names that the refusal offers."""
    with pytest.raises(RunError) as caught:
        Classifier(path)
    return str(caught.value).rsplit(": ", maxsplit=1)[1].split(", ")


def two_outputs(graph, folder):
    tf = pytest.importorskip("tensorflow")
    graph = tf.compat.v1.GraphDef.FromString(graph.SerializeToString())
    with tf.Graph().as_default() as built, tf.compat.v1.Session() as session:
        tf.import_graph_def(graph, name="")
        ends = {name: built.get_tensor_by_name(f"{name}:0") for name in ("one", "two")}
        image = {"image": built.get_tensor_by_name("MobilenetV1/image:0")}
        tf.compat.v1.saved_model.simple_save(session, str(folder), image, ends)
    return folder


def test_a_saved_model_with_one_output_is_accepted(tmp_path, photo):
    from tests.test_no_scores import batch_graph

    assert Classifier(saved_model_of(batch_graph(1), tmp_path / "s")).classify(photo).labels == NAMES


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras', of NumPy
@pytest.mark.parametrize("form", ["keras", "saved_model"])
def test_the_outputs_of_keras_files_are_counted_too(tmp_path, photo, form):
    keras = pytest.importorskip("keras")
    source = keras.layers.Input((SIDE, SIDE, 3))
    features = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(8, 3, activation="relu")(source))
    first, second = (keras.layers.Dense(count, activation="softmax")(features) for count in (3, 4))

    def written(outputs, name):
        path = tmp_path / (f"{name}.keras" if form == "keras" else name)
        model = keras.Model(source, outputs)
        model.save(path) if form == "keras" else model.export(path, verbose=False)
        return path

    two = written([first, second], "two")
    with pytest.raises(RunError, match="a network with 2 outputs") as caught:
        Classifier(two)
    layers = str(caught.value).rsplit(": ", maxsplit=1)[1].split(", ")
    counts = [len(Classifier(two, Overrides(output_layer=layer)).classify(photo).scores) for layer in layers]
    assert sorted(counts) == [3, 4]
    assert len(Classifier(written([features, first], "with_features")).classify(photo).scores) == 3
    with pytest.raises(RunError, match="without a head"):
        Classifier(written([features], "headless"))


def test_a_frozen_graph_with_more_inputs_or_without_a_head_is_refused(tmp_path):
    tf = pytest.importorskip("tensorflow")

    def written(name, end):
        graph = tf.Graph()
        with graph.as_default():
            pixels = tf.compat.v1.placeholder(tf.float32, [1, 8, 8, 3], name="input")
            features = tf.linalg.matmul(tf.reduce_mean(pixels / 255.0, [1, 2]), np.eye(3, 4, dtype=np.float32))
            end(tf.compat.v1.placeholder, features)
        path = tmp_path / name
        path.write_bytes(graph.as_graph_def().SerializeToString())
        return path

    age = written(
        "age.pb", lambda more, x: tf.nn.softmax(x * more(tf.float32, [1, 4], name="age"), name="final_result")
    )
    with pytest.raises(RunError, match=r"needs more input than a photo: age \[1, 4\]"):
        Classifier(age)
    rectified = written("relu.pb", lambda more, x: tf.nn.relu(x, name="out"))
    with pytest.raises(RunError, match="without a head"):
        Classifier(rectified)
    rate = written(
        "rate.pb", lambda more, x: tf.nn.softmax(x * more(tf.float32, [], name="keep_prob"), name="final_result")
    )
    assert Classifier(rate).metadata.labels == ()
