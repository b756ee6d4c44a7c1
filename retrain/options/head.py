"""Defines the options of the layer that is trained on the features: optimizer, learning rate, steps and batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from label_image.errors import UserError
from label_image.flags import check, flag_fields
from retrain.options.option import ALWAYS, MOMENTUM, STEPS, option, option_of, with_policy

MOST_STEPS = 100_000_000
_MOST_UNITS = 65_536


@dataclass(frozen=True)
class HeadOptions:
    """How the softmax layer, and hidden layers below it, are trained."""

    title: ClassVar[str] = "Training of the layer"

    how_many_training_steps: int = option(
        4000,
        "The number of training steps of the layer; each step uses one batch of photos (--train_batch_size).",
        used_by=ALWAYS,
        in_snapshot="cosine",
        minimum=0,
        maximum=MOST_STEPS,
        common=True,
    )
    learning_rate: float = option(
        0.01,
        "The learning rate of gradient descent.",
        used_by=[STEPS],
        in_snapshot="always",
        minimum=1e-9,
        maximum=1e3,
        common=True,
    )
    optimizer: str = option(
        "sgd",
        "How the layer is trained: by sgd (stochastic gradient descent), momentum or adam, or by lbfgs, which computes the exact minimum of the loss without steps and without a learning rate.",
        used_by=ALWAYS,
        in_snapshot="always",
        common=True,
        choices=("sgd", "momentum", "adam", "lbfgs"),
    )
    momentum: float | None = option(
        None,
        "The momentum coefficient. Default: 0.9.",
        used_by=[MOMENTUM],
        in_snapshot="always",
        minimum=0,
        maximum=0.9999,
    )
    weight_decay: str = option(
        "",
        "The coefficient of the L2 penalty: half the sum of the squared weights, without the biases, times this number is added to the loss. auto, only with lbfgs, chooses it by cross-validation on the training photos. Default: 0, and auto with lbfgs.",
        used_by=ALWAYS,
        in_snapshot="always",
    )
    lr_policy: str = option(
        "fixed",
        "How the learning rate changes during training, with the names that Caffe uses: fixed; step (rate * gamma^(iter // stepsize)); inv (rate * (1 + gamma * iter)^-power); exp (rate * gamma^iter); cosine (along half a cosine to 0 at the last step).",
        used_by=[STEPS],
        in_snapshot="always",
        choices=("fixed", "step", "inv", "exp", "cosine"),
    )
    gamma: float | None = option(
        None,
        "The number gamma in the formula of --lr_policy.",
        used_by=[with_policy("step", "inv", "exp")],
        in_snapshot="always",
        minimum=0,
        maximum=1e6,
    )
    power: float | None = option(
        None,
        "The number power in the formula of --lr_policy.",
        used_by=[with_policy("inv")],
        in_snapshot="always",
        minimum=0,
        maximum=1e3,
    )
    stepsize: int | None = option(
        None,
        "The number of steps after which --lr_policy changes the rate.",
        used_by=[with_policy("step")],
        in_snapshot="always",
        minimum=1,
    )
    hidden_units: str = option(
        "",
        "The numbers of units of the hidden layers between the features and the softmax layer, for example 128,64. Default: no hidden layer.",
        used_by=[STEPS],
        in_snapshot="always",
    )
    activation: str = option(
        "relu",
        "The activation function of the hidden layers and of the small networks.",
        used_by=ALWAYS,
        in_snapshot="always",
        choices=("relu", "sigmoid", "tanh"),
    )
    dropout: float = option(
        0.0,
        "The fraction of the hidden units that each training step drops; without hidden layers, the fraction of the features.",
        used_by=[STEPS],
        in_snapshot="always",
        minimum=0,
        maximum=0.99,
    )
    label_smoothing: float = option(
        0.0,
        "The fraction of each label's weight that is spread evenly over all classes in training.",
        used_by=ALWAYS,
        in_snapshot="always",
        minimum=0,
        maximum=0.99,
    )
    class_weights: str = option(
        "none",
        "With balanced, each class has the same weight in the loss, however many photos it has. In smaller batches than all photos, each class is drawn equally often anyway; so this flag has an effect only with --train_batch_size=-1 and with lbfgs.",
        used_by=ALWAYS,
        in_snapshot="always",
        choices=("none", "balanced"),
    )
    train_batch_size: int = option(
        100,
        "Photos per training step; -1 means all training photos.",
        used_by=ALWAYS,
        in_snapshot="always",
        minimum=1,
        besides=-1,
    )
    validation_batch_size: int = option(
        100,
        "Validation photos in each evaluation that is printed; -1 means all. The best step is chosen on all validation photos, or on 2,000 of them if there are more and this is not -1.",
        used_by=ALWAYS,
        in_snapshot="always",
        minimum=1,
        besides=-1,
    )
    test_batch_size: int = option(
        -1,
        "Photos in the test at the end; -1 means all test photos.",
        used_by=ALWAYS,
        in_snapshot="no",
        minimum=1,
        besides=-1,
    )
    eval_step_interval: int = option(
        10,
        "The number of steps from one evaluation to the next.",
        used_by=ALWAYS,
        in_snapshot="always",
        minimum=1,
    )
    early_stopping_steps: int = option(
        0,
        "End training if the validation loss has not fallen for this many steps; 0 means never.",
        used_by=[STEPS],
        in_snapshot="always",
        minimum=0,
    )
    snapshot_steps: int = option(
        0,
        "Write a snapshot of the whole training state whenever this many steps have been trained, to the name of --checkpoint_path with _step_N.npz added; 0 means never.",
        used_by=[STEPS],
        in_snapshot="no",
        in_compare=False,
        minimum=0,
    )
    resume: str = option(
        "",
        "The snapshot from which training continues. The result is bit for bit the same as without the interruption.",
        used_by=[STEPS],
        in_snapshot="no",
        in_compare=False,
    )
    seed: int = option(
        0,
        "The seed of training: the same seed and photos give bit for bit the same result.",
        used_by=ALWAYS,
        in_snapshot="always",
        minimum=0,
    )

    def __post_init__(self) -> None:
        """Checks the bounds of each field.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        _check_policy(self)
        _check_decay(self)
        hidden_units_of(self.hidden_units)

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """Returns the number of units of each hidden layer."""
        return hidden_units_of(self.hidden_units)

    @property
    def decay(self) -> float:
        """Returns --weight_decay as a number; 0 if it is auto or not given."""
        return float(self.weight_decay) if self.weight_decay not in ("", "auto") else 0.0


def hidden_units_of(text: str) -> tuple[int, ...]:
    """Reads --hidden_units.

    Raises:
      UserError: the text is not a list of whole numbers of at least 1.

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
    """Refuses a policy whose numbers are missing; a number that the policy does not use is refused with all unused flags."""
    for field in flag_fields(HeadOptions):
        policies = [use.flags["lr_policy"] for use in option_of(field).used_by if "lr_policy" in use.flags]
        if any(options.lr_policy in names for names in policies) and getattr(options, field.name) is None:
            raise UserError(f"--lr_policy={options.lr_policy} needs --{field.name}, and it is not given")
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
