"""Plans in (JSON on standard input), devices found and networks made ready: what must not be in the first run's time.

A process of its own, so that no run inherits TensorFlow from it. Whatever can not be done is one line and the exit status.
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

from label_image.errors import UserError
from retrain.backbones.prepare import prepare
from retrain.plan import Plan
from retrain.runtimes import check_device


def main() -> int:
    """Returns the exit status."""
    plans = [Plan(**fields) for fields in json.load(sys.stdin)]
    try:
        for plan in plans:
            check_device(plan.device)
        for plan in plans:
            prepare(plan, lambda line: print(line, flush=True))
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_status
    for folder in {plan.image_dir for plan in plans}:  # the first run would read from the disk, the others from memory
        for path in Path(folder).rglob("*"):
            with contextlib.suppress(OSError):  # the run itself says what it can not read
                if path.is_file():
                    path.read_bytes()
    return 0


if __name__ == "__main__":
    sys.exit(main())
