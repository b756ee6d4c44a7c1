"""A command line in, the Plans to be compared out: retrain's own flags, of which some take a list.

`Comparison` is made from the fields of Options, so a flag is defined once. To sweep another flag, name it in SWEPT.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field
from typing import Any

from label_image.errors import UserError
from label_image.flags import flag, flag_fields, flag_types
from label_image.workers import check_cores
from retrain.options.options import Options

PROGRAM = "python -m retrain.compare"
# A flag of a list is named with an s; the name without it, which is retrain's, is taken too.
SWEPT = ("architecture", "backbone_precision", "learning_rate", "train_batch_size", "seed", "split_seed", "device")
EXTRACTING = ("device", "architecture", "backbone_precision")  # those that change how features are made
SEEDS = ("seed", "split_seed")  # those whose values say how much is chance
# What a run writes goes into a folder that is removed, what it prints is read here; neither are the flags output_... .
_NOT_OFFERED = (
    "export",
    "quantize",
    "saved_model_dir",
    "device_folder",
    "runs_dir",
    "summaries_dir",
    "intermediate_output_graphs_dir",
    "intermediate_store_frequency",
    "checkpoint_path",
    "snapshot_steps",
    "resume",
    "final_tensor_name",
    "print_misclassified_test_images",
    "report",
    "logging_verbosity",
)
_DEFAULTS = {"validation_batch_size": -1}  # the whole list: a curve without the noise of drawing
_ABOUT = """Runs the same job in a clean process for each setting and shows what sets them apart:

python -m retrain.compare --image_dir flowers --devices cpu,gpu
python -m retrain.compare --image_dir flowers --learning_rates 1.0,0.5,0.005
python -m retrain.compare tf_files/runs/ONE tf_files/runs/OTHER

Words without a flag are runs that exist. The flags are retrain's; those that end in s take a list, and each mix of their
values is one run.
"""


def _fields() -> list[tuple[str, Any, dataclasses.Field[Any]]]:
    hints = flag_types(Options)
    found: list[tuple[str, Any, dataclasses.Field[Any]]] = []
    for each in flag_fields(Options):
        spec = each.metadata["flag"]
        if each.name in SWEPT:
            choices = f" One of: {', '.join(spec.choices)}." if spec.choices else ""
            text = f"{spec.help}{choices} A list with commas is a run each."
            found.append((f"{each.name}s", str, flag(str(each.default), text, also=each.name)))
        elif each.name not in _NOT_OFFERED and not each.name.startswith("output_"):
            copy: Any = field(default=_DEFAULTS.get(each.name, each.default), metadata=dict(each.metadata))
            found.append((each.name, hints[each.name], copy))
    return found


Comparison: type[Any] = dataclasses.make_dataclass("Comparison", _fields(), frozen=True, namespace={"__doc__": _ABOUT})


@dataclass(frozen=True)
class Job:
    """One run to be made."""

    name: str  # the values that set it apart: "cpu:1", "0.5 seed 1"
    settings: dict[str, str]  # the swept flags and its values
    options: Options

    @property
    def extraction(self) -> tuple[str, ...]:
        """Jobs with the same one make the same features in the same way."""
        return tuple(str(self.options.value(name)) for name in EXTRACTING)

    @property
    def group(self) -> str:
        """What it shares with the runs that differ from it by chance alone."""
        return " ".join(value for name, value in self.settings.items() if name not in SEEDS) or "all"

    @property
    def round(self) -> str:
        """What it shares with the runs that differ from it by purpose."""
        return " ".join(value for name, value in self.settings.items() if name in SEEDS)

    def only_features(self) -> Job:
        """The same without training or a classifier."""
        return Job("features", {}, self.options.replaced(how_many_training_steps=0, output_tflite=""))


def jobs_of(asked: Any) -> list[Job]:
    """One job for each mix of the values listed.

    Raises:
      UserError: there is nothing to compare, or a value can not be meant.
    """
    hints = flag_types(Options)
    names = [each.name for each in flag_fields(Options)]
    lists = {name: _values(f"{name}s", getattr(asked, f"{name}s"), hints[name]) for name in SWEPT}
    swept = [name for name, values in lists.items() if len(values) > 1]
    if not swept:
        raise UserError(
            "nothing to compare: list two settings (--devices=cpu,gpu), or name two runs (tf_files/runs/...)"
        )
    passed = {name: getattr(asked, name) for name in names if hasattr(asked, name)}
    jobs = []
    for mix in itertools.product(*lists.values()):
        options = Options.of(**passed, **dict(zip(lists, mix, strict=True)))
        check_cores(options.network.cores)
        settings = {name: str(options.value(name)) for name in swept}
        words = [f"{name} {value}" if name in SEEDS and len(swept) > 1 else value for name, value in settings.items()]
        jobs.append(Job(" ".join(words), settings, options))
    return jobs


def timed(jobs: list[Job]) -> bool:
    """Whether the making of features is what is compared; else it is shared."""
    return len({job.extraction for job in jobs}) > 1


def _values(name: str, text: str, kind: Any) -> list[Any]:
    """The values of a list.

    Raises:
      UserError: one is empty, given twice or of the wrong type.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) > 1 and not all(words):
        raise UserError(f"--{name}={text} has an empty place; give values with single commas between them")
    try:
        values = [kind(word) for word in words]
    except ValueError:
        raise UserError(f"--{name}={text} is no list of {'whole ' if kind is int else ''}numbers") from None
    if len(set(values)) < len(values):
        raise UserError(f"--{name}={text} has a value twice; give each once")
    return values
