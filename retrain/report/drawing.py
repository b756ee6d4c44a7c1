"""Draws charts with pygal, without colours, fonts, scripts or ids of its own.

What is drawn keeps pygal's classes (`series serie-0`, `axis`, `guide`), which the style of the page or the file colours.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

_WIDTH, _HEIGHT = 480, 320
_FONT_PX = 15


def whole(number: float) -> str:
    """A number of photos or steps on an axis.

    >>> whole(4000.0)
    '4,000'
    """
    return f"{number:,.0f}"


def new_chart(kind: str, font_px: int = _FONT_PX, **options: Any) -> Any:
    """A chart of pygal's to add series to.

    Args:
      kind: the name of its class, such as "XY".
      font_px: height of its letters, for which it leaves room.
      **options: pygal's; they take the place of those below.
    """
    before = list(sys.meta_path)
    import pygal
    from pygal.style import Style

    # It puts a finder of its own, for maps, among Python's, which warns at each import that fails later in the process.
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
        "show_legend": False,  # the legend is ours: the page's grows with the reader's letters
        "truncate_label": -1,
        "min_scale": 3,
        "max_scale": 6,  # numbers at an axis
        "x_value_formatter": whole,
    }
    make: Callable[..., Any] = getattr(pygal, kind)
    return make(**{**settings, **options})


def elements(chart: Any) -> ET.Element:
    """The chart as an `svg` element: without namespaces, ids, style, scripts and words for a mouse."""
    root = ET.fromstring(chart.render())  # noqa: S314 - pygal's own
    for element in root.iter():
        element.tag = element.tag.split("}")[-1]
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in ("defs", "title", "desc") or "tooltip-overlay" in child.get("class", ""):
                parent.remove(child)
    root.attrib.pop("id", None)  # drawn by chance
    return root
