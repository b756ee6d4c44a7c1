"""The options of the layer that is trained on the features: optimizer, learning rate, steps and batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag

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


@dataclass(frozen=True)
class HeadOptions:
    """How the softmax layer, and hidden layers below it, are trained."""

    title: ClassVar[str] = "Training"

    how_many_training_steps: int = flag(4000, "Training steps.", minimum=0, maximum=100_000_000)
    learning_rate: float = flag(0.01, "Rate of gradient descent.", minimum=1e-9, maximum=1e3)
    optimizer: str = flag(
        "sgd",
        "How the layer is trained: sgd (gradient descent), momentum, adam, or lbfgs, which solves it exactly: no steps, no rate, the same answer each time.",
        choices=("sgd", "momentum", "adam", "lbfgs"),
    )
    momentum: float | None = flag(
        None, "Share of its last step that --optimizer=momentum keeps; left out, 0.9.", minimum=0, maximum=0.9999
    )
    weight_decay: str = flag(
        "",
        "L2 penalty: so many times half the squares of the weights is added to the loss, biases are left alone; auto (lbfgs only) finds it by cross-validation on the training photos. Left out, 0, and auto with lbfgs.",
    )
    lr_policy: str = flag(
        "fixed",
        "How the rate changes, as Caffe's: fixed; step (rate * gamma^(iter // stepsize)); inv (rate * (1 + gamma * iter)^-power); exp (rate * gamma^iter); cosine (down to nothing at the last step).",
        choices=("fixed", "step", "inv", "exp", "cosine"),
    )
    gamma: float | None = flag(None, "For --lr_policy step, inv and exp.", minimum=0, maximum=1e6)
    power: float | None = flag(None, "For --lr_policy=inv.", minimum=0, maximum=1e3)
    stepsize: int | None = flag(None, "For --lr_policy=step: steps of one rate.", minimum=1)
    hidden_units: str = flag(
        "", "Layers between the features and the softmax layer, units of each with commas: 128,64; left out, none."
    )
    activation: str = flag(
        "relu", "Of the hidden layers, and of the small networks.", choices=("relu", "sigmoid", "tanh")
    )
    dropout: float = flag(
        0.0,
        "Share of the hidden units (without any: of the features) that each training step leaves out.",
        minimum=0,
        maximum=0.99,
    )
    label_smoothing: float = flag(
        0.0, "Share of each photo's label that goes to all classes alike while training.", minimum=0, maximum=0.99
    )
    class_weights: str = flag(
        "none",
        "balanced: each class weighs the same in the loss, however many photos it has. Batches are drawn class first, which does that already: it matters with --train_batch_size=-1 and lbfgs.",
        choices=("none", "balanced"),
    )
    train_batch_size: int = flag(100, "Photos a step; -1 is all of them.", minimum=-1)
    validation_batch_size: int = flag(
        100,
        "Photos in each logged validation; -1 is all of them. The best step is chosen on all of them, or on 2,000 where there are more and this is not -1.",
        minimum=-1,
    )
    test_batch_size: int = flag(-1, "Photos in the final test; -1 is all of them.", minimum=-1)
    eval_step_interval: int = flag(10, "Evaluate every so many steps.", minimum=1)
    early_stopping_steps: int = flag(
        0, "End training when the validation loss has not fallen for so many steps; 0 is never.", minimum=0
    )
    snapshot_steps: int = flag(
        0,
        "Write the whole state of training every so many steps, to the name of --checkpoint_path with _step_N.npz; 0 is never.",
        minimum=0,
    )
    resume: str = flag("", "A snapshot from which training goes on, to the same bits as without a break.")
    seed: int = flag(0, "Seed of training: the same seed and photos give the same bits.", minimum=0)

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        for name in ("train_batch_size", "validation_batch_size", "test_batch_size"):
            if getattr(self, name) == 0:
                raise UserError(f"--{name}=0 is no batch; give 1 or more, or -1 for all")
        _check_policy(self)
        _check_decay(self)
        hidden_units_of(self.hidden_units)

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return hidden_units_of(self.hidden_units)

    @property
    def decay(self) -> float:
        """--weight_decay as a number; 0 where it is auto or left out."""
        return float(self.weight_decay) if self.weight_decay not in ("", "auto") else 0.0


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


def _check_policy(options: HeadOptions) -> None:
    needed = _POLICY_NUMBERS[options.lr_policy]
    for name in _OF_POLICIES:
        value = getattr(options, name)
        if name in needed and value is None:
            raise UserError(f"--lr_policy={options.lr_policy} needs --{name}, and it is not given")
        if name not in needed and value is not None:
            users = [policy for policy, numbers in _POLICY_NUMBERS.items() if name in numbers]
            raise UserError(
                f"--{name}={value:g} is not used by --lr_policy={options.lr_policy}; it goes with --lr_policy={' or '.join(users)}"
            )
    if options.lr_policy in ("step", "exp") and not 0 < (options.gamma or 0) <= 1:
        raise UserError(f"--gamma={options.gamma:g} with --lr_policy={options.lr_policy}: give more than 0, at most 1")


def _check_decay(options: HeadOptions) -> None:
    text, exact = options.weight_decay, options.optimizer == "lbfgs"
    if text in ("", "auto"):
        if text and not exact:
            raise UserError(f"--weight_decay=auto goes with --optimizer=lbfgs, not {options.optimizer}; give a number")
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
