"""Checks each export with other installed programs, once for each network, and stores the results.

LiteRT passes over faults of form that other programs stop at, so an export is given to these too. Not the whole test set but three
photos, while LiteRT works; and once for each backbone, format and version of the program, since a layer changes numbers but no form. What came of it
stands beside the backbone. A program that cannot read a file, or reads it wrongly, is no fault of ours (docs/elsewhere.md has
those that are known): it is said in the table and in run.json, and the file is kept.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from retrain.files.atomic import replacing
from retrain.types import Backbone, Reading

READERS = {"openvino": "OpenVINO", "cv2": "OpenCV", "tflite_runtime": "tflite-runtime"}  # module -> what people call it
PHOTOS = 3
_TIMEOUT_S = 30
_ROOT = Path(__file__).resolve().parents[2]
# Of a score: rounding; int8 weights and int8 numbers, which each program rounds in its own way.
_WITHIN = {"none": 2e-3, "float16": 2e-3, "dynamic": 0.1, "int8": 0.1}


@dataclass(frozen=True)
class _Asked:
    """A running program."""

    module: str
    key: str
    process: subprocess.Popen[bytes]
    folder: Path  # a copy of the file, under its right ending; removed with the answer


class Readers:
    """The other programs that read one export to check it, if any are installed. Close it, so that none keeps running.

    Args:
      kind: what run.json calls the format; the ending of the file that they get.
      readers: of READERS, those that read the format.
      backbone: what the export is made of.
      form: what else decides the file's form: the precision, the layers of the head.
    """

    def __init__(self, kind: str, readers: Iterable[str], backbone: Backbone, form: str) -> None:
        self._kind, self._file = kind, backbone.graph.with_name(f"{backbone.graph.name}.readers.json")
        stamps = {module: _stamp(module) for module in readers}
        self._keys = {module: f"{backbone.digest}/{kind}/{form}/{stamp}" for module, stamp in stamps.items() if stamp}
        self._known = _known(self._file) if self._keys else {}
        self._asked: list[_Asked] = []

    @property
    def wanted(self) -> bool:
        """Returns whether there is a program without a result from an earlier run."""
        return not self._known.keys() >= {*self._keys.values()}

    def ask(self, path: Path, batch: npt.NDArray[np.float32]) -> None:
        """Starts the programs that have no result yet.

        Args:
          path: the export.
          batch: float32 [n, height, width, 3], scaled.
        """
        for module, key in self._keys.items():
            if key not in self._known:
                with contextlib.suppress(OSError):  # no room for a copy, no process: next time again
                    self._asked.append(_Asked(module, key, *_start(module, self._kind, path, batch)))

    def answers(self, scores: npt.NDArray[np.float32], quantize: str) -> tuple[Reading, ...]:
        """Waits for the programs; the result includes those of earlier runs.

        Args:
          scores: float32 [n, classes], of the same pictures by the runtime that is ours.
          quantize: "none", "float16", "dynamic" or "int8".
        """
        made = {one.key: _answer(one, scores, _WITHIN[quantize]) for one in self._asked}
        if made:
            self._known = {**_known(self._file), **made}
            kept = {key: asdict(one) for key, one in self._known.items()}
            with (
                contextlib.suppress(OSError),
                replacing(self._file) as scratch,
            ):  # a read-only --model_dir: next time again
                scratch.write_text(json.dumps(kept, indent=1), "utf-8")
        return tuple(self._known[key] for key in self._keys.values() if key in self._known)

    def close(self) -> None:
        """Ends the programs that are still running."""
        for one in self._asked:
            one.process.kill()
            one.process.wait()
            if one.process.stdout:
                one.process.stdout.close()
            shutil.rmtree(one.folder, ignore_errors=True)


def _start(module: str, kind: str, path: Path, batch: npt.NDArray[np.float32]) -> tuple[subprocess.Popen[bytes], Path]:
    folder = Path(tempfile.mkdtemp(prefix="retrain-"))
    try:
        file = Path(shutil.copy(path, folder / f"export.{kind}"))
        pictures = io.BytesIO()
        np.save(pictures, batch, allow_pickle=False)
        (folder / "pictures.npy").write_bytes(pictures.getvalue())
        with (folder / "pictures.npy").open("rb") as source:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", "retrain.exporters.other_program_run", module, str(file)],
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH")))),
                },
                start_new_session=True,  # Ctrl-C is meant for us
            )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return process, folder


def _answer(one: _Asked, scores: npt.NDArray[np.float32], within: float) -> Reading:
    name = READERS[one.module]
    try:
        said, _ = one.process.communicate(timeout=_TIMEOUT_S)
        if one.process.returncode < 0:
            return Reading(name, "crashes")
        answer = json.loads(said.splitlines()[-1])  # some greet first
        rows = np.array(answer["scores"], np.float32)
        name = f"{name} {answer['version']}"
        if rows.shape != scores.shape:
            return Reading(name, "differs" if rows.size else "refuses")
        difference = float(np.abs(rows - scores).max())
        return Reading(name, "agrees" if difference <= within else "differs", difference)
    except subprocess.TimeoutExpired:
        return Reading(name, "hangs")
    except (ValueError, LookupError, TypeError):
        return Reading(name, "refuses")


def _known(path: Path) -> dict[str, Reading]:
    try:
        return {key: Reading(**fields) for key, fields in json.loads(path.read_text("utf-8")).items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _stamp(module: str) -> str:
    """Identifies the installed version of a program without importing it; "" if it is not installed."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        spec = importlib.util.find_spec(module)
        if spec and spec.origin:
            found = Path(spec.origin).stat()
            return f"{module}-{found.st_mtime_ns}-{found.st_size}"
    return ""
