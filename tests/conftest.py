"""What the tests share: plain-coloured photos, a mean-colour backbone in a real archive's place, the command line, ../shared.

The stand-in is a real frozen graph of MobileNet's form whose one convolution passes the colours on, so that its features
are the photo's mean colour: the whole program runs on it as on the real one, in milliseconds.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import browser, page  # noqa: F401 - fixtures

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
COLOURS = {"cyan": (20, 200, 210), "magenta": (210, 20, 200), "yellow": (220, 210, 20)}
STAND_IN = "mobilenet_0.25_128"  # whose place in --model_dir the mean-colour graph takes


# Under a shell's `&` SIGINT is ignored, and what is started here would inherit that; Ctrl-C is tested all the same.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Fixtures that run a whole program or a browser: who uses one is left out of `make test-fast`.
WHOLE_RUNS = {
    "browser", "compare", "devices", "flowers", "label_image", "page", "retrain", "retrain_here", "runs", "tflite", "trained", "without",
    "without_packages",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `shared` say why when they cannot run; they and those of whole runs are slow."""
    for item in items:
        if item.get_closest_marker("shared") or WHOLE_RUNS & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    if not (SHARED / "data").is_dir():
        reason = "the real photos and weights of ../shared are not here"
        for item in items:
            if item.get_closest_marker("shared"):
                item.add_marker(pytest.mark.skip(reason=reason))


def write_photo(path: Path, colour: tuple[int, int, int], number: int, size: tuple[int, int] = (48, 40)) -> Path:
    """A JPEG in one colour with noise of its own, so that no two have the same bytes."""
    rng = np.random.default_rng([number, *colour])
    noise = rng.integers(-18, 19, (size[1], size[0], 3))
    pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, "JPEG", quality=90)
    return path


def write_colour_photos(folder: Path, count: int = 24) -> Path:
    """`count` photos of each of the three COLOURS, a folder a colour."""
    for label, colour in COLOURS.items():
        for number in range(count):
            write_photo(folder / label / f"{label}_{number:03d}.jpg", colour, number)
    return folder


def write_mean_colour_backbone(model_dir: Path) -> Path:
    """Puts a frozen graph in STAND_IN's place whose three features are the mean red, green and blue, 0..2."""
    from retrain.formats.graph_def import constant, new_graph, operation, placeholder

    graph = new_graph()
    source = placeholder(graph, "input", [1, 128, 128, 3])
    kernel = constant(graph, "kernel", np.eye(3, dtype=np.float32)[None, None])
    source = operation(graph, "Conv2D", "conv", [source, kernel], strides=[1, 1, 1, 1], padding="SAME")
    source = operation(graph, "Add", "sum", [source, constant(graph, "bias", np.ones(3, np.float32))])
    source = operation(graph, "Relu6", "MobilenetV1/MobilenetV1/Conv2d_13_pointwise/Relu6", [source])
    source = operation(
        graph, "AvgPool", "MobilenetV1/Logits/AvgPool_1a/AvgPool", [source],
        ksize=[1, 128, 128, 1], strides=[1, 1, 1, 1], padding="VALID",
    )  # fmt: skip
    head = constant(graph, "head", np.ones((1, 1, 3, 1001), np.float32))
    logits = "MobilenetV1/Logits/Conv2d_1c_1x1"
    source = operation(graph, "Conv2D", f"{logits}/convolution", [source, head], strides=[1, 1, 1, 1], padding="SAME")
    operation(graph, "BiasAdd", f"{logits}/BiasAdd", [source, constant(graph, "head_bias", np.zeros(1001, np.float32))])
    path = model_dir / "mobilenet_v1_0.25_128" / "frozen_graph.pb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(graph.SerializeToString())
    return model_dir


