"""An address in, a whole file under its name out; nothing under that name until then.

A download is written beside its place as `<name>.part`, goes on where it was cut (also in a later run) and takes its
name only when length and content are right.
Which address belongs to which weights, and what its digest is, is known elsewhere.
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

BACK_OFF_S = 0.5  # wait before the second try; doubled before each one after it
SAY_EVERY_S = 1.0
_CHUNK = 1 << 16  # bytes
_MAGIC = {".tgz": GZIP, ".tar.gz": GZIP, ".zip": ZIP, ".tar": b""}  # how a file with this suffix begins


def _silent(_line: str) -> None:
    """Says nothing."""


def fetch(
    url: str,
    path: Path,
    sha256: str | None = None,
    offline: bool = False,
    *,
    timeout_s: float = 20,
    attempts: int = 4,
    say: Callable[[str], None] = _silent,
) -> Path:
    """Brings the file at `url` to `path` and returns `path`; a file that is there already is not looked into.

    Args:
      url: http or https.
      path: the final name; nothing stands there before the file is whole and right.
      sha256: hexadecimal digest; without it .tgz, .tar.gz, .tar and .zip are read to their end instead.
      offline: ask no server.
      timeout_s: seconds without an answer or a byte after which a try is given up.
      attempts: tries in all, 1 or more; a server never reached and an HTTP 4xx are not tried again.
      say: is given a line of progress, at most once a second.

    Raises:
      RunError: not there and offline; not reached; cut at every try; not what it should be; the disk is full.
    """
    if path.exists():
        return path
    remedy = f"put the file at {path.absolute()}"
    if offline:
        raise RunError(f"{path.name} is not here and offline is asked for; fetch {url} elsewhere and {remedy}")
    if not url.lower().startswith(("http://", "https://")):
        raise RunError(f"cannot fetch {path.name} from {url}: only http and https are spoken here; {remedy}")
    part = path.with_name(path.name + ".part")
    try:
        _bring(_Transfer(url, part, timeout_s, say), path, sha256, attempts)
    except _TryError as error:
        raise RunError(f"cannot fetch {path.name} from {url}: {error}; try again later, or {remedy}") from error
    except _WrongError as error:
        raise RunError(f"what came from {url} is not {path.name}: {error}; try again, or {remedy}") from error
    except OSError as error:
        raise RunError(f"cannot write {part}: {error.strerror or error}") from error
    return path


def _bring(transfer: _Transfer, path: Path, sha256: str | None, attempts: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone(transfer.part):
        if path.exists():  # another run brought it a moment ago
            return
        transfer.run(attempts)
        try:
            _check(transfer.part, path, sha256)
        except _WrongError:
            transfer.part.unlink()
            raise
        transfer.part.replace(path)


class _TryError(Exception):
    """One try to fetch failed; `again` says whether another may do better."""

    def __init__(self, why: str, again: bool) -> None:
        super().__init__(" ".join(why.split()))
        self.again = again


class _WrongError(Exception):
    """All of it came, and it is the wrong thing."""


class _WebOnly(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https; the inherited one would follow to ftp, too."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not newurl.lower().startswith(("http://", "https://")):
            raise urllib.error.HTTPError(newurl, code, f"redirect to {newurl} is not followed", headers, fp)
        # Python 3.10 does not know 308, which is a 307 for good.
        return super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)

    http_error_308 = urllib.request.HTTPRedirectHandler.http_error_302


class _Transfer:
    """Fills `part` from `url`, in several tries if need be."""

    def __init__(self, url: str, part: Path, timeout_s: float, say: Callable[[str], None]) -> None:
        self.url, self.part, self.timeout_s, self.say = url, part, timeout_s, say
        self.opener = urllib.request.build_opener(_WebOnly)
        self.met = False  # has the server answered in this run?
        self.etag = ""  # the version of the file that it answered with, if it told
        self.gained = 0  # bytes, in this run
        self.began_s = self.said_s = time.monotonic()

    def run(self, attempts: int) -> None:
        tries = 0
        while True:
            tries += 1
            try:
                return self._try()
            except _TryError as error:
                if tries >= attempts or not error.again:
                    raise
            time.sleep(BACK_OFF_S * 2 ** (tries - 1))

    def _try(self) -> None:
        have = self.part.stat().st_size if self.part.exists() else 0
        answer = self._ask(have)
        if answer is None:
            return
        with answer:
            first, total = _extent(answer)
            if first not in (0, have):
                self.part.unlink()
                raise _TryError("the server sent another part of the file than it was asked for", again=True)
            with self.part.open("ab" if first else "wb") as file:
                for piece in self._received(answer):
                    file.write(piece)
                    self._progress(len(piece), file.tell(), total)
                done = file.tell()
        if total is not None and done != total:
            raise _TryError(f"the connection was cut after {done:,} of {total:,} bytes", again=True)

    def _ask(self, have: int) -> http.client.HTTPResponse | None:
        """Asks for what is missing behind `have` bytes; None if nothing is."""
        headers = {"User-Agent": "retrain", "Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-"} | ({"If-Range": self.etag} if self.etag else {})
        try:
            request = urllib.request.Request(self.url, headers=headers)  # noqa: S310 - fetch checks the scheme
            answer: http.client.HTTPResponse = self.opener.open(request, timeout=self.timeout_s)
        except urllib.error.HTTPError as error:
            with error:
                if error.code != 416 or not have:
                    raise _TryError(self._why(error), again=error.code >= 500 or error.code in (408, 429)) from error
                if error.headers.get("Content-Range", "").replace(" ", "") == f"bytes*/{have}":
                    return None  # only the renaming was missing
                self.part.unlink()
                raise _TryError("the server has less of the file than we have", again=True) from error
        except (urllib.error.URLError, http.client.InvalidURL, ValueError) as error:  # no connection was made
            raise _TryError(self._why(error), again=self.met) from error
        except (OSError, http.client.HTTPException) as error:
            raise _TryError(self._why(error), again=True) from error
        self.met = True
        etag = answer.headers.get("ETag", "")
        self.etag = etag if etag.startswith('"') else ""  # a weak one (W/) must not be used to resume: RFC 9110, 13.1.5
        return answer

    def _received(self, answer: http.client.HTTPResponse) -> Iterator[bytes]:
        while True:
            try:
                piece = answer.read1(_CHUNK)
            except (OSError, http.client.HTTPException) as error:
                raise _TryError(f"the connection was cut: {self._why(error)}", again=True) from error
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


def _extent(answer: http.client.HTTPResponse) -> tuple[int, int | None]:
    """Which byte of the file an answer begins with (-1: not told), and how many the whole file has (None: the same)."""
    if answer.status == 200:
        return 0, answer.length
    told = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    if answer.status != 206:
        raise _TryError(f"HTTP {answer.status} {answer.reason}", again=False)
    if told is None:
        return -1, None
    return int(told[1]), int(told[2]) + 1 if told[3] == "*" else int(told[3])


@contextlib.contextmanager
def _alone(part: Path) -> Iterator[None]:
    """Keeps a second run from writing into the same `part`; leaves none that is empty."""
    with contextlib.ExitStack() as stack:
        if sys.platform != "win32":  # there, a file that is open can not be renamed by the other run
            import fcntl

            try:
                fcntl.flock(stack.enter_context(part.open("ab")), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise _TryError("another run is fetching it just now", again=False) from error
            except OSError:  # a file system without locks
                pass
        try:
            yield
        finally:
            if part.exists() and part.stat().st_size == 0:
                part.unlink()


def _check(part: Path, path: Path, sha256: str | None) -> None:
    """Raises _WrongError if the file does not have its digest or, where none is known, is not what its suffix says."""
    with part.open("rb") as file:
        first = file.read(512)
    page = b"<html" in first.lower() or b"<!doctype" in first.lower()
    told = f"first bytes {first[:16]!r}" + (", a web page: did a proxy or a login page answer?" if page else "")
    if sha256 is not None:
        found = file_digest(part)
        if found != sha256.lower():
            raise _WrongError(f"its SHA-256 is {found}, expected {sha256.lower()}; {told}")
        return
    suffix = next((suffix for suffix in _MAGIC if path.name.lower().endswith(suffix)), None)
    if suffix is None:
        return
    if not first.startswith(_MAGIC[suffix]):
        raise _WrongError(f"it is not a {'zip' if suffix == '.zip' else 'gzip'} archive; {told}")
    try:
        read_through(part)
    except (RunError, *DAMAGE) as error:
        raise _WrongError(f"the archive is damaged ({error}); {told}") from error
