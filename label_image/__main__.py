"""`python -m label_image`."""

from __future__ import annotations

import sys

from label_image.cli import main

sys.exit(main(sys.argv[1:]))
