from __future__ import annotations

from dataclasses import dataclass

import pytest

from label_image.errors import UserError
from label_image.flag_help import help_text, markdown_table
from label_image.flags import check, flag, parse
from retrain.options.options import Options


@dataclass(frozen=True)
class Tea:
    """Makes tea."""

    how_many_cups: int = flag(2, "Cups.", minimum=1, maximum=9)
    sugar_rate: float = flag(0.5, "Spoons a cup.", minimum=0)
    milk: bool = flag(False, "Milk first.")
    kind: str = flag("black", "Which.", choices=("black", "green"))
    guest: tuple[str, ...] = flag((), "Who comes.")
    wait_s: int | None = flag(None, "Seconds.")
    blend: tuple[float, ...] | None = flag(None, "Parts.")

    def __post_init__(self):
        check(self)


def tea(*words):
    return parse(Tea, words, "tea")


def test_both_spellings_of_a_value_are_read():
    assert tea("--how_many_cups=3")[0] == tea("--how_many_cups", "3")[0] == Tea(how_many_cups=3)


def test_hyphens_stand_for_underscores():
    assert tea("--how-many-cups=3")[0].how_many_cups == 3


def test_the_beginning_of_a_name_is_no_flag_and_the_whole_names_are_suggested():
    with pytest.raises(UserError, match=r"unknown flag --how_many; did you mean --how_many_cups\?"):
        tea("--how_many", "4")
    with pytest.raises(UserError, match=r"did you mean --testing_percentage, --test_batch_size, --test_time_views or "):
        parse(Options, ["--test", "1"], "retrain")


def test_a_flag_of_a_list_is_taken_by_retrains_own_name_too():
    from retrain.compare.asked import Comparison

    assert parse(Comparison, ["--architecture=a", "--seed", "0,1"], "compare")[0].seeds == "0,1"
    with pytest.raises(UserError, match="did you mean --architectures"):
        parse(Comparison, ["--architectur=a"], "compare")


def test_an_unknown_flag_names_the_nearest():
    with pytest.raises(UserError, match=r"unknown flag --how_many_cusp; did you mean --how_many_cups\?"):
        tea("--how_many_cusp=1")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("training_steps", "how_many_training_steps"),
        ("train_steps", "how_many_training_steps"),
        ("batch_size", "train_batch_size"),
        ("image-folder", "image_dir"),
        ("learningrate", "learning_rate"),
        ("output", "output_graph"),
    ],
)
def test_the_misspelling_of_the_original_users_is_no_longer_swallowed(typed, meant):
    with pytest.raises(UserError, match=rf"did you mean .*--{meant}\b"):
        parse(Options, [f"--{typed}=5"], "retrain")


@pytest.mark.parametrize("typed", ["turbo", "gpu_memory", "zzz"])
def test_nothing_is_suggested_where_nothing_is_near(typed):
    with pytest.raises(UserError, match=rf"^unknown flag --{typed} \(--help lists them all\)$"):
        parse(Options, [f"--{typed}"], "retrain")


EM, EN, MINUS, HYPHEN, STAYS, SPACE = "\u2014", "\u2013", "\u2212", "\u2010", "\u2011", "\u00a0"


