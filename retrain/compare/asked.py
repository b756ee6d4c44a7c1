"""Reads the command line of a comparison: the flags of `python -m retrain`, of which some take several values.

`Comparison` is made from the fields of Options, so that a flag is defined once; an option with `in_compare=False` is not
offered. To let another flag take several values, name it in SWEPT.
"""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field
from typing import Any

from label_image.errors import UserError
from label_image.flag_fields import Flag, flag, flag_fields, flag_types, sections, spec_of
from label_image.workers import check_cores
from retrain.options.option import option_of
from retrain.options.options import Options

PROGRAM = "python -m retrain.compare"
# The flags that take several values, in the order of the runs. Their names end in s; the names without s are taken too.
SWEPT = ("architecture", "backbone_precision", "learning_rate", "train_batch_size", "seed", "split_seed", "device")
EXTRACTING = ("device", "architecture", "backbone_precision")  # those that change how features are computed
SEEDS = ("seed", "split_seed")  # those whose values show the random variation
_DEFAULTS = {"validation_batch_size": -1}  # the whole validation set: a curve without sampling noise
_ABOUT = """Trains with each of several settings, in a process of its own for each run, and compares the runs:

python -m retrain.compare --image_dir flowers --devices cpu,gpu
python -m retrain.compare --image_dir flowers --learning_rates 1.0,0.5,0.005
python -m retrain.compare tf_files/runs/ONE tf_files/runs/OTHER

Words without a flag are existing runs. The flags are those of python -m retrain; flags that end in s take several values,
and each combination of values is one run.
"""


def _fields() -> list[tuple[str, Any, dataclasses.Field[Any]]]:
    """Lists the flags of `python -m retrain` that a comparison offers: name, type and field."""
    hints = flag_types(Options)
    found: list[tuple[str, Any, dataclasses.Field[Any]]] = []
    for title, fields in sections(Options).items():
        for each in fields:
            spec = dataclasses.replace(spec_of(each), group=title)
            if each.name in SWEPT:
                found.append((f"{each.name}s", str, _list_flag(each, spec)))
            elif option_of(each).in_compare:
                default = _DEFAULTS.get(each.name, each.default)
                copy: Any = field(default=default, metadata={**each.metadata, "flag": spec})
                found.append((each.name, hints[each.name], copy))
    return found


def _list_flag(each: dataclasses.Field[Any], spec: Flag) -> Any:
    """Makes the flag that takes several values of an option."""
    choices = f" One of: {', '.join(spec.choices)}." if spec.choices else ""
    text = f"{spec.help}{choices} Several values with commas are a run each."
    return flag(str(each.default), text, also=each.name, common=True, group=spec.group)


Comparison: type[Any] = dataclasses.make_dataclass("Comparison", _fields(), frozen=True, namespace={"__doc__": _ABOUT})


@dataclass(frozen=True)
class Job:
    """One run of a comparison."""

    name: str  # the values that distinguish it: "cpu:1", "0.5 seed 1"
    settings: dict[str, str]  # the flags with several values, and its values
    options: Options

    @property
    def extraction(self) -> tuple[str, ...]:
        """The values that decide how features are computed; jobs with the same ones share their features."""
        return tuple(str(self.options.value(name)) for name in EXTRACTING)

    @property
    def group(self) -> str:
        """The name of the runs that differ from it only by their seeds."""
        return " ".join(value for name, value in self.settings.items() if name not in SEEDS) or "all"

    @property
    def round(self) -> str:
        """The name of the runs that have the same seeds."""
        return " ".join(value for name, value in self.settings.items() if name in SEEDS)

    def only_features(self) -> Job:
        """Returns the same job without training and without exports."""
        return Job("features", {}, self.options.replaced(how_many_training_steps=0, output_tflite=""))


def jobs_of(asked: Any) -> list[Job]:
    """Makes one job for each combination of the values.

    Args:
      asked: a `Comparison`.

    Raises:
      UserError: there is nothing to compare, or a value is not allowed.
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
    """Whether the computation of features is compared; otherwise the runs share their features."""
    return len({job.extraction for job in jobs}) > 1


def _values(name: str, text: str, kind: Any) -> list[Any]:
    """Reads the values of a flag that takes several.

    Raises:
      UserError: a value is empty, given twice or of the wrong type.
    """
    words = [word.strip() for word in text.split(",")]
    if len(words) > 1 and not all(words):
        raise UserError(f"--{name}={text} has an empty value; separate the values with single commas")
    try:
        values = [kind(word) for word in words]
    except ValueError:
        raise UserError(
            f"--{name}={text} must be {'whole ' if kind is int else ''}numbers separated by commas"
        ) from None
    if len(set(values)) < len(values):
        raise UserError(f"--{name}={text} has a value twice; give each once")
    return values
