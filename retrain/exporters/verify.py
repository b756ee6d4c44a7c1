"""A written export in, a proof of how it labels out; or a RunError, and the file never gets its name.

The file is opened with label_image's own code and labels the test photos from their files. A difference from its own
head's scores beyond float32 rounding is a fault: wrong scaling, wrong channel order, labels in another order. Where
quantizing changes the numbers on purpose, its labels are held against the trained model's, and what it loses is bounded.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from label_image.classifier import Classifier
from label_image.errors import PhotoError, RunError
from label_image.find_metadata import Overrides
from label_image.model_metadata import Metadata
from label_image.photo_pixels import decode, normalise
from label_image.softmax import softmax
from retrain.exporters import device_folder
from retrain.exporters import graph as graph_exporter
from retrain.exporters.other_programs import PHOTOS, Readers
from retrain.exporters.table import Order
from retrain.exporters.verified_graphs import PROVEN
from retrain.features import library_versions
from retrain.files.atomic import replacing
from retrain.files.hard_links import size_of
from retrain.files.hashing import bytes_of, file_digest
from retrain.formats.tflite_structure import check
from retrain.metrics import wilson_interval
from retrain.types import Backbone, Export, Head, Photo, Reading

# The same float32 sums in another order: 1e-5 on one runtime, up to some 1e-4 between LiteRT, TensorFlow and a GPU.
TOLERANCE = 2e-3
_NAMED = 10  # photos that an error names

Scores = npt.NDArray[np.float32]  # [photos, classes]


@dataclass(frozen=True)
class Measured:
    """What an export did."""

    scores: Scores  # of the photos that could be read
    ms_image: float  # median, of the network alone
    lost: tuple[int, ...] = ()  # places of photos that could not be read any more, or have changed
    readings: tuple[Reading, ...] = ()  # by other programs


class _Known(NamedTuple):
    """What TensorFlow showed when it ran a graph, and where that was."""

    difference: float  # the largest, of a score
    where: str


@dataclass(frozen=True)
class Proof:
    """What an export is held against."""

    photos: tuple[Photo, ...]
    features: npt.NDArray[np.float32]  # [photos, width], of this export's own backbone
    head: Head  # its own
    backbone: Backbone
    metadata: Metadata
    trained: Scores  # of the trained model
    most_loss: float = 2.0  # points of accuracy that quantizing may cost
    say: Callable[[str], None] = lambda _: None  # called with each photo that differs, before an error
    recheck: Callable[[Sequence[Photo]], None] = lambda _: None  # raises where it is their kept features that are wrong

    @property
    def expected(self) -> Scores:
        """The probabilities of this export's own head."""
        return softmax(self.head.logits(self.features))

    @property
    def label_ids(self) -> npt.NDArray[np.int64]:
        """int64 [photos]: the true labels."""
        return np.array([self.head.labels.index(photo.label) for photo in self.photos], np.int64)

    def without(self, lost: Sequence[int]) -> Proof:
        """The same on fewer photos; `lost` are places."""
        if not lost:
            return self
        left = np.delete(np.arange(len(self.photos)), lost)
        photos = tuple(self.photos[place] for place in left)
        return dataclasses.replace(self, photos=photos, features=self.features[left], trained=self.trained[left])

    def stated(self, scores: Scores) -> Proof:
        """The same with this export's own figures in its metadata, where the run has tested at all.

        Args:
          scores: what it says of the photos, or should say.
        """
        if not self.metadata.training.get("tested"):
            return self
        right = int((scores.argmax(axis=1) == self.label_ids).sum())
        figures = {"test_accuracy": right / len(scores), "tested": len(scores)}
        return dataclasses.replace(
            self, metadata=dataclasses.replace(self.metadata, training={**self.metadata.training, **figures})
        )

    @property
    def example(self) -> Photo:
        """The first photo that the head labels rightly; the first of all if there is none."""
        right = np.flatnonzero(self.expected.argmax(axis=1) == self.label_ids)
        return self.photos[right[0] if len(right) else 0]


