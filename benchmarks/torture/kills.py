"""Ends eleven commands at random moments with SIGKILL, SIGTERM or Ctrl-C, and runs them again.

A trial passes if the files under the usual names are one complete set (or none) at any moment; if a program that can still
react prints one line and has the right exit status; if no child process stays alive; if the same command, run again,
produces the same result as without the kill; and if it leaves no temporary file.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.torture.commands import KilledCommand, commands
from benchmarks.torture.ground import Ended, Ground, environment, in_pairs, outlived, run
from benchmarks.torture.tally import Tally
from benchmarks.torture.whole import temporary_names

KILLS = 300
_SIGNALS = (signal.SIGKILL, signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_STATUS = {signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGINT: (130, -signal.SIGINT)}
_OUR_LINE = re.compile(r'File ".*/(label_image|retrain)/')
_PATIENCE_S = 20.0


def tried(ground: Ground) -> Tally:
    """Kills the commands in turn; each trial has its own moment and signal."""
    tally = Tally("kills", "eleven commands ended at random moments by SIGKILL, SIGTERM or Ctrl-C, then run again")
    count = ground.times(KILLS, 3)
    ready = [(command, usual_s(command, ground)) for command in commands(ground)[:count]]
    trials = [(number, *ready[number % len(ready)]) for number in range(count)]

    def one(trial: tuple[int, KilledCommand, float]) -> None:
        number, command, usual = trial
        rng = ground.rng(10, number)
        moment, which = float(rng.uniform(0.0, 1.05 * usual)), _SIGNALS[int(rng.integers(len(_SIGNALS)))]
        case = f"kill {number}, {command.name}, {which.name} after {moment:.2f} of {usual:.2f} s"
        tally.add(_problem(command, ground, f"kill_{number}", moment, which), case)

    in_pairs(one, trials)
    return tally.done()


def usual_s(command: KilledCommand, ground: Ground) -> float:
    """Measures the time of a command that is not interrupted.

    Raises:
      RuntimeError: it fails even then.
    """
    folder = ground.copy_of(command.start, "undisturbed")
    start = time.perf_counter()
    done = run(command.words, folder)
    seconds = time.perf_counter() - start
    problem = command.in_the_end(folder) if done.status == 0 else done.errors[-1000:]
    if problem:
        raise RuntimeError(f"{command.name} fails without a kill: {problem}")
    return seconds


def _problem(command: KilledCommand, ground: Ground, trial: str, moment: float, which: signal.Signals) -> str:
    folder = ground.copy_of(command.start, trial)
    ended = ended_by(command.words, folder, trial, moment, which)
    if _before_our_first_line(ended):
        ended = Ended(_STATUS[signal.SIGINT][0], "", "")
    if which in _STATUS and ended.status not in (0, 2, *_STATUS[which]):
        return f"exit status {ended.status}: {ended.last}"
    if "Traceback" in ended.errors:
        return f"a traceback: {ended.last}"
    if outlived(trial):
        return "a process that it started lives on"
    problem = command.at_any_moment(folder)
    if problem:
        return problem
    again = run(command.words, folder, trial)
    if again.status not in command.again:
        return f"run again, it ends with {again.status}: {again.last}"
    problem = command.in_the_end(folder)
    if problem:
        return f"run again, {problem}"
    left = temporary_names(folder)
    return f"run again, {', '.join(left[:3])} is left" if left else _gone(folder)


def _before_our_first_line(ended: Ended) -> bool:
    """Whether Ctrl-C interrupted the start of Python: its traceback contains no line of ours, and no program can prevent it."""
    return "KeyboardInterrupt" in ended.errors and not _OUR_LINE.search(ended.errors)


def ended_by(words: tuple[str, ...], folder: Path, trial: str, moment: float, which: signal.Signals) -> Ended:
    """Starts a command, ends it after some time, and returns its result."""
    process = subprocess.Popen(
        [sys.executable, "-m", *words], cwd=folder, env=environment(trial), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
    )  # fmt: skip
    try:
        output, errors = process.communicate(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(which)
        try:
            output, errors = process.communicate(timeout=_PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return Ended(1, "", f"it did not end {_PATIENCE_S:g} s after {which.name}")
    return Ended(process.returncode, output, errors)


def _gone(folder: Path) -> str:
    """Removes the folder of a trial that passed."""
    shutil.rmtree(folder)
    return ""
