"""Downloads a photo from a web address: at most LIMIT_BYTES, within LIMIT_S, over http and https only.

Used only for addresses that the user gave. `photo_pixels` checks whether the file is a picture.
"""

from __future__ import annotations

import http.client
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from label_image.errors import PhotoError

LIMIT_BYTES = 50_000_000  # a 108-megapixel JPEG from a phone takes 30 MB
LIMIT_S = 20.0
_PIECE = 65_536  # bytes per read
_HEADERS = {"User-Agent": "label_image (tensorflow-for-poets)", "Accept": "image/*,*/*;q=0.5"}


def fetch(url: str, folder: Path, limit_bytes: int = LIMIT_BYTES, limit_s: float = LIMIT_S) -> Path:
    """Downloads one photo.

    Args:
      url: http or https.
      folder: where to write the file, under a unique name.
      limit_bytes: the largest size allowed.
      limit_s: the time limit in seconds, from looking up the host to the last byte.

    Raises:
      PhotoError: there is no such page, the download is too slow or too large, or a redirect leaves http and https.
    """
    download = _Download(url, folder, limit_bytes)
    download.start()
    download.join(limit_s)
    if download.is_alive():
        download.given_up = True
        raise PhotoError("too slow", f"the download was not complete after {limit_s:g} s")
    if download.error:
        raise _photo_error(download.error)
    return download.path


class _Download(threading.Thread):
    """Downloads one address in a thread, because looking up a host has no time limit and a server may send bytes arbitrarily slowly."""

    def __init__(self, url: str, folder: Path, limit_bytes: int) -> None:
        super().__init__(daemon=True)  # the program need not wait for it at exit
        self.error: Exception | None = None
        self.given_up = False
        self._url, self._limit = url, limit_bytes
        self.path = folder / f"{id(self):x}"

    def run(self) -> None:
        """Downloads to `path`, or sets `error`."""
        try:
            request = urllib.request.Request(_ascii(self._url), headers=_HEADERS)  # noqa: S310 - _opener handles only http and https
            with _opener().open(request, timeout=LIMIT_S) as answer, self.path.open("wb") as file:
                self._copy(answer, file)
        except urllib.error.HTTPError as error:
            error.close()
            self.error = error
        except Exception as error:  # reported by `fetch`, in the waiting thread
            self.error = error
        if self.error or self.given_up:
            self.path.unlink(missing_ok=True)

    def _copy(self, answer: Any, file: Any) -> None:
        promised = int(answer.headers.get("Content-Length") or -1)
        if promised > self._limit:
            raise PhotoError("too large", f"{promised:,} bytes, the limit is {self._limit:,}")
        size = 0
        while not self.given_up and (piece := answer.read1(_PIECE)):
            size += len(piece)
            if size > self._limit:
                raise PhotoError("too large", f"more than {self._limit:,} bytes")
            file.write(piece)
        if size < promised:
            raise PhotoError("cut short", f"the connection ended after {size:,} of {promised:,} bytes")


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only; the standard handler also follows them to ftp."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Checks the target of a redirect before it is followed."""
        target = urllib.parse.urljoin(req.full_url, headers.get("Location") or "")
        if not target.lower().startswith(("http://", "https://")):
            fp.close()
            raise PhotoError(
                "redirected", f"the server redirects to {target[:80]!r}, but only http and https are followed"
            )
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler, urllib.request.HTTPHandler, urllib.request.HTTPSHandler, _Redirects,
        urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor, urllib.request.UnknownHandler,
    ):  # fmt: skip
        opener.add_handler(handler())
    return opener


def _ascii(url: str) -> str:
    """Percent-encodes an address: `ä b.jpg` becomes `%C3%A4%20b.jpg`.

    >>> _ascii("http://x.org/ä b%20c.jpg?q=é#top")
    'http://x.org/%C3%A4%20b%20c.jpg?q=%C3%A9'
    """
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~", errors="surrogateescape")
    query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~?", errors="surrogateescape")
    return urllib.parse.urlunsplit((parts.scheme.lower(), parts.netloc, path, query, ""))


def _photo_error(error: Exception) -> PhotoError:
    """Converts an error of a download to a PhotoError."""
    if isinstance(error, PhotoError):
        return error
    if isinstance(error, urllib.error.HTTPError):
        return PhotoError("not found" if error.code in (404, 410) else "refused", f"the server answers {error.code}")
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return PhotoError("too slow", f"the server sent nothing for {LIMIT_S:g} s")
    if isinstance(error, urllib.error.URLError):
        why = getattr(error.reason, "strerror", None) or error.reason
        return PhotoError("no connection", _one_line(why))
    if isinstance(error, http.client.HTTPException):
        return PhotoError("invalid answer", _one_line(f"{type(error).__name__} {error}"))
    return PhotoError("unreadable", _one_line(error))


def _one_line(text: object) -> str:
    return re.sub(r"\s+", " ", str(text)).strip()[:120]
