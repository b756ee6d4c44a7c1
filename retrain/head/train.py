"""Bottlenecks in, a trained Head out: the original's softmax layer, in memory, in NumPy.

What is done in which order; the state of it is in `training`. Ctrl-C, snapshots, early stopping and intermediate heads are here.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path

from retrain.head.sampler import Sampler
from retrain.head.snapshots import Snapshot
from retrain.head.standardiser import Standardiser
from retrain.head.threads import one_thread_for
from retrain.head.training import Evaluation, Training
from retrain.options.options import Options
from retrain.types import Bottlenecks, Head

__all__ = ["Evaluation", "Sampler", "Standardiser", "train"]


def train(
    bottlenecks: Bottlenecks,
    labels: tuple[str, ...],
    options: Options,
    on_evaluation: Callable[[Evaluation], None],
    on_snapshot: Callable[[int, Head], None],
    on_state: Callable[[Snapshot], None] = lambda _: None,
) -> Head:
    """Trains the layer, and hidden layers below it where the plan has some.

    Args:
      bottlenecks: features and the list of each photo.
      labels: the classes.
      plan: optimizer, steps, rate, batch sizes, interval, seed.
      on_evaluation: called at each evaluation.
      on_snapshot: called every --intermediate_store_frequency steps, never at step 0, with the step and the head as it is.
      on_state: called every --snapshot_steps steps with what --resume needs.

    Ctrl-C ends training there, and what there is becomes the result; lbfgs has nothing then, and passes it on.

    Raises:
      UserError: --resume names what does not belong to these photos and this plan, or --early_stopping_steps has no
        validation list to look at.
    """
    if options.head.optimizer == "lbfgs":
        return _solved(bottlenecks, labels, options, on_evaluation)
    run = Training(bottlenecks, len(labels), options)
    batch_size = options.head.train_batch_size if options.head.train_batch_size > 0 else len(bottlenecks.label_ids)
    sizes = (bottlenecks.features.shape[-1], *options.head.hidden_layers, len(labels))
    begin = run.resume(Path(options.head.resume)) if options.head.resume else 0
    stopped, last = False, options.head.how_many_training_steps - 1
    try:
        with one_thread_for(batch_size * sum(below * above for below, above in itertools.pairwise(sizes))):
            for step in range(begin, options.head.how_many_training_steps):
                batch = run.step(step)
                due = step % options.head.eval_step_interval == 0
                if due:
                    on_evaluation(run.evaluate(step, batch))
                if options.head.snapshot_steps and (step + 1) % options.head.snapshot_steps == 0:
                    on_state(run.snapshot(step + 1))  # before what only the last step of a run does
                if step == last and not due:
                    on_evaluation(run.evaluate(step, batch))
                if (
                    step
                    and options.exports.intermediate_store_frequency
                    and step % options.exports.intermediate_store_frequency == 0
                ):
                    on_snapshot(step, run.head(labels, run.now))
                if options.head.early_stopping_steps and run.patience_ended(step):
                    break
    except KeyboardInterrupt:
        stopped = True
    return run.head(labels, run.best, run.curve(stopped))


def _solved(
    bottlenecks: Bottlenecks, labels: tuple[str, ...], options: Options, on_evaluation: Callable[[Evaluation], None]
) -> Head:
    """The head of --optimizer=lbfgs: one evaluation, of the optimum; its step is the number of iterations."""
    run = Training(bottlenecks, len(labels), options)
    decay, iterations = run.solve()
    on_evaluation(run.evaluate(iterations))
    return run.head(labels, run.best, dataclasses.replace(run.curve(stopped=False), weight_decay=decay))
