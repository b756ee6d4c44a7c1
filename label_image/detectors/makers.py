"""Reads the labels and the value range from files that other tools place beside a classifier, and records which file stated them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from label_image.detectors.evidence import Range, impossible
from label_image.detectors.ranges import AZURE_SQUARE, PIXELS, ZERO_ONE
from label_image.errors import RunError
from label_image.labels import read_labels

_FORMS = (".json", ".pbtxt", ".yaml", ".yml", ".csv", ".names")
_SHOWN = 80  # characters of a value that a message shows
_SMALL_FILE = 4 << 20  # a labels file of 21,000 ImageNet classes has 0.5 MB


@dataclass(frozen=True)
class MakerFiles:
    """What the files beside a classifier state."""

    labels: tuple[str, ...] = ()
    labels_why: str = ""
    range: Range | None = None
    maker: str = ""


def read_maker_files(path: Path, *, labels_typed: bool = False, range_typed: bool = False) -> MakerFiles:
    """Reads the files beside a model file; for a SavedModel, also those inside its folder.

    Args:
      path: the model's file or folder.
      labels_typed: whether the user gave the labels; then impossible ones are ignored.
      range_typed: whether the user gave mean and standard deviation; then impossible ones are ignored.

    Raises:
      RunError: one of the files cannot be read, or states something impossible.
    """
    folders = [path, path / "assets", path.parent] if path.is_dir() else [path.parent]
    folders = [folder for folder in folders if folder.is_dir()]
    for folder in folders:
        lobe = _lobe(folder / "signature.json", path, labels_typed)
        if lobe is not None:
            return lobe
    stated = next((found for folder in folders if (found := _azure(folder, range_typed)) is not None), None)
    labels, why = _labels(folders, path)
    return MakerFiles(labels, why, stated, "Azure Custom Vision" if stated else "")


def _lobe(path: Path, graph: Path, labels_typed: bool) -> MakerFiles | None:
    """Reads Lobe's signature.json, which has the labels in `classes.Label`; Lobe networks expect 0..1."""
    found = _json(path)
    if not isinstance(found, dict) or "inputs" not in found or "outputs" not in found:
        return None
    named = str(found.get("filename", graph.name))
    if not graph.is_dir() and named != graph.name and (graph.parent / named).exists():
        return None  # it describes another model file in this folder
    labels = found.get("classes", {}).get("Label", []) if isinstance(found.get("classes"), dict) else []
    if not isinstance(labels, list) or not all(isinstance(label, str) and label for label in labels):
        if not labels_typed:
            raise RunError(
                f"cannot use {path}: its classes.Label is {json.dumps(labels)[:_SHOWN]}, not a list of names; give the labels with --labels"
            )
        labels = []
    why = "Lobe's signature.json beside it"
    return MakerFiles(tuple(labels), why, Range(*ZERO_ONE, f"{why}: Lobe networks expect 0..1"), "Lobe")


def _azure(folder: Path, range_typed: bool) -> Range | None:
    """Reads Azure Custom Vision's metadata_properties.json, or recognises its cvexport.manifest."""
    found = _json(folder / "metadata_properties.json")
    if isinstance(found, dict) and any(str(key).startswith(("CustomVision.", "Image.")) for key in found):
        why = "metadata_properties.json beside it"
        order = "BGR" if str(found.get("Image.BitmapPixelFormat", "")).lower().startswith("bgr") else "RGB"
        mean, std, problem = _azure_scaling(found)
        if problem and not range_typed:
            raise RunError(
                f"cannot use {folder / 'metadata_properties.json'}: {problem}; give --input_mean and --input_std"
            )
        if problem:
            return Range(*PIXELS, why, sure=False, order=order)  # the user gave the range
        if "0_255" not in str(found.get("Image.NominalPixelRange", "")):
            mean, std = tuple(255 * number for number in mean), tuple(255 * number for number in std)
        return Range(mean, std, why, order=order)
    if (folder / "cvexport.manifest").is_file():
        why = "cvexport.manifest beside it: Azure Custom Vision networks expect BGR 0..255"
        return Range(*PIXELS, why, sure=False, order="BGR", crop_px=AZURE_SQUARE)
    return None


def _azure_scaling(found: dict[str, Any]) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """The mean and standard deviation in Azure's properties, and what is impossible about them."""
    scaling = []
    for key, default in (("NormalizeMean", 0.0), ("NormalizeStd", 1.0)):
        value = found.get(f"CustomVision.Preprocess.{key}")
        try:
            scaling.append((default,) if value is None else _numbers(value))
        except (TypeError, ValueError, RecursionError):
            return (), (), f"its CustomVision.Preprocess.{key} is {json.dumps(value)[:_SHOWN]}, not a list of numbers"
    return scaling[0], scaling[1], impossible(scaling[0], scaling[1])


def _numbers(value: Any) -> tuple[float, ...]:
    """Parses a list, or a list written as text, as Azure does: "[0.0, 0.0, 0.0]"."""
    listed = json.loads(value) if isinstance(value, str) else value
    numbers = tuple(float(number) for number in listed)
    return numbers[:1] if len(set(numbers)) == 1 else numbers


def _labels(folders: list[Path], path: Path) -> tuple[tuple[str, ...], str]:
    """Finds the labels file that belongs to `path`; returns the labels and its name."""
    for folder in folders:
        for name in _label_file_names(folder, path.stem):
            labels = _labels_in(folder / name)
            if labels:
                return labels, f"{name} beside it" if folder != path else f"{name} in its folder"
    return (), ""


def _label_file_names(folder: Path, stem: str) -> list[str]:
    """Names of possible labels files, the most likely first."""
    names = sorted(entry.name for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    first = [f"{stem}_labels.txt", f"{stem}.labels.txt", f"{stem}.labels", "labels.txt", "retrained_labels.txt"]
    words = [n for n in names if n.lower().endswith(".txt") and ("label" in n.lower() or "class" in n.lower())]
    listed = [n for n in names if n.lower().endswith(_FORMS) and ("label" in n.lower() or "class" in n.lower())]
    wanted = [*first, *words, "dict.txt", f"{stem}.txt", *listed]  # dict.txt: Google Cloud AutoML
    return [name for name in dict.fromkeys(wanted) if name in names]


def _labels_in(path: Path) -> tuple[str, ...]:
    if not 0 < path.stat().st_size <= _SMALL_FILE:
        return ()
    if path.suffix.lower() not in (".txt", ".labels"):  # it may have nothing to do with labels
        if path.suffix.lower() == ".json":
            _json(path)
        try:
            return read_labels(path)
        except RunError:
            return ()
    return read_labels(path)


def _json(path: Path) -> Any:
    try:
        if not path.is_file() or path.stat().st_size > _SMALL_FILE:
            return None
        return json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"cannot read {path}: it is not JSON ({type(error).__name__})") from None
