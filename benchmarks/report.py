"""Measures the cost of a report: in a first run, in a second run, on disk, and until a browser shows it.

    python benchmarks/report.py PHOTOS [--copies 3670] [--repeat 3] [--testing 10]

With --copies, training uses that many photos: those of PHOTOS repeatedly, each with different bytes. Processor seconds are
those of the whole process with all threads; they are more reliable than the clock when other programs run.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.browser import FLAGS, chromium  # noqa: E402 - the path comes first

ENV = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def copies(photos: Path, count: int, out: Path) -> Path:
    """Makes `count` photos, with the same proportions of classes as in PHOTOS, each with different bytes."""
    known = sorted(path for path in photos.glob("*/*") if path.suffix == ".jpg")
    for number in range(count):
        path = known[number % len(known)]
        target = out / path.parent.name / f"{path.stem}_{number}.jpg"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes() + f"copy {number}".encode())
    return out


def run(photos: Path, folder: Path, *flags: str) -> tuple[float, float]:
    """Measures (seconds, processor seconds) of a whole run."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-m", "retrain", f"--image_dir={photos}", *flags]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=ENV)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def opened(report: Path, repeat: int) -> float:
    """Measures the median seconds from opening a report until every picture is decoded."""
    from playwright.sync_api import sync_playwright

    times = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=list(FLAGS))
        for _ in range(repeat):
            page = browser.new_page()
            page.goto(report.resolve().as_uri())
            page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
            times.append(float(page.evaluate("performance.now()")) / 1000)
            page.close()
        browser.close()
    return statistics.median(times)


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--copies", type=int, default=0)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--testing", type=int, default=10)
    words = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        photos = copies(words.photos, words.copies, folder / "photos") if words.copies else words.photos.resolve()
        share = f"--testing_percentage={words.testing}"
        first, _ = run(photos, folder, share)
        report = next(folder.glob("tf_files/runs/*/report.html"))
        record = json.loads(report.with_name("run.json").read_text("utf-8", "surrogateescape"))
        made, total = record["seconds"]["report"], sum(record["seconds"].values())
        with_it, without = zip(
            *((run(photos, folder, share), run(photos, folder, share, "--report=none")) for _ in range(words.repeat)),
            strict=True,
        )
        print("| what | figure |\n|---|---|")
        print(f"| test photos, mistakes | {record['tested']:,}, {record['metrics']['mistakes']} |")
        print(f"| first run | {first:.1f} s, of which the report {made:.2f} s ({made / total:.1%}) |")
        for at, what in enumerate(("clock", "processor")):
            yes, no = (statistics.median(one[at] for one in runs) for runs in (with_it, without))
            print(
                f"| second run, whole process, {what}: with a report, without, more | {yes:.2f} s, {no:.2f} s, {yes - no:.2f} s |"
            )
        print(f"| report.html | {report.stat().st_size / 1e6:.2f} MB |")
        print(f"| open in chromium, all pictures decoded | {opened(report, words.repeat):.2f} s |")


if __name__ == "__main__":
    main()
