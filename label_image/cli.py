"""The program `python -m label_image`: labels photos and prints the ranked labels.

`input_photos` finds the photos, `output_formats` formats the answers, and `sorting` copies or moves the photos.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from label_image.errors import RunError
from label_image.flags import named_as_typed, parse
from label_image.label_command import LabelCommand
from label_image.program import exit_status
from label_image.terminal import warn

if TYPE_CHECKING:
    from label_image.classifier import Classifier, Prediction
    from label_image.explainer import Explainer
    from label_image.find_metadata import Overrides
    from label_image.input_photos import Item
    from label_image.output import OutputStream
    from label_image.output_file import OutputFile
    from label_image.output_formats import Format, ResultRow
    from label_image.sorting import Sorter

PROGRAM = "python -m label_image"


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0, 1 (a failure), 2 (usage), 130 (Ctrl-C)."""

    def work() -> int:
        command, _ = parse(LabelCommand, argv, PROGRAM, words_are="image")
        with named_as_typed(LabelCommand, argv):
            return run(command)

    return exit_status("label_image", work, after_pipe=0)  # `| head` has closed the pipe


def run(command: LabelCommand) -> int:
    """Runs the command; returns the exit status."""
    from label_image.input_photos import check_words, needs_scratch
    from label_image.output import OutputStream

    with _written_to(command) as file, OutputStream(utf8=command.format != "text", to=file) as output:
        if command.describe:
            return _describe(command, output)
        if command.image or not command.benchmark:
            check_words(command.image, sort_into=command.sort_into, explain=command.explain)
        work = _benchmark if command.benchmark else _label
        if not needs_scratch(command.image, fetch_listed=command.fetch):
            return work(command, Path(), output)
        with scratch_folder() as scratch:
            return work(command, scratch, output)


def _written_to(command: LabelCommand) -> contextlib.AbstractContextManager[OutputFile | None]:
    """Opens the file of --output; None means standard output."""
    from label_image.output_file import OutputFile, check_apart

    if command.output in ("", "-", "/dev/stdout"):
        return contextlib.nullcontext()
    from label_image.classifier import DEFAULT_GRAPHS

    typed = command.graph or command.describe
    graphs = (typed,) if typed else DEFAULT_GRAPHS
    labels = command.labels or "tf_files/retrained_labels.txt"  # the default labels of a graph without metadata
    for name in ("sort_into", "explain"):
        check_apart(command.output, name, getattr(command, name))
    return OutputFile(command.output, (*command.image, *graphs, labels))


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """Makes a temporary folder for downloaded and drawn photos, and deletes it at the end."""
    import tempfile

    try:
        folder = tempfile.TemporaryDirectory(prefix="label_image-", ignore_cleanup_errors=True)
    except OSError as error:
        raise RunError(
            f"cannot make a temporary folder: {error.strerror or error}; set TMPDIR to a folder that can be written"
        ) from None
    with folder as path:
        yield Path(path)


def load(command: LabelCommand) -> Classifier:
    """Loads the classifier, and reports on standard error which of its properties are guesses."""
    from label_image.classifier import Classifier
    from label_image.describe import one_line
    from label_image.find_run import graph_of, run_folder

    graph = graph_of(run_folder(command.run)) if command.run else command.graph
    classifier = Classifier(graph, _overrides(command), command.threads)
    if taken := one_line(classifier.metadata):
        _complain(taken)
    return classifier


def _overrides(command: LabelCommand) -> Overrides:
    """Collects the values that the user typed about the classifier."""
    from label_image.find_metadata import Overrides

    typed = {field.name: getattr(command, field.name) for field in dataclasses.fields(Overrides)}
    for name in ("input_height", "input_width"):
        typed[name] = command.input_size if typed[name] is None else typed[name]
    return Overrides(**typed)


def _label(command: LabelCommand, scratch: Path, output: OutputStream) -> int:
    """Labels photos and prints one row for each as soon as it is ready."""
    from label_image.input_photos import is_one_photo, photos
    from label_image.output_formats import EXPLAINED, SORTED, format_for

    one = is_one_photo(command.image)
    extra = (SORTED if command.sort_into else ()) + (EXPLAINED if command.explain else ())
    form = format_for(command.format, output.write, one=one, extra=extra)
    begun = False
    try:
        classifier = load(command)
        explainer = _explainer(command, classifier)
        begun = True
        form.begin(min(command.top_k, len(classifier.metadata.labels) or command.top_k))
        found = photos(command.image, scratch, command.sort_into, command.explain, fetch_listed=command.fetch)
        bad, seen = _rows(command, (classifier, explainer), found, form, output)
    except KeyboardInterrupt:
        begun = True  # the JSON array is closed even if Ctrl-C comes before its first row
        raise
    finally:
        if begun:
            form.end()
    if not seen:
        _complain("no photo found")
    elif bad and not (one and command.format == "text"):
        _complain(f"{bad} of {seen} photos could not be labelled")
    return 1 if bad or not seen else 0


