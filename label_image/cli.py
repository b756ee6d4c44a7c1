"""The program `python -m label_image`: labels photos and prints the ranked labels.

`input_photos` finds the photos, `output_formats` formats the answers, and `sorting` copies or moves the photos.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from label_image.errors import RunError, UserError
from label_image.flags import check, flag, named_as_typed, parse
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
FORMATS = ("text", "json", "jsonl", "csv")
# The titles under which --help_all lists the flags.
_PHOTOS, _CLASSIFIER, _NETWORK = "Photos", "Classifier", "Inputs and outputs of the network"
_ANSWERS, _FILES, _SPEED = "Answers", "Files made of the photos", "Speed"


@dataclass(frozen=True)
class LabelCommand:
    """Labels photos with a trained classifier, for example `python -m label_image --image daisy.jpg`."""

    image: tuple[str, ...] = flag(
        (),
        "A photo, a folder of photos (with its sub-folders), a pattern such as 'new/*.jpg', an http or https address (up "
        "to 50 MB and 20 s), or - for a list on standard input, one name per line or separated by NUL characters. May be given several times.",
        group=_PHOTOS,
        common=True,
    )
    fetch: bool = flag(
        False,
        "Also download the http and https addresses in a list on standard input. By default each of them is an error: only "
        "addresses on the command line are downloaded.",
        group=_PHOTOS,
    )
    graph: str = flag(
        "",
        "The classifier: a .tflite, a .pb or a SavedModel folder. Default: the one that retrain wrote into tf_files.",
        group=_CLASSIFIER,
        common=True,
    )
    run: str = flag(
        "",
        "Instead of --graph: a run of python -m retrain whose classifier is used: its folder, or its name in tf_files/runs "
        "or the beginning of that name. Default: the newest run.",
        group=_CLASSIFIER,
    )
    labels: str = flag(
        "",
        "A labels file: one name per line, JSON, a label map (.pbtxt), YAML with names:, or CSV with a header. Default: the labels inside the classifier.",
        group=_CLASSIFIER,
    )
    input_height: int | None = flag(
        None,
        "Height of the network's input in pixels. Default: as the classifier states.",
        minimum=1,
        maximum=10_000,
        group=_NETWORK,
    )
    input_width: int | None = flag(
        None,
        "Width of the network's input in pixels. Default: as the classifier states.",
        minimum=1,
        maximum=10_000,
        group=_NETWORK,
    )
    input_size: int | None = flag(
        None,
        "Sets both --input_height and --input_width.",
        minimum=1,
        maximum=10_000,
        group=_NETWORK,
    )
    input_mean: tuple[float, ...] | None = flag(
        None,
        "The network's input is (pixel - input_mean) / input_std, with pixels from 0 to 255. One number, or one per channel separated by commas. Default: as the classifier states.",
        group=_NETWORK,
    )
    input_std: tuple[float, ...] | None = flag(
        None,
        "See --input_mean.",
        minimum=1e-6,
        group=_NETWORK,
    )
    input_order: str = flag(
        "",
        "Order of the channels in the network's input. Default: as the classifier states.",
        choices=("", "rgb", "bgr", "grey"),
        group=_NETWORK,
    )
    input_layer: str = flag(
        "",
        "The operation of a .pb that takes the pixels. Default: as the classifier states.",
        group=_NETWORK,
    )
    output_layer: str = flag(
        "",
        "The operation of a .pb that outputs the scores. Default: as the classifier states.",
        group=_NETWORK,
    )
    insist: bool = flag(
        False,
        "Use --labels, --input_... and --output_layer as typed even if they contradict the classifier's own metadata. Without this flag a contradiction is an error.",
        group=_CLASSIFIER,
    )
    top_k: int = flag(
        5,
        "How many labels to print for each photo.",
        minimum=1,
        group=_ANSWERS,
        common=True,
    )
    threshold: float = flag(
        0.0,
        "Print only labels whose score is at least this; 0 prints all.",
        minimum=0,
        maximum=1,
        group=_ANSWERS,
        common=True,
    )
    format: str = flag(
        "text",
        "How the answers are printed: text as in the original script, json as one array, jsonl as one object per line, csv as "
        "one row per photo. Each photo is printed as soon as it is labelled, in the order given.",
        choices=FORMATS,
        group=_ANSWERS,
        common=True,
    )
    output: str = flag(
        "",
        "Write the answers to this file in UTF-8 instead of printing them. The file is replaced only when it is complete, so a run that is stopped keeps the earlier one. A device or pipe is written to directly; - is standard output.",
        group=_ANSWERS,
        common=True,
    )
    sort_into: str = flag(
        "",
        "Copy each photo into a subfolder of this folder named after its best label, or into _unsure if that label's score is "
        "below --threshold. No file is overwritten: if a name is taken, a number is added; an identical photo is skipped.",
        group=_FILES,
        common=True,
    )
    move: bool = flag(
        False,
        "With --sort_into: move the photos instead of copying them.",
        group=_FILES,
    )
    explain: str = flag(
        "",
        "Write each photo into this folder with a heat map of the evidence for its best label: grey where there is none, dark "
        "red to light yellow where there is much (daisy.jpg becomes daisy_heat.jpg). No file is overwritten.",
        group=_FILES,
        common=True,
    )
    threads: int = flag(
        0,
        "Number of parallel workers for many photos; 0 means one per core.",
        minimum=0,
        maximum=1024,
        group=_SPEED,
    )
    benchmark: bool = flag(
        False,
        "Print the speed: loading, the first photo, the median photo, and all cores together. Draws a photo if none is given.",
        group=_SPEED,
    )
    describe: str = flag(
        "",
        "Print the inputs and outputs of a classifier and how they are known, without labelling any photo.",
        group=_CLASSIFIER,
    )

    def __post_init__(self) -> None:
        """Refuses values out of bounds and flags that exclude each other."""
        check(self)
        for name in ("input_height", "input_width"):
            if self.input_size is not None and getattr(self, name) not in (None, self.input_size):
                raise UserError(
                    f"--input_size={self.input_size} and --{name}={getattr(self, name)} contradict each other; leave one out"
                )
        if self.move and not self.sort_into:
            raise UserError("--move needs --sort_into, the folder to move the photos into")
        if self.run and self.graph:
            raise UserError("--run and --graph both name a classifier; leave one out")
        for name in ("sort_into", "explain"):
            if getattr(self, name) and self.benchmark:
                raise UserError(f"--benchmark only measures and writes no files: leave out --{name}")


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
