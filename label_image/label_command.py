"""The flags of `python -m label_image`."""

from __future__ import annotations

from dataclasses import dataclass

from label_image.errors import UserError
from label_image.flags import check, flag

FORMATS = ("text", "json", "jsonl", "csv")
# The titles under which --help_all lists the flags.
_PHOTOS, _CLASSIFIER, _NETWORK = "Photos", "Classifier", "Inputs and outputs of the network"
_ANSWERS, _FILES, _SPEED = "Answers", "Files made of the photos", "Speed"


@dataclass(frozen=True)
class LabelCommand:
    """Labels photos with a trained classifier, for example `python -m label_image --image daisy.jpg`."""

    image: tuple[str, ...] = flag(
        (),
        "A photo, a folder of photos (with its sub-folders), a pattern such as 'new/*.jpg', an http or https address (at "
        "most 50 MB, downloaded within 20 s), or - for a list on standard input, one name per line or separated by NUL characters. May be given several times.",
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
        "The classifier: a .tflite, a .pb, an .onnx, a Keras file or a SavedModel folder. Default: the newest one that python -m retrain wrote into tf_files.",
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
        "Write the answers to this file in UTF-8 instead of printing them. The file is replaced only when it is complete, so the earlier file is unchanged if the run is stopped. A device or pipe is written to directly; - is standard output.",
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
        "Write each photo into this folder with a heat map, which shows the parts that raised the score of its best label: from grey (no effect) over dark "
        "red to light yellow (strongest effect) (daisy.jpg becomes daisy_heat.jpg). No file is overwritten.",
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
