"""Opens classifiers and labels one photo with each: reads paths from standard input, writes one line of JSON for each.

It is a process of its own for `graphs`, which counts a crash as a failure.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np


def outcome(path: Path, photo: Path) -> str:
    """Returns the error in opening a file; "" if it gives a label, or is refused with one line."""
    from label_image.classifier import Classifier
    from label_image.errors import UserError
    from label_image.find_metadata import Overrides

    try:
        answer = Classifier(path, Overrides()).classify(photo)
    except UserError as error:
        text = str(error)
        return "" if text and "\n" not in text and len(text) < 1000 else f"the message is not one line: {text[:200]!r}"
    except Exception as error:  # this is what the test counts
        return f"{type(error).__name__}: {str(error)[:200]}"
    scores = np.asarray(answer.scores)
    return "" if np.isfinite(scores).all() else "a score that is no number was given as an answer"


def main(photo: str) -> int:
    """Answers each line until standard input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # keeps what libraries print out of the answers
    for line in sys.stdin:
        start = time.perf_counter()
        problem = outcome(Path(line.rstrip("\n")), Path(photo))
        print(json.dumps({"problem": problem, "seconds": time.perf_counter() - start}), file=answers, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
