"""Makes the page with Gradio: photos are dropped, pasted or taken with the camera, and the answers are shown.

This is the only file that imports gradio. Gradio is configured to stay on this machine: no analytics, no share link, system fonts
and no stored history.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from label_image.demo.answers import answer, escaped, html_of
from label_image.demo.choices import ClassifierCache
from label_image.demo.guard import Guard
from label_image.errors import UserError
from label_image.program import line_of

_CSS, _SCRIPT = Path(__file__).with_name("page.css"), Path(__file__).with_name("page.js")
_FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_FIXED = ("ui-monospace", "Menlo", "Consolas", "monospace")
_EMPTY = '<p class="empty">Drop a photo here to see its label.</p>'
_SPOKEN = '<section aria-live="polite" aria-label="Answers">${value}</section>'  # screen readers announce changes in this section
_LARGEST_PHOTO = "200mb"  # enough for a scan of 100 megapixels
_MOST_BYTES = 2_000_000_000  # total size of the kept photos


def open_page(cache: ClassifierCache, found: list[str], host: str, port: int) -> Any:
    """Serves the page in separate threads; returns the object that closes it.

    Args:
      cache: loads the classifiers.
      found: the classifiers to choose from, the one in use first.
      host: the address to listen on.
      port: a free port.

    Raises:
      UserError: another program took the port meanwhile.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = (
        "False"  # before the import, which otherwise checks for a newer version online
    )
    import gradio as gr

    with gr.Blocks(title="label_image", analytics_enabled=False) as blocks:
        gr.HTML("<h1>What is in this photo?</h1><p>Photos stay on this machine.</p>", elem_id="head")
        with gr.Row(equal_height=False):
            with gr.Column(scale=2, min_width=300):
                photos = gr.Gallery(
                    label="Photos", sources=["upload", "webcam", "clipboard"], type="filepath", columns=3, fit_columns=False, height=260,
                    object_fit="cover", buttons=[], allow_preview=False, elem_id="photos",
                )  # fmt: skip
                graph = gr.Dropdown(found, value=found[0], label="Classifier", elem_id="graph")
                about = gr.HTML(_about(cache, found[0]), elem_id="about")
            with gr.Column(scale=3, min_width=300):
                answers = gr.HTML(_EMPTY, html_template=_SPOKEN, elem_id="answers")

        def label(graph_path: str, given: list[tuple[str, str | None]] | None) -> Iterator[str]:
            yield from _answers(cache, graph_path, [path for path, _ in given or []])

        shown = {"show_progress": "hidden", "api_visibility": "private"}
        photos.change(label, [graph, photos], answers, **shown)
        graph.change(lambda path: _about(cache, path), graph, about, **shown)
        graph.change(label, [graph, photos], answers, **shown)
    theme = gr.themes.Default(primary_hue="blue", font=_FONTS, font_mono=_FIXED).set(
        # Gradio's greys are too pale to read; these have a contrast above 4.5
        body_text_color_subdued="#5a6270", body_text_color_subdued_dark="#aab2bf",
    )  # fmt: skip
    try:
        blocks.queue().launch(
            server_name=host, server_port=port, share=False, inbrowser=False, quiet=True, prevent_thread_lock=True,
            app_kwargs={"lifespan": _guarded}, ssr_mode=False, footer_links=[], run_history=False, enable_monitoring=False, max_file_size=_LARGEST_PHOTO,
            theme=theme, css=_CSS.read_text("utf-8"), js=_SCRIPT.read_text("utf-8"),
        )  # fmt: skip
    except OSError as error:
        raise UserError(
            f"cannot open a page on port {port}: {error}; give another port, or --port=0 for any free one"
        ) from None
    return blocks


@asynccontextmanager
async def _guarded(app: Any) -> AsyncIterator[None]:
    """Installs the guard in front of Gradio's server before the first request is handled."""
    app.middleware_stack = Guard(app.middleware_stack, Path(os.environ["GRADIO_TEMP_DIR"]), _MOST_BYTES)
    yield


def _answers(cache: ClassifierCache, graph: str, paths: list[str]) -> Iterator[str]:
    """Yields the HTML for all photos labelled so far, after each photo."""
    if not paths:
        yield _EMPTY
        return
    made = ""
    try:
        loaded = cache.load(graph)
        for path in paths:
            made += html_of(answer(path, Path(path).name, loaded))
            yield made
    except Exception as error:  # errors are shown on the page, because there is no other place
        yield made + _trouble(error)


def _about(cache: ClassifierCache, graph: str) -> str:
    """Describes the classifier in use: its labels, accuracy and notes."""
    try:
        loaded = cache.load(graph)
    except UserError as error:
        return _trouble(error)
    known = loaded.classifier.metadata
    labels = ", ".join(known.labels[:12]) + (f" and {len(known.labels) - 12:,} more" if len(known.labels) > 12 else "")
    lines = [f"<p>It knows: {escaped(labels)}.</p>"] if labels else []
    accuracy, tested = known.training.get("test_accuracy"), known.training.get("tested")
    if isinstance(accuracy, float) and tested:
        lines.append(f"<p>Of {tested} photos that it was not trained on, it labelled {accuracy:.0%} correctly.</p>")
    lines += [f"<p>{escaped(loaded.note)}</p>"] if loaded.note else []
    return "".join(lines)


def _trouble(error: Exception) -> str:
    line = str(error) if isinstance(error, UserError) else line_of(error)
    return f'<p class="trouble" role="alert">{escaped(line)}</p>'
