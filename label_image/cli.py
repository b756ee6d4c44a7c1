"""The program `python -m label_image`: photos are labelled, and the ranked labels go to standard output.

What the words mean is for `images`, how an answer is written for `formats`, where a photo goes for `sorting`.
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
from label_image.flags import check, flag, parse
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


@dataclass(frozen=True)
class LabelCommand:
    """Labels photos with a trained classifier, for example `python -m label_image --image daisy.jpg`."""

    image: tuple[str, ...] = flag(
        (),
        "A photo, a folder of photos (with its sub-folders), a pattern such as 'new/*.jpg', an http or https address (up "
        "to 50 MB and 20 s), or - for a list on standard input, one a line or between NULs; may be given several times.",
    )
    fetch: bool = flag(
        False,
        "Also fetch the http and https addresses in a list on standard input. Left out, they are an error each: only "
        "addresses typed as words are fetched.",
    )
    graph: str = flag(
        "", "The classifier: a .tflite, a .pb or a SavedModel folder. Left out: what retrain left in tf_files."
    )
    run: str = flag(
        "",
        "Instead of --graph: a run of python -m retrain, whose classifier labels; its folder, or its name in tf_files/runs "
        "or the beginning of it. Left out: the newest.",
    )
    labels: str = flag(
        "",
        "A labels file: a name a line, JSON, a label map (.pbtxt), YAML with names:, or CSV with a header. Left out: the labels inside the classifier.",
    )
    input_height: int | None = flag(
        None, "Rows the network takes, in pixels. Left out: the classifier says it.", minimum=1, maximum=10_000
    )
    input_width: int | None = flag(
        None, "Columns the network takes, in pixels. Left out: the classifier says it.", minimum=1, maximum=10_000
    )
    input_size: int | None = flag(None, "Both --input_height and --input_width.", minimum=1, maximum=10_000)
    input_mean: tuple[float, ...] | None = flag(
        None,
        "The network takes (pixel - input_mean) / input_std, pixels 0 to 255; one number, or one a channel with commas. Left out: the classifier says it.",
    )
    input_std: tuple[float, ...] | None = flag(None, "See --input_mean.", minimum=1e-6)
    input_order: str = flag(
        "",
        "Order of the channels the network takes. Left out: the classifier says it.",
        choices=("", "rgb", "bgr", "grey"),
    )
    input_layer: str = flag("", "The operation of a .pb that takes the pixels. Left out: the classifier says it.")
    output_layer: str = flag("", "The operation of a .pb that gives the scores. Left out: the classifier says it.")
    insist: bool = flag(
        False,
        "Use --labels, --input_... and --output_layer as typed, also where they contradict what the classifier says of itself; without it that is an error.",
    )
    top_k: int = flag(5, "How many labels to print for a photo.", minimum=1)
    threshold: float = flag(0.0, "Labels whose score is lower are not printed; 0 prints all.", minimum=0, maximum=1)
    format: str = flag(
        "text",
        "How the answers are printed: text as the original did; json is one array, jsonl an object a line, csv a row a "
        "photo. Each photo is printed as soon as it is labelled, in the order given.",
        choices=FORMATS,
    )
    output: str = flag(
        "",
        "A file for what would be printed, UTF-8; it takes its name when all of it is written, so a run that is stopped leaves what was there. A device or pipe is written to as it is; - is standard output.",
    )
    sort_into: str = flag(
        "",
        "A folder in which each photo is copied into a folder of its best label, or _unsure if that label's score is "
        "below --threshold. Nothing is written over: a name that is taken gets a number, the same photo is left out.",
    )
    move: bool = flag(False, "With --sort_into: move the photos instead of copying them.")
    explain: str = flag(
        "",
        "A folder into which goes each photo with what spoke for its best label drawn over it: grey where nothing did, "
        "dark red to light yellow where much did (daisy.jpg becomes daisy_heat.jpg). Nothing is written over.",
    )
    threads: int = flag(0, "Workers for many photos; 0 is one a core.", minimum=0, maximum=1024)
    benchmark: bool = flag(
        False,
        "Print how fast it is: loading, the first photo, the usual one, all cores. Draws a photo if none is given.",
    )
    describe: str = flag("", "Print what a classifier takes and gives and how that is known, and label nothing.")

    def __post_init__(self) -> None:
        """Refuses what is out of bounds or can not go together."""
        check(self)
        for name in ("input_height", "input_width"):
            if self.input_size is not None and getattr(self, name) not in (None, self.input_size):
                raise UserError(
                    f"--input_size={self.input_size} and --{name}={getattr(self, name)} exclude each other; leave one out"
                )
        if self.move and not self.sort_into:
            raise UserError("--move needs --sort_into: the folder to move the photos into")
        if self.run and self.graph:
            raise UserError("--run and --graph both name a classifier; leave one out")
        for name in ("sort_into", "explain"):
            if getattr(self, name) and self.benchmark:
                raise UserError(f"--benchmark measures and writes nothing: leave out --{name}")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0, 1 (a failure), 2 (usage), 130 (Ctrl-C)."""

    def work() -> int:
        command, _ = parse(LabelCommand, argv, PROGRAM, words_are="image")
        return run(command)

    return exit_status("label_image", work, after_pipe=0)  # `| head` has seen enough


