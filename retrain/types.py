"""The nouns of the pipeline: frozen, with shape and dtype at the field. Imports nothing heavy and nothing of ours.

Photo -> Scan -> Split -> Backbone -> Bottlenecks -> Head -> Export
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

LISTS = ("training", "validation", "testing")  # the original's names; a list's number is its place here
TRAINING, VALIDATION, TESTING = range(3)
ACTIVATIONS: dict[str, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]] = {
    "relu": lambda flow: np.maximum(flow, np.float32(0)),
    "sigmoid": lambda flow: np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * flow)),  # 1 / (1 + e^-x), which overflows
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Photo:
    """One picture file that could be opened."""

    path: str  # as found: join(image_dir as typed, folder, file)
    label: str
    sha256: str  # of the file's bytes, hex
    given: int | None = None  # the list it belongs to where the folders say it (train/, validation/, test/)

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return self.path[self.path.rfind(os.sep) + 1 :]  # Path's and os.path's ways take longer; a million are asked


@dataclass(frozen=True)
class Skipped:
    """One file that is not used, and why."""

    path: str
    reason: str  # what it is counted by
    detail: str


@dataclass(frozen=True)
class Scan:
    """What a folder holds."""

    photos: tuple[Photo, ...]  # by label, then file name
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()  # what the user should know, a line each

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, sorted by code point."""
        return tuple(sorted({photo.label for photo in self.photos}))


