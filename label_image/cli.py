"""Words of a command line in, ranked labels on the screen out, exit status back."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from label_image.errors import UserError
from label_image.flags import check, flag, parse

if TYPE_CHECKING:
    from label_image.classifier import Classifier, Prediction

PROGRAM = "python -m label_image"


@dataclass(frozen=True)
class Command:
    """Labels photos with a trained classifier, for example `python -m label_image --image daisy.jpg`."""

    image: tuple[str, ...] = flag(
        (),
        "A photo, a folder of photos (with its sub-folders) or a pattern such as 'new/*.jpg'; may be given several times.",
    )
    graph: str = flag(
        "", "The classifier: a .tflite, a .pb or a SavedModel folder. Left out: what retrain left in tf_files."
    )
    labels: str = flag("", "A labels file, one name a line. Left out: the labels inside the classifier.")
    input_height: int | None = flag(
        None, "Rows the network takes, in pixels. Left out: the classifier says it.", minimum=1, maximum=10_000
    )
    input_width: int | None = flag(
        None, "Columns the network takes, in pixels. Left out: the classifier says it.", minimum=1, maximum=10_000
    )
    input_mean: float | None = flag(
        None, "The network takes (pixel - input_mean) / input_std, pixels 0 to 255. Left out: the classifier says it."
    )
    input_std: float | None = flag(None, "See --input_mean.", minimum=1e-6)
    input_layer: str = flag("", "The operation of a .pb that takes the pixels. Left out: the classifier says it.")
    output_layer: str = flag("", "The operation of a .pb that gives the scores. Left out: the classifier says it.")
    top_k: int = flag(5, "How many labels to print for a photo.", minimum=1)
    describe: bool = flag(False, "Print what the classifier takes and gives, and where each fact comes from.")
    threads: int = flag(0, "Workers for many photos; 0 is one a core.", minimum=0, maximum=1024)

    def __post_init__(self) -> None:
        """Refuses what is out of bounds."""
        check(self)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0, 1 (a failure), 2 (usage), 130 (Ctrl-C)."""
    try:
        command, words = parse(Command, argv, PROGRAM)
        return label(command, [*command.image, *words])
    except UserError as error:
        print(f"label_image: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # `| head` has seen enough
        return 0
    except KeyboardInterrupt:
        print("label_image: stopped", file=sys.stderr)
        return 130


def label(command: Command, images: Sequence[str]) -> int:
    """Labels what was asked and prints it; returns the exit status."""
    if not images and not command.describe:
        raise UserError("no photo given: --image daisy.jpg")
    from label_image.classifier import Classifier
    from label_image.describe import describe, one_line
    from label_image.inspect import Overrides

    overrides = Overrides(
        command.labels, command.input_height, command.input_width, command.input_mean, command.input_std,
        command.input_layer, command.output_layer,
    )  # fmt: skip
    classifier = Classifier(command.graph, overrides, command.threads)
    if command.describe:
        print(describe(classifier.card, classifier.path))
        return 0
    if taken := one_line(classifier.card):
        print(f"label_image: {taken}", file=sys.stderr)
    if len(images) == 1 and not Path(images[0]).is_dir() and not _is_pattern(images[0]):
        return _label_one(classifier, images[0], command.top_k)
    return _label_many(classifier, expand(images), command.top_k)


def expand(images: Sequence[str]) -> Iterator[str]:
    """Files stand for themselves, folders for the files below them, patterns for what they match; hidden files are left out.

    Raises:
      UserError: a pattern that matches nothing.
    """
    for image in images:
        if Path(image).is_dir():
            for folder, folders, files in os.walk(image):
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                yield from (os.path.join(folder, name) for name in sorted(files) if not name.startswith("."))  # noqa: PTH118 - the words typed, not a normalised path
        elif _is_pattern(image):
            found = sorted(glob.glob(image, recursive=True))  # noqa: PTH207 - Path.glob refuses absolute patterns
            if not found:
                raise UserError(f"--image={image} matches no file")
            yield from found
        else:
            yield image


def _is_pattern(image: str) -> bool:
    return glob.has_magic(image) and not Path(image).exists()


def _label_one(classifier: Classifier, image: str, k: int) -> int:
    """The original's form, line for line."""
    prediction = classifier.classify_all([image])
    answer = next(iter(prediction))
    if answer.error:
        print(f"label_image: cannot read {image}: {answer.error}", file=sys.stderr)
        return 1
    print(f"\nEvaluation time (1-image): {answer.seconds:.3f}s\n")
    _print_scores(answer, k)
    return 0


def _label_many(classifier: Classifier, images: Iterator[str], k: int) -> int:
    bad = seen = 0
    for prediction in classifier.classify_all(images):
        seen += 1
        if prediction.error:
            bad += 1
            print(f"{prediction.image}\nerror: {prediction.error}\n", flush=True)
            continue
        print(prediction.image)
        _print_scores(prediction, k)
        print(flush=True)
    if bad or not seen:
        print(f"label_image: {bad} of {seen} photos could not be read", file=sys.stderr)
        return 1
    return 0


def _print_scores(prediction: Prediction, k: int) -> None:
    for name, score in prediction.top(k):
        print(f"{name} (score={score:.5f})")
