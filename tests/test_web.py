"""Photos from web addresses: bounded in size and time, http and https only. The servers are our own."""

from __future__ import annotations

import socket
import time

import pytest

from label_image.errors import PhotoError
from label_image.photo_pixels import decode
from label_image.web import fetch
from tests.conftest import COLOURS, write_photo


def test_a_photo_is_fetched_byte_for_byte(server, tmp_path):
    photo = write_photo(server.folder / "a b é.jpg", COLOURS["cyan"], 1)
    path = fetch(f"{server.url}/a b é.jpg?w=3#top", tmp_path)
    assert path.read_bytes() == photo.read_bytes()
    assert server.seen[-1] == "/a%20b%20%C3%A9.jpg?w=3"


def test_redirects_are_followed(server, tmp_path):
    photo = write_photo(server.folder / "a.jpg", COLOURS["cyan"], 1)
    assert fetch(f"{server.url}/redirect/a.jpg", tmp_path).read_bytes() == photo.read_bytes()


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("nothing.jpg", "not found: the server answers 404"),
        ("forbidden", "refused: the server answers 403"),
        ("to_file", "redirected: the server redirects to 'file:///etc/passwd'"),
        ("to_ftp", "redirected: the server redirects to 'ftp:"),
        ("circle", "refused: the server answers 302"),
        ("promises_much", "too large: 90,000,000 bytes, the limit is 50,000,000"),
        ("short", "cut short: the connection ended after 4 of 1,000 bytes"),
        ("nonsense", "invalid answer"),
    ],
)
def test_what_can_not_be_fetched_says_why(server, tmp_path, page, message):
    with pytest.raises(PhotoError) as raised:
        fetch(f"{server.url}/{page}", tmp_path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) in ([], [server.folder])


def test_an_endless_file_is_cut_at_the_limit(server, tmp_path):
    with pytest.raises(PhotoError, match=r"too large: more than 300,000 bytes"):
        fetch(f"{server.url}/endless", tmp_path, limit_bytes=300_000)


@pytest.mark.parametrize("page", ["silent", "drip", "drip_headers"])
def test_a_slow_server_costs_no_more_than_the_limit(server, tmp_path, page):
    start = time.monotonic()
    with pytest.raises(PhotoError, match=r"too slow: the download was not complete after 0\.5 s"):
        fetch(f"{server.url}/{page}", tmp_path, limit_s=0.5)
    assert time.monotonic() - start < 10  # the server is silent for 30 s, and the usual limit is 20 s


def test_a_server_that_is_not_there_is_one_line(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(PhotoError, match="no connection: Connection refused"):
        fetch(f"http://127.0.0.1:{port}/a.jpg", tmp_path)


@pytest.mark.parametrize("url", ["http://", "http://[/a.jpg", "http://x:y/a.jpg", "http://a\u2100b/"])
def test_an_address_that_is_none_is_one_line(tmp_path, url):
    with pytest.raises(PhotoError):
        fetch(url, tmp_path)


def test_a_page_is_no_picture(server, tmp_path):
    path = fetch(f"{server.url}/page", tmp_path)
    with pytest.raises(PhotoError, match="a web page"):
        decode(str(path), 8, 8)
