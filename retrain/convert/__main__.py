"""`python -m retrain.convert`."""

from __future__ import annotations

import sys

from retrain.convert.cli import main

sys.exit(main(sys.argv[1:]))
