"""Finds the metadata of a classifier's file: inside it, or else from what its graph shows, with the reason for each fact.

No network is run here. Values that the user typed (Overrides) take precedence; each fact says where it comes from.
"""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from label_image import model_metadata
from label_image.errors import RunError, UserError, meaning
from label_image.labels import fitted
from label_image.model_file import ModelFile, read
from label_image.model_metadata import METADATA_KEY, Metadata
from label_image.overrides import Overrides, as_typed

__all__ = ["Overrides", "fit_labels", "kind_of", "metadata_of"]

_HDF5, _ZIP = b"\x89HDF", b"PK\x03\x04"
_KINDS = "a .tflite, a .pb, a SavedModel folder, a .keras or an .h5"


def kind_of(path: Path) -> str:
    """Finds the kind of a file by its content: "tflite", "graph_def", "saved_model", "keras" or "onnx".

    Raises:
      UserError: the file does not exist, or is of no known kind.
    """
    if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises if a name is too long or inside a locked folder
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        raise UserError(f"cannot use {path}: a folder without saved_model.pb{_inside(path)}; give {_KINDS}")
    try:
        with path.open("rb") as file:
            head = file.read(8)
    except FileNotFoundError:
        raise UserError(
            f"cannot use {path}: no such file; train one first (python -m retrain --image_dir ...) or give another --graph"
        ) from None
    except OSError as error:
        raise UserError(f"cannot use {path}: {error.strerror}") from None
    return _kind_of_file(path, head)


def _kind_of_file(path: Path, head: bytes) -> str:
    """Finds the kind of a file by its first bytes."""
    if head[4:8] == b"TFL3":
        return "tflite"
    if head[:4] == _HDF5:
        return "keras"
    if head[:4] == _ZIP:
        return _zipped(path)
    if path.suffix == ".tflite":
        raise RunError(f"cannot use {path}: it is not a .tflite (its bytes 4 to 8 are {head[4:8]!r}, not b'TFL3')")
    if path.suffix.lower() in (".keras", ".h5", ".hdf5"):
        raise RunError(f"cannot use {path}: it is not a Keras file (it begins with {head[:4]!r})")
    if path.name == "saved_model.pb":
        raise UserError(
            f"cannot use {path}: it is only one file of a SavedModel; give its folder: --graph={path.parent}"
        )
    # ModelProto begins with its ir_version, 3 or more; GraphDef with a node, SavedModel with the number 1.
    if head[:1] == b"\x08" and head[1:2] >= b"\x03":
        return "onnx"
    return "graph_def"


def _inside(folder: Path) -> str:
    """Names the classifiers that a folder contains, for an error message."""
    found = [str(inside.parent) for inside in sorted(folder.glob("*/saved_model.pb"))]
    found += [
        str(inside) for ending in ("tflite", "pb", "keras", "h5") for inside in sorted(folder.glob(f"*.{ending}"))
    ]
    return f" (it contains {', '.join(found[:4])})" if found else ""


def _zipped(path: Path) -> str:
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise RunError(f"cannot read {path}: a damaged zip archive ({meaning(error)})") from None
    if "config.json" in names and any(name.endswith(".weights.h5") for name in names):
        return "keras"
    raise UserError(
        f"cannot use {path}: a zip archive ({', '.join(names[:4])}); unpack it and give the classifier inside"
    )


def open_model(path: Path) -> ModelFile:
    """Reads a classifier's file or folder once.

    Raises:
      UserError: as `kind_of`.
    """
    return read(path, kind_of(path))


def metadata_of(path: Path | ModelFile, overrides: Overrides) -> Metadata:
    """Finds the metadata of a classifier: its inputs, outputs and labels.

    Args:
      path: a `.tflite`, a GraphDef, a SavedModel folder or a Keras file; or one that has been read.
      overrides: the values that the user typed.

    Raises:
      UserError: the file does not exist, cannot be understood, or contradicts what the user typed.
    """
    source = path if isinstance(path, ModelFile) else open_model(path)
    inside = {
        "tflite": _tflite_metadata, "graph_def": _graph_metadata, "saved_model": _saved_model_metadata, "onnx": _onnx_metadata,
    }.get(source.kind)  # fmt: skip
    metadata = (inside(source) if inside else None) or _examined(source, overrides)
    outputs = metadata.outputs if metadata.inspected else len(metadata.labels)
    return _fitted(as_typed(metadata, overrides, source), source.path, outputs)


def _tflite_metadata(source: ModelFile) -> Metadata | None:
    from label_image.detectors.checksum import is_ours
    from label_image.detectors.tflite_entry import entry_in

    is_ours(source)  # reports a damaged file before its damaged metadata could be misread
    text = entry_in(source.data, METADATA_KEY)
    return model_metadata.from_json(text.decode("utf-8", "replace"), str(source.path)) if text else None


def _graph_metadata(source: ModelFile) -> Metadata | None:
    from label_image.detectors.opened import opened

    node = opened(source).net.nodes.get(METADATA_KEY)
    return (
        model_metadata.from_json(node.attr["value"].tensor.string_val[0], str(source.path))
        if node is not None
        else None
    )


def _saved_model_metadata(source: ModelFile) -> Metadata | None:
    inside = source.path / "assets.extra" / f"{METADATA_KEY}.json"
    return model_metadata.from_json(inside.read_bytes(), str(inside)) if inside.is_file() else None


def _onnx_metadata(source: ModelFile) -> Metadata:
    from label_image.runners.onnx import opened_onnx

    path = source.path
    text = opened_onnx(source).metadata.get(METADATA_KEY)
    if text is None:
        raise RunError(
            f"cannot use {path}: this .onnx has no metadata about its size, range and labels; only files from python -m retrain --export onnx can be used"
        )
    return model_metadata.from_json(text, str(path))


def _examined(source: ModelFile, typed: Overrides) -> Metadata:
    """Concludes the metadata of a file that contains none."""
    from label_image.detectors.conclude import metadata_from

    ends = (typed.input_layer.removeprefix("import/"), typed.output_layer.removeprefix("import/"))
    path = source.path
    if source.kind == "tflite":
        from label_image.detectors.tflite import evidence

        found = evidence(source, *ends)
    else:
        from label_image.detectors.opened import opened

        found = opened(source).evidence(path, *ends)
    return metadata_from(found, path, labels_typed=bool(typed.labels), insists=bool(typed.output_layer))


def _fitted(metadata: Metadata, path: Path, outputs: int) -> Metadata:
    """Fits the labels in the metadata to the number of outputs, if both are known.

    Raises:
      RunError: they do not fit; the message states both numbers.
    """
    if not metadata.labels or not outputs:
        return metadata
    return dataclasses.replace(metadata, labels=fit_labels(metadata.labels, outputs, path, metadata.facts["labels"]))


def fit_labels(labels: tuple[str, ...], outputs: int, path: Path, origin: str = "") -> tuple[str, ...]:
    """Fits labels to a number of outputs: removes or adds the background class; a single output may have two labels.

    Raises:
      RunError: the number of labels differs from the number of outputs; the message states both.
    """
    labels = fitted(labels, outputs)
    if len(labels) == outputs or (outputs == 1 and len(labels) == 2):
        return labels
    where = f" ({origin})" if origin and not origin.startswith("--labels") else ""
    raise RunError(
        f"cannot name the outputs of {path}: it has {outputs} outputs, but there are {len(labels)} labels{where}; "
        "give the labels file that belongs to it with --labels"
    )