@pytest.fixture(scope="session")
def colour_photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 24 photos for each of three colours. Do not change it."""
    return write_colour_photos(tmp_path_factory.mktemp("photos") / "colours")


@pytest.fixture(scope="session")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A --model_dir with the mean-colour backbone; shared, so that TensorFlow proves its graph once."""
    return write_mean_colour_backbone(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, colour_photos: Path, model_dir: Path) -> Path:
    """A folder in which `python -m retrain` has run, with all exports."""
    folder = tmp_path_factory.mktemp("trained")
    done = run_module(
        "retrain", f"--image_dir={colour_photos}", f"--architecture={STAND_IN}", f"--model_dir={model_dir}",
        "--how_many_training_steps=300", "--saved_model_dir=tf_files/saved_model", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def tflite(trained: Path) -> Path:
    """The `.tflite` that it left."""
    return trained / "tf_files/retrained.tflite"


@pytest.fixture(scope="session")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the default network was retrained on 30 real photos a class, with all exports; for `shared` tests."""
    folder = tmp_path_factory.mktemp("flowers")
    for source in sorted(path for path in (SHARED / "data/flower_photos").iterdir() if path.is_dir()):
        (folder / "photos" / source.name).mkdir(parents=True)
        for photo in sorted(source.glob("*.jpg"))[:30]:
            (folder / "photos" / source.name / photo.name).symlink_to(photo)
    done = run_module(
        "retrain", "--image_dir=photos", "--eval_step_interval=500", "--summaries_dir=",
        "--saved_model_dir=tf_files/saved_model", "--quantize=none,dynamic,int8", "--max_quantization_loss=100", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def shared_data() -> Path:
    """../shared/data; only for tests marked `shared`."""
    return SHARED / "data"


def children_s() -> float:
    """Processor time of the processes that were started here and have ended; another program's work does not lengthen it."""
    times = os.times()
    return times.children_user + times.children_system


Run = Callable[..., "subprocess.CompletedProcess[str]"]


def run_module(module: str, *arguments: str | Path, cwd: Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE ARGUMENTS` in `cwd`, as a user would; text in stdout and stderr."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "default", **options.pop("env", {})}
    command = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(
        command, cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False, **options
    )


@pytest.fixture
def retrain(tmp_path: Path) -> Run:
    """Runs `python -m retrain` in a folder of the test's own."""
    return lambda *arguments, **options: run_module("retrain", *arguments, cwd=tmp_path, **options)


@pytest.fixture
def retrain_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the program in this process: TensorFlow and Keras are imported once for all tests that do."""

    from retrain.cli import main

    def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
        monkeypatch.chdir(tmp_path)
        capfd.readouterr()
        code = main([str(word) for word in words])
        return subprocess.CompletedProcess(words, code, *capfd.readouterr())

    return run


@pytest.fixture
def label_image(tmp_path: Path) -> Run:
    """Runs `python -m label_image` in a folder of the test's own."""
    return lambda *arguments, **options: run_module("label_image", *arguments, cwd=tmp_path, **options)


class Server(ThreadingHTTPServer):
    """A web server of a test's own: the files of `folder`, and pages that behave badly."""

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Pages)
        self.folder, self.seen, self.over = folder, [], threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, *_: Any) -> None:
        """A client that hangs up is what is tested."""


class _Pages(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        name = urllib.parse.unquote(self.path.split("?")[0].lstrip("/"))
        with contextlib.suppress(OSError):
            if name.startswith("redirect/"):
                self.answer(302, Location=f"/{name.removeprefix('redirect/')}")
            elif hasattr(self, f"page_{name}"):
                getattr(self, f"page_{name}")()
            elif (self.server.folder / name).is_file():
                data = (self.server.folder / name).read_bytes()
                self.answer(200, data, Content_Length=str(len(data)))
            else:
                self.answer(404)

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def page_forbidden(self) -> None:
        self.answer(403)

    def page_to_file(self) -> None:
        self.answer(302, Location="file:///etc/passwd")

    def page_to_ftp(self) -> None:
        self.answer(301, Location="ftp://127.0.0.1/a.jpg")

    def page_circle(self) -> None:
        self.answer(302, Location="/circle")

    def page_promises_much(self) -> None:
        self.answer(200, b"x", Content_Length="90000000")

    def page_short(self) -> None:
        self.answer(200, b"four", Content_Length="1000")

    def page_nonsense(self) -> None:
        self.wfile.write(b"what?\r\n\r\n")

    def page_page(self) -> None:
        self.answer(200, b"<!DOCTYPE html><html>no photo</html>")

    def page_silent(self) -> None:
        self.server.over.wait(30)

    def page_endless(self) -> None:
        self.answer(200)
        while not self.server.over.is_set():
            self.wfile.write(b"x" * 10_000)

    def page_drip(self) -> None:
        self.answer(200)
        self.drip(b"x")

    def page_drip_headers(self) -> None:
        self.wfile.write(b"HTTP/1.0 200 OK\r\n")
        self.drip(b"X-More: y\r\n")

    def drip(self, drop: bytes) -> None:
        while not self.server.over.is_set():
            self.wfile.write(drop)
            self.wfile.flush()
            time.sleep(0.1)

    def log_message(self, *_: Any) -> None:
        """Stays quiet."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A web server; put files into its `folder`."""
    (tmp_path / "served").mkdir()
    with Server(tmp_path / "served") as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield served
        served.over.set()
        served.shutdown()
        thread.join()
