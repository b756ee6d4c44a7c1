"""Runs the commands that the documents show, and puts their real output below them.

python tools/shown.py --photos tf_files/flower_photos docs/first_hour.md docs/recipes.md

A block of a page that follows a line `<!-- run -->` is run and rewritten: its lines that begin with `$ ` are commands of bash, the
other lines are their output. The commands of one page share one new folder, whose sub-folder `flowers` holds 40 photos each of
daisies, roses and tulips. Words in the marker choose what is shown:

    <!-- run from "training on" -->      the output from the first line that begins so
    <!-- run to "wrote" -->              the output up to the first line that begins so, without it
    <!-- run last 6 -->                  the last six lines
    <!-- run status 2 -->                the exit status that is expected of the last command (0 otherwise)
    <!-- run hidden: COMMAND -->         a command that is not shown, in a line of its own

A block that follows `<!-- file NAME -->` is written to that file; the cells that follow `<!-- notebook -->` are run, all cells so far in
one Python, with IPython where it is installed.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from label_image.errors import RunError, UserError  # noqa: E402 - the path comes first
from label_image.flags import flag, parse  # noqa: E402

CLASSES, PHOTOS_EACH = ("daisy", "roses", "tulips"), 40
STEP = re.compile(
    r"""<!--\ run\ hidden:\ (?P<hidden>[^\n]*)\ -->
    |<!--\ file\ (?P<file>\S+)\ -->\n```\w*\n(?P<text>.*?\n)```
    |<!--\ notebook\ -->\n```python\n(?P<cell>.*?\n)```(?:\n\n```\n.*?\n```)?
    |<!--\ run(?P<words>[^\n]*?)\ -->\n```(?P<language>\w*)\n(?P<body>.*?)\n```""",
    re.DOTALL | re.VERBOSE,
)


@dataclass(frozen=True)
class Command:
    """Runs the commands of pages, and writes their output into the pages."""

    photos: str = flag("tf_files/flower_photos", "The folder of flower photos, a sub-folder a class.")


def prepare(photos: Path, folder: Path) -> None:
    """Copies a few photos a class into the folder, the same ones each time."""
    for label in CLASSES:
        (folder / "flowers" / label).mkdir(parents=True)
        for path in sorted((photos / label).iterdir())[:PHOTOS_EACH]:
            shutil.copy(path, folder / "flowers" / label / path.name)


def run(command: str, folder: Path, photos: Path, status: int = 0) -> str:
    """Runs a line of bash in the folder; returns what it prints on both streams. $PHOTOS is the folder of all photos.

    Raises:
      RunError: the exit status is not the expected one.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    python_path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        ["bash", "-c", command], cwd=folder, env={**os.environ, "PATH": path, "PYTHONPATH": python_path, "PHOTOS": str(photos)},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    if done.returncode != status:
        raise RunError(f"{command!r} ended with status {done.returncode}, expected {status}: {done.stdout[-2000:]}")
    return done.stdout.replace(f"{folder}/", "")


def shorten(lines: Sequence[str], options: Sequence[str]) -> list[str]:
    """The lines that a marker asks for, and `...` where some are left out.

    >>> shorten(["one", "two", "three"], ["from", "t", "last", "1"])
    ['...', 'three']
    >>> shorten(["one", "two", "three"], ["to", "three"])
    ['one', 'two', '...']
    """
    wanted = dict(zip(options[::2], options[1::2], strict=True))
    first, end = 0, len(lines)
    if "from" in wanted:
        first = next((place for place, line in enumerate(lines) if line.startswith(wanted["from"])), end)
    if "to" in wanted:
        end = next((place for place in range(first, end) if lines[place].startswith(wanted["to"])), end)
    if "last" in wanted:
        first = max(first, end - int(wanted["last"]))
    return [*(["..."] if first else []), *lines[first:end], *(["..."] if end < len(lines) else [])]


def _with_output(words: str, language: str, body: str, folder: Path, photos: Path) -> str:
    """A block of commands, each followed by what it prints now."""
    options = shlex.split(words)
    status = int(dict(zip(options[::2], options[1::2], strict=True)).get("status", 0))
    commands = [line.removeprefix("$ ") for line in body.splitlines() if line.startswith("$ ")]
    parts = []
    for place, command in enumerate(commands):
        last = place == len(commands) - 1
        said = run(command, folder, photos, status if last else 0).rstrip().splitlines()
        parts += [f"$ {command}", *(shorten(said, options) if last else said)]
    return "\n".join([f"<!-- run{words} -->", f"```{language}", *parts, "```"])


def _with_print(cells: list[str], folder: Path, photos: Path) -> str:
    """The last of the cells, followed by what it prints now when all run in one Python."""
    said = [_printed(cells[:count], folder, photos) for count in (len(cells) - 1, len(cells))]
    new = said[1].removeprefix(said[0]).rstrip()
    shown = f"\n\n```\n{new}\n```" if new else ""
    return f"<!-- notebook -->\n```python\n{cells[-1]}```{shown}"


def _printed(cells: Sequence[str], folder: Path, photos: Path) -> str:
    return run(f"python -c {shlex.quote(''.join(cells))}", folder, photos)


def rewritten(page: str, folder: Path, photos: Path) -> str:
    """The page with the output of each of its blocks as it is now; its commands run in the folder, one after the other."""
    cells: list[str] = []

    def block(step: re.Match[str]) -> str:
        if step["hidden"]:
            run(step["hidden"], folder, photos)
        elif step["file"]:
            (folder / step["file"]).write_text(step["text"], "utf-8")
        elif step["cell"]:
            cells.append(step["cell"])
            return _with_print(cells, folder, photos)
        else:
            return _with_output(step["words"], step["language"], step["body"], folder, photos)
        return step[0]

    return STEP.sub(block, page)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""
    try:
        command, pages = parse(Command, argv, "python tools/shown.py")
        for page in map(Path, pages):
            with tempfile.TemporaryDirectory() as place:
                folder = Path(place).resolve()
                prepare(Path(command.photos), folder)
                text = rewritten(page.read_text("utf-8"), folder, Path(command.photos).resolve())
            page.write_text(text, "utf-8")
            print(f"wrote {page}")
    except UserError as error:
        print(f"shown: {error}", file=sys.stderr)
        return error.exit_status
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
