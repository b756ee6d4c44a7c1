"""The program `python -m retrain.runs`: lists runs, removes them, and chooses the one that the usual file names refer to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from label_image.errors import UserError
from label_image.flags import check, flag, parse
from label_image.program import exit_status
from label_image.terminal import say

PROGRAM = "python -m retrain.runs"
ACTIONS = "list, use NAME, remove NAME, prune --keep=N"


@dataclass(frozen=True)
class RunsCommand:
    """Lists and removes the runs of python -m retrain: `python -m retrain.runs list`.

    list          shows name, time, folder of photos, accuracy and size of each run, newest last; this is the default
    use NAME      makes the usual names (tf_files/retrained.tflite and the others) refer to the exports of that run
    remove NAME   removes the folder of a run; a classifier in use stays usable
    prune         removes the oldest runs until --keep of them are left; never the run in use

    NAME is the name of a run's folder, or a path; for use also the beginning of a name.
    """

    keep: int | None = flag(None, "Number of runs that prune leaves.", minimum=1)
    runs_dir: str = flag("tf_files/runs", "Folder of the runs, as in python -m retrain.")

    def __post_init__(self) -> None:
        """Validates the flags.

        Raises:
          UserError: a flag has an invalid value; the message names the flag.
        """
        check(self)


def main(argv: Sequence[str]) -> int:
    """Runs the command; returns the exit status."""

    def work() -> None:
        command, words = parse(RunsCommand, argv, PROGRAM)
        action, names = (words[0], words[1:]) if words else ("list", [])
        actions: dict[str, Callable[[RunsCommand, list[str]], Iterator[str]]] = {
            "list": _list, "use": _use, "remove": _remove, "prune": _prune,
        }  # fmt: skip
        if action not in actions:
            raise UserError(f"{action!r} is not one of {ACTIONS}")
        if command.keep is not None and action != "prune":
            raise UserError(f"--keep has no effect on {action}, only on prune; leave it out")
        for line in actions[action](command, names):
            say(line)

    return exit_status("retrain.runs", work)


def _list(command: RunsCommand, names: list[str]) -> Iterator[str]:
    from retrain.runs.listing import listed, table

    _expect(names, 0, "list")
    runs = listed(Path(command.runs_dir))
    yield from (
        table(runs) if runs else [f"no run in {command.runs_dir}; train one: python -m retrain --image_dir YOUR_PHOTOS"]
    )


def _use(command: RunsCommand, names: list[str]) -> Iterator[str]:
    from label_image.errors import RunError
    from label_image.find_run import check_unchanged, run_folder
    from retrain.runs.folder import end
    from retrain.runs.publish import members_of, publish
    from retrain.runs.record import read_record

    _expect(names, 1, "use NAME")
    runs_dir = Path(command.runs_dir)
    record = read_record(run_folder(names[0], runs_dir))
    folder = record.folder
    if record.failed:
        raise RunError(f"cannot use {folder.name}: that run failed ({record.failed}); train again")
    members = members_of(folder, record.fields)
    check_unchanged(folder, [member.name for member in members])
    try:
        publish(folder, members, runs_dir)
    finally:
        end(folder)
    yield f"{', '.join(str(member.target) for member in members)}: from {folder}"


def _remove(command: RunsCommand, names: list[str]) -> Iterator[str]:
    from label_image.find_run import run_folder
    from retrain.runs.listing import discard, listed

    _expect(names, 1, "remove NAME")
    runs_dir = Path(command.runs_dir)
    folder = run_folder(names[0], runs_dir, in_full=True)
    runs = [run for run in listed(folder.parent) if run.folder.name == folder.name]
    if not runs:
        raise UserError(f"cannot remove {names[0]}: give the name of the run's folder, as {PROGRAM} list shows it")
    for run in runs:
        discard(run)
        yield f"removed {folder}{'; its classifier stays in use' if run.note.startswith('in use') else ''}"


def _prune(command: RunsCommand, names: list[str]) -> Iterator[str]:
    from retrain.runs.listing import discard, listed, to_prune
    from retrain.runs.publish import finish_killed

    _expect(names, 0, "prune --keep=N")
    if command.keep is None:
        raise UserError(f"give the number of runs to keep: {PROGRAM} prune --keep=N")
    yield from finish_killed(Path(command.runs_dir))
    runs = listed(Path(command.runs_dir))
    old = to_prune(runs, command.keep)
    for run in old:
        discard(run)
        yield f"removed {run.folder}"
    yield f"{len(runs) - len(old)} runs left, {sum(run.freed for run in old) / 1e6:.1f} MB freed"


def _expect(names: list[str], count: int, usage: str) -> None:
    if len(names) != count:
        raise UserError(f"found {len(names)} words after the action, expected {count}: {PROGRAM} {usage}")
