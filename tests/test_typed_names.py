"""An error names the flag as the user typed it: with hyphens or underscores, by its own or its other name."""

from __future__ import annotations

import re

import pytest

from label_image.demo.cli import DemoCommand
from label_image.errors import LinesError, UserError
from label_image.flag_fields import check, flag_fields, flag_types, spec_of
from label_image.flags import NUMBERS, named_as_typed, parse
from label_image.label_command import LabelCommand
from retrain.compare.asked import SWEPT, Comparison, jobs_of
from retrain.convert.cli import ConvertCommand as Conversion
from retrain.options.options import Options
from retrain.report.cli import ReportCommand as Report
from retrain.runs.cli import RunsCommand as Runs

PROGRAMS = {
    "retrain": Options,
    "retrain.compare": Comparison,
    "retrain.convert": Conversion,
    "retrain.report": Report,
    "retrain.runs": Runs,
    "label_image": LabelCommand,
    "label_image.demo": DemoCommand,
}
# Words that are refused by a check of their own, and not by type, bounds or choices.
REFUSED = {
    "train": "most", "device": "tpu", "devices": "cpu,tpu", "hidden_units": "many", "weight_decay": "much", "export": "gif",
    "quantize": "int3", "output_labels": "", "runs_dir": "",
    **{f"{name}s": "nonsense," for name in SWEPT if name != "device"},
}  # fmt: skip


def bad_values(field, kind, cls=Options):
    """Values that the flag does not allow: of another type, out of bounds, none of the choices."""
    spec = spec_of(field)
    numbers = kind in (int, int | None, float, float | None, NUMBERS)
    values = [REFUSED[field.name]] if cls in (Options, Comparison) and field.name in REFUSED else []
    values += ["many"] if numbers else ["perhaps"] if kind is bool else ["nonsense"] if spec.choices else []
    values += ["1.5"] if kind in (int, int | None) else []
    values += [str(spec.minimum - 1)] if numbers and spec.minimum is not None and spec.besides is None else []
    values += [str(spec.maximum + 1)] if numbers and spec.maximum is not None else []
    return values


def read(cls, words):
    """Reads a command line as far as its program checks it before the work."""
    with named_as_typed(cls, words):
        found = parse(cls, words, "x")[0]
        check(found)
        if cls is Comparison:
            jobs_of(found)


@pytest.mark.parametrize("cls", PROGRAMS.values(), ids=PROGRAMS)
def test_a_value_that_is_not_allowed_is_told_under_the_name_that_was_typed(cls):
    kinds = flag_types(cls)
    first = {Options: ["--image_dir=x"], Comparison: ["--image_dir=x", "--seeds=0,1"]}.get(cls, [])
    tried = 0
    for field in flag_fields(cls):
        names = {field.name, field.name.replace("_", "-"), spec_of(field).also, spec_of(field).also.replace("_", "-")}
        for name in names - {""}:
            for value in bad_values(field, kinds[field.name], cls):
                with pytest.raises(UserError) as caught:
                    read(cls, [*first, f"--{name}={value}"])
                assert re.search(rf"--{re.escape(name)}(?![\w-])", str(caught.value)), (name, value, str(caught.value))
                assert "\n" not in str(caught.value)
                tried += 1
    assert tried >= (0 if cls is Report else 2)


def test_most_flags_of_retrain_are_tried():
    kinds = flag_types(Options)
    untried = [field.name for field in flag_fields(Options) if not bad_values(field, kinds[field.name])]
    assert all(kinds[name] is str for name in untried)  # paths and names, which may be anything


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--epochs=-1"], "--epochs=-1 is out of range: give 0 to 1000000"),
        (["--fine-tune-batch-size=8"], "--fine-tune-batch-size=8 is not used by --train=head"),
        (["--nofrozen_batch_norm"], "--nofrozen_batch_norm is not used by --train=head"),
        (["--nofrozen-batch-norm"], "--nofrozen-batch-norm is not used by --train=head"),
        (["--frozen-batch-norm=false"], "--frozen-batch-norm=false is not used by --train=head"),
        (["--lr-policy=inv", "--power=1"], "--lr-policy=inv needs --gamma"),
        (["--test-time-views=2"], "--test-time-views=2 needs a distortion"),
    ],
)
def test_a_check_of_several_flags_names_those_that_were_typed_as_they_were_typed(typed, said):
    with pytest.raises(UserError, match=rf"^{re.escape(said)}"):
        parse(Options, ["--image_dir=x", *typed], "x")


@pytest.mark.parametrize(("typed", "said"), [("--devices", "--devices=tpu"), ("--device", "--device=tpu")])
def test_a_comparison_names_the_list_that_was_typed(typed, said):
    with pytest.raises(UserError, match=f"^{said} is not one of"):
        read(Comparison, ["--image_dir=x", f"{typed}=cpu,tpu"])


def test_every_line_of_an_error_names_the_flag_as_typed_and_no_longer_name_is_changed():
    words = ["--image-dir=x"]

    def fail() -> None:
        raise LinesError("--image_dir=x is odd", "see --image_dir, not --image_dirs or --image_dir_list")

    with pytest.raises(LinesError) as caught, named_as_typed(Options, words):
        fail()
    assert caught.value.lines == ("--image-dir=x is odd", "see --image-dir, not --image_dirs or --image_dir_list")


def test_what_the_work_says_later_names_the_flag_as_typed_too(retrain, colour_photos):
    done = retrain(f"--image-dir={colour_photos}", "--feature-maps=3")
    assert done.returncode == 2
    assert "--feature-maps=3 is not used by efficientnet_lite0" in done.stderr
