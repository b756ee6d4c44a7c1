"""`python -m label_image`."""

from __future__ import annotations

import contextlib
import os
import sys

from label_image.cli import main

status = main(sys.argv[1:])
for stream in (sys.stdout, sys.stderr):
    with contextlib.suppress(OSError, ValueError, AttributeError):
        stream.flush()
# Python's own end would wait for threads that stand in a download or a network after Ctrl-C or `| head`.
os._exit(status)
