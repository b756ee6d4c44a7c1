from __future__ import annotations

from dataclasses import dataclass

import pytest

from label_image.errors import UserError
from label_image.flags import check, flag, help_text, markdown_table, parse
from retrain.plan import Plan


@dataclass(frozen=True)
class Tea:
    """Makes tea."""

    how_many_cups: int = flag(2, "Cups.", minimum=1, maximum=9)
    sugar_rate: float = flag(0.5, "Spoons a cup.", minimum=0)
    milk: bool = flag(False, "Milk first.")
    kind: str = flag("black", "Which.", choices=("black", "green"))
    guest: tuple[str, ...] = flag((), "Who comes.")
    wait_s: int | None = flag(None, "Seconds.")

    def __post_init__(self):
        check(self)


def tea(*words):
    return parse(Tea, words, "tea")


def test_both_spellings_of_a_value_are_read():
    assert tea("--how_many_cups=3")[0] == tea("--how_many_cups", "3")[0] == Tea(how_many_cups=3)


def test_hyphens_stand_for_underscores():
    assert tea("--how-many-cups=3")[0].how_many_cups == 3


def test_a_unique_beginning_is_enough_as_with_the_original():
    assert tea("--how_many", "4")[0].how_many_cups == 4


def test_an_ambiguous_beginning_names_the_choices():
    with pytest.raises(UserError, match=r"--testing_percentage, --test_batch_size"):
        parse(Plan, ["--test", "1"], "retrain")


def test_an_unknown_flag_names_the_nearest():
    with pytest.raises(UserError, match=r"unknown flag --how_many_cusp; did you mean --how_many_cups\?"):
        tea("--how_many_cusp=1")


def test_the_misspelling_of_the_original_users_is_no_longer_swallowed():
    with pytest.raises(UserError, match="did you mean --how_many_training_steps"):
        parse(Plan, ["--training_steps=500"], "retrain")


@pytest.mark.parametrize(
    ("words", "milk"),
    [
        (["--milk"], True),
        (["--nomilk"], False),
        (["--milk=true"], True),
        (["--milk=false"], False),
        (["--milk", "True"], True),
        (["--milk", "False"], False),  # the original turned the switch on here
        (["--milk=no"], False),
        ([], False),
    ],
)
def test_a_switch_means_what_was_typed(words, milk):
    assert tea(*words) == (Tea(milk=milk), [])


def test_a_switch_does_not_swallow_a_photo():
    assert tea("--milk", "daisy.jpg") == (Tea(milk=True), ["daisy.jpg"])


def test_zero_is_a_value_and_not_a_flag_left_out():
    assert tea("--wait_s=0")[0].wait_s == 0
    assert tea()[0].wait_s is None


def test_a_negative_number_is_a_value():
    assert tea("--wait_s", "-1")[0].wait_s == -1


def test_a_flag_may_be_given_many_times_and_words_stay_in_order():
    assert tea("--guest=a", "b", "--guest", "c") == (Tea(guest=("a", "c")), ["b"])


def test_what_follows_two_hyphens_is_no_flag():
    assert tea("--", "--milk") == (Tea(), ["--milk"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--how_many_cups=ten"], "how_many_cups=ten"),
        (["--how_many_cups=0"], "--how_many_cups=0 is out of range: give 1 to 9"),
        (["--sugar_rate=-1"], "--sugar_rate=-1.0 is out of range: give 0 or more"),
        (["--sugar_rate=nan"], "out of range"),
        (["--kind=blakc"], r"--kind=blakc is not one of black, green; did you mean black\?"),
        (["--how_many_cups"], "--how_many_cups needs a value"),
        (["--nomilk=1"], "takes no value"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_flag(words, message):
    with pytest.raises(UserError, match=message) as caught:
        tea(*words)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_help_lists_every_flag_with_its_default(capsys):
    with pytest.raises(SystemExit) as stopped:
        tea("--help")
    text = capsys.readouterr().out
    assert stopped.value.code == 0
    assert text.strip() == help_text(Tea, "tea")
    for name in (
        "--how_many_cups  (default: 2)",
        "--[no]milk  (default: false)",
        "--guest  (default: none)",
        "One of: black, green.",
    ):
        assert name in text


def test_the_table_has_a_row_a_flag():
    assert markdown_table(Tea).count("\n") == 1 + 6


def test_two_programs_with_the_same_flag_do_not_collide():
    from label_image.cli import Command

    assert parse(Plan, ["--image_dir=a"], "retrain")[0].image_dir == "a"
    assert parse(Command, ["--image=a", "--image_dir=b"][:1], "label_image")[0].image == ("a",)
    assert parse(Plan, ["--image_dir=b"], "retrain")[0].image_dir == "b"
