"""Defines the data types of the pipeline: frozen, with shape and dtype at each field. Imports no large package.

Photo -> Scan -> Split -> Backbone -> Bottlenecks -> Head -> Export
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

LISTS = (
    "training",
    "validation",
    "testing",
)  # the names of the subsets in the original; a subset's number is its index here
TRAINING, VALIDATION, TESTING = range(3)
ACTIVATIONS: dict[str, Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]] = {
    "relu": lambda flow: np.maximum(flow, np.float32(0)),
    "sigmoid": lambda flow: (
        np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * flow))
    ),  # equals 1 / (1 + e^-x), which can overflow
    "tanh": np.tanh,
}


@dataclass(frozen=True)
class Photo:
    """One picture file that could be opened."""

    path: str  # as found: join(image_dir as typed, folder, file)
    label: str
    sha256: str  # of the file's bytes, hex
    given: int | None = None  # its subset, if a folder (train/, validation/, test/) determines it

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return self.path[
            self.path.rfind(os.sep) + 1 :
        ]  # Path and os.path are slower, and there may be a million photos


@dataclass(frozen=True)
class Skipped:
    """A file that is not used, with the reason."""

    path: str
    reason: str  # a short reason, by which files are counted
    detail: str


@dataclass(frozen=True)
class Scan:
    """The photos and other files of a folder."""

    photos: tuple[Photo, ...]  # by label, then file name
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()  # notes for the user, one line each

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, sorted by code point."""
        return tuple(sorted({photo.label for photo in self.photos}))


@dataclass(frozen=True)
class Split:
    """Photos with the subset of each."""

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
        """int64 [classes, 3]: number of photos of each class in each subset."""
        table = np.zeros((len(self.labels), len(LISTS)), np.int64)
        np.add.at(table, (self.label_ids, self.lists), 1)
        return table


@dataclass(frozen=True)
class Backbone:
    """A pretrained network without its head, prepared in --model_dir."""

    name: str  # "efficientnet_lite0"
    digest: str  # SHA-256 of its weights and of the way it was made, hex
    height_px: int
    width_px: int
    mean: tuple[float, ...]  # input = (pixel - mean) / std
    std: tuple[float, ...]
    width: int  # number of features for each photo
    graph: Path  # headless GraphDef
    input_layer: str  # in that graph
    features_layer: str
    tflite: Path | None  # headless .tflite; None if LiteRT cannot run the network
    why_no_tflite: str = ""
    source: str = ""  # the origin of the weights, for messages
    licence: str = ""
    precision: str = (
        "float32"  # of the `.tflite`: "float32", "float16", "dynamic" or "int8"; the graph is always float32
    )


@dataclass(frozen=True)
class Bottlenecks:
    """The features of photos, which are the input of the head."""

    features: npt.NDArray[np.float32]  # [views, photos, width]; view 0 is the photo without distortion
    label_ids: npt.NDArray[np.int64]  # [photos], indices into Split.labels
    lists: npt.NDArray[np.int8]  # [photos]
    key: str = ""  # the store key of view 0

    def rows(self, which: int) -> npt.NDArray[np.int64]:
        """Returns the indices of the photos in one subset."""
        return np.flatnonzero(self.lists == which)


@dataclass(frozen=True)
class Pace:
    """The speed of computing features, without distorted views; all 0 if all features were in the store."""

    computed: int = 0  # photos that were not in the store
    seconds: float = 0.0  # computing time, including the start of the network
    first: int = 0  # photos in the first batch
    first_seconds: float = 0.0  # time until the first batch was done


