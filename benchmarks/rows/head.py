"""Measures training of the layer: 4,000 steps of 100 photos on 1,280 features, beside the original, Keras and scikit-learn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.baselines.keras_pipeline import Fit
from benchmarks.baselines.original import Training
from benchmarks.bench import Bench
from benchmarks.row import Row, seconds
from retrain.head.train import Standardiser, train
from retrain.options.options import Options
from retrain.pipeline.settings import layer_training
from retrain.types import TESTING, TRAINING, Bottlenecks, Head


def rows(bench: Bench) -> Iterator[Row]:
    """Returns four rows: the time beside a bound, and beside three baselines."""
    folder = bench.photo_folder(8)
    split, bottlenecks = bench.features(folder)
    options, classes = bench.options(folder), len(split.labels)
    few = bench.pick(2, 40)  # steps of the slow baselines, whose time is then scaled
    steps = options.head.how_many_training_steps
    original = Training(bottlenecks, classes, bench.folder("original_features"))
    fit = Fit(bottlenecks, classes)
    heads: list[Head] = []
    shares: list[float] = []
    works = {
        "ours": lambda: seconds(lambda: heads.append(_train(bottlenecks, split.labels, options))),
        "original": lambda: original.run(few) * steps / few,
        "keras": lambda: fit.run(bench.pick(few, steps)) * steps / bench.pick(few, steps),
        "sklearn": lambda: seconds(lambda: shares.append(logistic(bottlenecks))),
    }
    times = bench.turns(works)
    what = f"{steps:,} steps, batch 100, evaluation every 10, {bottlenecks.features.shape[-1]:,} features, {classes} classes"
    yield Row(what, "s", times["ours"], at_most=0.6)
    measured = f"{few} steps were measured and scaled to {steps:,}"
    yield Row(what, "s", times["ours"], "the original's way", times["original"], 250.0, note=measured)
    yield Row(what, "s", times["ours"], "Keras fit, without evaluation", times["keras"])
    tested = bottlenecks.rows(TESTING)
    own = heads[-1].logits(bottlenecks.features[0, tested]).argmax(axis=1) == bottlenecks.label_ids[tested]
    note = f"one split of {len(tested)} test photos: ours {own.mean():.1%} right, LogisticRegression {shares[-1]:.1%}"
    yield Row(what, "s", times["ours"], "LogisticRegression of scikit-learn", times["sklearn"], note=note)


def _train(bottlenecks: Bottlenecks, labels: tuple[str, ...], options: Options) -> Head:
    return train(bottlenecks, labels, layer_training(options))


def logistic(bottlenecks: Bottlenecks) -> float:
    """Fits scikit-learn's LogisticRegression on the same features; returns its test accuracy."""
    from sklearn.linear_model import LogisticRegression

    rows = bottlenecks.rows(TRAINING)
    features: np.ndarray = bottlenecks.features[0, rows]
    scale = Standardiser(features)
    model = LogisticRegression(max_iter=1000).fit(scale(features), bottlenecks.label_ids[rows])
    tested = bottlenecks.rows(TESTING)
    if not len(tested):
        return 0.0
    return float(model.score(scale(bottlenecks.features[0, tested]), bottlenecks.label_ids[tested]))
