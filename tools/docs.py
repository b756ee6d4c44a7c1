"""Writes the parts of the documents that come from the code: the tables of flags and the lists of messages.

python tools/docs.py            writes docs/flags.md, and the lists in docs/troubleshooting.md
python tools/docs.py --check    fails if one of them is not what would be written
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image.demo.cli import DemoCommand  # noqa: E402
from label_image.flag_help import markdown_table  # noqa: E402
from label_image.label_command import LabelCommand  # noqa: E402 - the path comes first
from retrain.compare.asked import Comparison  # noqa: E402
from retrain.convert.cli import ConvertCommand as Conversion  # noqa: E402
from retrain.options.options import Options  # noqa: E402
from retrain.report.cli import ReportCommand as Report  # noqa: E402
from retrain.runs.cli import RunsCommand as Runs  # noqa: E402
from tools.messages import PageError, troubleshooting  # noqa: E402

FLAGS, TROUBLE = ROOT / "docs" / "flags.md", ROOT / "docs" / "troubleshooting.md"


def flag_page() -> str:
    """The text of docs/flags.md."""
    parts = [
        "# Flags",
        "",
        "This page is written from the code by `make docs`; `make check` compares it. Hyphens may replace underscores;",
        "names are written in full. A switch takes `--name`, `--noname` and `--name=false`. `--help` explains the flags",
        "that are used most and names the others, `--help_all` explains all.",
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
    """Writes the pages, or checks them; returns the exit status."""
    try:
        wanted = {FLAGS: flag_page(), TROUBLE: troubleshooting(ROOT)}
    except PageError as error:
        print(error, file=sys.stderr)
        return 1
    old = [page for page, text in wanted.items() if not page.is_file() or page.read_text("utf-8") != text]
    if arguments == ["--check"]:
        for page in old:
            print(f"{page.relative_to(ROOT)} is out of date: run `make docs`", file=sys.stderr)
        return 1 if old else 0
    for page in old:
        page.write_text(wanted[page], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
