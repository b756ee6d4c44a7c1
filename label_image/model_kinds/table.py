"""Lists the kinds of model files that label_image reads: how each is recognised, what it needs, and the module that reads it.

To add a kind, write a file with a `READER` (see `reader`) and add a row to MODEL_KINDS. Imports nothing heavy.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from label_image.errors import RunError, UserError, meaning

if TYPE_CHECKING:  # it imports NumPy, which `label_image.find_run` does not need
    from label_image.model_kinds.reader import ModelReader

_HDF5, _ZIP = b"\x89HDF", b"PK\x03\x04"
_NAMED = 4  # maximum number of files that an error names


@dataclass(frozen=True)
class ModelKind:
    """The row of one kind."""

    name: str  # the value of `ModelFile.kind`
    title: str  # in a message: "it is not a ..."
    said: str  # its name in a list of supported files; "" if only our own files are supported
    module: str  # the module with its READER
    suffixes: tuple[str, ...] = ()  # file extensions, in lower case
    magic: tuple[int, bytes] | None = None  # (position, bytes) that all its files contain
    recognises: Callable[[Path, bytes], bool] = lambda _path, _head: False  # decides by the path and the first 8 bytes
    inside: str = ""  # for a folder, the file inside that identifies the kind; "" for a file
    kept: str = ""  # its name in tf_files and in the folder of a run
    default: bool = False  # whether label_image uses it from tf_files if --graph is not given
    whole: bool = False  # whether the reader gets all bytes of the file and needs no other file
    package: str = ""  # the package that runs it, by the name for `import`

    @property
    def reader(self) -> ModelReader:
        """Imports its module and returns the READER."""
        reader: ModelReader = importlib.import_module(self.module).READER
        return reader

    @property
    def runs_here(self) -> bool:
        """Tells whether the package that it needs is installed."""
        return not self.package or is_installed(self.package)

    def fits(self, path: Path, head: bytes) -> bool:
        """Tells whether a file is of this kind, by its first bytes."""
        at, magic = self.magic or (0, b"")
        return (bool(magic) and head[at : at + len(magic)] == magic) or self.recognises(path, head)


def is_installed(package: str) -> bool:
    """Whether a package could be imported; does not import it."""
    return importlib.util.find_spec(package) is not None


def _is_keras(path: Path, head: bytes) -> bool:
    names = zipped(path, head)
    return "config.json" in names and any(name.endswith(".weights.h5") for name in names)


def _is_onnx(_: Path, head: bytes) -> bool:
    """ModelProto begins with its ir_version, 3 or more; GraphDef with a node, SavedModel with the number 1."""
    return head[:1] == b"\x08" and head[1:2] >= b"\x03"


TFLITE = ModelKind(
    "tflite", ".tflite", "a .tflite", "label_image.model_kinds.tflite", (".tflite",), (4, b"TFL3"),
    kept="retrained.tflite", default=True, whole=True,
)  # fmt: skip
GRAPH_DEF = ModelKind(  # it has no magic bytes, so a file of no other kind is assumed to be one
    "graph_def", "TensorFlow graph", "a .pb", "label_image.model_kinds.graph_def", (".pb",),
    kept="retrained_graph.pb", default=True, package="tensorflow",
)  # fmt: skip
SAVED_MODEL = ModelKind(
    "saved_model", "SavedModel", "a SavedModel folder", "label_image.model_kinds.saved_model",
    inside="saved_model.pb", kept="retrained_saved_model", package="tensorflow",
)  # fmt: skip
KERAS = ModelKind(
    "keras", "Keras file", "a .keras or an .h5", "label_image.model_kinds.keras", (".keras", ".h5", ".hdf5"), (0, _HDF5), _is_keras,
    package="tensorflow",
)  # fmt: skip
ONNX = ModelKind(
    "onnx", "ONNX file", "", "label_image.model_kinds.onnx", (".onnx",), recognises=_is_onnx, kept="retrained.onnx", package="onnxruntime"
)  # fmt: skip
MODEL_KINDS = (TFLITE, GRAPH_DEF, SAVED_MODEL, KERAS, ONNX)  # the order in which a run's classifiers are tried


def kind_named(name: str) -> ModelKind:
    """Returns the row for a `ModelFile.kind`."""
    return next(row for row in MODEL_KINDS if row.name == name)


def kept_names() -> tuple[str, ...]:
    """Lists the file names of the classifiers that `python -m retrain` writes and label_image reads, the fastest to load first."""
    return tuple(row.kept for row in MODEL_KINDS if row.kept)


def kind_of(path: Path) -> ModelKind:
    """Determines the kind of a file or folder from its content.

    Raises:
      UserError: it does not exist, or its kind is unknown.
      RunError: its content does not match its name.
    """
    if path_is_folder(path):
        for row in MODEL_KINDS:
            if row.inside and (path / row.inside).is_file():
                return row
        wanted = " or ".join(row.inside for row in MODEL_KINDS if row.inside)
        raise UserError(f"cannot use {path}: a folder without {wanted}{_holds(path)}; give {_offered()}")
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


def path_is_folder(path: Path) -> bool:
    """Tells whether a path is a folder; False if the name is too long or inside a folder without permission."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _kind_of_file(path: Path, head: bytes) -> ModelKind:
    found = next((row for row in MODEL_KINDS if not row.inside and row.fits(path, head)), None)
    if found:
        return found
    if names := zipped(path, head):
        shown = ", ".join(names[:_NAMED])
        raise UserError(f"cannot use {path}: a zip archive ({shown}); unpack it and give the classifier inside")
    for row in MODEL_KINDS:
        if row.magic and path.suffix.lower() in row.suffixes:
            at, magic = row.magic
            has = f"its bytes {at} to {at + len(magic)} are {head[at : at + len(magic)]!r}, not {magic!r}"
            raise RunError(f"cannot use {path}: it is not a {row.title} ({has})")
        if row.inside and path.name == row.inside:
            raise UserError(
                f"cannot use {path}: it is only one file of a {row.title}; give its folder: --graph={path.parent}"
            )
    return GRAPH_DEF


def zipped(path: Path, head: bytes) -> list[str]:
    """Returns the names in a zip archive; none if the file is not an archive.

    Raises:
      RunError: the archive is damaged.
    """
    if head[:4] != _ZIP:
        return []
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError) as error:
        raise RunError(f"cannot read {path}: a damaged zip archive ({meaning(error)})") from None


def _offered() -> str:
    """Names the supported kinds for a message.

    >>> _offered()
    'a .tflite, a .pb, a SavedModel folder, a .keras or an .h5'
    """
    return ", ".join(row.said for row in MODEL_KINDS if row.said)


def _holds(folder: Path) -> str:
    """Names the files in a folder that the user may have meant."""
    folders = [
        str(inside.parent) for row in MODEL_KINDS if row.inside for inside in sorted(folder.glob(f"*/{row.inside}"))
    ]
    endings = [suffix for row in MODEL_KINDS for suffix in row.suffixes]
    found = folders + [str(inside) for suffix in endings for inside in sorted(folder.glob(f"*{suffix}"))]
    return f" (it contains {', '.join(found[:_NAMED])})" if found else ""
