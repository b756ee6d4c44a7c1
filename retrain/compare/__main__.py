"""`python -m retrain.compare`."""

from __future__ import annotations

import sys

from retrain.compare.cli import main

sys.exit(main(sys.argv[1:]))