def run(command: LabelCommand) -> int:
    """Does what was asked; returns the exit status."""
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
    """The file of --output; None is standard output."""
    from label_image.output_file import OutputFile

    if command.output in ("", "-", "/dev/stdout"):
        return contextlib.nullcontext()
    graphs = (
        [command.graph or command.describe] if command.graph or command.describe else ["tf_files/retrained_graph.pb"]
    )
    labels = command.labels or "tf_files/retrained_labels.txt"  # what a graph without metadata is read with
    return OutputFile(command.output, (*command.image, *graphs, labels))


@contextlib.contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder for what is downloaded or drawn, gone at the end."""
    import tempfile

    try:
        folder = tempfile.TemporaryDirectory(prefix="label_image-", ignore_cleanup_errors=True)
    except OSError as error:
        raise RunError(f"cannot make a temporary folder: {error.strerror or error}; name one in TMPDIR") from None
    with folder as path:
        yield Path(path)


def load(command: LabelCommand) -> Classifier:
    """The classifier that was asked for; says on standard error what had to be guessed of it."""
    from label_image.classifier import Classifier
    from label_image.describe import one_line
    from label_image.find_run import graph_of, run_folder

    graph = graph_of(run_folder(command.run)) if command.run else command.graph
    classifier = Classifier(graph, _overrides(command), command.threads)
    if taken := one_line(classifier.metadata):
        _complain(taken)
    return classifier


def _overrides(command: LabelCommand) -> Overrides:
    """What the user typed of the graph."""
    from label_image.find_metadata import Overrides

    typed = {field.name: getattr(command, field.name) for field in dataclasses.fields(Overrides)}
    for name in ("input_height", "input_width"):
        typed[name] = command.input_size if typed[name] is None else typed[name]
    return Overrides(**typed)


def _label(command: LabelCommand, scratch: Path, output: OutputStream) -> int:
    """Labels photos and prints a row each, as soon as it is there."""
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
        begun = True  # a json array is one even if Ctrl-C came before its first row
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
    """What draws the heat maps, if they were asked for; before the first photo, so that a network without is told at once."""
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
    """Prints the rows, explains and sorts the photos; returns how many could not be labelled, of how many."""
    classifier, explainer = tools
    bad = seen = 0
    sorter: Sorter | None = None
    for item, prediction in _answers(classifier, items):
        if command.sort_into and not sorter and not prediction.error:
            from label_image.sorting import Sorter

            sorter = Sorter(Path(command.sort_into), prediction.labels, move=command.move)
        with output.whole():  # a photo is not moved without being told
            row = _row(command, item, prediction, sorter, explainer)
            form.row(row)
            if item.fetched:
                Path(item.path).unlink(missing_ok=True)
        seen += 1
        bad += bool(row.error)
    return bad, seen


def _answers(classifier: Classifier, items: Iterable[Item]) -> Iterator[tuple[Item, Prediction]]:
    """Each item with its answer; an item that has an error keeps it."""
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
    """What is said of a photo, after it was explained and put where it belongs."""
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
    """Measures and prints how fast it is."""
    from label_image import benchmark
    from label_image.input_photos import photos
    from label_image.workers import cores

    def paths() -> Iterator[str]:  # drawing imports what loading has to be timed with
        words = command.image or (benchmark.drawn_photo(scratch),)
        yield from (item.path for item in photos(words, scratch, fetch_listed=command.fetch))

    speed = benchmark.measure(lambda: load(command), paths(), command.threads or cores())
    output.write(benchmark.written(speed, command.format))
    return 0


def _describe(command: LabelCommand, output: OutputStream) -> int:
    """Prints what is known of a classifier."""
    from label_image.describe import describe
    from label_image.find_metadata import metadata_of

    path = Path(command.describe)
    output.write(f"{describe(metadata_of(path, _overrides(command)), path)}\n")
    return 0


def _complain(text: str) -> None:
    warn(f"label_image: {text}")
