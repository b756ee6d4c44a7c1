"""Downloads a file to its name, under which it appears only when it is complete.

A download is written beside its target as `<name>.part`, is resumed where it was interrupted (also in a later run), and gets
its name only when its length and contents are correct. The addresses and digests of weights are defined elsewhere.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from label_image.errors import RunError
from retrain.files.archive import DAMAGE, GZIP, ZIP, read_through
from retrain.files.hashing import file_digest

BACK_OFF_S = 0.5  # wait before the second attempt; doubled before each further one
SAY_EVERY_S = 1.0
_CHUNK = 1 << 16  # bytes
_MAGIC = {".tgz": GZIP, ".tar.gz": GZIP, ".zip": ZIP, ".tar": b""}  # the first bytes of a file with this suffix


def _ignore(_line: str) -> None:
    """Ignores a line of progress."""


def fetch(
    url: str,
    path: Path,
    sha256: str | None = None,
    offline: bool = False,
    *,
    timeout_s: float = 20,
    attempts: int = 4,
    say: Callable[[str], None] = _ignore,
) -> Path:
    """Downloads `url` to `path` and returns `path`; an existing file is kept without being checked.

    Args:
      url: http or https.
      path: the final name; it does not exist before the file is complete and correct.
      sha256: hexadecimal digest; without it .tgz, .tar.gz, .tar and .zip are read to their end instead.
      offline: never connect to a server.
      timeout_s: an attempt ends after so many seconds without an answer or a byte.
      attempts: total number of attempts, 1 or more; there is no second attempt if the server was not reached or answered HTTP 4xx.
      say: called with a line of progress, at most once a second.

    Raises:
      RunError: the file is missing and `offline` is set; the server cannot be reached; every attempt was interrupted; the contents are wrong; the disk is full.
    """
    if path.exists():
        return path
    remedy = f"put the file at {path.absolute()}"
    if offline:
        raise RunError(
            f"{path.name} is missing, and downloads are off (--offline); download {url} on another computer and {remedy}"
        )
    if not url.lower().startswith(("http://", "https://")):
        raise RunError(f"cannot download {path.name} from {url}: only http and https are supported; {remedy}")
    part = path.with_name(path.name + ".part")
    try:
        _download(_Transfer(url, part, timeout_s, say), path, sha256, attempts)
    except _AttemptError as error:
        raise RunError(f"cannot download {path.name} from {url}: {error}; try again later, or {remedy}") from error
    except _WrongContentError as error:
        raise RunError(f"the file from {url} is not {path.name}: {error}; try again, or {remedy}") from error
    except OSError as error:
        raise RunError(f"cannot write {part}: {error.strerror or error}") from error
    return path


def _download(transfer: _Transfer, path: Path, sha256: str | None, attempts: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _locked(transfer.part):
        if path.exists():  # another process has just downloaded it
            return
        transfer.run(attempts)
        try:
            _check(transfer.part, path, sha256)
        except _WrongContentError:
            transfer.part.unlink()
            raise
        transfer.part.replace(path)


class _AttemptError(Exception):
    """One attempt to download failed; `again` says whether another attempt may succeed."""

    def __init__(self, why: str, again: bool) -> None:
        super().__init__(" ".join(why.split()))
        self.again = again


class _WrongContentError(Exception):
    """The download is complete, but its contents are wrong."""


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only; the base class would also follow them to ftp."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.lower().startswith(("http://", "https://")):
            raise urllib.error.HTTPError(newurl, code, f"redirect to {newurl} is not followed", headers, fp)
        # Python 3.10 does not know 308, the permanent form of 307.
        return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


class _Transfer:
    """Downloads `url` into `part`, in several attempts if necessary."""

    def __init__(self, url: str, part: Path, timeout_s: float, say: Callable[[str], None]) -> None:
        self.url, self.part, self.timeout_s, self.say = url, part, timeout_s, say
        self.opener = urllib.request.build_opener(_WebOnly)
        self.met = False  # whether the server has answered in this run
        self.etag = ""  # the version of the file, if the server states it
        self.gained = 0  # bytes received in this run
        self.began_s = self.said_s = time.monotonic()

    def run(self, attempts: int) -> None:
        tries = 0
        while True:
            tries += 1
            try:
                return self._try()
            except _AttemptError as error:
                if tries >= attempts or not error.again:
                    raise
            time.sleep(BACK_OFF_S * 2 ** (tries - 1))

    def _try(self) -> None:
        have = self.part.stat().st_size if self.part.exists() else 0
        answer = self._ask(have)
        if answer is None:
            return
        with answer:
            first, total = _range_of(answer)
            if first not in (0, have):
                self.part.unlink()
                raise _AttemptError("the server sent a different part of the file than requested", again=True)
            with self.part.open("ab" if first else "wb") as file:
                for piece in self._received(answer):
                    file.write(piece)
                    self._progress(len(piece), file.tell(), total)
                done = file.tell()
        if total is not None and done != total:
            raise _AttemptError(f"the connection was interrupted after {done:,} of {total:,} bytes", again=True)

    def _ask(self, have: int) -> http.client.HTTPResponse | None:
        """Requests the bytes after the first `have`; returns None if there are no more."""
        headers = {"User-Agent": "retrain", "Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": self.etag} if self.etag else {})
        try:
            request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 - fetch checks the scheme
            answer: http.client.HTTPResponse = self.opener.open(request, timeout=self.timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 416 or not have:
                    raise _AttemptError(
                        self._why(error), again=error.code >= 500 or error.code in (408, 429)
                    ) from error
                if error.headers.get("Content-Range", "").replace(" ", "") == f"bytes*/{have}":
                    return None  # the file is complete, but was not renamed
                self.part.unlink()
                raise _AttemptError(
                    "the file on the server is shorter than the part downloaded before", again=True
                ) from error
        except (urllib.error.URLError, http.client.InvalidURL, ValueError) as error:  # no connection was made
            raise _AttemptError(self._why(error), again=self.met) from error
        except (OSError, http.client.HTTPException) as error:
            raise _AttemptError(self._why(error), again=True) from error
        self.met = True
        etag = answer.headers.get("ETag", "")
        self.etag = etag if etag.startswith('"') else ""  # a weak one (W/) must not be used to resume: RFC 9110, 13.1.5
        return answer

    def _received(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        while True:
            try:
                piece = answer.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _AttemptError(f"the connection was interrupted: {self._why(error)}", again=True) from error
            if not piece:
                return
            yield piece

    def _why(self, error: Exception) -> str:
        if isinstance(error, urllib.error.HTTPError):
            return f"HTTP {error.code} {error.reason}"
        if isinstance(error, urllib.error.URLError) and isinstance(error.reason, Exception):
            error = error.reason
        if isinstance(error, TimeoutError):
            return f"no answer within {self.timeout_s:g} s"
        if isinstance(error, socket.gaierror):
            return f"the host is not known ({error.strerror})"
        return str(error) or type(error).__name__

    def _progress(self, gained: int, done: int, total: int | None) -> None:
        self.gained += gained
        now_s = time.monotonic()
        if now_s - self.said_s < SAY_EVERY_S:
            return
        self.said_s = now_s
        rate = self.gained / (now_s - self.began_s)  # bytes/s
        of, left = (f" of {total:,}", f", {(total - done) / rate:.0f} s left") if total is not None else ("", "")
        self.say(f"{self.part.stem}: {done:,}{of} bytes, {rate / 1e6:.1f} MB/s{left}")


def _range_of(answer: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Returns the position of the answer's first byte in the file (-1 if unknown) and the file's size (None if unknown)."""
    if answer.status == 200:
        return 0, answer.length
    content_range = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    if answer.status != 206:
        raise _AttemptError(f"HTTP {answer.status} {answer.reason}", again=False)
    if content_range is None:
        return -1, None
    first, last, total = content_range.groups()
    return int(first), int(last) + 1 if total == "*" else int(total)


