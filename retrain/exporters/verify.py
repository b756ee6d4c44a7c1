"""Verifies each export by running it on photos before it gets its final name; an export with wrong results is deleted.

The code of label_image opens the file and labels the test photos. If the scores differ from those of its head by more than float32
rounding, there is an error, such as a wrong scaling, channel order or order of labels. Quantization changes the scores on purpose; then
the labels are compared with those of the trained model, and the loss of accuracy is limited.
"""

from __future__ import annotations

import contextlib
import dataclasses
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from label_image.classifier import Classifier
from label_image.errors import PhotoError, RunError
from label_image.find_metadata import Overrides
from label_image.photo_pixels import decode, normalise
from retrain.exporters.expected import Expected, Scores
from retrain.exporters.exporter import Verified
from retrain.exporters.order import Order
from retrain.exporters.other_programs import PHOTOS, Readers
from retrain.files.atomic import replacing
from retrain.files.hard_links import size_of
from retrain.files.hashing import bytes_of
from retrain.metrics import wilson_interval
from retrain.types import Export, Reading

# For float32 sums in another order: 1e-5 within one runtime, up to about 1e-4 between LiteRT, TensorFlow and a GPU.
TOLERANCE = 2e-3
_NAMED = 10  # maximum number of photos that an error names


@dataclass(frozen=True)
class Measured:
    """The results of running an export."""

    scores: Scores  # for the photos that could be read
    ms_image: float  # median, of the network alone
    lost: tuple[int, ...] = ()  # indices of photos that could not be read any more, or have changed
    readings: tuple[Reading, ...] = ()  # by other programs
    also: str = ""  # what else was checked, for the user


def export(order: Order, expected: Expected) -> Export:
    """Writes one export to a temporary name, verifies it, and gives it its name.

    Raises:
      RunError: it labels incorrectly, or cannot be written.
    """
    expected = expected.stated(expected.scores)
    place = order.kept or order.path
    try:
        with replacing(place) as scratch:
            order.format.exporter.write(scratch, expected.head, expected.backbone, expected.metadata)
            found = order.format.exporter.known(scratch, expected) or verify(order, scratch, expected)
        size = size_of(place)
    except OSError as error:
        raise RunError(f"cannot write {place}: {error.strerror or error}") from None
    kind, path = order.format.kind, order.path
    if isinstance(found, Verified):
        return Export(kind, path, size, found.difference, found.how, order.quantize, kept=order.kept)
    made = Export(kind, path, size, quantize=order.quantize, kept=order.kept, readings=found.readings)
    return _with_figures(made, found, expected.without(found.lost))


def _with_figures(made: Export, measured: Measured, expected: Expected) -> Export:
    """Adds the measured results to an export."""
    guesses = measured.scores.argmax(axis=1)
    right = int((guesses == expected.label_ids).sum())
    return dataclasses.replace(
        made,
        largest_difference=float(np.abs(measured.scores - expected.trained).max()),
        how=f"run on {len(guesses)} photos{measured.also}",
        agreement=float((guesses == expected.trained.argmax(axis=1)).mean()),
        accuracy=right / len(guesses),
        interval=wilson_interval(right, len(guesses)),
        images=len(guesses),
        ms_image=measured.ms_image,
    )


def verify(order: Order, scratch: Path, expected: Expected) -> Measured:
    """Runs the written export on the photos, and compares the results.

    Raises:
      RunError: it does not label as it should.
    """
    exporter = order.format.exporter
    file = exporter.model(scratch)
    exporter.check_form(file, order.path, expected)
    measured = _measure_and_read(order, file, expected)
    expected = expected.without(measured.lost)
    if order.quantize in (
        "none",
        "int8",
    ):  # in the other precisions, scores differ from those on stored features by more than rounding
        check_scores(order.path, measured.scores, expected)
    if order.quantize != "none":
        check_loss(order.path, measured.scores, expected)
    exporter.remember(expected, float(np.abs(measured.scores - expected.scores).max()))
    now = expected.stated(measured.scores).metadata
    if now != expected.metadata:
        exporter.restate(scratch, expected.metadata, now)
    return dataclasses.replace(measured, also=exporter.self_test(scratch, expected))


def _measure_and_read(order: Order, file: Path, expected: Expected) -> Measured:
    """Labels the photos with the export, and meanwhile some of them in other programs that have not tested such an export yet."""
    form = f"{order.quantize}/{expected.form}"
    with closing(Readers(order.format.kind, order.format.exporter.readers, expected.backbone, form)) as readers:
        places = np.unique(np.linspace(0, len(expected.photos) - 1, PHOTOS).astype(int))
        if readers.wanted:
            with contextlib.suppress(OSError, PhotoError):  # unreadable photos are reported below
                readers.ask(file, _pictures(expected, places))
        measured = measure(file, order.path, expected)
        left = np.delete(np.arange(len(expected.photos)), measured.lost)
        if len(measured.lost) and not np.isin(places, left).all():
            return measured
        readings = readers.answers(measured.scores[np.searchsorted(left, places)], order.quantize)
    return dataclasses.replace(measured, readings=readings)


