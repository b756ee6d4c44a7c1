"""Defines all options of a run: a small data class for each group, and the checks that involve several groups.

The flags have the names and meanings of the original (TensorFlow for Poets, and its versions in TensorFlow and TF-Hub). The original
wrote to /tmp; this tool writes to tf_files/ in the current folder.
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
from retrain.options.option import refuse_unused
from retrain.options.run import RunOptions

PROGRAM = "python -m retrain"


@dataclass(frozen=True)
class Options:
    """Retrains a pretrained network on a folder of photos, for example `python -m retrain --image_dir flowers`.

    The folder has one sub-folder for each class; the names of the sub-folders are the labels.
    """

    data: DataOptions
    network: NetworkOptions
    head: HeadOptions
    distortions: DistortionOptions
    finetune: FineTuningOptions
    exports: ExportOptions
    run: RunOptions

    def __post_init__(self) -> None:
        """Refuses flags that exclude each other, and flags that have no effect beside the others.

        Raises:
          UserError: naming the flags.
        """
        if self.network.backbone_precision == "int8":
            _check_int8(self)
        refuse_unused(type(self), self.flat())
        _check_training(self)
        if self.finetune.tunes:
            _check_fine_tuning(self)

    @classmethod
    def of(cls, image_dir: str = "", **values: Any) -> Options:
        """Makes options from the values of flags; a flag that is left out has its default.

        Raises:
          UserError: a value, or a combination of values, is invalid.

        >>> Options.of("flowers", seed=3).head.seed
        3
        """
        return from_values(cls, {"image_dir": image_dir, **values})

    def replaced(self, **values: Any) -> Options:
        """Returns the same options with other values of some flags."""
        return self.of(**{**self.flat(), **values})

    def flat(self) -> dict[str, Any]:
        """Maps each flag's name to its value."""
        return values_of(self)

    def value(self, name: str) -> Any:
        """Returns the value of one flag by its name."""
        return self.flat()[name]

    @property
    def quantizations(self) -> tuple[str, ...]:
        """The precisions that --quantize lists; the network's own precision if that is int8 already."""
        int8 = self.network.backbone_precision == "int8" and self.exports.quantize == "none"
        return ("int8",) if int8 else self.exports.quantizations

    @property
    def weighs_classes_alike(self) -> bool:
        """Whether each class has the same weight in training: by --class_weights, or because batches are drawn class by class."""
        drawn = not self.finetune.tunes and self.head.optimizer != "lbfgs" and self.head.train_batch_size > 0
        return drawn or self.head.class_weights == "balanced"


def _check_int8(options: Options) -> None:
    """Refuses the flags that an int8 network excludes."""
    more = [name for name in options.quantizations if name in ("float16", "dynamic")]
    if more:
        raise UserError(f"--backbone_precision=int8 and --quantize={more[0]} exclude each other; leave one out")
    if options.network.device == "gpu":
        raise UserError("--backbone_precision=int8 runs on the CPU only; leave out it or --device=gpu")
    if options.exports.intermediate_store_frequency:
        raise UserError(
            "--intermediate_store_frequency writes .pb graphs, which cannot hold the int8 network of --backbone_precision; leave one out"
        )


def _check_training(options: Options) -> None:
    """Refuses flags of the layer's training that need other flags."""
    head = options.head
    if head.activation != "relu" and options.finetune.weights != "none" and not head.hidden_layers:
        raise UserError(
            f"--activation={head.activation} needs hidden layers, and there are none; give --hidden_units=128, or leave it out"
        )
    if head.snapshot_steps and not options.exports.checkpoint_path:
        raise UserError("--snapshot_steps writes beside --checkpoint_path, which is empty; give it a name")


def _check_fine_tuning(options: Options) -> None:
    """Refuses the flags that training the network excludes."""
    tuning = options.finetune
    if tuning.weights == "none":
        if tuning.train != "all":
            raise UserError(f"--weights=none leaves nothing trained to build on: give --train=all, not {tuning.train}")
        if options.head.optimizer == "lbfgs":
            raise UserError(
                "--optimizer=lbfgs solves one softmax layer; with --weights=none give sgd, momentum or adam"
            )
    if not tuning.fine_tuned_dir:
        raise UserError("--fine_tuned_dir is empty; name a folder")
    if options.network.backbone_precision != "float32":
        raise UserError(
            f"--train={tuning.train} and --backbone_precision=int8 exclude each other: int8 cannot be trained; use --quantize=int8"
        )
    if tuning.distribute == "mirrored" and options.network.device.startswith("cpu"):
        raise UserError(
            f"--distribute=mirrored needs GPUs, and --device={options.network.device} excludes them; leave one out"
        )
