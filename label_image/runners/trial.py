"""Runs a `.tflite` of unknown origin once in a child process, so that a crash becomes an error message.

LiteRT does not validate files. A damaged file with a stride of 0 or an index out of bounds ends the whole process (SIGFPE, SIGSEGV,
SIGABRT) without a message. Therefore one child process imports LiteRT once and forks for each file that is not ours; the grandchild
runs the network on one synthetic image and sends back the output.

Without `fork` (Windows), the child runs the network itself, and is started again after a crash.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from label_image.errors import RunError

Floats = npt.NDArray[np.float32]

_LONGEST_S = 120  # for one image; the slowest known classifier needs 2
_HEAD = struct.Struct("<QQQ")  # sizes in bytes: request: JSON, image, model; response: JSON, numbers, 0
_CHILD = "import sys; sys.path[:] = {path!r}; from label_image.runners.trial import serve; serve()"

_lock = threading.Lock()
_child: subprocess.Popen[bytes] | None = None
_owner = 0  # the process that started the child: a fork of it must not use its pipes


def run_in_child(path: Path, content: bytes, ends: tuple[str, str], image: Floats) -> Floats | None:
    """Runs a `.tflite` in a child process.

    Args:
      path: its path, for error messages.
      content: its bytes.
      ends: its input and output tensor; "" for the most likely.
      image: float32 [...], one image in the shape that the network takes.

    Returns:
      float32 [1, ...], the output of the network in its own shape; None if no child process can be started.

    Raises:
      RunError: the network crashed the child, or LiteRT refuses it.
    """
    asked = {"path": str(path), "ends": ends, "shape": image.shape}
    with _lock:
        try:
            answer, numbers = _request(asked, np.ascontiguousarray(image, "<f4").tobytes(), content)
        except (OSError, EOFError, ValueError, struct.error):
            died = stop_child()
            if died is None or died >= 0 or died == -signal.SIGPIPE:
                return None  # the child could not be started, which is not the network's fault
            answer, numbers = {"died": -died}, b""
        except BaseException:  # Ctrl-C: a late response must not be taken for the next one
            stop_child()
            raise
    if "died" in answer:
        raise RunError(
            f"cannot use {path}: its network crashed LiteRT ({_signal_name(answer['died'])}); the file is damaged"
        )
    if "error" in answer:
        raise RunError(answer["error"])
    return np.frombuffer(numbers, "<f4").reshape(answer["shape"]) if "shape" in answer else None


def _request(asked: dict[str, Any], image: bytes, content: bytes) -> tuple[dict[str, Any], bytes]:
    """Sends a request to the child process, starting it if necessary, and waits for the response."""
    global _child, _owner  # noqa: PLW0603 - one child for the whole process, which makes a trial cheap
    if _child is not None and _owner == os.getpid() and _child.poll() is not None:
        stop_child()
    if _child is None or _owner != os.getpid():
        code = _CHILD.format(path=sys.path)
        _child = subprocess.Popen(  # noqa: S603 - this Python itself
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        _owner = os.getpid()
        atexit.register(stop_child)
    assert _child.stdin is not None and _child.stdout is not None  # noqa: S101, PT018 - both are pipes
    text = json.dumps(asked).encode()
    for part in (_HEAD.pack(len(text), len(image), len(content)), text, image, content):
        _child.stdin.write(part)
    _child.stdin.flush()
    answer, numbers, _ = _message(cast("BinaryIO", _child.stdout))
    return json.loads(answer), numbers


def stop_child() -> int | None:
    """Stops the child process; returns its status, or None if there is no child."""
    global _child
    child, _child = _child, None
    if child is None:
        return None
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        return child.wait(1)
    child.kill()
    return child.wait()


def serve() -> None:
    """Runs in the child process: answers requests from standard input until it ends, which it does with the parent process."""
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # LiteRT and other libraries print to standard output
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles Ctrl-C
    import ai_edge_litert.interpreter  # noqa: F401 - imported once, before any fork

    while True:
        try:
            text, image, content = _message(source)
        except EOFError:
            os._exit(0)  # there is nothing to clean up
        asked = json.loads(text)
        picture = np.frombuffer(image, "<f4").reshape(asked["shape"])
        if hasattr(os, "fork"):
            answers.write(_forked(asked, picture, content))
        else:
            answers.write(_run(asked, picture, content))
        answers.flush()


def _forked(asked: dict[str, Any], picture: Floats, content: bytes) -> bytes:
    """Runs the request in a fork; returns its response, or how it ended."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _limit()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(_run(asked, picture, content))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    status = os.waitpid(pid, 0)[1]
    if os.WIFSIGNALED(status):
        return _packed({"died": os.WTERMSIG(status)}, b"")
    return answer or _packed({"died": 0}, b"")


def _limit() -> None:
    """Limits the time, and the memory to what the machine has, so that a larger allocation fails."""
    import resource

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_LONGEST_S)
    with contextlib.suppress(OSError, ValueError):
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        resource.setrlimit(resource.RLIMIT_AS, (whole, resource.getrlimit(resource.RLIMIT_AS)[1]))


def _run(asked: dict[str, Any], picture: Floats, content: bytes) -> bytes:
    from label_image.runners.litert import LitertRunner

    path = Path(asked["path"])
    try:
        values = LitertRunner(path, 1, asked["ends"][0], asked["ends"][1], content).values(picture)
    except RunError as error:
        return _packed({"error": str(error)}, b"")
    except MemoryError:
        return _packed({"error": f"cannot use {path}: its network needs more memory than this machine has"}, b"")
    return _packed({"shape": values.shape}, np.ascontiguousarray(values, "<f4").tobytes())


def _packed(answer: dict[str, Any], numbers: bytes) -> bytes:
    text = json.dumps(answer).encode()
    return _HEAD.pack(len(text), len(numbers), 0) + text + numbers


def _message(source: BinaryIO) -> tuple[bytes, bytes, bytes]:
    """Reads the three parts of a message.

    Raises:
      EOFError: the other process has ended.
    """
    sizes = _HEAD.unpack(_read_exactly(source, _HEAD.size))
    first, second, third = (_read_exactly(source, size) for size in sizes)
    return first, second, third


def _read_exactly(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _signal_name(number: int) -> str:
    """The name of a signal; for the alarm, that the time limit was exceeded."""
    if number == getattr(signal, "SIGALRM", None):
        return f"no answer within {_LONGEST_S} s"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"status {number}"
