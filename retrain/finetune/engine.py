"""Trains a network and its head step by step on TensorFlow, on one device or on several.

Each device processes its part of a batch; the gradients are summed and clipped to a maximum norm, and every device makes the same
update. In half precision (on a GPU) the loss is multiplied by a constant before the gradients are computed, and they are divided
by it afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from label_image.quiet import tensorflow
from retrain.backbones.trainable import Trainable
from retrain.finetune.recipe import Recipe
from retrain.finetune.updates import SLOTS, update
from retrain.types import Dense, Head

Arrays = list[npt.NDArray[Any]]
_LOSS_SCALE = 1024.0  # for float16: small gradients do not underflow, and clipped ones do not overflow


@dataclass(frozen=True)
class EngineSettings:
    """The settings of the loss function."""

    label_smoothing: float
    dropout: float
    seed: int
    class_weights: npt.NDArray[np.float32]  # [classes]


class Engine:
    """The network and its head while they are trained; made in the scope of the strategy that runs it.

    Args:
      network: the network to train.
      head: the initial head; its hidden layers are trained too.
      recipe: steps, optimizer and learning rate.
      strategy: the tf.distribute strategy; the default one uses one device.
      settings: settings of the loss.
      half: whether most calculations use float16.
    """

    def __init__(
        self, network: Trainable, head: Head, recipe: Recipe, strategy: Any, settings: EngineSettings, *, half: bool
    ) -> None:
        tf = self._tf = tensorflow()
        self._network, self._recipe, self._strategy = network, recipe, strategy
        self._settings, self._scale = settings, _LOSS_SCALE if half else 1.0
        self._shape, self._labels = [layer.activation for layer in head.hidden], head.labels
        with strategy.scope():
            arrays = [array for layer in head.hidden for array in (layer.weights, layer.biases)]
            self._layers = [tf.Variable(array) for array in (*arrays, head.weights, head.biases)]
            chosen = [network.variables[place] for place in network.trained]
            self._trained = [*chosen, *self._layers]
            decayed = set(network.decayed)
            self._decay = [recipe.decay * (place in decayed) for place in network.trained]
            self._decay += [recipe.decay * (array.shape.rank > 1) for array in self._layers]
            count = SLOTS[recipe.optimizer]
            self._slots = [[tf.Variable(tf.zeros_like(one)) for one in self._trained] for _ in range(count)]
        self._rule = update(tf, recipe.optimizer, recipe.momentum)
        self._mean, self._std = tf.constant(network.mean, tf.float32), tf.constant(network.std, tf.float32)
        self._step = tf.function(self._trace_step)
        self._infer = tf.function(lambda pixels: self._logits(pixels, training=False, step=0), reduce_retracing=True)

    def step(self, pixels: npt.NDArray[Any], label_ids: npt.NDArray[np.int64], step: int) -> tuple[float, int]:
        """Makes one step; returns the mean loss in nats and the number of correct (distorted) photos, both before the update."""
        tf, parts = self._tf, self._strategy.num_replicas_in_sync
        rate = tf.constant(self._recipe.rate(step), tf.float32)
        shards = list(zip(np.array_split(pixels, parts), np.array_split(label_ids, parts), strict=True))
        inputs = self._strategy.experimental_distribute_values_from_function(
            lambda context: tuple(tf.constant(part) for part in shards[context.replica_id_in_sync_group])
        )
        loss, right = self._step(inputs, rate, tf.constant(step, tf.int64), tf.constant(len(label_ids), tf.float32))
        return float(loss), int(right)

    def logits(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Computes the logits as in labelling: uint8 [n, height, width, 3] -> float32 [n, classes]."""
        size = min(len(pixels), self._recipe.batch_size)
        size = max(size, 32)
        rows = [self._infer(self._tf.constant(pixels[at : at + size])).numpy() for at in range(0, len(pixels), size)]
        return np.concatenate(rows) if rows else np.zeros((0, len(self._labels)), np.float32)

    @property
    def head(self) -> Head:
        """Returns the head with its current weights."""
        arrays = [variable.numpy() for variable in self._layers]
        pairs = list(zip(arrays[::2], arrays[1::2], strict=True))
        hidden = tuple(Dense(*pair, name) for pair, name in zip(pairs[:-1], self._shape, strict=True))
        return Head(*pairs[-1], self._labels, hidden=hidden)

    @property
    def named(self) -> dict[str, npt.NDArray[Any]]:
        """Returns all trained variables by name."""
        chosen = {self._network.names[place]: self._network.variables[place] for place in self._network.trained}
        layers = {
            f"layer_{place // 2}/{('weights', 'biases')[place % 2]}": one for place, one in enumerate(self._layers)
        }
        return {name: variable.numpy() for name, variable in (chosen | layers).items()}

    @property
    def weights(self) -> Arrays:
        """Returns all variables that determine the scores: the network's, then the head's."""
        return [variable.numpy() for variable in (*self._network.variables, *self._layers)]

    def set_weights(self, values: Sequence[npt.NDArray[Any]]) -> None:
        """Restores what `weights` returned."""
        for variable, value in zip((*self._network.variables, *self._layers), values, strict=True):
            variable.assign(value)

    @property
    def slots(self) -> Arrays:
        """Returns the state of the optimizer, such as momentum."""
        return [variable.numpy() for slots in self._slots for variable in slots]

    def set_slots(self, values: Sequence[npt.NDArray[Any]]) -> None:
        """Restores what `slots` returned."""
        for variable, value in zip((one for slots in self._slots for one in slots), values, strict=True):
            variable.assign(value)

    def _logits(self, pixels: Any, *, training: bool, step: Any) -> Any:
        """Computes the logits: [n, height, width, 3] -> float32 [n, classes]."""
        tf = self._tf
        flow = tf.cast(self._network.call((tf.cast(pixels, tf.float32) - self._mean) / self._std, training), tf.float32)
        if not self._shape and training:
            flow = self._dropped(flow, 0, step)
        for number, name in enumerate(self._shape):
            weights, biases = self._layers[2 * number : 2 * number + 2]
            flow = getattr(tf.nn, name)(flow @ weights + biases)
            flow = self._dropped(flow, number, step) if training else flow
        return flow @ self._layers[-2] + self._layers[-1]

    def _dropped(self, flow: Any, layer: int, step: Any) -> Any:
        """Applies dropout; the same step always drops the same units."""
        if not self._settings.dropout:
            return flow
        seed = self._tf.stack([self._tf.constant(self._settings.seed + layer, self._tf.int64), step])
        return self._tf.nn.experimental.stateless_dropout(flow, self._settings.dropout, seed)

    def _trace_step(self, inputs: Any, rate: Any, step: Any, count: Any) -> tuple[Any, Any]:
        """Defines one step for all devices."""
        tf, strategy = self._tf, self._strategy

        def on_device(pixels: Any, label_ids: Any) -> tuple[list[Any], Any, Any]:
            with tf.GradientTape() as tape:
                logits = self._logits(pixels, training=True, step=step)
                loss = tf.reduce_sum(self._losses(label_ids, logits)) / count
                scaled = loss * self._scale
            gradients = tape.gradient(scaled, self._trained, unconnected_gradients="zero")
            hits = tf.reduce_sum(tf.cast(tf.argmax(logits, 1) == label_ids, tf.int64))
            return [gradient / self._scale for gradient in gradients], loss, hits

        gradients, loss, hits = strategy.run(on_device, inputs)
        total = tf.distribute.ReduceOp.SUM
        summed = [strategy.reduce(total, gradient, axis=None) for gradient in gradients]
        if self._recipe.longest_gradient:
            norm = tf.linalg.global_norm(summed)  # a step with a NaN or infinite gradient is skipped
            scale = tf.minimum(self._recipe.longest_gradient / norm, 1.0)
            scale = tf.where(tf.math.is_finite(norm), scale, 0.0)
            summed = [tf.math.multiply_no_nan(gradient, scale) for gradient in summed]
        for place, (variable, gradient) in enumerate(zip(self._trained, summed, strict=True)):
            decay, slots = self._decay[place], [slots[place] for slots in self._slots]

            def change(one: Any, slope: Any, *own: Any, decay: float = decay) -> None:
                self._rule(one, slope + decay * one if decay else slope, rate, step, *own)

            strategy.extended.update(variable, change, args=(gradient, *slots))
        return strategy.reduce(total, loss, axis=None), strategy.reduce(total, hits, axis=None)

    def _losses(self, label_ids: Any, logits: Any) -> Any:
        """Computes the cross-entropy of each photo in nats, times the weight of its class: float32 [n]."""
        tf = self._tf
        smoothing, classes = self._settings.label_smoothing, len(self._labels)
        wanted = tf.one_hot(label_ids, classes) * (1 - smoothing) + smoothing / classes
        weights = tf.gather(tf.constant(self._settings.class_weights), label_ids)
        return weights * tf.nn.softmax_cross_entropy_with_logits(wanted, logits)