@pytest.mark.parametrize(
    ("words", "found", "type_this"),
    [
        ([f"{EM}kind", "green"], "em dash", "--kind"),
        ([f"{EN}{EN}kind=green"], "en dash", "--kind=green"),
        ([f"{MINUS}-how_many_cups=3"], "minus sign", "--how_many_cups=3"),
        ([f"{HYPHEN}{HYPHEN}nomilk"], "hyphen", "--nomilk"),
        ([f"--how{STAYS}many{STAYS}cups=3"], "non-breaking hyphen", "--how_many_cups=3"),
        ([f"--kind{SPACE}green"], "no-break space", "--kind green"),
        (["\ufeff--kind=green"], "zero width no-break space", "--kind=green"),
        (["\u201c--kind=green\u201d"], "left double quotation mark", "--kind=green"),
        (["--kind\uff1dgreen"], "fullwidth equals sign", "--kind=green"),
        (["--kind=\u201cgreen\u201d"], "right double quotation mark", "--kind=green"),
        (["--kind", "\u2018green\u2019"], "left single quotation mark", "--kind=green"),
        (["--guest=\u201cthe queen\u201d"], "quotation mark", '--guest="the queen"'),
        (["--guest='bob'"], "a single quote", "--guest=bob"),  # as Windows' cmd passes it on
        ([f"--wait_s={MINUS}1"], "minus sign", "type -1"),
        (["--kind", "=", "green"], "a space", "--kind=green"),
        (["--kind", "=green"], "a space", "--kind=green"),
        (["--kind=", "green"], "without a space", "--kind=green"),
        (["--milk", "\\"], "line continuation of bash", "on one line"),
    ],
)
def test_what_text_from_the_web_has_in_place_of_the_keyboards_signs_is_named(words, found, type_this):
    with pytest.raises(UserError) as caught:
        tea(*words)
    assert found in str(caught.value)
    assert type_this in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "words", [[f"{EM}image_dir", "{folder}"], [f"{EN}{EN}image_dir={{folder}}"], [f"{EM}image_dir={{folder}}"]]
)
def test_retrain_names_the_dash_before_the_folder_behind_it(tmp_path, capsys, words):
    from retrain.cli import main

    assert main([word.format(folder=tmp_path) for word in words]) == 2
    said = capsys.readouterr().err
    assert " dash (U+201" in said
    assert "type --image_dir" in said
    assert said.count("\n") == 1


def test_a_file_may_be_called_as_it_likes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "\u201cx\u201d").touch()
    (tmp_path / "=x").touch()
    assert tea(f"{EM}kindred", f"{EN}5.jpg", "caf\u00e9")[1] == [f"{EM}kindred", f"{EN}5.jpg", "caf\u00e9"]
    assert tea("--guest=\u201cx\u201d", "--guest", "=x")[0].guest == ("\u201cx\u201d", "=x")
    assert tea("--guest=a=b", "--guest=it's", "--guest=\u201ca\u201d b")[0].guest == ("a=b", "it's", "\u201ca\u201d b")


def test_the_last_of_two_values_counts_and_the_help_says_so(capsys):
    assert tea("--how_many_cups=3", "--how_many_cups", "4")[0].how_many_cups == 4
    assert tea("--milk", "--nomilk")[0].milk is False
    assert capsys.readouterr().err == ""
    assert "if a flag is given twice, the last value counts" in help_text(Tea, "tea")


def test_a_whole_number_may_be_written_as_one_and_some_flags_take_several():
    assert tea("--how_many_cups=3.0")[0] == tea("--how_many_cups", "3e0")[0] == Tea(how_many_cups=3)
    assert tea("--blend=127.5")[0].blend == (127.5,)
    assert tea("--blend", "1,2.5,-3")[0].blend == (1, 2.5, -3)


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
        (["--how_many_cups=ten"], "--how_many_cups=ten is not a whole number"),
        (["--how_many_cups=2.5"], "--how_many_cups=2.5 is not a whole number; give 2 or 3"),
        (["--how_many_cups=1,000"], r"is not a whole number; did you mean 1000\?"),
        (["--sugar_rate=0,5"], r"--sugar_rate=0,5 is not a number; did you mean 0.5\?"),
        (["--sugar_rate=5%"], r"--sugar_rate=5% is not a number; did you mean 5\?"),
        (["--sugar_rate=inf"], "out of range"),
        (["--blend=1,x"], "--blend=x is not a number"),
        (["--milk=perhaps"], "--milk=perhaps is neither true nor false; write --milk or --nomilk"),
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
    assert markdown_table(Tea).count("\n") == 1 + 7


def test_two_programs_with_the_same_flag_do_not_collide():
    from label_image.label_command import LabelCommand

    assert parse(Options, ["--image_dir=a"], "retrain")[0].data.image_dir == "a"
    assert parse(LabelCommand, ["--image=a", "--image_dir=b"][:1], "label_image")[0].image == ("a",)
    assert parse(Options, ["--image_dir=b"], "retrain")[0].data.image_dir == "b"
