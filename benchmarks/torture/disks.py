"""Trains on file systems that become full before the work is done.

A trial passes if the program prints one line and ends with exit status 1 (or 0 if there was enough room), without a
traceback; if the files of the earlier training are intact; and if the same command succeeds once there is room. It needs
the right to mount a file system in memory; without it, a note says that the test was not run.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from benchmarks.torture.ground import Ground, run
from benchmarks.torture.tally import Tally
from benchmarks.torture.whole import set_problem

DISKS = 12
_ROOM_KB = (8, 64, 200, 400, 800, 1200, 1600, 2000, 2600, 3200, 4500, 6000)  # free after the first training
_MORE = "size=200m"


def tried(ground: Ground) -> Tally:
    """Trains on small disks, one after the other; returns the count."""
    tally = Tally("full disks", "trainings on disks with 8 to 6,000 KB free; then with enough room")
    home = ground.home("a")
    for number, room in enumerate(_ROOM_KB[: ground.times(DISKS, 1)]):
        place = ground.folder(f"disk_{number}")
        if _mount(place, _MORE):
            tally.missing = "no file system can be mounted here"
            break
        try:
            shutil.copytree(home, place, symlinks=True, dirs_exist_ok=True)
            used_kb = (shutil.disk_usage(place).used + 1023) // 1024
            _mount(place, f"remount,size={used_kb + room}k")
            tally.add(_problem(ground, place), f"disk {number}, {room} KB left")
        finally:
            subprocess.run(["umount", str(place)], check=False, capture_output=True)
    return tally.done()


def _problem(ground: Ground, place: Path) -> str:
    words = ground.retrain("b", "--export=tflite,pb")
    done = run(words, place)
    if done.status not in (0, 1) or "Traceback" in done.errors:
        return f"exit status {done.status}: {done.last}"
    if done.status == 1 and not done.errors.strip():
        return "it failed without a word"
    problem = set_problem(place, ground, "b" if done.status == 0 else "ab")
    if problem:
        return problem
    _mount(place, f"remount,{_MORE}")
    again = run(words, place)
    if again.status:
        return f"with room, exit status {again.status}: {again.last}"
    problem = set_problem(place, ground, "b")
    return f"with room, {problem}" if problem else ""


def _mount(place: Path, options: str) -> bool:
    """Mounts a file system in memory, or changes its size; returns whether that failed."""
    try:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], check=False, capture_output=True
        )
    except OSError:
        return True
    return done.returncode != 0
