"""Starts a child that sleeps, and waits: for the test that sees what outlives its parent."""

from __future__ import annotations

import subprocess
import sys

subprocess.run(
    [sys.executable, "-c", "import time; time.sleep(60)"],
    check=False,
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
