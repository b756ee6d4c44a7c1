"""Runs each export in other programs that are installed here, once for each network, and stores their results.

LiteRT ignores structural errors in a file that other programs refuse, so exports are also tested with those. They get three photos
instead of the whole test set, while LiteRT is working, and only once for each backbone, format and version of the program, because a
new layer changes numbers but not the structure. The results are stored next to the backbone. If a program cannot read a file or gives
wrong scores, the table and run.json state it, and the file is kept (docs/elsewhere.md lists known problems of such programs).
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

READERS = {"openvino": "OpenVINO", "cv2": "OpenCV", "tflite_runtime": "tflite-runtime"}  # module -> name of the program
PHOTOS = 3
_TIMEOUT_S = 30
_ROOT = Path(__file__).resolve().parents[2]
# Tolerance of a score: for float32 rounding; for int8 weights; for int8 calculations, which each program rounds differently.
_WITHIN = {"none": 2e-3, "float16": 2e-3, "dynamic": 0.1, "int8": 0.1}


@dataclass(frozen=True)
class _Asked:
    """A program that is running."""

    module: str
    key: str
    process: subprocess.Popen[bytes]
    folder: Path  # contains a copy of the file with the right extension; removed afterwards


class Readers:
    """The other programs that test one export, as far as they are installed. `close` ends those that are still running.

    Args:
      kind: the name of the format in run.json, which is also the file extension.
      readers: the keys of READERS that read the format.
      backbone: the backbone of the export.
      form: what else determines the structure of the file: the precision and the layers of the head.
    """

    def __init__(self, kind: str, readers: Iterable[str], backbone: Backbone, form: str) -> None:
        self._kind, self._file = kind, backbone.graph.with_name(f"{backbone.graph.name}.readers.json")
        stamps = {module: _stamp(module) for module in readers}
        self._keys = {module: f"{backbone.digest}/{kind}/{form}/{stamp}" for module, stamp in stamps.items() if stamp}
        self._known = _known(self._file) if self._keys else {}
        self._asked: list[_Asked] = []

    @property
    def wanted(self) -> bool:
        """Tells whether a program is installed that has not tested such an export in an earlier run."""
        return not self._known.keys() >= {*self._keys.values()}

    def ask(self, path: Path, batch: npt.NDArray[np.float32]) -> None:
        """Starts the programs that have not tested such an export yet.

        Args:
          path: the export.
          batch: float32 [n, height, width, 3], scaled.
        """
        for module, key in self._keys.items():
            if key not in self._known:
                with contextlib.suppress(
                    OSError
                ):  # no room for the copy, or no process could be started: the next run tries again
                    self._asked.append(_Asked(module, key, *_start(module, self._kind, path, batch)))

    def answers(self, scores: npt.NDArray[np.float32], quantize: str) -> tuple[Reading, ...]:
        """Waits for the results; also returns those of earlier runs.

        Args:
          scores: float32 [n, classes], our own scores of the same pictures.
          quantize: "none", "float16", "dynamic" or "int8".
        """
        made = {one.key: _answer(one, scores, _WITHIN[quantize]) for one in self._asked}
        if made:
            self._known = {**_known(self._file), **made}
            kept = {key: asdict(one) for key, one in self._known.items()}
            with (
                contextlib.suppress(OSError),
                replacing(self._file) as scratch,
            ):  # --model_dir is read-only: the next run tests it again
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
                start_new_session=True,  # so that Ctrl-C does not reach it
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
        answer = json.loads(said.splitlines()[-1])  # some programs print a greeting first
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
    """Identifies the version of a program without importing it; "" if it is not installed."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        spec = importlib.util.find_spec(module)
        if spec and spec.origin:
            found = Path(spec.origin).stat()
            return f"{module}-{found.st_mtime_ns}-{found.st_size}"
    return ""
