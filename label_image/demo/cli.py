"""The program `python -m label_image.demo`: serves a page at 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from label_image.errors import UserError
from label_image.extras import install
from label_image.flags import check, flag, parse
from label_image.program import exit_status
from label_image.signals import asked_to_end
from label_image.terminal import say, warn

PROGRAM = "python -m label_image.demo"
HOST = "127.0.0.1"  # only this machine can connect


@dataclass(frozen=True)
class DemoCommand:
    """Opens a page on this machine that labels the photos dropped on it, for example `python -m label_image.demo`.

    No other machine can reach the page, and it sends nothing over the network.
    """

    graph: str = flag(
        "",
        "The classifier that the page starts with: a .tflite, a .pb, a SavedModel folder or a Keras file. Default: the one "
        "that retrain wrote into tf_files. The page offers all classifiers in tf_files.",
    )
    labels: str = flag(
        "", "A labels file for --graph, in any form that label_image reads. Default: the labels inside the classifier."
    )
    insist: bool = flag(False, "Use --labels even if they contradict the labels inside the classifier.")
    port: int = flag(
        7860, "The port of the page, http://127.0.0.1:PORT. 0 chooses a free port.", minimum=0, maximum=65535
    )

    def __post_init__(self) -> None:
        """Refuses values out of bounds and flags that exclude each other."""
        check(self)
        if self.labels and not self.graph:
            raise UserError("--labels needs --graph, the classifier that the labels belong to")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0 (ended by Ctrl-C), 1 (a failure), 2 (usage)."""

    def work() -> None:
        command, words = parse(DemoCommand, argv, PROGRAM)
        if words:
            raise UserError(f"{words[0]!r} is not a flag; drop photos on the page instead (--help lists the flags)")
        run(command)

    return exit_status("label_image.demo", work)


def run(command: DemoCommand) -> None:
    """Shows the page until Ctrl-C.

    Raises:
      UserError: gradio is not installed, there is no classifier, or the port is taken.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UserError(f"the page needs gradio, which is not installed: {install('demo')}")
    from label_image.demo.choices import ClassifierCache, choices

    port = free_port(command.port)
    found = choices(command.graph)
    cache = ClassifierCache(command.graph, command.labels, insist=command.insist)
    cache.load(found[0])  # a classifier that cannot be used is reported here, not on the page
    with tempfile.TemporaryDirectory(prefix="label_image-demo-", ignore_cleanup_errors=True) as scratch:
        os.environ["GRADIO_TEMP_DIR"] = scratch  # for the uploaded photos, deleted at the end
        warn("starting the page; the first start takes some seconds")
        from label_image.demo.gradio_page import open_page

        served = open_page(cache, found, HOST, port)
        try:
            say(f"http://{HOST}:{port} (Ctrl-C stops it)")
            threading.Event().wait()
        except KeyboardInterrupt:  # the usual end
            if asked_to_end():
                raise
        finally:
            served.close(verbose=False)


def free_port(port: int) -> int:
    """Returns the port, or a free port for 0.

    Raises:
      UserError: the port is in use or not permitted.
    """
    with socket.socket() as probe:
        if (
            os.name == "posix"
        ):  # a port whose last connection is closing counts as free; on Windows this would share a port in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"cannot open a page on port {port}: {(error.strerror or str(error)).lower()}; "
                f"give another port: --port={port + 1 if port < 65535 else 0}, or --port=0 for any free one"
            ) from None
        return int(probe.getsockname()[1])
