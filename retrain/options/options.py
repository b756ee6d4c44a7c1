"""Everything that one run was asked for: a small data class for each concern, and what they exclude together.

Names and meanings of the flags are the original's (TensorFlow for Poets, its TensorFlow and TF-Hub relatives); where the
original wrote to /tmp, this tool writes to tf_files/ beside the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from label_image.errors import UserError
from label_image.flags import from_values, values_of
from retrain.options.data import DataOptions
from retrain.options.distortions import DistortionOptions
from retrain.options.exports import ExportOptions
from retrain.options.finetune import FineTuningOptions
from retrain.options.head import HeadOptions
from retrain.options.network import NetworkOptions
from retrain.options.run import RunOptions

PROGRAM = "python -m retrain"
# What has no use where the network is not trained, and the value that says nothing.
_OF_TRAINING = {"weights": "pretrained", "epochs": 0, "distribute": "none"}
_OF_FINE_TUNING = {
    "fine_tune_learning_rate": None, "fine_tune_optimizer": "adam", "fine_tune_batch_size": 32, "frozen_batch_norm": True,
    "augment": True,
}  # fmt: skip
# What lbfgs has no use for, and the value that says nothing.
_NOT_OF_LBFGS = {
    "learning_rate": 0.01, "lr_policy": "fixed", "hidden_units": "", "early_stopping_steps": 0, "snapshot_steps": 0,
    "resume": "", "intermediate_store_frequency": 0, "dropout": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class Options:
    """Retrains a pretrained network on a folder of photos, for example `python -m retrain --image_dir flowers`.

    The folder has one sub-folder a class; the sub-folders' names are the labels.
    """

    data: DataOptions
    network: NetworkOptions
    head: HeadOptions
    distortions: DistortionOptions
    finetune: FineTuningOptions
    exports: ExportOptions
    run: RunOptions

    def __post_init__(self) -> None:
        """Refuses combinations that cannot be meant.

        Raises:
          UserError: naming the flags.
        """
        if self.network.backbone_precision == "int8":
            _check_int8(self)
        _check_training(self)
        _check_fine_tuning(self)

    @classmethod
    def of(cls, image_dir: str = "", **values: Any) -> Options:
        """Makes options from the values of flags; a flag that is left out has its default.

        Raises:
          UserError: a value, or a combination of them, cannot be meant.

        >>> Options.of("flowers", seed=3).head.seed
        3
        """
        return from_values(cls, {"image_dir": image_dir, **values})

    def replaced(self, **values: Any) -> Options:
        """The same options with other values of some flags."""
        return Options.of(**{**self.flat(), **values})

    def flat(self) -> dict[str, Any]:
        """The value of each flag by its name."""
        return values_of(self)

    def value(self, name: str) -> Any:
        """The value of one flag by its name."""
        return self.flat()[name]

    @property
    def quantizations(self) -> tuple[str, ...]:
        """What --quantize lists; the backbone's own precision where that is int8 already."""
        int8 = self.network.backbone_precision == "int8" and self.exports.quantize == "none"
        return ("int8",) if int8 else self.exports.quantizations

    @property
    def weighs_classes_alike(self) -> bool:
        """Whether each class weighs the same in training: by --class_weights, or because batches are drawn class first."""
        drawn = not self.finetune.tunes and self.head.optimizer != "lbfgs" and self.head.train_batch_size > 0
        return drawn or self.head.class_weights == "balanced"


def _check_int8(options: Options) -> None:
    """Refuses what an int8 backbone excludes."""
    more = [name for name in options.quantizations if name in ("float16", "dynamic")]
    if more:
        raise UserError(f"--backbone_precision=int8 and --quantize={more[0]} exclude each other; leave one out")
    if options.network.device == "gpu":
        raise UserError("--backbone_precision=int8 runs on the CPU only; leave out it or --device=gpu")
    if options.exports.intermediate_store_frequency:
        raise UserError(
            "--intermediate_store_frequency writes .pb graphs, and there are none of an int8 backbone; leave one out"
        )


def _check_training(options: Options) -> None:
    """Refuses flags that the optimizer, or the layers, have no use for."""
    head = options.head
    if head.momentum is not None and head.optimizer != "momentum":
        raise UserError(
            f"--momentum={head.momentum:g} is not used by --optimizer={head.optimizer}; give --optimizer=momentum, or leave it out"
        )
    for name, silent in _NOT_OF_LBFGS.items() if head.optimizer == "lbfgs" else ():
        if options.value(name) != silent:
            raise UserError(
                f"--{name}={options.value(name)} is not used by --optimizer=lbfgs, which solves one softmax layer without steps; leave one out"
            )
    if head.activation != "relu" and options.finetune.weights != "none" and not head.hidden_layers:
        raise UserError(
            f"--activation={head.activation} needs hidden layers, and there are none; give --hidden_units=128, or leave it out"
        )
    if head.snapshot_steps and not options.exports.checkpoint_path:
        raise UserError("--snapshot_steps writes beside --checkpoint_path, which is empty; give it a name")


def _check_fine_tuning(options: Options) -> None:
    """Refuses what does not go with training the network, or with leaving it as it is."""
    tuning = options.finetune
    if not tuning.tunes:
        refuse_unused(options, _OF_TRAINING | _OF_FINE_TUNING, "--train=head; give --train=all, or leave it out")
        return
    if tuning.weights == "none":
        if tuning.train != "all":
            raise UserError(f"--weights=none leaves nothing trained to build on: give --train=all, not {tuning.train}")
        if options.head.optimizer == "lbfgs":
            raise UserError(
                "--optimizer=lbfgs solves one softmax layer; with --weights=none give sgd, momentum or adam"
            )
        refuse_unused(
            options, _OF_FINE_TUNING, "--weights=none; see --learning_rate, --optimizer and --train_batch_size"
        )
    if not tuning.fine_tuned_dir:
        raise UserError("--fine_tuned_dir is empty; name a folder")
    if options.network.backbone_precision != "float32":
        raise UserError(
            f"--train={tuning.train} and --backbone_precision=int8 exclude each other: int8 cannot be trained; use --quantize=int8"
        )
    if options.distortions.test_time_views:
        raise UserError(f"--test_time_views and --train={tuning.train} exclude each other; leave one out")
    if tuning.distribute == "mirrored" and options.network.device.startswith("cpu"):
        raise UserError(
            f"--distribute=mirrored needs GPUs, and --device={options.network.device} excludes them; leave one out"
        )


def refuse_unused(options: Options, flags: dict[str, Any], by: str) -> None:
    """Refuses flags that are given and have no use.

    Args:
      options: what was asked for.
      flags: name -> the value that says nothing.
      by: what does not use them, for the error.

    Raises:
      UserError: naming the flag.
    """
    for name, silent in flags.items():
        value = options.value(name)
        if value != silent:
            shown = f"--no{name}" if value is False else f"--{name}={value}"
            raise UserError(f"{shown} is not used by {by}")