@contextlib.contextmanager
def _locked(part: Path) -> Iterator[None]:
    """Prevents a second run from writing into the same `part`; removes an empty one."""
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32":  # there, the other run cannot rename a file that is open
            import fcntl

            try:
                fcntl.flock(stack.enter_context(part.open("ab")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _AttemptError("another run is downloading it now", again=False) from error
            except OSError:  # a file system without locks
                pass
        try:
            yield
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()


def _check(part: Path, path: Path, sha256: str | None) -> None:
    """Raises _WrongContentError if the file has another digest or, if none is known, does not have the format of its suffix."""
    with part.open("rb") as file:
        first = file.read(512)
    page = b"<html" in first.lower() or b"<!doctype" in first.lower()
    description = f"first bytes {first[:16]!r}" + (", a web page, perhaps of a proxy or a login" if page else "")
    if sha256 is not None:
        found = file_digest(part)
        if found != sha256.lower():
            raise _WrongContentError(f"its SHA-256 is {found}, expected {sha256.lower()}; {description}")
        return
    suffix = next((suffix for suffix in _MAGIC if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        return
    if not first.startswith(_MAGIC[suffix]):
        raise _WrongContentError(f"it is not a {'zip' if suffix == '.zip' else 'gzip'} archive; {description}")
    try:
        read_through(part)
    except (RunError, *DAMAGE) as error:
        raise _WrongContentError(f"the archive is damaged ({error}); {description}") from error
