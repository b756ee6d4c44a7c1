"""Reads a classifier again and again while it is replaced, by renaming a file and by consecutive trainings.

A trial passes if each answer, labels and scores together, belongs to one of the two trainings.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.torture.ground import Ground, run
from benchmarks.torture.tally import Tally
from label_image.classifier import Classifier, Prediction
from label_image.errors import UserError

READS = 1000
_PAUSE_S = 0.005  # seconds between two replacements
_SAME = 1e-4
Answers = dict[tuple[str, ...], npt.NDArray[np.float32]]  # labels -> scores


def tried(ground: Ground) -> Tally:
    """Reads while a file is replaced, and then while a whole set is replaced; half of the reads each."""
    tally = Tally("reads", "a classifier opened and run while another training replaces it")
    photo = next(iter(sorted(ground.some_photos("a").glob("*/*.jpg"))))
    wanted: Answers = {}
    for which in "ab":
        answer = Classifier(ground.home(which) / "tf_files/retrained.tflite").classify(photo)
        wanted[answer.labels] = answer.scores
    half = ground.times(READS, 4) // 2
    place = ground.folder("readers") / "model.tflite"
    shutil.copyfile(ground.home("a") / "tf_files/retrained.tflite", place)
    with _meanwhile(lambda stop: _rename_in_turn(ground, place, stop)):
        for number in range(half // 2):
            tally.add(_first(place, photo, wanted), f"read {number}, one photo")
            tally.add(_several(place, photo, wanted), f"read {number}, several photos by several workers")
    folder = ground.copy_of(ground.home("a"), "readers_of_sets")
    with _meanwhile(lambda stop: _train_in_turn(ground, folder, stop)):
        for number in range(half):
            tally.add(_first(folder / "tf_files/retrained.tflite", photo, wanted), f"read {number} between trainings")
    return tally.done()


@contextlib.contextmanager
def _meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=work, args=(stop,))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _rename_in_turn(ground: Ground, place: Path, stop: threading.Event) -> None:
    """Replaces a file by renaming, as another program would."""
    models = [ground.home(which) / "tf_files/retrained.tflite" for which in "ba"]
    while not stop.is_set():
        for model in models:
            scratch = place.with_name("next")
            shutil.copyfile(model, scratch)
            scratch.replace(place)
            stop.wait(_PAUSE_S)


def _train_in_turn(ground: Ground, folder: Path, stop: threading.Event) -> None:
    while not stop.is_set():
        for which in "ba":
            run([*ground.retrain(which), "--report=none"], folder)


def _first(place: Path, photo: Path, wanted: Answers) -> str:
    try:
        return _mixed(Classifier(place).classify(photo), wanted)
    except UserError as error:
        return f"refused: {error}"


def _several(place: Path, photo: Path, wanted: Answers) -> str:
    """Labels with one Classifier whose workers start after the file was replaced: all answers must belong to one training."""
    try:
        classifier = Classifier(place)
        answers = [classifier.classify(photo), *classifier.classify_all([photo] * 4)]
    except UserError as error:
        return f"refused: {error}"
    problem = next((found for answer in answers if (found := _mixed(answer, wanted))), "")
    return problem or ("" if len({answer.labels for answer in answers}) == 1 else "two trainings in one classifier")


def _mixed(answer: Prediction, wanted: Answers) -> str:
    if answer.error:
        return f"refused: {answer.error}"
    if answer.labels not in wanted:
        return f"the labels belong to neither training: {answer.labels}"
    difference = float(np.abs(answer.scores - wanted[answer.labels]).max())
    return "" if difference < _SAME else f"labels of one training, scores of another (they differ by {difference:.2g})"
