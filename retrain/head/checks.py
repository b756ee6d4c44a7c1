"""What a plan says of training in, one line on what can not be meant out. `plan` asks; this file knows no Plan."""

from __future__ import annotations

from typing import Any

from label_image.errors import UserError

_MOST_UNITS = 65_536
# What each --lr_policy needs; what it does not need is refused, for then another policy was meant.
_POLICY_NUMBERS = {
    "fixed": (),
    "step": ("gamma", "stepsize"),
    "inv": ("gamma", "power"),
    "exp": ("gamma",),
    "cosine": (),
}
_OF_POLICIES = ("gamma", "power", "stepsize")
# What lbfgs has no use for, and the value that says nothing.
_NOT_OF_LBFGS = {
    "learning_rate": 0.01, "lr_policy": "fixed", "hidden_units": "", "early_stopping_steps": 0, "snapshot_steps": 0,
    "resume": "", "intermediate_store_frequency": 0, "dropout": 0.0,
}  # fmt: skip


def check_training(plan: Any) -> None:
    """Refuses what excludes each other.

    Args:
      plan: a Plan; each field is in its own bounds.

    Raises:
      UserError: naming the flags.
    """
    _check_policy(plan)
    _check_decay(plan)
    if plan.momentum is not None and plan.optimizer != "momentum":
        raise UserError(
            f"--momentum={plan.momentum:g} is not used by --optimizer={plan.optimizer}; give --optimizer=momentum, or leave it out"
        )
    for name, silent in _NOT_OF_LBFGS.items() if plan.optimizer == "lbfgs" else ():
        if getattr(plan, name) != silent:
            raise UserError(
                f"--{name}={getattr(plan, name)} is not used by --optimizer=lbfgs, which solves one softmax layer without steps; leave one out"
            )
    hidden = hidden_units_of(plan.hidden_units)
    if plan.activation != "relu" and plan.weights != "none" and not hidden:
        raise UserError(
            f"--activation={plan.activation} needs hidden layers, and there are none; give --hidden_units=128, or leave it out"
        )
    if plan.snapshot_steps and not plan.checkpoint_path:
        raise UserError("--snapshot_steps writes beside --checkpoint_path, which is empty; give it a name")
    _check_views(plan)


def hidden_units_of(text: str) -> tuple[int, ...]:
    """Reads --hidden_units.

    Raises:
      UserError: what is no list of numbers from 1 up.

    >>> hidden_units_of("128, 64"), hidden_units_of("")
    ((128, 64), ())
    """
    words = [word.strip() for word in text.split(",")] if text.strip() else []
    for word in words:
        if not (word.isascii() and word.isdigit() and 1 <= int(word) <= _MOST_UNITS):
            raise UserError(
                f"--hidden_units={text}: {word!r} is no number of units; give 1 to {_MOST_UNITS}, several layers with commas: 128,64"
            )
    return tuple(int(word) for word in words)


def _check_policy(plan: Any) -> None:
    needed = _POLICY_NUMBERS[plan.lr_policy]
    for name in _OF_POLICIES:
        value = getattr(plan, name)
        if name in needed and value is None:
            raise UserError(f"--lr_policy={plan.lr_policy} needs --{name}, and it is not given")
        if name not in needed and value is not None:
            users = [policy for policy, numbers in _POLICY_NUMBERS.items() if name in numbers]
            raise UserError(
                f"--{name}={value:g} is not used by --lr_policy={plan.lr_policy}; it goes with --lr_policy={' or '.join(users)}"
            )
    if plan.lr_policy in ("step", "exp") and not 0 < plan.gamma <= 1:
        raise UserError(f"--gamma={plan.gamma:g} with --lr_policy={plan.lr_policy}: give more than 0, at most 1")


def _check_decay(plan: Any) -> None:
    text, exact = plan.weight_decay, plan.optimizer == "lbfgs"
    if text in ("", "auto"):
        if text and not exact:
            raise UserError(f"--weight_decay=auto goes with --optimizer=lbfgs, not {plan.optimizer}; give a number")
        return
    try:
        decay = float(text)
    except ValueError:
        raise UserError(f"--weight_decay={text} is no number; give one from 0 up, or auto") from None
    if not 0 <= decay <= 1e6:
        raise UserError(f"--weight_decay={text} is out of range: give 0 to 1e+06")
    if exact and decay < 1e-9:
        raise UserError(
            f"--weight_decay={text} with --optimizer=lbfgs: without it weights grow for ever where classes can be told apart; give 1e-09 or more, or auto"
        )


def _check_views(plan: Any) -> None:
    if not plan.test_time_views:
        return
    if not plan.distorts:
        raise UserError(
            f"--test_time_views={plan.test_time_views} needs a distortion, and none is set; give --flip_left_right, say"
        )
    if plan.test_time_views > plan.cached_views:
        raise UserError(
            f"--test_time_views={plan.test_time_views} is more than --cached_views={plan.cached_views}; raise that, or lower it"
        )
