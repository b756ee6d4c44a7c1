"""A web address in, the file it names out: at most LIMIT_BYTES, in at most LIMIT_S, over http and https only.

Used for addresses that the user typed, and for nothing else. Whether the file is a picture is for `pixels` to say.
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

LIMIT_BYTES = 50_000_000  # a 108-megapixel JPEG of a phone has 30 MB
LIMIT_S = 20.0
_PIECE = 65_536  # bytes a read
_HEADERS = {"User-Agent": "label_image (tensorflow-for-poets)", "Accept": "image/*,*/*;q=0.5"}


def fetch(url: str, folder: Path, limit_bytes: int = LIMIT_BYTES, limit_s: float = LIMIT_S) -> Path:
    """Downloads one photo.

    Args:
      url: http or https.
      folder: where the file is put, under a name of its own.
      limit_bytes: the longest file that is taken.
      limit_s: seconds for all of it: the name, the connection, redirects and the last byte.

    Raises:
      PhotoError: no such page, too slow, too large, or led elsewhere than http and https.
    """
    download = _Download(url, folder, limit_bytes)
    download.start()
    download.join(limit_s)
    if download.is_alive():
        download.given_up = True
        raise PhotoError("too slow", f"the whole file was not there after {limit_s:g} s")
    if download.error:
        raise _told(download.error)
    return download.path


class _Download(threading.Thread):
    """A thread for one address: looking a name up knows no time limit, and a server may drip byte after byte."""

    def __init__(self, url: str, folder: Path, limit_bytes: int) -> None:
        super().__init__(daemon=True)  # the program ends without it
        self.error: Exception | None = None
        self.given_up = False
        self._url, self._limit = url, limit_bytes
        self.path = folder / f"{id(self):x}"

    def run(self) -> None:
        """Downloads to `path`, or sets `error`."""
        try:
            request = urllib.request.Request(_ascii(self._url), headers=_HEADERS)  # noqa: S310 - _opener knows http and https only
            with _opener().open(request, timeout=LIMIT_S) as answer, self.path.open("wb") as file:
                self._copy(answer, file)
        except urllib.error.HTTPError as error:
            error.close()
            self.error = error
        except Exception as error:  # told in `fetch`, in the thread that waits
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
    """Follows to http and https only; the usual handler goes to ftp as well."""

    def http_error_302(self, req: Any, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Looks where the server sends on to before anything else does."""
        target = urllib.parse.urljoin(req.full_url, headers.get("Location") or "")
        if not target.lower().startswith(("http://", "https://")):
            fp.close()
            raise PhotoError(
                "led elsewhere", f"the server sends on to {target[:80]!r}; only http and https are followed"
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
    """An address as it is sent: what a browser shows as `ä b.jpg` goes as `%C3%A4%20b.jpg`.

    >>> _ascii("http://x.org/ä b%20c.jpg?q=é#top")
    'http://x.org/%C3%A4%20b%20c.jpg?q=%C3%A9'
    """
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.quote(parts.path, safe="/%:@!$&'()*+,;=~", errors="surrogateescape")
    query = urllib.parse.quote(parts.query, safe="/%:@!$&'()*+,;=~?", errors="surrogateescape")
    return urllib.parse.urlunsplit((parts.scheme.lower(), parts.netloc, path, query, ""))


def _told(error: Exception) -> PhotoError:
    """What went wrong, in the form of every other photo that can not be read."""
    if isinstance(error, PhotoError):
        return error
    if isinstance(error, urllib.error.HTTPError):
        return PhotoError("not there" if error.code in (404, 410) else "refused", f"the server answers {error.code}")
    if isinstance(error, TimeoutError) or isinstance(getattr(error, "reason", None), TimeoutError):
        return PhotoError("too slow", f"the server says nothing for {LIMIT_S:g} s")
    if isinstance(error, urllib.error.URLError):
        why = getattr(error.reason, "strerror", None) or error.reason
        return PhotoError("not reached", _one_line(why))
    if isinstance(error, http.client.HTTPException):
        return PhotoError("no answer", _one_line(f"{type(error).__name__} {error}"))
    return PhotoError("not to be read", _one_line(error))


def _one_line(text: object) -> str:
    return re.sub(r"\s+", " ", str(text)).strip()[:120]
