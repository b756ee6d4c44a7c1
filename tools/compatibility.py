"""Runs the real classifiers of ../shared without a flag and with their true settings, and writes docs/compatibility.md.

The true settings are written here by hand, from the README.tsv beside the files, and are run by the runtime itself: LiteRT,
a TensorFlow session or Keras. That half uses none of label_image's detectors.

    python tools/compatibility.py            writes docs/compatibility.md
    python tools/compatibility.py --check    reports differences in the columns that do not vary between runs
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image import Classifier, UserError  # noqa: E402 - the path comes first
from label_image.describe import range_text  # noqa: E402
from label_image.model_metadata import Metadata  # noqa: E402
from label_image.photo_pixels import decode  # noqa: E402
from label_image.quiet import native_noise_hidden, tensorflow  # noqa: E402

DATA = ROOT.parent / "shared" / "data" / "retrained"
PAGE = ROOT / "docs" / "compatibility.md"
TOLERANCE = 1e-3  # because scores are sums of float32 in another order

Scores = npt.NDArray[np.float32]
MINUS, ZERO_ONE, PIXELS = (127.5, 127.5), (0.0, 255.0), (0.0, 1.0)


@dataclass(frozen=True)
class Truth:
    """The true settings of a file, and the correct labels."""

    folder: str
    file: str
    what: str
    size: int
    range: tuple[float, float]  # mean, std
    ends: tuple[str, str] = ("", "")  # tensors of a frozen graph
    answers: Mapping[str, str] = field(default_factory=dict)  # photo -> the label that README.tsv states as verified
    order: str = "RGB"
    crop: int = 0
    flat: bool = False
    refused: bool = False


_FLOWERS = {f"{name}_3.jpg": name for name in ("daisy", "dandelion", "roses", "sunflowers", "tulips")}
_TFP = ("input:0", "final_result:0")
_PLATES = {f"{name}Test1.jpg": name for name in ("indiana", "newyork", "oklahoma", "pennsylvania")}
_VEHICLES = {f"emergency_{n}.jpg": "Emergency vehicle" for n in (13, 22)} | {
    f"normal_{n}.jpg": "Normal vehicle" for n in (1005, 1020)
}
_FRUITS = {"n07749582_lemon.jpg": "Lemon", "n07742313_Granny_Smith.jpg": "Apple", "fresh_banana.png": "Banana"}
TRUTHS = (
    Truth("tfp_plates_mnv1_025_128", "retrained_graph.pb", "TensorFlow for Poets", 128, MINUS, _TFP,
          _PLATES | {"wyomingTest1.jpg": "newyork"}),
    Truth("tfp_inspection_mnv1_025_128", "optimized_graph.pb", "TensorFlow for Poets, optimized", 128, MINUS, _TFP),
    Truth("imagenet_mnv1_025_128_frozen", "quantized_graph.pb", "ImageNet MobileNet v1", 128, MINUS,
          ("input:0", "MobilenetV1/Predictions/Reshape_1:0"),
          {"cat.jpg": "Egyptian cat", "n01443537_goldfish.jpg": "goldfish, Carassius auratus"}),
    Truth("tfp_glasses_lite_025_224", "optimized_graph025_224.lite", "TensorFlow for Poets 2, TFLite", 224, MINUS,
          answers={"grace_hopper.jpg": "with glasses"}),
    Truth("keras_frozen_flowers_80", "output_graph.pb", "Keras, frozen; rank 1", 80, ZERO_ONE,
          ("firstConv2D_input:0", "k2tfout_0:0"), _FLOWERS),
    Truth("mnist_softmax_flat784", "beginner-graph.pb", "MNIST softmax, flat input", 28, ZERO_ONE, ("input:0", "output:0"),
          {"mnist_nine.bmp": "9"}, order="grey", flat=True),
    Truth("customvision_fruits_pb", "model.pb", "Azure Custom Vision", 227, PIXELS, ("Placeholder:0", "loss:0"),
          _FRUITS, order="BGR", crop=256),
    Truth("imagenet_mnv1_025_128_quant_tflite", "mobilenet_v1_0.25_128_quant.tflite", "ImageNet, TFLite uint8", 128, PIXELS,
          answers={"cat.jpg": "tiger cat", "chickadee.bmp": "chickadee"}),
    Truth("imagenet_mnv1_025_224_metadata_tflite", "mobilenet_v1_0.25_224_1_metadata_1.tflite", "TFLite with metadata", 224,
          MINUS, answers={"burger.jpg": "cheeseburger"}),
    Truth("automl_labeler_tflite", "automl_labeler_model.tflite", "AutoML Vision Edge, TFLite uint8", 224, PIXELS,
          answers=_FLOWERS),
    Truth("tm_mask_quant_tflite", "model.tflite", "Teachable Machine, TFLite uint8", 224, PIXELS,
          answers={"face.jpg": "No-Mask"}),
    Truth("tm_emergency_vehicle_keras", "keras_model.h5", "Teachable Machine, Keras 2 h5", 224, MINUS, answers=_VEHICLES),
    Truth("tm_savedmodel_two_class", "model.savedmodel", "Teachable Machine, SavedModel", 224, MINUS),
    Truth("keras3_fashion_mnist", "model.keras", "Keras 3, grey", 28, ZERO_ONE, order="grey"),
    Truth("mnist_gray_tflite", "mnist.tflite", "MNIST, TFLite float, grey", 28, ZERO_ONE, answers={"mnist_nine.bmp": "9"},
          order="grey"),
    Truth("person_detect_int8_tflm", "person_detect.tflite", "TFLite Micro, int8, grey", 96, PIXELS, refused=True),
    Truth("keras_potato_tflite", "2.tflite", "Keras, TFLite; division folded in", 256, PIXELS,
          answers={"early_blight_1.jpg": "Early Blight", "healthy_leaf.jpg": "Healthy"}),
)  # fmt: skip


@dataclass(frozen=True)
class FileResult:
    """The result of running one file in both ways."""

    truth: Truth
    taken: Metadata | None
    right: int
    difference: float
    seconds: float  # to open the file and label its first photo
    error: str = ""


def photos(truth: Truth) -> list[Path]:
    """Returns its sample images; if it has none, the grey digits, which at least allow comparing scores."""
    own = sorted((DATA / truth.folder / "images").glob("*"))
    return own or sorted((DATA / "mnist_gray_tflite" / "images").glob("*"))


def pixels(truth: Truth, photo: Path) -> Scores:
    """Reads a photo with the true settings, as a batch of one."""
    values = decode(photo, truth.size, truth.size, truth.crop).astype(np.float32)
    if truth.order == "BGR":
        values = values[..., ::-1]
    if truth.order == "grey":
        values = values[..., :1]  # the samples are grey, so all channels are equal
    values = (values - truth.range[0]) / truth.range[1]
    return np.ascontiguousarray(values.reshape(1, -1) if truth.flat else values[None])


def reference(truth: Truth) -> Callable[[Path], Scores]:
    """Returns a function that runs the runtime itself with the true settings: path of a photo -> scores."""
    path = DATA / truth.folder / truth.file
    if path.suffix in (".tflite", ".lite"):
        return _litert(truth, path)
    tf = tensorflow()
    if path.suffix == ".pb":
        graph = tf.Graph()
        with graph.as_default():
            definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
            tf.import_graph_def(definition, name="")
        session = tf.compat.v1.Session(graph=graph)
        return lambda photo: np.asarray(session.run(truth.ends[1], {truth.ends[0]: pixels(truth, photo)})).reshape(-1)
    if path.is_dir():
        signature = tf.saved_model.load(str(path)).signatures["serving_default"]
        (name,) = signature.structured_input_signature[1]
        return lambda photo: next(iter(signature(**{name: tf.constant(pixels(truth, photo))}).values())).numpy()[0]
    return _keras(truth, path)


def _keras(truth: Truth, path: Path) -> Callable[[Path], Scores]:
    if path.suffix == ".h5":
        import tf_keras as keras
    else:
        import keras
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = keras.models.load_model(path, compile=False)
    return lambda photo: np.asarray(model(pixels(truth, photo), training=False))[0]


def _litert(truth: Truth, path: Path) -> Callable[[Path], Scores]:
    from ai_edge_litert.interpreter import Interpreter

    with native_noise_hidden():
        interpreter: Any = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
    source, result = interpreter.get_input_details()[0], interpreter.get_output_details()[0]

    def scores(photo: Path) -> Scores:
        interpreter.set_tensor(source["index"], pixels(truth, photo).astype(source["dtype"]))
        interpreter.invoke()
        values = interpreter.get_tensor(result["index"])[0].astype(np.float32)
        scale, zero = result["quantization"]
        return np.asarray((values - zero) * scale if scale else values)

    return scores


def outcome(truth: Truth) -> FileResult:
    """Runs one file in both ways."""
    start = time.perf_counter()
    try:
        classifier = Classifier(DATA / truth.folder / truth.file, threads=1)
        first = classifier.classify(photos(truth)[0])
    except UserError as error:
        return FileResult(truth, None, 0, 0.0, time.perf_counter() - start, str(error))
    seconds = time.perf_counter() - start
    answers = {photo.name: classifier.classify(photo) for photo in photos(truth)}
    if not np.array_equal(first.scores, answers[photos(truth)[0].name].scores):
        return FileResult(truth, classifier.metadata, 0, 0.0, seconds, "the same photo, two answers")
    right = sum(answers[name].top(1)[0][0] == label for name, label in truth.answers.items())
    wanted = reference(truth)
    differences = [np.abs(answers[photo.name].scores - wanted(photo)).max() for photo in photos(truth)]
    return FileResult(truth, classifier.metadata, right, float(max(differences)), seconds)


def row(found: FileResult) -> str:
    """Returns a row of the table."""
    truth, metadata = found.truth, found.taken
    name = f"`{truth.folder}/{truth.file}`"
    if metadata is None:
        return (
            f"| {name} | {truth.what} | refused with one line | no runtime here can run it | - | {found.seconds:.1f} |"
        )
    crop = f", middle of {metadata.crop_px}" if metadata.crop_px else ""
    taken = f"{metadata.height_px} x {metadata.width_px} {metadata.order}{crop}, {range_text(metadata)}; {_first(metadata.facts['range'])}"
    right = f"{found.right} of {len(truth.answers)}" if truth.answers else "no known label"
    return f"| {name} | {truth.what} | {taken} | {right} | {found.difference:.1g} | {found.seconds:.1f} |"


def _first(text: str) -> str:
    return text.split("; if the labels", maxsplit=1)[0]


def page(found: list[FileResult]) -> str:
    """Returns the text of the document."""
    head = """# Compatibility

