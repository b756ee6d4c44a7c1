"""Everything that a run was asked for, once: the flags of `python -m retrain`, their defaults, bounds and help.

Names and meanings are the original's (TensorFlow for Poets, its TensorFlow and TF-Hub relatives); where the original
wrote to /tmp, this writes to tf_files/ beside the user.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from label_image.errors import UserError
from label_image.flags import check, flag
from retrain.finetune.checks import check_end_to_end
from retrain.head.checks import check_training, hidden_units_of

PROGRAM = "python -m retrain"
DEFAULT_ARCHITECTURE = "efficientnet_lite0"
FORMATS = ("tflite", "pb", "saved_model", "onnx", "device_folder")  # what --export knows
QUANTIZATIONS = ("none", "float16", "dynamic", "int8")  # what --quantize knows
SAVED_MODEL_DIR, DEVICE_FOLDER, ONNX = "tf_files/retrained_saved_model", "tf_files/device", "tf_files/retrained.onnx"
DISTORTIONS = ("flip_left_right", "random_crop", "random_scale", "random_brightness", "pad_and_crop", "random_colour")


@dataclass(frozen=True)
class Plan:
    """Retrains a pretrained network on a folder of photos, for example `python -m retrain --image_dir flowers`.

    The folder has one sub-folder a class; the sub-folders' names are the labels.
    """

    image_dir: str = flag("", "The folder of photos, one sub-folder a class.")
    architecture: str = flag(
        DEFAULT_ARCHITECTURE,
        "The pretrained network: efficientnet_lite0, _lite1, _lite2, mobilenet_<1.0|0.75|0.50|0.25>_<224|192|160|128>[_quantized], inception_v3, or keras:NAME; with --weights=none also lenet, mlp, simple_cnn, pytorch_mnist, alexnet, resnet20, resnet32, resnet56.",
    )
    tfhub_module: str = flag("", "A TF-Hub feature vector (address or folder) instead of --architecture.")
    export: str = flag(
        "tflite,pb",
        "Formats that are written, of tflite, pb, saved_model, onnx, device_folder; --output_tflite, --output_graph, --saved_model_dir, --output_onnx and --device_folder say where.",
    )
    quantize: str = flag(
        "none",
        "How the .tflite holds its numbers, of none, float16, dynamic (int8 weights), int8; the first goes to --output_tflite, each further one beside it, named after it. For int8 a layer of its own is trained.",
    )
    max_quantization_loss: float = flag(
        2.0,
        "Most points of accuracy that a quantized .tflite may lose; beyond that the run fails.",
        minimum=0,
        maximum=100,
    )
    backbone_precision: str = flag(
        "float32",
        "How the network calculates while features are computed; int8 is quantized once, on training photos, and the layer is trained on what it gives.",
        choices=("float32", "int8"),
    )
    output_tflite: str = flag(
        "tf_files/retrained.tflite", "Where the classifier goes as a .tflite; an empty value writes none."
    )
    output_graph: str = flag(
        "tf_files/retrained_graph.pb", "Where it goes as a frozen graph; an empty value writes none."
    )
    output_labels: str = flag("tf_files/retrained_labels.txt", "Where its labels go, one a line.")
    saved_model_dir: str = flag(
        "", f"Where it goes as a SavedModel; left out, none is written, or with --export {SAVED_MODEL_DIR}."
    )
    output_onnx: str = flag("", f"Where it goes as ONNX; left out, none is written, or with --export {ONNX}.")
    device_folder: str = flag(
        "",
        f"Where it goes as a folder that runs by itself on a small device (model, labels, run.py, a self-test); left out, none is written, or with --export {DEVICE_FOLDER}.",
    )
    summaries_dir: str = flag(
        "tf_files/training_summaries",
        "Where TensorBoard's event files go, a folder for each run; an empty value writes none.",
    )
    intermediate_output_graphs_dir: str = flag(
        "tf_files/intermediate_graph/", "Beginning of the intermediate graphs' names; keep the final slash."
    )
    intermediate_store_frequency: int = flag(
        0, "Write an intermediate graph every so many steps; 0 is never.", minimum=0
    )
    checkpoint_path: str = flag(
        "tf_files/retrain_checkpoint",
        "Name of the trained layer's file (weights, biases, labels as plain arrays), .npz is added where it is not there; an empty value writes none.",
    )
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
    early_stopping_steps: int = flag(
        0, "End training when the validation loss has not fallen for so many steps; 0 is never.", minimum=0
    )
    snapshot_steps: int = flag(
        0,
        "Write the whole state of training every so many steps, to the name of --checkpoint_path with _step_N.npz; 0 is never.",
        minimum=0,
    )
    resume: str = flag("", "A snapshot from which training goes on, to the same bits as without a break.")
    train: str = flag(
        "head",
        "What is trained: head (the layer alone), last:N (also the last N blocks of the network, from the trained layer on), all. Needs TensorFlow but for head.",
    )
    weights: str = flag(
        "pretrained",
        "none: the network begins with random weights and is trained as a whole (--train=all), by --optimizer, --learning_rate and the flags that go with them.",
        choices=("pretrained", "none"),
    )
    epochs: int = flag(
        0,
        "Passes over the training photos when a network is trained; 0 is 12 from pretrained weights, and --how_many_training_steps from none.",
        minimum=0,
        maximum=1_000_000,
    )
    fine_tune_learning_rate: float | None = flag(
        None,
        "Highest rate of --train=last:N and all from pretrained weights: it is reached in the first tenth of the steps and falls along a cosine; left out, 0.001 for adam, 0.002 for momentum, 0.01 for sgd.",
        minimum=1e-9,
        maximum=1e3,
    )
    fine_tune_optimizer: str = flag(
        "adam", "How pretrained weights are trained further.", choices=("sgd", "momentum", "adam")
    )
    fine_tune_batch_size: int = flag(32, "Photos a step while pretrained weights are trained further.", minimum=1)
    frozen_batch_norm: bool = flag(
        True, "Keep the means and variances that pretrained batch normalisation came with; its scales are trained."
    )
    augment: bool = flag(
        True,
        "Where pretrained weights are trained further and no distortion is set: as if --random_crop=10 --random_scale=30 --random_brightness=20 were; and --flip_left_right, if the pretrained network knows mirrored validation photos as well as the photos themselves.",
    )
    batch_norm: bool = flag(True, "Whether resnet20, resnet32 and resnet56 are batch-normalised.")
    feature_maps: int = flag(
        0,
        "Maps of the first convolution of a small network; 0 is its paper's number. A ResNet grows with it.",
        minimum=0,
        maximum=4096,
    )
    image_size: int = flag(
        0, "Rows and columns of a small network's input, in pixels; 0 is its own (lenet 28).", minimum=0, maximum=1024
    )
    distribute: str = flag(
        "none", "mirrored: train the network on all GPUs of this machine at once.", choices=("none", "mirrored")
    )
    fine_tuned_dir: str = flag(
        "tf_files/fine_tuned", "Where the network that --train=last:N or all made is kept; the last one's only."
    )
    testing_percentage: int = flag(10, "Share of the photos kept for the final test.", minimum=0, maximum=99)
    validation_percentage: int = flag(
        10, "Share of the photos on which the best step is chosen.", minimum=0, maximum=99
    )
    eval_step_interval: int = flag(10, "Evaluate every so many steps.", minimum=1)
    train_batch_size: int = flag(100, "Photos a step; -1 is all of them.", minimum=-1)
    test_batch_size: int = flag(-1, "Photos in the final test; -1 is all of them.", minimum=-1)
    validation_batch_size: int = flag(
        100,
        "Photos in each logged validation; -1 is all of them. The best step is chosen on all of them, or on 2,000 where there are more and this is not -1.",
        minimum=-1,
    )
    print_misclassified_test_images: bool = flag(False, "List the test photos that were labelled wrongly.")
    model_dir: str = flag("tf_files/models", "Where pretrained networks are looked for, downloaded to and kept ready.")
    bottleneck_dir: str = flag("tf_files/bottlenecks", "Where the photos' features are kept.")
    runs_dir: str = flag(
        "tf_files/runs",
        "Where each run has a folder of its own, with its record, its report and a copy of all that it exports; see python -m retrain.runs.",
    )
    final_tensor_name: str = flag("final_result", "Name of the scores in the exports.")
    flip_left_right: bool = flag(False, "Mirror half of the training views.")
    random_crop: int = flag(
        0, "Distortion: margin, in percent of the picture, of which a random part is cut off.", minimum=0, maximum=1000
    )
    random_scale: int = flag(
        0, "Distortion: how much larger, in percent, a view may be before its window is cut.", minimum=0, maximum=1000
    )
    random_brightness: int = flag(
        0, "Distortion: how much brighter or darker, in percent, a view may be.", minimum=0, maximum=100
    )
    pad_and_crop: int = flag(
        0,
        "Distortion: pixels of grey border, of the size of the network's input, out of which a random window is cut.",
        minimum=0,
        maximum=1000,
    )
    random_colour: int = flag(
        0, "Distortion: how much more or less contrast and colour, in percent, a view may have.", minimum=0, maximum=100
    )
    cached_views: int = flag(
        4,
        "Distorted views made of each training photo, once, and kept; used when a distortion is set.",
        minimum=1,
        maximum=1000,
    )
    test_time_views: int = flag(
        0,
        "Test also by the mean score of so many distorted views of each test photo, at most --cached_views; exports label the photo as it is.",
        minimum=0,
        maximum=1000,
    )
    seed: int = flag(0, "Seed of training: the same seed and photos give the same bits.", minimum=0)
    split_seed: int = flag(0, "Deals the photos into other lists; 0 is the plain deal.", minimum=0)
    device: str = flag(
        "auto",
        "Where the network runs: auto, cpu, cpu:N (the whole run on N cores) or gpu; auto takes a GPU if TensorFlow sees one, else the CPU.",
    )
    offline: bool = flag(False, "Never use the network.")
    nested: str = flag(
        "none",
        "What folders below the class folders are: parts (photos below a class folder belong to the class: CLASS/PART/photo.jpg) or groups (the folders of --image_dir are groups of classes: GROUP/CLASS/photo.jpg). With none only photos in a class folder itself are read; train/, validation/ and test/ folders are understood in each case.",
        choices=("none", "parts", "groups"),
    )
    legacy_labels: bool = flag(
        False, "Labels as the original wrote them: lower case, all but a-z and 0-9 turned into spaces."
    )
    legacy_split: bool = flag(
        False, "Lists as the original dealt them, by the path as typed; they change when the folder moves."
    )
    strict: bool = flag(False, "Stop at the first photo that can not be read, instead of leaving it out.")
    report: str = flag(
        "html",
        "A page about the run beside its record, with an audit of the photos and TensorBoard's pictures of the test; none leaves all three out.",
        choices=("html", "none"),
    )
    logging_verbosity: str = flag(
        "INFO",
        "How much is said. Where standard output is no terminal, evaluations are a line each tenth of the steps; DEBUG has the original's three lines for each, all warnings, and the traceback of a fault.",
        choices=("DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
    )

    def __post_init__(self) -> None:
        """Refuses what can not be meant.

        Raises:
          UserError: naming the flag.
        """
        check(self)
        if not re.fullmatch(r"auto|gpu|cpu(:[1-9][0-9]{0,3})?", self.device):
            raise UserError(f"--device={self.device} is not one of auto, cpu, cpu:N (N cores, as cpu:2), gpu")
        if not self.image_dir:
            raise UserError("no folder of photos given: --image_dir flowers (one sub-folder a class)")
        if not self.architecture and not self.tfhub_module:
            raise UserError("--architecture is empty (an unset shell variable?): leave it out or name a network")
        if self.tfhub_module and self.architecture != DEFAULT_ARCHITECTURE:
            raise UserError(f"--tfhub_module and --architecture={self.architecture} exclude each other; leave one out")
        if self.testing_percentage + self.validation_percentage >= 100:
            raise UserError(
                f"--testing_percentage={self.testing_percentage} and --validation_percentage={self.validation_percentage} "
                "leave nothing to train on; together they must stay below 100"
            )
        for name in ("train_batch_size", "validation_batch_size", "test_batch_size"):
            if getattr(self, name) == 0:
                raise UserError(f"--{name}=0 is no batch; give 1 or more, or -1 for all")
        if self.legacy_split and self.split_seed:
            raise UserError("--legacy_split and --split_seed exclude each other: the original's deal has no seed")
        self._check_exports()
        check_training(self)
        check_end_to_end(self)

    def _check_exports(self) -> None:
        """What can be written, and what excludes what."""
        for name, what in (("output_labels", "file"), ("runs_dir", "folder")):
            if not getattr(self, name):
                raise UserError(f"--{name} is empty; name a {what}")
        _known("export", self.formats, FORMATS)
        _known("quantize", self.quantizations, QUANTIZATIONS)
        if self.backbone_precision == "int8":
            self._check_int8()

    def _check_int8(self) -> None:
        """What an int8 backbone excludes."""
        more = [name for name in self.quantizations if name in ("float16", "dynamic")]
        if more:
            raise UserError(f"--backbone_precision=int8 and --quantize={more[0]} exclude each other; leave one out")
        if self.device == "gpu":
            raise UserError("--backbone_precision=int8 runs on the CPU only; leave out it or --device=gpu")
        if self.intermediate_store_frequency:
            raise UserError(
                "--intermediate_store_frequency writes .pb graphs, and there are none of an int8 backbone; leave one out"
            )

    @property
    def formats(self) -> tuple[str, ...]:
        """What --export lists."""
        return _listed(self.export)

    @property
    def quantizations(self) -> tuple[str, ...]:
        """What --quantize lists; what the backbone is, where that is int8 already."""
        return ("int8",) if self.backbone_precision == "int8" and self.quantize == "none" else _listed(self.quantize)

    @property
    def distorts(self) -> bool:
        """Whether any distortion was asked for."""
        return any(getattr(self, name) for name in DISTORTIONS)

    @property
    def tunes(self) -> bool:
        """Whether more than the layer is trained."""
        return self.train != "head"

    @property
    def weighs_classes_alike(self) -> bool:
        """Whether each class weighs the same in training: by --class_weights, or because batches are drawn class first."""
        drawn = not self.tunes and self.optimizer != "lbfgs" and self.train_batch_size > 0
        return drawn or self.class_weights == "balanced"

    @property
    def hidden_layers(self) -> tuple[int, ...]:
        """Units of each hidden layer."""
        return hidden_units_of(self.hidden_units)

    @property
    def decay(self) -> float:
        """--weight_decay as a number; 0 where it is auto or left out."""
        return float(self.weight_decay) if self.weight_decay not in ("", "auto") else 0.0

    @property
    def checkpoint_stem(self) -> str:
        """--checkpoint_path without the ending that its files get."""
        return self.checkpoint_path[:-4] if self.checkpoint_path.lower().endswith(".npz") else self.checkpoint_path

    @property
    def cores(self) -> int:
        """N of --device=cpu:N; 0 is all there are."""
        return int(self.device.partition(":")[2] or 0)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(word.strip().lower() for word in text.split(",") if word.strip()))


def _known(name: str, words: tuple[str, ...], choices: tuple[str, ...]) -> None:
    unknown = [word for word in words if word not in choices]
    if unknown:
        raise UserError(f"unknown --{name}={unknown[0]}; choose of {', '.join(choices)}, several with commas")
    if not words:
        raise UserError(f"--{name} is empty; choose of {', '.join(choices)}, several with commas")
