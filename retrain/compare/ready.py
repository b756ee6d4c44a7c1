"""A process that makes ready what must not be in the first run's time: finds devices, prepares networks, reads the photos once.

It takes plans as JSON on standard input. A process of its own, so that no run inherits TensorFlow from it. Whatever can
not be done is one line and the exit status.
"""

from __future__ import annotations

if __name__ == "__main__":  # before anything else is imported: from here on Ctrl-C is a line
    try:
        from label_image.program import run_program
    except KeyboardInterrupt:  # so early that nobody can say it
        raise SystemExit(130) from None
    run_program("retrain.compare.ready")

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from label_image.program import exit_status
from label_image.terminal import say
from retrain.backbones.prepare import prepare
from retrain.features.runtimes import check_device
from retrain.options.options import Options


def main(_: Sequence[str]) -> int:
    """Returns the exit status."""

    def work() -> None:
        all_options = [Options.of(**fields) for fields in json.load(sys.stdin)]
        for options in all_options:
            check_device(options.network.device)
        for options in all_options:
            prepare(options.network, say)
        for folder in {
            options.data.image_dir for options in all_options
        }:  # the first run would read from the disk, others from memory
            for path in Path(folder).rglob("*"):
                with contextlib.suppress(OSError):  # the run itself says what it can not read
                    if path.is_file():
                        path.read_bytes()

    return exit_status("retrain", work)