@dataclass(frozen=True)
class Split:
    """Photos with the list that each belongs to."""

    photos: tuple[Photo, ...]
    labels: tuple[str, ...]  # class k is labels[k]
    lists: npt.NDArray[np.int8]  # [photos]: TRAINING, VALIDATION or TESTING
    notes: tuple[str, ...] = ()

    @property
    def label_ids(self) -> npt.NDArray[np.int64]:
        """int64 [photos], indices into labels."""
        number = {label: index for index, label in enumerate(self.labels)}
        return np.array([number[photo.label] for photo in self.photos], np.int64)

    def counts(self) -> npt.NDArray[np.int64]:
        """int64 [classes, 3]: photos of each class in each list."""
        table = np.zeros((len(self.labels), len(LISTS)), np.int64)
        np.add.at(table, (self.label_ids, self.lists), 1)
        return table


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its head, made ready in --model_dir."""

    name: str  # "efficientnet_lite0"
    digest: str  # sha256 of the weights it was made from and of how, hex
    height_px: int
    width_px: int
    mean: tuple[float, ...]  # input = (pixel - mean) / std
    std: tuple[float, ...]
    width: int  # features a photo
    graph: Path  # headless GraphDef
    input_layer: str  # in that graph
    features_layer: str
    tflite: Path | None  # headless .tflite; None where LiteRT can not run the network
    why_no_tflite: str = ""
    source: str = ""  # where the weights came from, for people
    licence: str = ""
    precision: str = (
        "float32"  # of the `.tflite`: "float32", "float16", "dynamic" or "int8"; the graph is float32 always
    )


@dataclass(frozen=True)
class Bottlenecks:
    """The features of photos: what stands before the head."""

    features: npt.NDArray[np.float32]  # [views, photos, width]; view 0 is the photo as it is
    label_ids: npt.NDArray[np.int64]  # [photos], indices into Split.labels
    lists: npt.NDArray[np.int8]  # [photos]
    key: str = ""  # the store key of view 0

    def rows(self, which: int) -> npt.NDArray[np.int64]:
        """The numbers of the photos in one list."""
        return np.flatnonzero(self.lists == which)


@dataclass(frozen=True)
class Pace:
    """How fast the features of photos came, without distorted views; all 0 where each was in the store."""

    computed: int = 0  # photos that were not in the store
    seconds: float = 0.0  # spent on them, the network's start included
    first: int = 0  # photos that came with the first batch
    first_seconds: float = 0.0  # until it was there


@dataclass(frozen=True)
class Curve:
    """What training showed: one entry an evaluation."""

    steps: tuple[int, ...]
    train_accuracy: tuple[float, ...]  # 0..1, on the batch just trained
    train_loss: tuple[float, ...]  # nats
    validation_accuracy: tuple[float, ...]  # 0..1, on the batch drawn
    validation_loss: tuple[float, ...]  # nats, on the batch drawn
    kept_step: int  # the step whose weights are the result
    stopped_early: bool = False  # by Ctrl-C
    weight_decay: float | None = None  # that lbfgs used; None of the others, whose plan says it
    share: float | None = (
        None  # of fine-tuning: how far from the pretrained weights to the last ones the result lies, 0..1
    )
    temperature: float | None = None  # of fine-tuning: what its logits were divided by
    judged_loss: tuple[float, ...] = ()  # nats, on all photos that judge the steps: what the kept step was chosen by
    judged_photos: int = 0  # how many these are: the validation list, or 2,000 of it
    share_losses: tuple[
        tuple[float, float], ...
    ] = ()  # of fine-tuning: (share, loss) of each point that `share` was chosen of


@dataclass(frozen=True)
class Dense:
    """A hidden layer: out = activation(in @ weights + biases)."""

    weights: npt.NDArray[np.float32]  # [in, out]
    biases: npt.NDArray[np.float32]  # [out]
    activation: str  # of ACTIVATIONS


@dataclass(frozen=True)
class Head:
    """A softmax layer: scores = softmax(features @ weights + biases); perhaps hidden layers between features and it."""

    weights: npt.NDArray[np.float32]  # [width, classes], of the last layer; standardisation is folded into the first
    biases: npt.NDArray[np.float32]  # [classes]
    labels: tuple[str, ...]
    curve: Curve | None = field(default=None, repr=False)
    hidden: tuple[Dense, ...] = ()  # what needs a linear head (class activation maps) has to ask whether it is empty

    def logits(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """float32 [n, width] -> float32 [n, classes]."""
        for layer in self.hidden:
            features = ACTIVATIONS[layer.activation](features @ layer.weights + layer.biases)
        product: npt.NDArray[np.float32] = features @ self.weights + self.biases
        return product


@dataclass(frozen=True)
class Trained:
    """A head, and the backbone on whose features it was trained."""

    head: Head
    backbone: Backbone
    bottlenecks: Bottlenecks


@dataclass(frozen=True)
class Reading:
    """What a program that is not ours made of an export (docs/elsewhere.md)."""

    reader: str  # its name and version
    outcome: str  # "agrees", "differs", "refuses", "crashes" or "hangs"
    difference: float | None = None  # the largest of a score, from that of our own runtime


@dataclass(frozen=True)
class Export:
    """A file that was written, read back and found right. What was not measured is None."""

    kind: str  # as its row in exporters/table says; "labels", "checkpoint"
    path: Path
    bytes: int
    largest_difference: float | None = None  # of a score, against the trained model
    how: str = ""  # how it was checked
    quantize: str = "none"  # "none", "float16", "dynamic" or "int8"
    agreement: float | None = None  # 0..1, share of the photos with the trained model's label
    accuracy: float | None = None  # 0..1, on these photos
    interval: tuple[float, float] | None = None  # 95 %, Wilson
    images: int = 0  # photos that it was run on
    ms_image: float | None = None  # median, of the network alone, all cores busy
    kept: Path | None = None  # where the run keeps it, in its own folder
    readings: tuple[Reading, ...] = ()  # by other programs that are installed here
    asked: Path | None = None  # where it was to go, if it did not: a stopped training leaves what was there before


@dataclass(frozen=True)
class Suspect:
    """A photo whose label is likely wrong."""

    path: str
    label: str
    suggested: str  # predicted by a head that was not trained on the photo
    quality: float  # probability of the photo's own label, 0..1; a low one suggests a wrong label
    list: str  # one of LISTS


@dataclass(frozen=True)
class NearDuplicates:
    """Two photos with equal bytes or nearly the same picture."""

    first: str  # paths
    second: str
    first_list: str
    second_list: str
    first_label: str
    second_label: str
    exact: bool
    similarity: float  # 0..1


@dataclass(frozen=True)
class CurvePoint:
    """The accuracy that a number of training photos would have given."""

    photos: int  # number of training photos
    accuracy: float  # 0..1
    per_class: dict[str, float]  # recall, 0..1


@dataclass(frozen=True)
class Audit:
    """Which photos to look at, and whether more of them would help."""

    suspects: tuple[Suspect, ...] = ()  # lowest label quality first
    duplicates: tuple[NearDuplicates, ...] = ()  # pairs in different subsets first
    leaks: int = 0  # test photos with a near-duplicate in the training or validation set
    accuracy_without_leaks: float | None = None  # 0..1
    tested_without_leaks: int = 0
    learning_curve: tuple[CurvePoint, ...] = ()  # fewest photos first
    advice: tuple[str, ...] = ()  # the lines that are printed
    seconds: float = 0.0
    missing: str = ""  # what could not be done, and why


@dataclass(frozen=True)
class Outcome:
    """What a run has to say for itself."""

    accuracy: float | None  # 0..1 on the test list; None where it is empty
    tested: int
    interval: tuple[float, float]  # 95 %, Wilson
    predictions: npt.NDArray[np.int64]  # [tested], what the head says
    rows: npt.NDArray[np.int64]  # [tested], which photos
    scores: npt.NDArray[np.float32]  # [tested, classes], rows that sum to 1
    exports: tuple[Export, ...] = ()
    accuracy_of_views: float | None = None  # 0..1, of the mean score over --test_time_views; None where there are none
    audit: Audit | None = None