`python tools/compatibility.py` wrote this page from the seventeen classifiers in `../shared/data/retrained`, which other people
exported. Each is run as `python -m label_image --graph FILE --image PHOTO`, without another flag, and again by its runtime alone
with the true settings of `README.tsv`. "Correct" counts the sample photos with a known label; "difference" is the largest
difference between two scores; "seconds" is the time to open the file and label its first photo (for the first `.pb`, including
the import of TensorFlow).

| file | origin | settings without a flag, and why | correct | difference | seconds |
|---|---|---|---|---|---|
"""
    lines = "\n".join(row(one) for one in found)
    refused = "\n".join(f"- `{one.truth.folder}`: {one.error.replace(str(DATA), '...')}" for one in found if one.error)
    guesses = [one.truth.folder for one in found if one.taken and "a guess" in one.taken.facts["range"]]
    tail = f"""

These files are refused with one line and exit status 1:

{refused}

A range that is called a guess was derived only from names or conventions ({", ".join(f"`{name}`" for name in guesses)}). The
message on standard error starts with the guess and ends with the flag to use if the labels look wrong. With a wrong range,
scores can be just as high as with the right one.
"""
    return head + lines + tail


def main(argv: list[str]) -> int:
    """Runs all files and writes the page, or checks it; returns exit status 1 if something is wrong."""
    found = [outcome(truth) for truth in TRUTHS]
    bad = [one for one in found if (one.taken is None) != one.truth.refused or one.right != len(one.truth.answers)]
    bad += [one for one in found if one.difference > TOLERANCE]
    for one in bad:
        print(f"compatibility: {one.truth.folder}: {one.right} right, difference {one.difference:.2g} {one.error}")
    if "--check" not in argv:
        PAGE.write_text(page(found), "utf-8")
        print(f"written: {PAGE.relative_to(ROOT)}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
