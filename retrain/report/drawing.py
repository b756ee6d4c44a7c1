"""Draws charts with pygal and removes the colours, fonts, scripts and ids that it adds.

The elements keep pygal's classes (`series serie-0`, `axis`, `guide`), by which the style sheet of the page colours them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

_WIDTH, _HEIGHT = 480, 320
_FONT_PX = 15


def with_commas(number: float) -> str:
    """Formats a number of photos or steps for an axis.

    >>> with_commas(4000.0)
    '4,000'
    """
    return f"{number:,.0f}"


def new_chart(kind: str, font_px: int = _FONT_PX, **options: Any) -> Any:
    """Makes an empty pygal chart, to which series can be added.

    Args:
      kind: the name of its class in pygal, such as "XY".
      font_px: height of the text in pixels, for which the chart leaves room.
      **options: options of pygal, which override those below.
    """
    before = list(sys.meta_path)
    import pygal
    from pygal.style import Style

    # Importing pygal adds an import finder to Python, which would print a warning at each later import that fails. Only
    # this one is removed: importlib_metadata, which pygal imports, exchanges Python's own finder for versions.
    added = [finder for finder in sys.meta_path if finder not in before and type(finder).__module__ == "pygal"]
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder not in added]
    fonts = dict.fromkeys(("label_font_size", "major_label_font_size", "title_font_size"), font_px)
    settings: dict[str, Any] = {
        "style": Style(**fonts),
        "css": [],
        "js": [],
        "width": _WIDTH,
        "height": _HEIGHT,
        "margin": 6,
        "spacing": 8,
        "show_legend": False,  # the page has a legend of its own, which grows with the reader's text size
        "truncate_label": -1,
        "min_scale": 3,
        "max_scale": 6,  # most numbers on an axis
        "x_value_formatter": with_commas,
    }
    make: Callable[..., Any] = getattr(pygal, kind)
    return make(**{**settings, **options})


def elements(chart: Any) -> ET.Element:
    """Returns the chart as an `svg` element without namespaces, ids, styles, scripts and tooltips."""
    root = ET.fromstring(chart.render())  # noqa: S314 - this SVG comes from pygal
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("defs", "title", "desc") or "tooltip-overlay" in child.get("class", ""):
                parent.remove(child)
    root.attrib.pop("id", None)  # a random value, which would make the page differ each time
    return root