def _pictures(expected: Expected, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Prepares some of the photos as input of the network: float32 [n, height, width, 3]."""
    backbone, rows = expected.backbone, []
    for place in places:
        photo = expected.photos[place]
        pixels = decode(bytes_of(photo.path, photo.sha256), backbone.height_px, backbone.width_px)
        rows.append(normalise(pixels, backbone.mean, backbone.std))
    return np.stack(rows)


def measure(file: Path, path: Path, expected: Expected) -> Measured:
    """Opens an export and labels the photos with it.

    Args:
      file: the file that was written.
      path: the final path of the export, for error messages.
      expected: the photos, and the labels in their order.

    Raises:
      RunError: its labels differ from the expected ones, or no photo can be read any more.
    """
    classifier = Classifier(file, Overrides())
    if classifier.metadata.labels != expected.head.labels:
        raise RunError(
            f"the export {path} is wrong and was not kept: its labels are {classifier.metadata.labels}, not {expected.head.labels}"
        )
    rows, seconds, lost = [], [], []
    reads = [partial(bytes_of, photo.path, photo.sha256) for photo in expected.photos]
    for place, answer in enumerate(classifier.classify_all(reads)):
        if answer.error:
            expected.say(f"{path} is verified without {expected.photos[place].path} ({answer.error})")
            lost.append(place)
            continue
        rows.append(answer.scores)
        seconds.append(answer.seconds)
    if not rows:
        raise RunError(
            f"cannot verify {path}: none of its {len(reads)} photos can be read any more; run the same command again"
        )
    return Measured(np.stack(rows), 1000 * float(np.median(seconds)), tuple(lost))


def check_scores(path: Path, scores: Scores, expected: Expected) -> None:
    """Compares the scores of an export with those of its head.

    Raises:
      StaleFeaturesError: the stored features of the head are wrong.
      RunError: the difference is beyond rounding; the photo where it is largest is named.
    """
    differences = np.abs(scores - expected.scores).max(axis=1)
    differences[~np.isfinite(differences)] = np.inf
    worst = int(differences.argmax())
    if not differences[worst] <= TOLERANCE:
        differing = [row for row in np.argsort(-differences, kind="stable") if not differences[row] <= TOLERANCE]
        expected.recheck([expected.photos[row] for row in differing])
        _say_differing(path, scores, expected.scores, expected)
        raise RunError(
            f"the export {path} is wrong and was not kept: a score of {expected.photos[worst].path} differs by {differences[worst]:.2g} "
            f"from the trained layer's, at most {TOLERANCE:g} is rounding; please report this"
        )


def check_loss(path: Path, scores: Scores, expected: Expected) -> None:
    """Limits the loss of accuracy by quantization. A single wrong photo is never an error, because in a small test set it is many points.

    Raises:
      RunError: the loss exceeds --max_quantization_loss.
    """
    label_ids = expected.label_ids
    right, wanted = (int((rows.argmax(axis=1) == label_ids).sum()) for rows in (scores, expected.trained))
    points = 100 * (wanted - right) / len(label_ids)
    if wanted - right > 1 and points > expected.most_loss:
        expected.recheck([expected.photos[row] for row in _differing(scores, expected.trained)])
        differing = _say_differing(path, scores, expected.trained, expected)
        raise RunError(
            f"the quantized {path} loses {points:.1f} points of accuracy ({right} of {len(label_ids)} photos right, the trained model {wanted}) "
            f"and was not kept; {differing} photos differ; allow it with --max_quantization_loss, or use --quantize=none"
        )


def _say_differing(path: Path, scores: Scores, wanted: Scores, expected: Expected) -> int:
    """Reports the photos whose label is not the expected one, and their number."""
    labels = expected.head.labels
    rows = _differing(scores, wanted)
    for row in rows[:_NAMED]:
        ours, theirs = labels[int(scores[row].argmax())], labels[int(wanted[row].argmax())]
        expected.say(f"{expected.photos[row].path}: {path} says {ours}, the trained model {theirs}")
    if len(rows) > _NAMED:
        expected.say(f"and {len(rows) - _NAMED} more")
    return len(rows)


def _differing(scores: Scores, wanted: Scores) -> list[int]:
    """Returns the rows whose label is not the expected one."""
    rows: list[int] = np.flatnonzero(scores.argmax(axis=1) != wanted.argmax(axis=1)).tolist()
    return rows
