"""The flag tables of the documents, printed from the data classes that define the flags.

python tools/docs.py            writes docs/flags.md
python tools/docs.py --check    fails if it is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image.cli import LabelCommand  # noqa: E402 - the path comes first
from label_image.demo.cli import DemoCommand  # noqa: E402
from label_image.flags import markdown_table  # noqa: E402
from retrain.compare.asked import Comparison  # noqa: E402
from retrain.convert.cli import ConvertCommand as Conversion  # noqa: E402
from retrain.options.options import Options  # noqa: E402
from retrain.report.cli import Command as Report  # noqa: E402
from retrain.runs.cli import Command as Runs  # noqa: E402

PAGE = ROOT / "docs" / "flags.md"


def page() -> str:
    """The text of docs/flags.md."""
    parts = [
        "# Flags",
        "",
        "Printed from the code by `make docs`; `make check` compares. Hyphens may stand for underscores;",
        "names are written in full. A switch takes `--name`, `--noname` and `--name=false`.",
        "",
        "## python -m retrain",
        "",
        markdown_table(Options),
        "",
        "## python -m retrain.report",
        "",
        "A word without a flag is the run.",
        "",
        markdown_table(Report),
        "",
        "## python -m retrain.runs list | use NAME | remove NAME | prune --keep=N",
        "",
        "Lists the runs; lets the usual names lead to an older one; removes one; removes the oldest.",
        "",
        markdown_table(Runs),
        "",
        "## python -m retrain.compare",
        "",
        "Words without a flag are runs that exist (`tf_files/runs/...`). A flag in the plural takes a list; its singular is",
        "understood too.",
        "",
        markdown_table(Comparison),
        "",
        "## python -m retrain.convert FORMAT SRC DST",
        "",
        "FORMAT is `mnist`, `cifar10`, `tfrecord` or `csv`.",
        "",
        markdown_table(Conversion),
        "",
        "## python -m label_image",
        "",
        "Words without a flag are photos too.",
        "",
        markdown_table(LabelCommand),
        "",
        "## python -m label_image.demo",
        "",
        markdown_table(DemoCommand),
        "",
    ]
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    """Writes the page, or checks it; returns the exit status."""
    if arguments == ["--check"]:
        if not PAGE.is_file() or PAGE.read_text("utf-8") != page():
            print(f"{PAGE.relative_to(ROOT)} is out of date: run `make docs`", file=sys.stderr)
            return 1
        return 0
    PAGE.write_text(page(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
