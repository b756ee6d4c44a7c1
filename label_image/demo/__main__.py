"""`python -m label_image.demo`."""

from __future__ import annotations

import os
import sys

from label_image.demo.cli import main

status = main(sys.argv[1:])
sys.stdout.flush()
sys.stderr.flush()
# Python's own end would wait for the server's threads, and for browsers that keep their connection open.
os._exit(status)
