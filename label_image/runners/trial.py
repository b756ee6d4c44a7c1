"""A stranger's `.tflite` is run first where it can do no harm: in a child process, whose death is one line.

LiteRT believes what a file says. A damaged one with a stride of 0 or an index out of bounds does not fail there, it ends the process
(SIGFPE, SIGSEGV, SIGABRT) without a word. So this program starts one child that imports LiteRT once, and for each file that was not
made here the child forks: the grandchild runs the network on one drawn picture and sends back what came out.

Where there is no `fork` (Windows) the child does it itself and is started anew for the next file.
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

_LONGEST_S = 120  # for one picture; the slowest classifier known needs 2
_HEAD = struct.Struct(
    "<QQQ"
)  # bytes of the JSON, of the picture, of the model; and back: of the JSON, of the numbers, 0
_CHILD = "import sys; sys.path[:] = {path!r}; from label_image.runners.trial import serve; serve()"

_lock = threading.Lock()
_child: subprocess.Popen[bytes] | None = None
_owner = 0  # the process that started it: one that was forked off has no use for its parent's pipes


def tried(path: Path, content: bytes, ends: tuple[str, str], image: Floats) -> Floats | None:
    """Runs a `.tflite` in a child.

    Args:
      path: its file, for the error.
      content: its bytes.
      ends: its input and output tensor, "" for the likeliest.
      image: float32 [...], one picture as the network takes it.

    Returns:
      float32 [1, ...], what the network gives, in its own shape; None where no child can be started here.

    Raises:
      RunError: the network killed the child, or LiteRT refuses it.
    """
    asked = {"path": str(path), "ends": ends, "shape": image.shape}
    with _lock:
        try:
            answer, numbers = _asked(asked, np.ascontiguousarray(image, "<f4").tobytes(), content)
        except (OSError, EOFError, ValueError, struct.error):
            died = put_down()
            if died is None or died >= 0 or died == -signal.SIGPIPE:
                return None  # it could not be started: no network is to blame
            answer, numbers = {"died": -died}, b""
        except BaseException:  # Ctrl-C: whatever the child still answers belongs to no question
            put_down()
            raise
    if "died" in answer:
        raise RunError(f"cannot use {path}: its network crashed LiteRT ({_name(answer['died'])}); the file is damaged")
    if "error" in answer:
        raise RunError(answer["error"])
    return np.frombuffer(numbers, "<f4").reshape(answer["shape"]) if "shape" in answer else None


def _asked(asked: dict[str, Any], image: bytes, content: bytes) -> tuple[dict[str, Any], bytes]:
    """Sends a question to the child, which is started if there is none, and waits for the answer."""
    global _child, _owner  # noqa: PLW0603 - one child a process, which is what makes it cheap
    if _child is not None and _owner == os.getpid() and _child.poll() is not None:
        put_down()
    if _child is None or _owner != os.getpid():
        code = _CHILD.format(path=sys.path)
        _child = subprocess.Popen(  # noqa: S603 - this Python itself
            [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        _owner = os.getpid()
        atexit.register(put_down)
    assert _child.stdin is not None and _child.stdout is not None  # noqa: S101, PT018 - both are pipes
    text = json.dumps(asked).encode()
    for part in (_HEAD.pack(len(text), len(image), len(content)), text, image, content):
        _child.stdin.write(part)
    _child.stdin.flush()
    answer, numbers, _ = _message(cast("BinaryIO", _child.stdout))
    return json.loads(answer), numbers


def put_down() -> int | None:
    """Ends the child; returns its status, None where there is none."""
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
    """The child: answers questions on standard input until that ends, which it does with the process that started it."""
    source, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # LiteRT and whoever else prints
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started it
    import ai_edge_litert.interpreter  # noqa: F401 - once, before the forks

    while True:
        try:
            text, image, content = _message(source)
        except EOFError:
            os._exit(0)  # nothing is left to be put away
        asked = json.loads(text)
        picture = np.frombuffer(image, "<f4").reshape(asked["shape"])
        if hasattr(os, "fork"):
            answers.write(_forked(asked, picture, content))
        else:
            answers.write(_run(asked, picture, content))
        answers.flush()


def _forked(asked: dict[str, Any], picture: Floats, content: bytes) -> bytes:
    """What a grandchild answers, or how it died."""
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
    """A time, and no more memory than the machine has: beyond it LiteRT is refused what it asks for."""
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
        return _packed({"error": f"cannot use {path}: its network wants more memory than this machine has"}, b"")
    return _packed({"shape": values.shape}, np.ascontiguousarray(values, "<f4").tobytes())


def _packed(answer: dict[str, Any], numbers: bytes) -> bytes:
    text = json.dumps(answer).encode()
    return _HEAD.pack(len(text), len(numbers), 0) + text + numbers


def _message(source: BinaryIO) -> tuple[bytes, bytes, bytes]:
    """Three pieces of bytes.

    Raises:
      EOFError: the other side has ended.
    """
    sizes = _HEAD.unpack(_whole(source, _HEAD.size))
    first, second, third = (_whole(source, size) for size in sizes)
    return first, second, third


def _whole(source: BinaryIO, size: int) -> bytes:
    data = source.read(size)
    if len(data) < size:
        raise EOFError
    return data


def _name(number: int) -> str:
    """A signal's name; of the clock that it took too long."""
    if number == getattr(signal, "SIGALRM", None):
        return f"no answer within {_LONGEST_S} s"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"status {number}"
