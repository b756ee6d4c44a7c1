"""The page's door: what comes from another place than this machine's own browser is refused before anything happens.

A page of a stranger can make a browser send requests to 127.0.0.1: under its own name, which it lets point there (DNS
rebinding: the Host header tells), or from its own address (the Origin header tells). What is uploaded is bounded in its sum.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_HERE = ("127.0.0.1", "localhost", "::1")
_UNUSED = ("/process_recording", "/proxy=")  # of Gradio: write elsewhere, or ask another server
_IN_USE_S = 300.0  # a photo that came so lately is not taken away to make room

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Guard:
    """An ASGI application in front of another one.

    Args:
      app: what answers those who may ask.
      folder: where uploads are kept; those that came first are deleted when there is no room.
      limit_bytes: of all uploads that are kept.
    """

    def __init__(self, app: App, folder: Path, limit_bytes: int) -> None:
        self._app, self._folder, self._limit = app, folder, limit_bytes
        self._coming = 0  # bytes of uploads under way

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """Answers one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        if reason := refusal(headers, scope["path"]):
            await _refuse(scope, send, 403, reason)
            return
        size = _length(headers)
        if size is None:
            await _refuse(scope, send, 411, "an upload must say how long it is")
        elif not self._has_room(size):
            await _refuse(scope, send, 413, f"too much at once: all photos together may have {self._limit:,} bytes")
        else:
            self._coming += size
            try:
                await self._app(scope, receive, send)
            finally:
                self._coming -= size

    def _has_room(self, size: int) -> bool:
        """Whether so many bytes may come; takes the oldest uploads away where that helps."""
        if not size:
            return True
        kept = []
        for path in self._folder.rglob("*"):
            try:
                if path.is_file():
                    kept.append((path.stat().st_mtime, path.stat().st_size, path))
            except OSError:  # just taken away
                continue
        room = self._limit - self._coming - sum(bytes_ for _, bytes_, _ in kept)
        for when, bytes_, path in sorted(kept):
            if room >= size or time.time() - when < _IN_USE_S:
                break
            path.unlink(missing_ok=True)
            room += bytes_
        return room >= size


def refusal(headers: Mapping[str, str], path: str = "/") -> str:
    """Why a request is refused; "" where it comes from this machine's own browser, or from a program that is no browser.

    Args:
      headers: by their names in small letters.
      path: what is asked for.

    >>> refusal({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860"})
    ''
    >>> refusal({"host": "evil.com"})
    'this page is for this machine only, and was asked for as evil.com'
    """
    host = headers.get("host", "")
    if _name_of(host) not in _HERE:
        return f"this page is for this machine only, and was asked for as {host[:80]}"
    origin = headers.get("origin")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return f"another page may not use this one: {origin[:80]}"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and (
        headers.get("sec-fetch-mode") != "navigate"
    ):
        return "another page may not use this one"
    return "this page has no such thing" if any(part in path for part in _UNUSED) else ""


def _name_of(host: str) -> str:
    """The name in a Host header; "" where it is none."""
    try:
        found = urlsplit(f"//{host}")
    except ValueError:
        return ""
    return "" if found.username is not None or found.path or found.query else found.hostname or ""


def _length(headers: Mapping[str, str]) -> int | None:
    """Bytes of the request's body; None where they are not known before."""
    if "transfer-encoding" in headers:
        return None
    text = headers.get("content-length", "0")
    return int(text) if text.isascii() and text.isdigit() else None


async def _refuse(scope: Scope, send: Any, status: int, reason: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    kind = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": kind})
    await send({"type": "http.response.body", "body": f"{reason}\n".encode()})
