"""Writes the report page of a run, `report.html`. The libraries that draw it are imported only when it is written."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # it imports NumPy, which is slow while the program starts
    from retrain.types import Head

REPORT = "report.html"
LIBRARIES = {"jinja2": "jinja2", "pygal": "pygal"}  # module -> name of the package for pip


def missing_libraries() -> list[str]:
    """Returns the libraries for the page that are not installed."""
    return [name for module, name in LIBRARIES.items() if importlib.util.find_spec(module) is None]


def install_line(missing: list[str]) -> str:
    """Returns a line that says what is missing and how to install it."""
    are = "is" if len(missing) == 1 else "are"
    return f"{' and '.join(missing)} {are} not installed; pip install {' '.join(missing)}"


def write_report(folder: Path, record: Mapping[str, Any], head: Head | None) -> Path:
    """Writes the page of a run.

    Args:
      folder: the run's folder.
      record: the content of its run.json.
      head: the trained layer; without it (None), the page has no heat maps.

    Returns:
      the path of the page.
    """
    from retrain.report.page import write_page

    return write_page(folder / REPORT, record, head)