def export(order: Order, proof: Proof) -> Export:
    """Writes one export to a temporary name, proves it, and gives it its name.

    Raises:
      RunError: it does not label as it should, or can not be written.
    """
    path, kind = order.path, order.exporter.kind
    proof = proof.stated(proof.expected)
    place = order.kept or path
    try:
        with replacing(place) as scratch:
            order.exporter.write(scratch, proof.head, proof.backbone, proof.metadata)
            proven = _prove(order, scratch, proof)
        size = size_of(place)
    except OSError as error:
        raise RunError(f"cannot write {place}: {error.strerror or error}") from None
    if isinstance(proven, _Known):
        how = f"bit by bit the graph that TensorFlow ran {proven.where}, with this head"
        return Export(kind, path, size, proven.difference, how, order.quantize, kept=order.kept)
    proof = proof.without(proven.lost)
    guesses = proven.scores.argmax(axis=1)
    right = int((guesses == proof.label_ids).sum())
    return Export(
        kind,
        path,
        size,
        float(np.abs(proven.scores - proof.trained).max()),
        f"run on {len(guesses)} photos{', then by itself on one' if kind == 'device_folder' else ''}",
        order.quantize,
        float((guesses == proof.trained.argmax(axis=1)).mean()),
        right / len(guesses),
        wilson_interval(right, len(guesses)),
        len(guesses),
        proven.ms_image,
        order.kept,
        readings=proven.readings,
    )


def _prove(order: Order, scratch: Path, proof: Proof) -> Measured | _Known:
    """What the export did; or what TensorFlow once showed, where the graph is known."""
    path, kind = order.path, order.exporter.kind
    if kind == "graph":
        known = _graph_proof(proof)
        if known is not None and graph_exporter.same_but_for_head(scratch, proof.head, proof.backbone, proof.metadata):
            return known
    file = scratch / device_folder.MODEL if kind == "device_folder" else scratch
    if order.exporter.needs_litert:
        check(file, str(path), proof.metadata.input_layer, proof.metadata.output_layer)
    measured = _measure_and_read(order, file, proof)
    proof = proof.without(measured.lost)
    if order.quantize in ("none", "int8"):  # the others do not calculate as the backbone did whose features are kept
        check_scores(path, measured.scores, proof)
    if order.quantize != "none":
        check_loss(path, measured.scores, proof)
    if kind == "graph":
        difference = float(np.abs(measured.scores - proof.expected).max())
        _remember_graph_proof(proof, difference)
    now = proof.stated(measured.scores).metadata
    if now != proof.metadata:
        order.exporter.restate(scratch, proof.metadata, now)
    if kind == "device_folder":
        device_folder.add_selftest(scratch, bytes_of(proof.example.path, proof.example.sha256))
    return measured


def _measure_and_read(order: Order, file: Path, proof: Proof) -> Measured:
    """Has the export label the photos, and meanwhile other programs, which have never seen one of its form, some of them."""
    hidden = "".join(f"/{layer.activation}" for layer in proof.head.hidden)
    form = f"{order.quantize}/{proof.metadata.output_layer}{hidden}"
    with closing(Readers(order.exporter.kind, proof.backbone, form)) as readers:
        places = np.unique(np.linspace(0, len(proof.photos) - 1, PHOTOS).astype(int))
        if readers.wanted:
            with contextlib.suppress(OSError, PhotoError):  # a photo that cannot be read is told below
                readers.ask(file, _pictures(proof, places))
        measured = measure(file, order.path, proof)
        left = np.delete(np.arange(len(proof.photos)), measured.lost)
        if len(measured.lost) and not np.isin(places, left).all():
            return measured
        readings = readers.answers(measured.scores[np.searchsorted(left, places)], order.quantize)
    return dataclasses.replace(measured, readings=readings)


