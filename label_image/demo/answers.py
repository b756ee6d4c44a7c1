"""Makes the HTML for one photo on the page: the photo, its heat map, bars of the scores and the time it took.

Every name and label is escaped, because a photo may be called `<script>` or contain control characters.
"""

from __future__ import annotations

import base64
import html
import io
import time
from dataclasses import dataclass

import numpy as np
from PIL import Image

from label_image.classifier import Prediction
from label_image.demo.choices import LoadedClassifier
from label_image.errors import NoScoresError, PhotoError
from label_image.heatmap import NoExactMap
from label_image.photo_pixels import UInt8Image, whole
from label_image.terminal import clean

_SHOWN_PX = 720  # the longer side of a picture on the page; sharp on high-resolution screens too
_BARS = 5


@dataclass(frozen=True)
class LabelledPhoto:
    """A labelled photo on the page."""

    name: str
    prediction: Prediction
    photo: UInt8Image | None = None  # upright; None if it cannot be read
    heat_map: UInt8Image | None = None
    heat_map_s: float = 0.0  # seconds to compute it
    note: str = ""  # why there is no heat map


def answer(path: str, name: str, loaded: LoadedClassifier) -> LabelledPhoto:
    """Labels one photo and draws the heat map of its best label."""
    try:
        prediction = loaded.classifier.classify(path)
        photo = whole(path, _SHOWN_PX)
    except PhotoError as error:
        return LabelledPhoto(name, Prediction(path, (), np.zeros(0, np.float32), 0.0, error))
    if loaded.explainer is None:
        return LabelledPhoto(name, prediction, photo)
    start = time.perf_counter()
    try:
        drawn = loaded.explainer.picture(path, prediction, prediction.top(1)[0][0], _SHOWN_PX)
    except NoExactMap as error:
        return LabelledPhoto(name, prediction, photo, note=str(error))
    return LabelledPhoto(name, prediction, photo, drawn, time.perf_counter() - start)


def html_of(given: LabelledPhoto) -> str:
    """Makes the HTML for one photo."""
    name = escaped(given.name)
    if given.prediction.error or given.photo is None:
        why = escaped(str(given.prediction.error))
        undone = "labelled" if isinstance(given.prediction.error, NoScoresError) else "read"
        return f'<article class="answer unread"><h2>{name}</h2><p role="alert">This photo cannot be {undone}: {why}.</p></article>'
    label, score = given.prediction.top(1)[0]
    best = escaped(label)
    photo = f'<figure><img src="{_data(given.photo)}" alt="{name}"><figcaption>{name}</figcaption></figure>'
    return (
        f'<article class="answer"><h2>{best} <span class="share">{_percent(score)}</span></h2>'
        f'<div class="pictures">{photo}{_heat_map(given, best)}</div>{_bars(given.prediction)}{_times(given)}</article>'
    )


def _heat_map(given: LabelledPhoto, best: str) -> str:
    if given.heat_map is None:
        return f'<p class="note">{escaped(given.note)}</p>' if given.note else ""
    alt = f"The same photo in grey; in colour the evidence for {best}"
    return (
        f'<figure><img src="{_data(given.heat_map)}" alt="{alt}"><figcaption>evidence for {best} '
        '<span class="scale"><span>none</span><span class="colours"></span><span>most</span></span></figcaption></figure>'
    )


def _bars(prediction: Prediction) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escaped(label)}</th><td class="bar"><span style="width:{max(min(score, 1), 0):.1%}"></span></td>'
        f'<td class="number">{_percent(score)}</td></tr>'
        for label, score in prediction.top(_BARS)
    )
    left_out = len(prediction.labels) - _BARS
    more = f'<p class="more">and {left_out:,} more</p>' if left_out > 0 else ""
    return f'<table class="bars"><caption class="unseen">Scores</caption><tbody>{rows}</tbody></table>{more}'


def _times(given: LabelledPhoto) -> str:
    drawn = f", the heat map {_milliseconds(given.heat_map_s)}" if given.heat_map is not None else ""
    return f'<p class="times">The network took {_milliseconds(given.prediction.seconds)}{drawn}.</p>'


def escaped(text: str) -> str:
    """Escapes text for HTML, and for the page's templates, in which `{}` and `$` have a meaning."""
    safe = html.escape(clean(text), quote=True)
    for sign in "{}$`\\":
        safe = safe.replace(sign, f"&#{ord(sign)};")
    return safe


def _percent(score: float) -> str:
    """Formats a score in percent, but never rounds it up to 100 %.

    >>> _percent(0.99987), _percent(1.0), _percent(0.00004), _percent(0.5)
    ('> 99.9 %', '100.0 %', '< 0.1 %', '50.0 %')
    """
    if 0.9995 <= score < 1:
        return "> 99.9 %"
    return "< 0.1 %" if 0 < score < 0.0005 else f"{score * 100:.1f} %"


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:,.0f} ms" if seconds >= 0.001 else f"{seconds * 1000:.1f} ms"


def _data(pixels: UInt8Image) -> str:
    """Encodes a picture as a data address, so that the browser need not request it."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode('ascii')}"
