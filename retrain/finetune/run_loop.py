"""Runs the training loop of a network: shows its progress, prints evaluations, writes and reads snapshots."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from retrain.console import Screen
from retrain.finetune.loop import Loop, Point
from retrain.head.snapshots import Snapshot, read_snapshot, snapshot_path, write_snapshot
from retrain.progress import Progress, Tenths, duration
from retrain.types import Curve


def run_loop(loop: Loop, checkpoint: str, screen: Screen, seen: Callable[[Point], None]) -> Curve:
    """Runs the loop to its end.

    Args:
      loop: ready to start, or to resume from its snapshot.
      checkpoint: the first part of the names of snapshots.
      screen: shows progress.
      seen: called at each evaluation.

    Raises:
      UserError: the snapshot was made by a different training.
      RunError: a snapshot cannot be written, or training diverged at once.
    """
    resumed = None
    if loop.resume:
        resumed = read_snapshot(loop.resume)
        resumed.check(loop.resume, loop.asked, loop.digest, loop.recipe.steps)
    start = time.perf_counter()
    shown = _Shown(loop, screen, int(resumed.state["steps"]) if resumed else 0, start)
    written = _Snapshots(checkpoint, screen)

    def on_point(point: Point) -> None:
        seen(point)
        shown.evaluation(point)

    try:
        curve = loop.run(shown.step, on_point, written.add, resumed)
    finally:
        shown.close()
    if curve.stopped_early:
        screen.warn("training was stopped; the current weights are tested and exported")
    if len(loop.validation_ids):
        screen.info(f"{kept_line(curve)}; {duration(time.perf_counter() - start)}")
    return curve


class _Shown:
    """Shows the progress of a training to the user."""

    def __init__(self, loop: Loop, screen: Screen, first: int, start: float) -> None:
        steps = loop.recipe.steps
        self._progress, self._tenths, self._screen = Progress(steps, "steps"), Tenths(steps), screen
        self._batch_size, self._photos = loop.recipe.batch_size, len(loop.batches)
        self._first, self._start = first, start
        self._detail = ""

    def step(self, step: int) -> None:
        """Updates the progress after a step."""
        self._progress.update(step + 1, self._detail)

    def evaluation(self, point: Point) -> None:
        """Prints an evaluation; in a log, about one for each tenth of the steps."""
        self._detail = f"train {point.train_accuracy:.1%}, validation {point.validation_accuracy:.1%}"
        self._progress.close()
        if self._screen.logged and not self._screen.debugs and not self._tenths.due(point.step):
            return
        passes = (point.step + 1) * self._batch_size / self._photos
        speed = (point.step + 1 - self._first) * self._batch_size / (time.perf_counter() - self._start)
        validation = (
            f", validation accuracy {point.validation_accuracy:.1%} loss {point.validation_loss:.4f}"
            if point.validation_count
            else ""
        )
        self._screen.info(
            f"step {point.step}, pass {passes:.1f}: train accuracy {point.train_accuracy:.1%} loss {point.train_loss:.4f}{validation}, {speed:,.0f} photos/s"
        )

    def close(self) -> None:
        """Clears the progress line."""
        self._progress.close()


class _Snapshots:
    """Writes snapshots, and removes the previous one, which is as large as the network and no longer needed."""

    def __init__(self, checkpoint: str, screen: Screen) -> None:
        self._checkpoint, self._screen = checkpoint, screen
        self._last: Path | None = None

    def add(self, snapshot: Snapshot) -> None:
        """Writes one."""
        path = snapshot_path(self._checkpoint, snapshot.state["steps"])
        write_snapshot(path, snapshot)
        self._screen.info(f"wrote {path}; --resume={path} goes on from there")
        if self._last:
            self._last.unlink(missing_ok=True)
        self._last = path


def kept_line(curve: Curve) -> str:
    """Describes which weights of a training were kept."""
    if curve.share is None:
        kept = f"step {curve.kept_step}" if curve.kept_step >= 0 else "what it began with"
        return f"kept {kept}, which has the best validation loss"
    divided = f"logits divided by {curve.temperature:.2f}, so that its scores can be believed"
    if not curve.share:
        return f"fine-tuning did not improve the validation loss; the pretrained network was kept, {divided}"
    if curve.share == 1:
        return f"kept the weights of the last step, which have the best validation loss; {divided}"
    return (
        f"kept {curve.share:.0%} of the way from the pretrained weights to the last ones, which has the best validation loss; "
        f"{divided}"
    )
