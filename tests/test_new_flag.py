"""A flag is one field: this test adds one, and finds it in the help, the documents, the command line, the run's record and the page."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

import retrain.cli
import retrain.report.commands
from label_image.errors import UserError
from label_image.flag_help import full_help_text, help_text, markdown_table
from label_image.flags import check, parse
from retrain.options.option import ALWAYS, NETWORK_TRAINED, in_snapshot, option
from retrain.options.options import Options
from retrain.options.run import RunOptions
from tests.conftest import STAND_IN

MEANING = "How many cups of tea are drunk during the run."


@dataclass(frozen=True)
class RunWithTea(RunOptions):
    """Where features and the record of the run are kept, and what is drunk."""

    cups_of_tea: int = option(2, MEANING, used_by=ALWAYS, in_snapshot="always", minimum=0, maximum=9)
    sugar: bool = option(False, "Sugar in the tea.", used_by=[NETWORK_TRAINED], in_snapshot="no")


@dataclass(frozen=True)
class WithTea(Options):
    """Retrains with tea."""

    run: RunWithTea


def test_the_help_and_the_documents_list_it_under_its_group():
    after = full_help_text(WithTea, "retrain").partition(f"{RunOptions.title}:")[2]
    assert "--cups_of_tea  (default: 2)\n      " + MEANING in after
    assert "--cups_of_tea" in help_text(WithTea, "retrain").partition(f"{RunOptions.title}:")[2]
    table = markdown_table(WithTea).partition(f"### {RunOptions.title}")[2]
    assert f"| `--cups_of_tea` | `2` | {MEANING} Allowed: 0 to 9. |" in table


def test_the_command_line_reads_it_and_refuses_what_it_does_not_allow():
    assert parse(WithTea, ["--image_dir=x", "--cups-of-tea=3"], "retrain")[0].run.cups_of_tea == 3
    with pytest.raises(UserError, match="--cups-of-tea=10 is out of range: give 0 to 9"):
        parse(WithTea, ["--image_dir=x", "--cups-of-tea=10"], "retrain")
    with pytest.raises(UserError, match=r"^--sugar is not used by --train=head; it goes with --train=last:N or all$"):
        parse(WithTea, ["--image_dir=x", "--sugar"], "retrain")


def test_a_snapshot_must_agree_in_it():
    assert "cups_of_tea" in in_snapshot(WithTea, "always")
    assert "sugar" not in in_snapshot(WithTea, "always", "cosine", "network")


def test_a_run_records_it_and_its_page_shows_how_to_repeat_it(tmp_path, monkeypatch, colour_photos, model_dir):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(retrain.cli, "Options", WithTea)
    monkeypatch.setattr(retrain.report.commands, "Options", WithTea)
    words = [
        f"--image_dir={colour_photos}",
        f"--architecture={STAND_IN}",
        f"--model_dir={model_dir}",
        "--cups_of_tea=4",
    ]
    assert retrain.cli.main([*words, "--how_many_training_steps=50"]) == 0
    (path,) = tmp_path.glob("tf_files/runs/*/run.json")
    record = json.loads(path.read_text("utf-8"))
    assert record["plan"]["cups_of_tea"] == 4
    assert "--cups_of_tea=4" in retrain.report.commands.repeat(record)
    assert "--cups_of_tea=4" in (path.parent / "report.html").read_text("utf-8")


def test_a_flag_that_forgets_who_uses_it_or_whether_snapshots_hold_it_is_no_flag():
    with pytest.raises(TypeError, match="used_by"):
        option(0, "A flag.", in_snapshot="no")  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="in_snapshot"):
        option(0, "A flag.", used_by=ALWAYS)  # type: ignore[call-arg]


def test_a_group_checks_the_bounds_of_a_field_that_was_added():
    with pytest.raises(UserError, match="--cups_of_tea=-1 is out of range"):
        check(RunWithTea(cups_of_tea=-1))
