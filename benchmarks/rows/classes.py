"""Measures training and testing of the layer with 10, 100 and 1,000 classes of 100 photos each, on synthetic features."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.bench import Bench
from benchmarks.row import Row, in_turn, seconds
from retrain.head.train import train
from retrain.options.options import Options
from retrain.pipeline.settings import layer_training
from retrain.types import TESTING, TRAINING, VALIDATION, Bottlenecks

WIDTH = 256
PHOTOS = 100  # photos of each class


def rows(bench: Bench) -> Iterator[Row]:
    """Returns a row of each size for the whole training and for the steps alone, and one for the growth with classes."""
    counts = (10, 100, 1_000) if bench.full else (2, 4, 8)
    whole = Options.of(str(bench.photos), how_many_training_steps=bench.pick(20, 4_000))
    steps = whole.head.how_many_training_steps
    alone = whole.replaced(eval_step_interval=steps)
    forms = {"evaluation every 10, and the test": whole, "evaluated twice": alone}
    data = {count: synthetic(count) for count in counts}
    for form, options in forms.items():
        works = {str(count): partial(train_and_test, data[count], options) for count in counts}
        times = in_turn(works, bench.repeat)
        for count in counts:
            what = f"{count:,} classes of {PHOTOS} photos, {steps:,} steps, {form}"
            goal = 300.0 if count == 1_000 and options is whole else None  # "minutes"
            yield Row(what, "s", times[str(count)], at_most=goal)
        each = {count: tuple(1000 * time_s / count for time_s in times[str(count)]) for count in counts}
        few, many = counts[-2:]
        yield Row(f"a class of {many:,}, {form}", "ms", each[many], f"one of {few:,}", each[few], 0.8, note=NOTES[form])


NOTES = {
    "evaluation every 10, and the test": f"{PHOTOS // 10} photos a class are for validation, and each evaluation scores all of them for "
    "all classes: more classes and more photos, so that evaluation grows with the square",
    "evaluated twice": "",
}


def synthetic(classes: int) -> Bottlenecks:
    """Makes features around a centre for each class; of 100 photos, 80 are for training, 10 for validation, 10 for the test."""
    rng = np.random.default_rng(classes)
    label_ids = np.repeat(np.arange(classes), PHOTOS)
    features = rng.normal(size=(len(label_ids), WIDTH)).astype(np.float32)
    features += rng.normal(size=(classes, WIDTH)).astype(np.float32)[label_ids]
    lists = np.tile(np.repeat([TRAINING, VALIDATION, TESTING], [80, 10, 10]), classes).astype(np.int8)
    return Bottlenecks(features[None], label_ids, lists)


def train_and_test(bottlenecks: Bottlenecks, options: Options) -> float:
    """Measures the seconds of the whole training, and of labelling the test set."""
    labels = tuple(f"class {number}" for number in range(int(bottlenecks.label_ids.max()) + 1))

    def work() -> None:
        head = train(bottlenecks, labels, layer_training(options))
        head.logits(bottlenecks.features[0, bottlenecks.rows(TESTING)]).argmax(axis=1)

    return seconds(work)