def _pictures(proof: Proof, places: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """float32 [n, height, width, 3]: some of the photos as the network takes them."""
    backbone, rows = proof.backbone, []
    for place in places:
        photo = proof.photos[place]
        pixels = decode(bytes_of(photo.path, photo.sha256), backbone.height_px, backbone.width_px)
        rows.append(normalise(pixels, backbone.mean, backbone.std))
    return np.stack(rows)


def measure(scratch: Path, path: Path, proof: Proof) -> Measured:
    """Opens an export and labels the photos with it.

    Args:
      scratch: the file as it is written now.
      path: the name it is to get, for the error.
      proof: the photos, and the labels in their order.

    Raises:
      RunError: its labels are others, or no photo can be read any more.
    """
    classifier = Classifier(scratch, Overrides())
    if classifier.metadata.labels != proof.head.labels:
        raise RunError(
            f"the export {path} is wrong and was not kept: its labels are {classifier.metadata.labels}, not {proof.head.labels}"
        )
    rows, seconds, lost = [], [], []
    reads = [partial(bytes_of, photo.path, photo.sha256) for photo in proof.photos]
    for place, answer in enumerate(classifier.classify_all(reads)):
        if answer.error:
            proof.say(f"{path} is verified without {proof.photos[place].path} ({answer.error})")
            lost.append(place)
            continue
        rows.append(answer.scores)
        seconds.append(answer.seconds)
    if not rows:
        raise RunError(
            f"cannot verify {path}: none of its {len(reads)} photos can be read any more; run the same command again"
        )
    return Measured(np.stack(rows), 1000 * float(np.median(seconds)), tuple(lost))


def check_scores(path: Path, scores: Scores, proof: Proof) -> None:
    """Holds an export's scores against its own head's.

    Raises:
      StaleFeaturesError: it is the features that the head was given.
      RunError: the difference is beyond rounding; the photo where it is largest is named.
    """
    differences = np.abs(scores - proof.expected).max(axis=1)
    differences[~np.isfinite(differences)] = np.inf
    worst = int(differences.argmax())
    if not differences[worst] <= TOLERANCE:
        differing = [row for row in np.argsort(-differences, kind="stable") if not differences[row] <= TOLERANCE]
        proof.recheck([proof.photos[row] for row in differing])
        _say_differing(path, scores, proof.expected, proof)
        raise RunError(
            f"the export {path} is wrong and was not kept: a score of {proof.photos[worst].path} differs by {differences[worst]:.2g} "
            f"from the trained layer's, at most {TOLERANCE:g} is rounding; please report this"
        )


def check_loss(path: Path, scores: Scores, proof: Proof) -> None:
    """Bounds what quantizing cost. One photo alone never fails a run: of a few photos it is many points.

    Raises:
      RunError: more is lost than --max_quantization_loss.
    """
    label_ids = proof.label_ids
    right, wanted = (int((rows.argmax(axis=1) == label_ids).sum()) for rows in (scores, proof.trained))
    points = 100 * (wanted - right) / len(label_ids)
    if wanted - right > 1 and points > proof.most_loss:
        proof.recheck([proof.photos[row] for row in _differing(scores, proof.trained)])
        differing = _say_differing(path, scores, proof.trained, proof)
        raise RunError(
            f"the quantized {path} loses {points:.1f} points of accuracy ({right} of {len(label_ids)} photos right, the trained model {wanted}) "
            f"and was not kept; {differing} photos differ; allow it with --max_quantization_loss, or use --quantize=none"
        )


def _say_differing(path: Path, scores: Scores, wanted: Scores, proof: Proof) -> int:
    """Names the photos whose label is not the wanted one, and counts them."""
    labels = proof.head.labels
    rows = _differing(scores, wanted)
    for row in rows[:_NAMED]:
        ours, theirs = labels[int(scores[row].argmax())], labels[int(wanted[row].argmax())]
        proof.say(f"{proof.photos[row].path}: {path} says {ours}, the trained model {theirs}")
    if len(rows) > _NAMED:
        proof.say(f"and {len(rows) - _NAMED} more")
    return len(rows)


def _differing(scores: Scores, wanted: Scores) -> list[int]:
    """Rows whose label is not the wanted one."""
    rows: list[int] = np.flatnonzero(scores.argmax(axis=1) != wanted.argmax(axis=1)).tolist()
    return rows


def _proof_file(backbone: Backbone) -> Path:
    return backbone.graph.with_name(f"{backbone.graph.name}.proof.json")


def _proof_key(proof: Proof, graph: str) -> str:
    """What ran what: TensorFlow's version, the backbone's graph by its digest, and the form of the head."""
    hidden = "".join(f"/{layer.activation}" for layer in proof.head.hidden)
    return f"{library_versions.tensorflow()['TensorFlow']}/{graph}/{proof.metadata.output_layer}{hidden}"


def _graph_proof(proof: Proof) -> _Known | None:
    """What TensorFlow showed when it ran this backbone's graph with such a head; None if it has not."""
    graph = file_digest(proof.backbone.graph)
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        return _Known(
            float(json.loads(_proof_file(proof.backbone).read_text("utf-8"))[_proof_key(proof, graph)]), "before"
        )
    difference = None if proof.head.hidden else PROVEN.get(graph)
    return None if difference is None else _Known(difference, "in this program's own tests")


def _remember_graph_proof(proof: Proof, difference: float) -> None:
    with (
        contextlib.suppress(OSError),
        replacing(_proof_file(proof.backbone)) as scratch,
    ):  # a read-only --model_dir: next time again
        key = _proof_key(proof, file_digest(proof.backbone.graph))
        scratch.write_text(json.dumps({key: difference}), "utf-8")
