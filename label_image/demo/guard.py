"""Refuses requests to the page that do not come from it, and limits the size of all uploads.

A malicious page can make a browser send requests to 127.0.0.1: with its own name, which it resolves to that address (DNS
rebinding, visible in the Host header), or from its own address (visible in the Origin header).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_HERE = ("127.0.0.1", "localhost", "::1")
_UNUSED = ("/process_recording", "/proxy=")  # paths of Gradio that write elsewhere or contact another server
_IN_USE_S = 300.0  # a photo uploaded within this time is not deleted to make room

Scope = dict[str, Any]
App = Callable[[Scope, Any, Any], Awaitable[None]]


class Guard:
    """An ASGI application that checks requests before it passes them to another application.

    Args:
      app: the application that answers the permitted requests.
      folder: where uploads are kept; the oldest are deleted when there is no room.
      limit_bytes: the largest total size of all uploads.
    """

    def __init__(self, app: App, folder: Path, limit_bytes: int) -> None:
        self._app, self._folder, self._limit = app, folder, limit_bytes
        self._coming = 0  # bytes of the uploads in progress

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
            await _refuse(scope, send, 411, "an upload must state its length")
        elif not self._has_room(size):
            await _refuse(scope, send, 413, f"too large: all photos together may have at most {self._limit:,} bytes")
        else:
            self._coming += size
            try:
                await self._app(scope, receive, send)
            finally:
                self._coming -= size

    def _has_room(self, size: int) -> bool:
        """Returns whether there is room for an upload; deletes the oldest uploads if that helps."""
        if not size:
            return True
        kept = []
        for path in self._folder.rglob("*"):
            try:
                if path.is_file():
                    kept.append((path.stat().st_mtime, path.stat().st_size, path))
            except OSError:  # deleted meanwhile
                continue
        room = self._limit - self._coming - sum(bytes_ for _, bytes_, _ in kept)
        for when, bytes_, path in sorted(kept):
            if room >= size or time.time() - when < _IN_USE_S:
                break
            path.unlink(missing_ok=True)
            room += bytes_
        return room >= size


def refusal(headers: Mapping[str, str], path: str = "/") -> str:
    """Explains why a request is refused; "" if it comes from the page itself or from a program that is not a browser.

    Args:
      headers: by their names in lower case.
      path: the requested path.

    >>> refusal({"host": "127.0.0.1:7860", "origin": "http://127.0.0.1:7860"})
    ''
    >>> refusal({"host": "evil.com"})
    'this page can be used from this machine only, but the request names the host evil.com'
    """
    host = headers.get("host", "")
    if _name_of(host) not in _HERE:
        return f"this page can be used from this machine only, but the request names the host {host[:80]}"
    origin = headers.get("origin")
    if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
        return f"requests from another page are not allowed: {origin[:80]}"
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and (
        headers.get("sec-fetch-mode") != "navigate"
    ):
        return "requests from another page are not allowed"
    return "this page does not exist" if any(part in path for part in _UNUSED) else ""


def _name_of(host: str) -> str:
    """Reads the name in a Host header; "" if it is invalid."""
    try:
        found = urlsplit(f"//{host}")
    except ValueError:
        return ""
    return "" if found.username is not None or found.path or found.query else found.hostname or ""


def _length(headers: Mapping[str, str]) -> int | None:
    """Reads the length of the request's body; None if it is not stated."""
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
