"""The program `python -m label_image.demo`: a page at 127.0.0.1 until Ctrl-C."""

from __future__ import annotations

import importlib.util
import os
import socket
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from label_image.edge import exit_status
from label_image.errors import UserError
from label_image.extras import install
from label_image.flags import check, flag, parse
from label_image.screen import say, warn
from label_image.signals import asked_to_end

PROGRAM = "python -m label_image.demo"
HOST = "127.0.0.1"  # this machine and no other


@dataclass(frozen=True)
class Command:
    """Opens a page on this machine that labels the photos dropped on it, for example `python -m label_image.demo`.

    No other machine can reach it, and it asks nothing of the network.
    """

    graph: str = flag(
        "",
        "The classifier that the page begins with: a .tflite, a .pb, a SavedModel folder or a Keras file. Left out: what "
        "retrain left in tf_files. The page offers all that tf_files holds.",
    )
    labels: str = flag(
        "", "A labels file for --graph, in any form that label_image reads. Left out: the labels inside the classifier."
    )
    insist: bool = flag(False, "Use --labels also where they are not the labels inside the classifier.")
    port: int = flag(
        7860, "Where the page is: http://127.0.0.1:PORT. 0 takes one that is free.", minimum=0, maximum=65535
    )

    def __post_init__(self) -> None:
        """Refuses what is out of bounds or can not go together."""
        check(self)
        if self.labels and not self.graph:
            raise UserError("--labels needs --graph: the classifier that they belong to")


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status: 0 (ended by Ctrl-C), 1 (a failure), 2 (usage)."""

    def work() -> None:
        command, words = parse(Command, argv, PROGRAM)
        if words:
            raise UserError(f"{words[0]!r} is no flag; photos are dropped on the page (--help lists the flags)")
        run(command)

    return exit_status("label_image.demo", work)


def run(command: Command) -> None:
    """Shows the page until Ctrl-C.

    Raises:
      UserError: gradio is not installed, there is no classifier, or the port is taken.
    """
    if importlib.util.find_spec("gradio") is None:
        raise UserError(f"the page needs gradio, which is not installed: {install('demo')}")
    from label_image.demo.choices import Shelf, choices

    port = free_port(command.port)
    found = choices(command.graph)
    shelf = Shelf(command.graph, command.labels, insist=command.insist)
    shelf.take(found[0])  # a classifier that does not run is told here, not on the page
    with tempfile.TemporaryDirectory(prefix="label_image-demo-", ignore_cleanup_errors=True) as scratch:
        os.environ["GRADIO_TEMP_DIR"] = scratch  # the photos dropped on it, gone at the end
        warn("starting the page; the first time takes some seconds")
        from label_image.demo.page import open_page

        served = open_page(shelf, found, HOST, port)
        try:
            say(f"http://{HOST}:{port} (Ctrl-C ends it)")
            threading.Event().wait()
        except KeyboardInterrupt:  # how a page ends
            if asked_to_end():
                raise
        finally:
            served.close(verbose=False)


def free_port(port: int) -> int:
    """The port, or one that is free for 0.

    Raises:
      UserError: it is taken, or not ours to take.
    """
    with socket.socket() as probe:
        if (
            os.name == "posix"
        ):  # a port whose last connection is just closing is free; elsewhere this would share one in use
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise UserError(
                f"cannot open a page on port {port}: {(error.strerror or str(error)).lower()}; "
                f"give another one: --port={port + 1 if port < 65535 else 0}, or --port=0 for any"
            ) from None
        return int(probe.getsockname()[1])
