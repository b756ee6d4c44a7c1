"""Damages the bytes of the store of features, and repeats the training.

A trial passes if the training succeeds and gives exactly the same layer as with an intact store.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from benchmarks.torture.ground import Ground, in_pairs, run, weights_of
from benchmarks.torture.mutate import mutated
from benchmarks.torture.tally import Tally

STORES = 200


def tried(ground: Ground) -> Tally:
    """Trains with damaged stores."""
    tally = Tally("stores", "damaged stores of features, then the same training: exactly the same layer")
    home = ground.home("a")
    wanted = weights_of(home)

    def one(number: int) -> None:
        folder = ground.copy_of(home, f"store_{number}")
        files = sorted(path for path in (folder / "tf_files/bottlenecks").rglob("*") if path.is_file())
        rng = ground.rng(40, number)
        # Mostly the database is damaged, sometimes one of the files beside it.
        databases = [path for path in files if path.suffix == ".sqlite"]
        path = files[int(rng.integers(len(files)))] if number % 8 == 0 else databases[0]
        data = path.read_bytes()
        path.write_bytes(mutated(data, rng) if data else b"\0")
        tally.add(_problem(ground, folder, wanted), f"store {number}, {path.name}")
        shutil.rmtree(folder)

    in_pairs(one, range(ground.times(STORES, 2)))
    return tally.done()


def _problem(ground: Ground, folder: Path, wanted: object) -> str:
    (folder / "tf_files/retrain_checkpoint.npz").unlink()
    done = run([*ground.retrain("a"), "--report=none"], folder)
    if done.status or "Traceback" in done.errors:
        return f"exit status {done.status}: {done.last}"
    found = weights_of(folder)
    same = found is not None and np.array_equal(found, np.asarray(wanted))
    return "" if same else "another layer than with a sound store"
