"""A run's record in, `report.html` beside it out. Imports nothing heavy: the libraries that draw are imported when it is made."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # NumPy: the program is not under way yet
    from retrain.types import Head

REPORT = "report.html"
LIBRARIES = {"jinja2": "jinja2", "pygal": "pygal"}  # module -> what pip calls it


def missing_libraries() -> list[str]:
    """What is not installed of what draws the page."""
    return [name for module, name in LIBRARIES.items() if importlib.util.find_spec(module) is None]


def install_line(missing: list[str]) -> str:
    """What is missing, and what to type."""
    are = "is" if len(missing) == 1 else "are"
    return f"{' and '.join(missing)} {are} not installed; pip install {' '.join(missing)}"


def write_report(folder: Path, record: Mapping[str, Any], head: Head | None) -> Path:
    """Writes the page of a run.

    Args:
      folder: the run's.
      record: what its run.json holds.
      head: the trained layer; None leaves the heat maps out.

    Returns:
      the page's path.
    """
    from retrain.report.page import write_page

    return write_page(folder / REPORT, record, head)
