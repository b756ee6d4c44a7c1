"""Downloads from a server of our own that misbehaves on order, and archives that mean harm."""

from __future__ import annotations

import hashlib
import http.server
import io
import re
import socket
import sys
import tarfile
import tempfile
import threading
import time
import warnings
import zipfile
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from label_image.errors import RunError
from retrain.files import archive as archives
from retrain.files import download
from retrain.files.hashing import file_digest

BODY = bytes(range(256)) * 1200  # 307,200 bytes: five pieces of 64 KiB
SHA = hashlib.sha256(BODY).hexdigest()
LOGIN = b"<!DOCTYPE html><html><body>Please log in</body></html>"


# ---- a server whose answers are a list of functions, one per request; the last one stays


class Web(http.server.ThreadingHTTPServer):
    def __init__(self):
        self.answers = []
        self.ranges = []  # the Range header of each request, or None
        self.conditions = []  # its If-Range header
        self.sent = []  # bytes of body given to each request
        self.release = threading.Event()  # ends a stall
        super().__init__(("127.0.0.1", 0), Handler)

    def server_bind(self):  # without the look-up of the host's name, which may take seconds
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", self.server_address[1]

    def handle_error(self, request, client_address):
        """A client that hung up is what some tests are about."""

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/weights"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        web = cast("Web", self.server)
        number = len(web.ranges)
        web.ranges.append(self.headers["Range"])
        web.conditions.append(self.headers["If-Range"])
        web.sent.append(0)
        web.answers[min(number, len(web.answers) - 1)](self, number)

    def head(self, status, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def body(self, data, number):
        cast("Web", self.server).sent[number] += len(data)  # first: the test looks as soon as it has the bytes
        self.wfile.write(data)
        self.wfile.flush()

    def log_message(self, *args):
        """Tests are quiet."""


def serve(body=BODY, stop=None, ranges=True, stall=False, pause_s=0.0, **headers):
    """Answers with `body`, or its part that is asked for; hangs up (or falls silent) after `stop` bytes of it."""

    def answer(handler, number):
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
        if ranges and asked:
            start = int(asked[1])
            if start >= len(body):
                return handler.head(416, Content_Range=f"bytes */{len(body)}")
            extent = f"bytes {start}-{len(body) - 1}/{len(body)}"
            handler.head(206, Content_Length=len(body) - start, Content_Range=extent, **headers)
        else:
            handler.head(200, Content_Length=len(body), **headers)
        end = len(body) if stop is None else start + stop
        for at in range(start, end, 1 << 16):
            handler.body(body[at : min(end, at + (1 << 16))], number)
            time.sleep(pause_s)
        if stall:
            handler.server.release.wait(5)
        return None

    return answer


def status(code, **headers):
    return lambda handler, _: handler.head(code, Content_Length=0, **headers)


@pytest.fixture
def web(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(download, "BACK_OFF_S", 0.01)
    with Web() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.release.set()
        server.shutdown()
        thread.join()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model_dir" / "weights.bin"


def part_of(path):
    return path.with_name(path.name + ".part")


def refused(url, path, *args, **kwargs):
    with pytest.raises(RunError) as caught:
        download.fetch(url, path, *args, **kwargs)
    assert not path.exists()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def packed(*members, mode="w:gz"):
    """A tar of (name, bytes or TarInfo changes) pairs."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                for field, value in content.items():
                    setattr(info, field, value)
                tar.addfile(info)
    return buffer.getvalue()


GRAPH = bytes(range(251)) * 400
GOOD = packed(("./net", {"type": tarfile.DIRTYPE}), ("./net/frozen_graph.pb", GRAPH), ("labels.txt", b"a\nb\n"))


# ---- fetch: what goes well


def test_a_whole_file_is_fetched_and_only_its_own_name_is_left(web, path):
    web.answers = [serve()]
    assert download.fetch(web.url, path, SHA) == path
    assert path.read_bytes() == BODY
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert web.ranges == [None]


def test_a_file_that_is_there_is_returned_as_it_is_and_no_server_is_asked(web, path):
    path.parent.mkdir()
    path.write_bytes(b"older")
    assert download.fetch(web.url, path, SHA) == path
    assert path.read_bytes() == b"older"
    assert web.ranges == []


def test_an_upper_case_digest_is_the_same_digest(web, path):
    web.answers = [serve()]
    assert download.fetch(web.url, path, SHA.upper()).read_bytes() == BODY


def test_an_empty_file_is_a_file(web, path):
    web.answers = [serve(b"")]
    assert download.fetch(web.url, path).read_bytes() == b""


def test_a_cut_connection_is_resumed_where_it_stopped_and_no_byte_is_sent_twice(web, path):
    web.answers = [serve(stop=100_000), serve(stop=50_000), serve()]
    download.fetch(web.url, path, SHA)
    assert path.read_bytes() == BODY
    assert web.ranges == [None, "bytes=100000-", "bytes=150000-"]
    assert web.sent == [100_000, 50_000, len(BODY) - 150_000]


def test_a_part_of_an_earlier_run_is_gone_on_with(web, path):
    web.answers = [serve()]
    path.parent.mkdir()
    part_of(path).write_bytes(BODY[:300_000])
    download.fetch(web.url, path, SHA)
    assert path.read_bytes() == BODY
    assert web.ranges == ["bytes=300000-"]
    assert web.sent == [7_200]


def test_a_part_that_was_whole_is_only_renamed(web, path):
    web.answers = [serve()]
    path.parent.mkdir()
    part_of(path).write_bytes(BODY)
    download.fetch(web.url, path, SHA)
    assert path.read_bytes() == BODY
    assert web.sent == [0]


def test_a_part_longer_than_the_file_is_thrown_away(web, path):
    web.answers = [serve()]
    path.parent.mkdir()
    part_of(path).write_bytes(BODY + b"more")
    download.fetch(web.url, path, SHA)
    assert path.read_bytes() == BODY
    assert web.ranges == ["bytes=307204-", None]


def test_a_server_without_ranges_is_read_again_from_the_start(web, path):
    web.answers = [serve(stop=100_000, ranges=False), serve(ranges=False)]
    download.fetch(web.url, path, SHA)
    assert path.read_bytes() == BODY
    assert web.ranges == [None, "bytes=100000-"]
    assert web.sent == [100_000, len(BODY)]


@pytest.mark.parametrize("extent", ["bytes 5-307199/307200", "bytes */307200", "nonsense", ""])
def test_an_answer_with_another_part_than_asked_for_is_not_believed(web, path, extent):
    def wrong(handler, number):
        handler.head(206, Content_Length=10, Content_Range=extent)
        handler.body(b"0123456789", number)

    web.answers = [serve(stop=100_000), wrong, serve()]
    download.fetch(web.url, path, SHA)
    assert path.read_bytes() == BODY
    assert web.ranges == [None, "bytes=100000-", None]


def test_a_part_whose_whole_length_is_not_told_is_taken_by_its_own_end(web, path):
    def rest(handler, number):
        handler.head(206, Content_Range="bytes 100000-307199/*")
        handler.body(BODY[100_000:], number)

    web.answers = [serve(stop=100_000), rest]
    assert download.fetch(web.url, path).read_bytes() == BODY


def test_a_resumed_try_names_the_version_it_has_the_beginning_of(web, path):
    web.answers = [serve(stop=100_000, ETag='"v1"'), serve(stop=100_000, ETag='W/"v1"'), serve()]
    download.fetch(web.url, path, SHA)
    assert web.conditions == [None, '"v1"', None]


def test_a_server_that_is_busy_is_asked_again(web, path):
    web.answers = [status(503), status(429), serve()]
    assert download.fetch(web.url, path, SHA).read_bytes() == BODY


def test_a_server_that_falls_silent_is_left_and_the_rest_fetched_elsewhere(web, path):
    web.answers = [serve(stop=100_000, stall=True), serve()]
    assert download.fetch(web.url, path, SHA, timeout_s=0.2).read_bytes() == BODY
    assert web.ranges == [None, "bytes=100000-"]


def test_a_server_that_hangs_up_without_a_word_is_asked_again(web, path):
    web.answers = [lambda *_: None, serve()]
    assert download.fetch(web.url, path, SHA).read_bytes() == BODY


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_redirects_are_followed_and_keep_the_range(web, path, code):
    web.answers = [status(code, Location="/elsewhere"), serve(stop=100_000), status(code, Location="/there"), serve()]
    assert download.fetch(web.url, path, SHA).read_bytes() == BODY
    assert web.ranges == [None, None, "bytes=100000-", "bytes=100000-"]


def test_an_answer_without_a_length_is_read_to_its_end(web, path):
    def endless(handler, number):
        handler.head(200)
        handler.body(BODY, number)

    web.answers = [endless]
    assert download.fetch(web.url, path, SHA).read_bytes() == BODY


def test_progress_tells_bytes_speed_and_time_left_and_not_too_often(web, path, monkeypatch):
    monkeypatch.setattr(download, "SAY_EVERY_S", 0.1)
    lines = []
    web.answers = [serve(pause_s=0.06)]
    began_s = time.monotonic()
    download.fetch(web.url, path, SHA, say=lines.append)
    assert 1 <= len(lines) <= (time.monotonic() - began_s) / 0.1
    for line in lines:
        assert re.fullmatch(r"weights\.bin: [\d,]+ of 307,200 bytes, \d+\.\d MB/s, \d+ s left", line), line


# ---- fetch: what is refused


def test_offline_names_the_address_and_the_place(web, path):
    message = refused(web.url, path, SHA, offline=True)
    assert web.url in message
    assert f"put the file at {path}" in message
    assert web.ranges == []
    assert not path.parent.exists()


def test_the_place_is_told_in_full_even_for_a_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert f"put the file at {tmp_path / 'net.tgz'}" in refused(
        "http://127.0.0.1/net.tgz", Path("net.tgz"), offline=True
    )


def test_a_wrong_digest_leaves_nothing_and_tells_both(web, path):
    web.answers = [serve(b"other bytes")]
    message = refused(web.url, path, SHA)
    assert f"its SHA-256 is {hashlib.sha256(b'other bytes').hexdigest()}, expected {SHA}" in message
    assert "first bytes b'other bytes'" in message
    assert "web page" not in message
    assert list(path.parent.iterdir()) == []


def test_a_login_page_is_called_a_login_page(web, path):
    web.answers = [serve(LOGIN)]
    assert "a web page, perhaps of a proxy or a login" in refused(web.url, path, SHA)
    assert list(path.parent.iterdir()) == []


def test_an_archive_without_known_digest_must_at_least_be_one(web, path):
    web.answers = [serve(LOGIN)]
    message = refused(web.url, path.with_name("net.tgz"))
    assert "it is not a gzip archive; first bytes b'<!DOCTYPE html><', a web page" in message
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("name", ["net.tgz", "net.tar.gz", "NET.TGZ", "net.tar"])
def test_a_good_archive_without_known_digest_is_kept(web, path, name):
    body = packed(("net/graph.pb", GRAPH), mode="w") if name.endswith("tar") else GOOD
    web.answers = [serve(body)]
    assert download.fetch(web.url, path.with_name(name)).read_bytes() == body


def test_a_good_zip_without_known_digest_is_kept_and_a_broken_one_not(web, path):
    body = zipped(("net/graph.pb", GRAPH))
    web.answers = [serve(body)]
    assert download.fetch(web.url, path.with_name("net.zip")).read_bytes() == body
    web.answers = [serve(body[:-30])]
    assert "damaged" in refused(web.url, path.with_name("other.zip"))


@pytest.mark.parametrize("body", [GOOD[: len(GOOD) // 2], GOOD[:-1], GOOD[:-8] + bytes(8)])
def test_a_short_or_spoilt_archive_without_known_digest_is_not_kept(web, path, body):
    web.answers = [serve(body)]
    assert "the archive is damaged" in refused(web.url, path.with_name("net.tgz"))
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("code", [403, 404, 410, 500, 503])
def test_an_http_error_is_one_line_with_address_reason_and_remedy(web, path, code):
    web.answers = [status(code)]
    message = refused(web.url, path, SHA, attempts=2)
    assert message.startswith(f"cannot download weights.bin from {web.url}: HTTP {code} ")
    assert f"put the file at {path}" in message
    assert len(web.ranges) == (2 if code >= 500 else 1)
    assert list(path.parent.iterdir()) == []


def test_a_server_that_is_away_is_told_at_once(path, web, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waited to try again"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/weights"
    message = refused(url, path, SHA)
    assert url in message
    assert "refused" in message
    assert f"put the file at {path}" in message
    assert list(path.parent.iterdir()) == []


def lose_host(monkeypatch, calls_lost):
    """Makes the look-ups of hosts with these numbers fail; returns the list of all hosts looked up."""
    real, asked = socket.getaddrinfo, []

    def look_up(host, *args, **kwargs):
        asked.append(host)
        if len(asked) in calls_lost:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_an_unknown_host_is_told_at_once(path, web, monkeypatch):
    asked = lose_host(monkeypatch, {1, 2, 3, 4})
    assert "the host is not known (Name or service not known)" in refused("http://nowhere.invalid/x", path)
    assert asked == ["nowhere.invalid"]


def test_a_network_that_goes_away_midway_is_waited_for(path, web, monkeypatch):
    asked = lose_host(monkeypatch, {2, 3})
    web.answers = [serve(stop=100_000), serve()]
    assert download.fetch(web.url, path, SHA).read_bytes() == BODY
    assert len(asked) == 4
    assert web.ranges == [None, "bytes=100000-"]


def test_a_server_that_never_answers_is_given_up(web, path):
    web.answers = [lambda handler, _: handler.server.release.wait(5)]
    assert "no answer within 0.1 s" in refused(web.url, path, SHA, timeout_s=0.1, attempts=2)
    assert len(web.ranges) == 2


def test_a_connection_that_is_always_cut_leaves_its_part_for_the_next_run(web, path):
    web.answers = [serve(stop=1000)]
    message = refused(web.url, path, SHA, attempts=3)
    assert "the connection was interrupted after 3,000 of 307,200 bytes" in message
    assert part_of(path).read_bytes() == BODY[:3000]
    web.answers = [serve()]
    assert download.fetch(web.url, path, SHA).read_bytes() == BODY


def test_a_chunked_answer_that_breaks_off_is_not_taken_for_whole(web, path):
    def broken(handler, number):
        handler.head(200, Transfer_Encoding="chunked")
        handler.body(b"100\r\n" + BODY[:256] + b"\r\n100\r\nhalf", number)

    web.answers = [broken]
    web.RequestHandlerClass = type("Http11", (Handler,), {"protocol_version": "HTTP/1.1", "close_connection": True})
    assert "interrupted" in refused(web.url, path, attempts=1)


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/weights", "file:///etc/hostname", "data:text/plain,x"])
def test_a_redirect_to_anything_but_the_web_is_not_followed(web, path, target):
    web.answers = [status(302, Location=target)]
    message = refused(web.url, path, SHA)
    assert "HTTP 302" in message
    assert target in message
    assert len(web.ranges) == 1


def test_redirects_in_a_circle_end(web, path):
    web.answers = [status(302, Location="/weights")]
    assert "HTTP 302" in refused(web.url, path, SHA)


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "weights.tgz", "data:,x", ""])
def test_other_addresses_than_the_web_s_are_refused(path, url):
    assert "only http and https" in refused(url, path)


@pytest.mark.parametrize(
    "url", ["http://[::1/x", "http://127.0.0.1/a b", "http://127.0.0.1/ü", "http:///x", "http://a:b/"]
)
def test_an_address_that_is_none_is_an_error_of_one_line(path, url, web):
    assert url in refused(url, path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows renames no open file")
def test_a_second_run_does_not_write_into_the_first_one_s_part(web, path):
    import fcntl

    path.parent.mkdir()
    with part_of(path).open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(b"first run's")
        other.flush()
        assert "another run is downloading it" in refused(web.url, path, SHA)
    assert part_of(path).read_bytes() == b"first run's"
    assert web.ranges == []


def test_two_runs_at_once_never_leave_a_wrong_file(web, path):
    web.answers = [serve(pause_s=0.02)]
    ends: list[bytes | str] = []

    def run():
        try:
            ends.append(download.fetch(web.url, path, SHA).read_bytes())
        except RunError as error:
            ends.append(str(error))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert BODY in ends
    assert all(end == BODY or "another run" in str(end) for end in ends)
    assert path.read_bytes() == BODY


def test_a_place_that_can_not_be_written_is_no_network_trouble(web, tmp_path):
    web.answers = [serve()]
    (tmp_path / "file").write_bytes(b"")
    assert "cannot write" in refused(web.url, tmp_path / "file" / "weights.bin")


# ---- unpack and read_member


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the same name twice
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


def written(tmp_path, data, name="net.tgz"):
    archive = tmp_path / name
    archive.write_bytes(data)
    return archive


def tree(folder):
    return {str(file.relative_to(folder).as_posix()) for file in folder.rglob("*")}


@pytest.mark.parametrize("mode", ["w:gz", "w"])
def test_a_tar_is_unpacked_with_its_folders(tmp_path, mode):
    archive = written(tmp_path, packed(("net", {"type": tarfile.DIRTYPE}), ("net/a/graph.pb", GRAPH), mode=mode))
    folder = archives.unpack(archive, tmp_path / "deep" / "out")
    assert folder == tmp_path / "deep" / "out"
    assert tree(folder) == {"net", "net/a", "net/a/graph.pb"}
    assert (folder / "net/a/graph.pb").read_bytes() == GRAPH


def test_a_zip_is_unpacked_with_its_folders(tmp_path):
    archive = written(tmp_path, zipped(("net/", b""), ("net/graph.pb", GRAPH), ("win\\labels.txt", b"a")), "net.zip")
    folder = archives.unpack(archive, tmp_path / "out")
    assert tree(folder) == {"net", "net/graph.pb", "win", "win/labels.txt"}
    assert (folder / "net/graph.pb").read_bytes() == GRAPH


def test_an_older_folder_is_replaced_not_mixed(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old.pb").write_bytes(b"old")
    archives.unpack(written(tmp_path, GOOD), tmp_path / "out")
    assert tree(tmp_path / "out") == {"net", "net/frozen_graph.pb", "labels.txt"}


EVIL = {
    "above": [("../evil", b"x")],
    "above, deeper": [("a/../../evil", b"x")],
    "above, as a folder": [("../evil", {"type": tarfile.DIRTYPE})],
    "absolute": [("/retrain-evil", b"x")],
    "above, with Windows' slashes": [("..\\evil", b"x")],
    "drive": [("C:\\evil", b"x")],
    "dots and a blank, which Windows drops": [(".. /evil", b"x")],
    "symlink, and a file through it": [("l", {"type": tarfile.SYMTYPE, "linkname": ".."}), ("l/evil", b"x")],
    "symlink to an absolute name": [("l", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})],
    "symlink that stays inside": [("a", b"x"), ("l", {"type": tarfile.SYMTYPE, "linkname": "a"})],
    "hard link to outside": [("l", {"type": tarfile.LNKTYPE, "linkname": "../secret"})],
    "device": [("null", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 3})],
    "pipe": [("pipe", {"type": tarfile.FIFOTYPE})],
}


@pytest.mark.parametrize("members", EVIL.values(), ids=EVIL)
def test_a_member_that_means_harm_is_refused_by_name_and_nothing_is_kept(tmp_path, members):
    inside = tmp_path / "a" / "b"
    inside.mkdir(parents=True)
    (inside / "secret").write_bytes(b"mine")
    archive = written(inside, packed(("good.pb", GRAPH), *members))
    with pytest.raises(RunError, match="refused to unpack") as caught:
        archives.unpack(archive, inside / "out")
    assert any(repr(name) in str(caught.value) for name, _ in members)
    assert tree(tmp_path) == {"a", "a/b", "a/b/secret", "a/b/net.tgz"}
    assert not Path("/retrain-evil").exists()


@pytest.mark.parametrize("name", ["../evil", "/retrain-evil", "a/../../evil", "..\\evil", "C:/evil"])
def test_a_zip_that_slips_is_refused(tmp_path, name):
    (tmp_path / "in").mkdir()
    archive = written(tmp_path / "in", zipped(("good", b"x"), (name, b"x")), "net.zip")
    with pytest.raises(RunError, match="refused to unpack"):
        archives.unpack(archive, tmp_path / "in" / "out")
    assert tree(tmp_path) == {"in", "in/net.zip"}


def test_a_link_in_a_zip_is_refused(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    archive = written(tmp_path, zipped((link, b"/etc/passwd")), "net.zip")
    with pytest.raises(RunError, match="'link': it is neither a file nor a folder"):
        archives.unpack(archive, tmp_path / "out")


NAMES = st.lists(
    st.sampled_from(["..", ".", "a", "b", "/", "\\", "C:", " ", "...", "~", "\n", "\udc80", "é", "", "con"]),
    min_size=1,
    max_size=7,
).map("".join)


@settings(max_examples=120, deadline=None, database=None, derandomize=True)
@given(st.lists(NAMES, min_size=1, max_size=3), st.booleans())
def test_no_name_whatever_leaves_its_folder(names, as_zip):
    if as_zip:
        names = [name.replace("\udc80", "x") or "." for name in names]  # zipfile writes UTF-8 and no empty name
        data = zipped(*((name, b"evil") for name in names))
    else:
        data = packed(*((name, b"evil") for name in names))
    with tempfile.TemporaryDirectory() as root:
        inside = Path(root) / "a" / "b" / "c"
        inside.mkdir(parents=True)
        archive = written(inside, data)
        try:
            archives.unpack(archive, inside / "out")
        except RunError:
            assert not (inside / "out").exists()
        around = {name for name in tree(Path(root)) if not name.startswith("a/b/c/out")}
        assert around == {"a", "a/b", "a/b/c", "a/b/c/net.tgz"}


def test_a_bomb_is_refused_by_what_it_says_it_unpacks_to(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    for name, data in (("b.tgz", packed(("a", bytes(600)), ("b", bytes(600)))), ("b.zip", zipped(("a", bytes(1001))))):
        with pytest.raises(RunError, match="refused"):
            archives.unpack(written(tmp_path, data, name), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_too_many_members_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_MEMBERS", 3)
    archive = written(tmp_path, packed(*((str(number), b"") for number in range(4))))
    with pytest.raises(RunError, match="3 members"):
        archives.unpack(archive, tmp_path / "out")


def test_a_header_that_would_fill_the_memory_is_damage(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MOST_AT_ONCE", 1 << 17)
    archive = written(tmp_path, packed(("n" * 200_000, b"x")))  # a long name is a header of its own
    with pytest.raises(RunError, match="unreasonable size"):
        archives.unpack(archive, tmp_path / "out")


@pytest.mark.parametrize("keep", [0, 1, 10, len(GOOD) // 3, len(GOOD) - 9, len(GOOD) - 1])
def test_a_short_archive_is_to_be_deleted_and_fetched_again(tmp_path, keep):
    archive = written(tmp_path, GOOD[:keep])
    for act in (
        lambda: archives.unpack(archive, tmp_path / "out"),
        lambda: archives.read_member(archive, "labels.txt"),
    ):
        with pytest.raises(RunError, match=r"net\.tgz: it is damaged .*delete it, and it will be downloaded again"):
            act()
    assert tree(tmp_path) == {"net.tgz"}


def test_a_tar_cut_between_two_members_is_damage(tmp_path):
    whole = packed(("a", bytes(512)), ("b", bytes(512)), mode="w")
    with pytest.raises(RunError, match="damaged"):
        archives.unpack(written(tmp_path, whole[:1024], "net.tar"), tmp_path / "out")


def test_a_short_zip_is_damage(tmp_path):
    data = zipped(("a", GRAPH))
    for keep in (2, 100, len(data) - 1):
        with pytest.raises(RunError, match="damaged"):
            archives.unpack(written(tmp_path, data[:keep], "net.zip"), tmp_path / "out")


@pytest.mark.parametrize("data", [GOOD, zipped(("a.pb", GRAPH), ("b", b"x"))], ids=["tgz", "zip"])
def test_an_archive_with_one_byte_changed_gives_the_same_bytes_or_an_error_of_ours(tmp_path, data):
    errors = 0
    places = [
        *range(min(60, len(data))),
        *range(60, len(data), max(1, len(data) // 60)),
        *range(len(data) - 60, len(data)),
    ]
    for at in places:
        spoilt = bytearray(data)
        spoilt[at] ^= 0x15
        archive = written(tmp_path, spoilt)
        try:
            folder = archives.unpack(archive, tmp_path / "out")
        except RunError:
            errors += 1
        else:
            assert all(file.read_bytes() in (GRAPH, b"a\nb\n", b"x") for file in folder.rglob("*") if file.is_file())
    assert errors > len(places) // 3


def test_a_web_page_under_an_archive_s_name_is_damage(tmp_path):
    with pytest.raises(RunError, match="damaged"):
        archives.unpack(written(tmp_path, LOGIN), tmp_path / "out")


def test_an_archive_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RunError, match="No such file"):
        archives.unpack(tmp_path / "none.tgz", tmp_path / "out")


def test_a_file_in_the_way_of_a_folder_is_told(tmp_path):
    with pytest.raises(RunError, match="cannot unpack"):
        archives.unpack(written(tmp_path, packed(("a", b"x"), ("a/b", b"x"))), tmp_path / "out")
    assert tree(tmp_path) == {"net.tgz"}


@pytest.mark.parametrize("name", ["frozen_graph.pb", "net/frozen_graph.pb"])
def test_a_member_is_read_by_base_name_or_full_name_and_nothing_is_written(tmp_path, name):
    archive = written(tmp_path, GOOD)
    assert archives.read_member(archive, name) == GRAPH
    assert tree(tmp_path) == {"net.tgz"}


def test_a_full_name_goes_before_a_base_name_and_the_first_before_the_second(tmp_path):
    archive = written(
        tmp_path, packed(("a/g.pb", b"1"), ("b/g.pb", b"2"), ("g.pb", b"3"), ("c/h", b"4"), ("d/h", b"5"))
    )
    assert archives.read_member(archive, "g.pb") == b"3"
    assert archives.read_member(archive, "b/g.pb") == b"2"
    assert archives.read_member(archive, "h") == b"4"


def test_a_member_that_is_not_there_is_none_and_so_are_folders_and_links(tmp_path):
    link = ("link.pb", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})
    archive = written(tmp_path, packed(("net", {"type": tarfile.DIRTYPE}), link))
    for name in ("absent.pb", "net", "link.pb", "graph"):
        assert archives.read_member(archive, name) is None


def test_a_digest_is_that_of_the_bytes(tmp_path):
    assert file_digest(written(tmp_path, BODY)) == SHA
