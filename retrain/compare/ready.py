"""Prepares a comparison: checks devices, prepares networks, and reads the photos once, so that no run is timed with this work.

It reads options as JSON from standard input. It runs in a process of its own, so that TensorFlow is not loaded in the
process that starts the runs. An error is one line and an exit status.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the other imports, so that Ctrl-C during them is reported in one line
    try:
        from label_image.program import run_program
    except KeyboardInterrupt:  # Ctrl-C before the code that reports it is imported
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
    """Runs the preparation; returns the exit status."""

    def work() -> None:
        all_options = [Options.of(**fields) for fields in json.load(sys.stdin)]
        for options in all_options:
            check_device(options.network.device)
        for options in all_options:
            prepare(options.network, say)
        for folder in {
            options.data.image_dir for options in all_options
        }:  # otherwise the first run would read from the disk, and the others from memory
            for path in Path(folder).rglob("*"):
                with contextlib.suppress(OSError):  # the run itself reports photos that it cannot read
                    if path.is_file():
                        path.read_bytes()

    return exit_status("retrain", work)
