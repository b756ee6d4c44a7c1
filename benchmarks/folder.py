"""Labelling a folder beside its limit: decoding alone and the network alone, on all cores, added up.

    python benchmarks/folder.py GRAPH.tflite PHOTOS [--repeat 5]

The limit is what a perfect program could do: workers that decode, workers that only run the network, no printing. The
three are measured in turn in one process, so that their ratio says more than their times. Prints Markdown.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from label_image.classifier import Classifier
from label_image.pixels import decode, normalise
from label_image.workers import cores, map_ordered


def seconds(work: Callable[[Any], Any], items: Iterable[Any]) -> float:
    """Time of doing `work` on each item with a worker a core; a `work` without state."""
    start = time.perf_counter()
    for _ in map_ordered(lambda: work, items, cores()):
        pass
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("graph", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    classifier = Classifier(options.graph)
    card = classifier.card
    paths = sorted(str(path) for path in options.photos.rglob("*.jpg"))
    ready = normalise(decode(paths[0], card.height_px, card.width_px), card.mean, card.std)[None]

    def forward() -> float:
        def make_worker() -> Callable[[Any], Any]:
            runner = classifier.open_runner()
            return lambda _: runner.scores(ready)

        start = time.perf_counter()
        for _ in map_ordered(make_worker, paths, cores()):
            pass
        return time.perf_counter() - start

    def labelled() -> float:
        start = time.perf_counter()
        for answer in classifier.classify_all(paths):
            assert answer.error is None, answer.error
        return time.perf_counter() - start

    rows = []
    labelled()  # the files are in memory from here on
    for _ in range(options.repeat):
        decoding = seconds(lambda path: decode(path, card.height_px, card.width_px), paths)
        network, whole = forward(), labelled()
        rows.append((decoding, network, whole, (decoding + network) / whole))
    decoding, network, whole, share = (statistics.median(column) for column in zip(*rows, strict=True))
    count = len(paths)
    print("| photos | cores | decoding alone | network alone | limit | label_image | share of the limit |")
    print("|---|---|---|---|---|---|---|")
    print(
        f"| {count} | {cores()} | {count / decoding:.0f}/s | {count / network:.0f}/s | {count / (decoding + network):.0f}/s | {count / whole:.0f}/s "
        f"| {share:.0%} ({min(row[3] for row in rows):.0%} to {max(row[3] for row in rows):.0%}) |"
    )


if __name__ == "__main__":
    main()