@dataclass(frozen=True)
class Curve:
    """The learning curve of training, with one entry for each evaluation."""

    steps: tuple[int, ...]
    train_accuracy: tuple[float, ...]  # 0..1, on the current training batch
    train_loss: tuple[float, ...]  # nats
    validation_accuracy: tuple[float, ...]  # 0..1, on a random validation batch
    validation_loss: tuple[float, ...]  # nats, on a random validation batch
    kept_step: int  # the step whose weights were kept
    stopped_early: bool = False  # by Ctrl-C
    weight_decay: float | None = None  # used by lbfgs; None for other optimizers, which take it from the options
    share: float | None = None  # fine-tuning: position of the result between pretrained (0) and last (1) weights
    temperature: float | None = None  # fine-tuning: the temperature by which the logits were divided
    judged_loss: tuple[float, ...] = ()  # nats, on the validation subset by which the kept step was chosen
    judged_photos: int = 0  # size of that subset: the validation set, or 2,000 photos of it
    share_losses: tuple[tuple[float, float], ...] = ()  # fine-tuning: (share, loss) of each candidate for `share`


@dataclass(frozen=True)
class Dense:
    """A hidden layer: out = activation(in @ weights + biases)."""

    weights: npt.NDArray[np.float32]  # [in, out]
    biases: npt.NDArray[np.float32]  # [out]
    activation: str  # a key of ACTIVATIONS


@dataclass(frozen=True)
class Head:
    """A softmax layer, scores = softmax(x @ weights + biases), where x is the features or the output of hidden layers."""

    weights: npt.NDArray[
        np.float32
    ]  # [width, classes], of the last layer; standardisation is folded into the first layer
    biases: npt.NDArray[np.float32]  # [classes]
    labels: tuple[str, ...]
    curve: Curve | None = field(default=None, repr=False)
    hidden: tuple[Dense, ...] = ()  # class activation maps need a linear head and must check that it is empty

    def logits(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Computes the logits: float32 [n, width] -> float32 [n, classes]."""
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
    """The result of running an export in another program (docs/elsewhere.md)."""

    reader: str  # name and version of the program
    outcome: str  # "agrees", "differs", "refuses", "crashes" or "hangs"
    difference: float | None = None  # the largest of a score, from that of our own runtime


@dataclass(frozen=True)
class Export:
    """A file that was written, read back and verified. Values that were not measured are None."""

    kind: str  # as its row in exporters/table says; "labels", "checkpoint"
    path: Path
    bytes: int
    largest_difference: float | None = None  # the largest difference of a score from the trained model
    how: str = ""  # how it was verified
    quantize: str = "none"  # "none", "float16", "dynamic" or "int8"
    agreement: float | None = None  # 0..1, fraction of the photos with the same label as the trained model
    accuracy: float | None = None  # 0..1, on these photos
    interval: tuple[float, float] | None = None  # 95% confidence interval (Wilson)
    images: int = 0  # number of photos on which it was run
    ms_image: float | None = None  # median, of the network alone, with all cores in use
    kept: Path | None = None  # its copy in the folder of the run
    readings: tuple[Reading, ...] = ()  # by other programs that are installed on this computer
    asked: Path | None = None  # its intended path, if it was not written there: a stopped training keeps the older file


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
    """The photos to check, and an estimate of whether more photos would help."""

    suspects: tuple[Suspect, ...] = ()  # lowest label quality first
    duplicates: tuple[NearDuplicates, ...] = ()  # pairs in different subsets first
    leaks: int = 0  # test photos with a near-duplicate in the training or validation set
    accuracy_without_leaks: float | None = None  # 0..1
    tested_without_leaks: int = 0
    learning_curve: tuple[CurvePoint, ...] = ()  # fewest photos first
    advice: tuple[str, ...] = ()  # the lines that are printed
    seconds: float = 0.0
    missing: str = ""  # what could not be done, and the reason


@dataclass(frozen=True)
class Outcome:
    """The results of a run on the test set."""

    accuracy: float | None  # 0..1 on the test set; None if it is empty
    tested: int
    interval: tuple[float, float]  # 95% confidence interval (Wilson)
    predictions: npt.NDArray[np.int64]  # [tested], the predictions of the head
    rows: npt.NDArray[np.int64]  # [tested], the indices of the photos
    scores: npt.NDArray[np.float32]  # [tested, classes], rows that sum to 1
    exports: tuple[Export, ...] = ()
    accuracy_of_views: float | None = (
        None  # 0..1, of the mean score over --test_time_views; None if there are no such views
    )
    audit: Audit | None = None
