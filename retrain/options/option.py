"""Defines an option of `python -m retrain`: a flag, and what the rest of the program must know about it.

Each option declares which modes use it, and whether its value must be the same in a snapshot; neither has a default, so that
neither can be forgotten. From this, flags without effect are refused, and the options in a snapshot are determined.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from label_image.errors import UserError
from label_image.flag_fields import flag, flag_fields

# In which snapshots an option must have the same value as in the resumed training: in none; in all; only if the learning rate
# follows a cosine, which depends on the number of steps; only if the network is trained.
InSnapshot = Literal["no", "always", "cosine", "network"]


@dataclasses.dataclass(frozen=True)
class UsedWith:
    """A condition under which an option has an effect: other flags have certain values, any one of them."""

    flags: Mapping[str, tuple[str, ...]]  # name -> values; empty if it depends on the network, see `for_network`
    why: str = ""  # why other values do not use it, for the refusal
    words: str = ""  # for --help; "" makes them from the flags

    def holds(self, values: Mapping[str, object]) -> bool:
        """Tells whether one of the flags has one of these values; last:2 counts as last:N."""
        return any(_kind(values[name]) in map(_kind, allowed) for name, allowed in self.flags.items())

    def sentence(self) -> str:
        """Says the condition for --help.

        >>> UsedWith({"lr_policy": ("step", "inv")}).sentence()
        'Used with --lr_policy=step or inv.'
        """
        return self.words or f"Used with {_listed(self.flags)}."


ALWAYS: tuple[UsedWith, ...] = ()  # every mode uses it, or accepts it without effect
STEPS = UsedWith({"optimizer": ("sgd", "momentum", "adam")}, "which solves one softmax layer without steps")
MOMENTUM = UsedWith({"optimizer": ("momentum",), "fine_tune_optimizer": ("momentum",)})
NETWORK_KEPT = UsedWith({"train": ("head",)})
NETWORK_TRAINED = UsedWith({"train": ("last:N", "all")})
PRETRAINED = UsedWith(
    {"weights": ("pretrained",)},
    "which trains the network by --learning_rate, --optimizer and --train_batch_size",
    words="Not used with --weights=none.",
)
SMALL_NETWORK = UsedWith({}, words="Used by lenet and the other small networks.")


def with_policy(*policies: str) -> UsedWith:
    """The condition that the learning rate follows one of some policies."""
    return UsedWith({"lr_policy": policies})


@dataclasses.dataclass(frozen=True)
class Option:
    """What the program must know about an option besides its flag."""

    used_by: tuple[UsedWith, ...]  # all must hold; else a value other than the default is refused
    in_snapshot: InSnapshot
    in_compare: bool  # whether python -m retrain.compare offers it


def option(
    default: Any,
    text: str,
    *,
    used_by: Sequence[UsedWith],
    in_snapshot: InSnapshot,
    in_compare: bool = True,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
    besides: float | None = None,
    common: bool = False,
) -> Any:
    """A data class field that is an option of retraining.

    Args:
      default: str, int, float, bool or None (an optional flag).
      text: one or two sentences for `--help`; the conditions of `used_by` are added.
      used_by: the conditions under which it has an effect; all must hold. With ALWAYS it is never refused.
      in_snapshot: whether training that is resumed from a snapshot must have the same value.
      in_compare: whether `python -m retrain.compare` offers it; not for what a run writes, which is thrown away there.
      minimum: smallest value allowed.
      maximum: largest value allowed.
      choices: the words allowed.
      besides: a value that is allowed although it is out of bounds, such as -1 for all.
      common: whether the short `--help` explains it.
    """
    help_text = " ".join([text, *(use.sentence() for use in used_by)])
    made = flag(default, help_text, minimum=minimum, maximum=maximum, choices=choices, besides=besides, common=common)
    more = {"option": Option(tuple(used_by), in_snapshot, in_compare)}
    return dataclasses.field(default=default, metadata={**made.metadata, **more})


def option_of(field: dataclasses.Field[Any]) -> Option:
    """Returns what `option` was told about a field."""
    found: Option = field.metadata["option"]
    return found


def in_snapshot(options: type, *kinds: InSnapshot) -> list[str]:
    """Lists the options in which a snapshot must agree.

    Args:
      options: the class of all options.
      kinds: which of them, by what their fields say.
    """
    return [field.name for field in flag_fields(options) if option_of(field).in_snapshot in kinds]


def refuse_unused(options: type, values: Mapping[str, object]) -> None:
    """Refuses flags that are given although they have no effect beside the others.

    Args:
      options: the class of all options.
      values: the value of each flag by its name.

    Raises:
      UserError: naming the flag.
    """
    uses = {field.name: option_of(field).used_by for field in flag_fields(options)}
    for field in flag_fields(options):
        for use in uses[field.name] if values[field.name] != field.default else ():
            if not use.flags or use.holds(values):
                continue
            deciding = {
                name: allowed
                for name, allowed in use.flags.items()
                if all(not more.flags or more.holds(values) for more in uses[name])
            }
            raise _unused(field.name, values, dataclasses.replace(use, flags=deciding))


def refuse_with(options: type, values: Mapping[str, object], use: UsedWith, by: str) -> None:
    """Refuses flags that are given although the network has no use for them.

    Args:
      options: the class of all options.
      values: the value of each flag by its name.
      use: the condition that does not hold.
      by: what does not use them, for the error.

    Raises:
      UserError: naming the flag.
    """
    for field in flag_fields(options):
        if use in option_of(field).used_by and values[field.name] != field.default:
            raise UserError(f"{_given(field.name, values[field.name])} is not used by {by}")


def _unused(name: str, values: Mapping[str, object], use: UsedWith) -> UserError:
    """The error for a flag that has no effect."""
    by = " and ".join(_given(flag, values[flag]) for flag in use.flags)
    why = f", {use.why}" if use.why else ""
    allowed = [value for several in use.flags.values() for value in several]
    advice = (
        f"give {_listed(use.flags)}, or leave it out" if len(allowed) == 1 else f"it goes with {_listed(use.flags)}"
    )
    return UserError(f"{_given(name, values[name])} is not used by {by}{why}; {advice}")


def _given(name: str, value: object) -> str:
    """A flag as it could be typed.

    >>> _given("momentum", 0.5), _given("augment", False)
    ('--momentum=0.5', '--noaugment')
    """
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={value:g}" if isinstance(value, float) else f"--{name}={value}"


def _listed(flags: Mapping[str, tuple[str, ...]]) -> str:
    return " or ".join(f"--{name}={' or '.join(values)}" for name, values in flags.items())


def _kind(value: object) -> str:
    return str(value).partition(":")[0]
