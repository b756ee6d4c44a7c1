"""Runs the training loop of a network: keeps the best weights; handles snapshots, early stopping and Ctrl-C. Does not import TensorFlow."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError
from retrain.finetune.batches import Batches
from retrain.finetune.blend import best_blend, best_temperature
from retrain.finetune.engine import Engine
from retrain.finetune.pixels import Pixels
from retrain.finetune.recipe import Recipe
from retrain.head.snapshots import Snapshot
from retrain.head.train import is_interrupt
from retrain.head.training import with_judged
from retrain.metrics import accuracy, cross_entropy
from retrain.types import Curve

Arrays = list[npt.NDArray[Any]]


@dataclass(frozen=True)
class Point:
    """The results of one evaluation."""

    step: int  # the last step that was made; -1 before the first
    train_accuracy: float  # 0..1, on the distorted photos since the last evaluation
    train_loss: float  # nats, on the same photos
    validation_accuracy: float  # 0..1, on the validation subset; NaN if it is empty
    validation_loss: float
    validation_count: int


@dataclass
class Loop:
    """The state of one training.

    Attributes:
      snapshot_every: number of steps between two snapshots; 0 writes none.
      patience: number of steps without a better validation loss after which training ends; 0 disables this.
      resume: the snapshot from which training is resumed, for error messages.
      asked: the settings with which a snapshot must have been made.
      digest: a digest of the photos, their subsets and the initial network.
    """

    engine: Engine
    batches: Batches
    validation: Pixels
    validation_ids: npt.NDArray[np.int64]
    recipe: Recipe
    snapshot_every: int
    patience: int
    resume: Path | None
    asked: dict[str, Any]
    digest: str
    _points: list[tuple[float, ...]] = field(default_factory=list)
    _kept: tuple[int, float, Arrays] | None = None  # the best step so far, its loss, weights
    _since: list[float] = field(
        default_factory=lambda: [0.0, 0.0, 0.0]
    )  # loss, right, photos since the last evaluation

    def run(
        self,
        on_step: Callable[[int], None],
        on_point: Callable[[Point], None],
        on_state: Callable[[Snapshot], None],
        resumed: Snapshot | None,
    ) -> Curve:
        """Trains; afterwards the engine has the best weights.

        Raises:
          RunError: training diverged before the first evaluation.
        """
        pretrained = [] if self.recipe.from_nothing else self.engine.weights
        begin = self._resume(resumed) if resumed else 0
        stopped = False
        try:
            if not resumed and len(self.validation_ids):
                self._evaluate(-1)  # the initial weights may be the best
            self._make_steps(begin, on_step, on_point, on_state)
        except (KeyboardInterrupt, SystemError) as error:
            if not is_interrupt(error):
                raise
            stopped = True
        except _Diverged as error:
            if not self._points:
                raise RunError(
                    f"training diverged (the loss is NaN or infinite) at step {error}: the rate is too high; lower --learning_rate (or --fine_tune_learning_rate)"
                ) from None
            stopped = True
            self._put_kept_back()
        if pretrained and len(self.validation_ids) and self._points:
            return self._blended(pretrained, stopped)
        self._put_kept_back()
        return self._curve(stopped)

    def _make_steps(
        self,
        begin: int,
        on_step: Callable[[int], None],
        on_point: Callable[[Point], None],
        on_state: Callable[[Snapshot], None],
    ) -> None:
        """Makes the steps in order, until the last one or until early stopping."""
        with closing(self.batches.from_step(begin, self.recipe.steps)) as made:  # type: ignore[type-var]
            for step, (pixels, label_ids) in enumerate(made, begin):
                self._train(step, pixels, label_ids)
                if (step + 1) % self.batches.per_pass == 0 or step == self.recipe.steps - 1:
                    on_point(self._evaluate(step))
                if self.snapshot_every and (step + 1) % self.snapshot_every == 0:
                    on_state(self._snapshot(step + 1))
                on_step(step)
                if self._patience_ended(step):
                    return

    def _put_kept_back(self) -> None:
        if self._kept:
            self.engine.set_weights(self._kept[2])

    def _blended(self, pretrained: Arrays, stopped: bool) -> Curve:
        """Interpolates between the pretrained and the last weights, and puts the best point into the engine."""

        def logits_of(weights: Arrays) -> npt.NDArray[np.float32]:
            self.engine.set_weights(weights)
            return self.engine.logits(self.validation)

        weights, blend = best_blend(pretrained, self.engine.weights, logits_of, self.validation_ids)
        self.engine.set_weights(weights)
        last = int(self._points[-1][0])
        kept_step = last if blend.share else -1
        return dataclasses.replace(
            self._curve(stopped),
            kept_step=kept_step,
            share=blend.share,
            temperature=blend.temperature,
            share_losses=blend.losses,
        )

    def _train(self, step: int, pixels: npt.NDArray[Any], label_ids: npt.NDArray[np.int64]) -> None:
        loss, right = self.engine.step(pixels, label_ids, step)
        if not math.isfinite(loss):
            raise _Diverged(step)
        new = (loss * len(pixels), right, len(pixels))
        self._since = [old + more for old, more in zip(self._since, new, strict=True)]

    def _evaluate(self, step: int) -> Point:
        """Evaluates a step and keeps its weights if it is the best so far; without validation photos the last step is kept."""
        loss, right, photos = self._since
        logits = self.engine.logits(self.validation)
        count = len(self.validation_ids)
        validation_loss = cross_entropy(logits, self.validation_ids) if count else math.nan
        point = Point(
            step,
            right / photos if photos else math.nan,
            loss / photos if photos else math.nan,
            accuracy(logits, self.validation_ids) if count else math.nan,
            validation_loss,
            count,
        )
        # Fine-tuning makes a network overconfident. The temperature corrects this at the end, so it must not count here.
        calibrated = bool(count) and not self.recipe.from_nothing
        chosen_by = best_temperature(logits, self.validation_ids)[1] if calibrated else validation_loss
        if self._kept is None or chosen_by < self._kept[1] or not count:
            self._kept = (step, chosen_by, self.engine.weights)
        if photos:
            figures = (point.train_accuracy, point.train_loss, point.validation_accuracy, point.validation_loss)
            self._points.append((step, *figures, chosen_by))
        self._since = [0.0, 0.0, 0.0]
        return point

    def _patience_ended(self, step: int) -> bool:
        return bool(self.patience) and self._kept is not None and step - self._kept[0] >= self.patience

    def _curve(self, stopped: bool) -> Curve:
        table = np.array(self._points, np.float64).reshape(-1, 6)
        one, two, three, four, marks = (tuple(column.tolist()) for column in table.T[1:])
        kept_step = self._kept[0] if self._kept else -1
        return Curve(
            tuple(int(step) for step in table[:, 0]),
            one,
            two,
            three,
            four,
            kept_step,
            stopped,
            judged_loss=marks,
            judged_photos=len(self.validation_ids),
        )

    def _snapshot(self, steps: int) -> Snapshot:
        kept = self._kept
        arrays = {
            "points": np.array(self._points, np.float64).reshape(-1, 6),
            **_numbered("weight", self.engine.weights),
            **_numbered("slot", self.engine.slots),
            **_numbered("kept", kept[2] if kept else []),
        }
        state = {"steps": steps, "kept": [kept[0], kept[1]] if kept else None, "since": self._since}
        return Snapshot(self.asked, self.digest, state, arrays)

    def _resume(self, found: Snapshot) -> int:
        found.check_like(self.resume or Path(), self._snapshot(0))
        arrays, state = found.arrays, found.state
        self.engine.set_weights(_listed("weight", arrays))
        self.engine.set_slots(_listed("slot", arrays))
        self._points = [tuple(row) for row in with_judged(arrays["points"]).tolist()]
        if state["kept"]:
            self._kept = (state["kept"][0], state["kept"][1], _listed("kept", arrays))
        self._since = list(state["since"])
        return int(state["steps"])


class _Diverged(Exception):  # noqa: N818 - it says what happened
    """The loss is NaN or infinite."""


def _numbered(name: str, arrays: Arrays) -> dict[str, npt.NDArray[Any]]:
    return {f"{name}_{place}": array for place, array in enumerate(arrays)}


def _listed(name: str, arrays: dict[str, npt.NDArray[Any]]) -> Arrays:
    return [arrays[f"{name}_{place}"] for place in range(sum(key.startswith(f"{name}_") for key in arrays))]