def _explainer(command: LabelCommand, classifier: Classifier) -> Explainer | None:
    """Makes the Explainer for --explain before the first photo, so that a network without a heat map is reported at once."""
    if not command.explain:
        return None
    from label_image.explainer import Explainer

    return Explainer(classifier)


def _rows(
    command: LabelCommand,
    tools: tuple[Classifier, Explainer | None],
    items: Iterator[Item],
    form: Format,
    output: OutputStream,
) -> tuple[int, int]:
    """Prints the rows, writes heat maps and sorts the photos; returns the number of failed photos and of all photos."""
    classifier, explainer = tools
    bad = seen = 0
    sorter: Sorter | None = None
    for item, prediction in _answers(classifier, items):
        if command.sort_into and not sorter and not prediction.error:
            from label_image.output_file import check_apart
            from label_image.sorting import Sorter

            sorter = Sorter(Path(command.sort_into), prediction.labels, move=command.move)
            for folder in sorter.folders if command.output not in ("", "-") else ():
                check_apart(command.output, "sort_into", str(folder))
        with output.whole():  # Ctrl-C never separates moving a photo from printing its row
            row = _row(command, item, prediction, sorter, explainer)
            form.row(row)
            if item.fetched:
                Path(item.path).unlink(missing_ok=True)
        seen += 1
        bad += bool(row.error)
    return bad, seen


def _answers(classifier: Classifier, items: Iterable[Item]) -> Iterator[tuple[Item, Prediction]]:
    """Yields each item with its prediction; an item that has an error keeps it."""
    asked: deque[Item] = deque()

    def paths() -> Iterator[str]:
        for item in items:
            asked.append(item)
            yield item.path

    for prediction in classifier.classify_all(paths()):
        item = asked.popleft()
        yield item, dataclasses.replace(prediction, error=item.error) if item.error else prediction


def _row(
    command: LabelCommand, item: Item, prediction: Prediction, sorter: Sorter | None, explainer: Explainer | None
) -> ResultRow:
    """Makes a photo's row, after its heat map is written and it is sorted."""
    from label_image.errors import PhotoError
    from label_image.output_formats import ResultRow

    if prediction.error:
        return ResultRow(item.name, error=str(prediction.error), undone=prediction.error.undone)
    best = prediction.top(command.top_k)
    sure = tuple((label, score) for label, score in best if not (command.threshold and not score >= command.threshold))
    row = ResultRow(item.name, sure, seconds=prediction.seconds)
    try:
        if explainer:
            from label_image.explainer import write_picture

            picture = explainer.picture(item.path, prediction, best[0][0])
            row = dataclasses.replace(row, heat_map=write_picture(picture, Path(command.explain), item.name))
        if sorter:
            placed = sorter.put(Path(item.path), item.name, sure[0][0] if sure else None)
            row = dataclasses.replace(row, sorted=placed.how, sorted_to=placed.path)
    except PhotoError as error:
        return ResultRow(item.name, error=str(error))
    return row


def _benchmark(command: LabelCommand, scratch: Path, output: OutputStream) -> int:
    """Measures and prints the speed."""
    from label_image import benchmark
    from label_image.input_photos import photos
    from label_image.workers import cores

    def paths() -> Iterator[str]:  # drawing imports packages whose import belongs to the loading time
        words = command.image or (benchmark.drawn_photo(scratch),)
        yield from (item.path for item in photos(words, scratch, fetch_listed=command.fetch))

    speed = benchmark.measure(lambda: load(command), paths(), command.threads or cores())
    output.write(benchmark.written(speed, command.format))
    return 0


def _describe(command: LabelCommand, output: OutputStream) -> int:
    """Prints what is known about a classifier."""
    from label_image.describe import describe
    from label_image.find_metadata import metadata_of

    path = Path(command.describe)
    output.write(f"{describe(metadata_of(path, _overrides(command)), path)}\n")
    return 0


def _complain(text: str) -> None:
    warn(f"label_image: {text}")
