"""Trains the head, the softmax layer of the original, in memory with NumPy.

The module `training` contains the state of a training; this one determines the order of steps, evaluations, snapshots and
intermediate heads, and handles early stopping and Ctrl-C.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

from retrain.head.layer_training import LayerTraining
from retrain.head.sampler import Sampler
from retrain.head.snapshots import Snapshot
from retrain.head.standardiser import Standardiser
from retrain.head.threads import one_thread_for
from retrain.head.training import Evaluation, Training
from retrain.types import Bottlenecks, Head

__all__ = ["Evaluation", "LayerTraining", "Sampler", "Standardiser", "train"]


def train(
    bottlenecks: Bottlenecks,
    labels: tuple[str, ...],
    how: LayerTraining,
    on_evaluation: Callable[[Evaluation], None] = lambda _: None,
    on_head: Callable[[int, Head], None] = lambda _step, _head: None,
    on_snapshot: Callable[[Snapshot], None] = lambda _: None,
) -> Head:
    """Trains the layer, and the hidden layers below it, if any.

    Args:
      bottlenecks: features, and the subset of each photo.
      labels: the classes.
      how: optimizer, steps, rate, batch sizes and so on.
      on_evaluation: called at each evaluation.
      on_head: called every `how.head_every` steps, except at step 0, with the step and the current head.
      on_snapshot: called every `how.snapshot_every` steps with the state that --resume needs.

    Ctrl-C ends training, and the current weights become the result; with lbfgs there is no result yet, so KeyboardInterrupt is raised.

    Raises:
      UserError: the snapshot does not match these photos and settings, or early stopping has no validation set.
    """
    if how.optimizer == "lbfgs":
        return _solved(bottlenecks, labels, how, on_evaluation)
    run = Training(bottlenecks, len(labels), how)
    begin = run.resume(how.resume) if how.resume else 0
    stopped = False
    try:
        with _threads_for(bottlenecks, how, len(labels)):
            for step in _steps(run, how, begin, on_evaluation, on_snapshot):
                if step and how.head_every and step % how.head_every == 0:
                    on_head(step, run.head(labels, run.now))
    except (KeyboardInterrupt, SystemError) as error:
        if not is_interrupt(error):
            raise
        stopped = True
    return run.head(labels, run.best, run.curve(stopped))


def is_interrupt(error: BaseException) -> bool:
    """Tells whether Ctrl-C caused an error: if it arrives while C code runs, Python may raise SystemError instead of KeyboardInterrupt.

    >>> is_interrupt(KeyboardInterrupt()), is_interrupt(SystemError())
    (True, False)
    """
    cause = error.__cause__ or error.__context__ if isinstance(error, SystemError) else error
    return isinstance(cause, KeyboardInterrupt)


def _steps(
    run: Training,
    how: LayerTraining,
    begin: int,
    on_evaluation: Callable[[Evaluation], None],
    on_snapshot: Callable[[Snapshot], None],
) -> Iterator[int]:
    """Makes the steps in order, until the last one or until early stopping."""
    for step in range(begin, how.steps):
        batch = run.step(step)
        due = step % how.evaluate_every == 0
        if due:
            on_evaluation(run.evaluate(step, batch))
        if how.snapshot_every and (step + 1) % how.snapshot_every == 0:
            on_snapshot(run.snapshot(step + 1))  # before the evaluation that only the last step of a run makes
        if step == how.steps - 1 and not due:
            on_evaluation(run.evaluate(step, batch))
        yield step
        if how.patience and run.patience_ended(step):
            return


def _solved(
    bottlenecks: Bottlenecks, labels: tuple[str, ...], how: LayerTraining, on_evaluation: Callable[[Evaluation], None]
) -> Head:
    """Trains with lbfgs: makes one evaluation, of the optimum; its step is the number of iterations."""
    run = Training(bottlenecks, len(labels), how)
    decay, iterations = run.solve()
    on_evaluation(run.evaluate(iterations))
    return run.head(labels, run.best, dataclasses.replace(run.curve(stopped=False), weight_decay=decay))


def _threads_for(bottlenecks: Bottlenecks, how: LayerTraining, classes: int) -> AbstractContextManager[Any]:
    batch_size = how.train_batch_size if how.train_batch_size > 0 else len(bottlenecks.label_ids)
    sizes = (bottlenecks.features.shape[-1], *how.hidden_layers, classes)
    return one_thread_for(batch_size * sum(below * above for below, above in itertools.pairwise(sizes)))
