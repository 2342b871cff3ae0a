"""Fetching one image: what may be fetched arrives whole, and no server is waited for too long."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from engine.config import UrlLimits
from engine.errors import FetchError, ImageError
from engine.pictures.urls.addresses import Found, look_up
from engine.pictures.urls.fetch import fetch_bytes
from tests.support.hostile_web import OK, HostileServer, Visit

pytestmark = pytest.mark.slow

BODY = bytes(range(256)) * 4000  # larger than one read
QUICK = UrlLimits(seconds=0.4, bytes=10_000, overhead=20_000)
# So long no fetch with QUICK may take, on a machine that is very busy.
PATIENCE = 10.0


def nobody(text: str) -> None:
    """Hear nothing."""


def get(url: str, limits: UrlLimits = QUICK, **others: Any) -> bytes:
    return fetch_bytes(url, limits, nobody, **others)


def refused(url: str, limits: UrlLimits = QUICK, **others: Any) -> FetchError:
    """Return the error, and insist that it came in time."""
    began = time.monotonic()
    with pytest.raises(FetchError) as caught:
        get(url, limits, **others)
    assert time.monotonic() - began < PATIENCE
    assert caught.value.thing == url
    return caught.value


def letters(data: bytes) -> Any:
    """Return bytes one by one, and then the last one over and over."""
    return itertools.chain((data[i : i + 1] for i in range(len(data))), itertools.repeat(data[-1:]))


CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
TRICKLES: dict[str, Callable[[Visit], None]] = {
    "nothing": lambda visit: visit.wait(60),
    "the status line": lambda visit: visit.trickle(letters(b"HTTP/1.1 200 OKKKK")),
    "a header's bytes": lambda visit: (visit.send(OK), visit.trickle(letters(b"X-A: aaa")))[0],
    "headers": lambda visit: (visit.send(OK), visit.trickle(itertools.repeat(b"X: y\r\n")))[0],
    "100 Continue": lambda visit: visit.trickle(itertools.repeat(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "the body": lambda visit: (
        visit.send(OK + b"Content-Length: 9000\r\n\r\n"),
        visit.trickle(itertools.repeat(b"x")),
    )[0],
    "a body without a length": lambda visit: (
        visit.send(OK + b"\r\n"),
        visit.trickle(itertools.repeat(b"x")),
    )[0],
    "a chunk's size": lambda visit: (visit.send(CHUNKED), visit.trickle(letters(b"0000")))[0],
    "a chunk's extension": lambda visit: (
        visit.send(CHUNKED),
        visit.trickle(letters(b"1;aaaa")),
    )[0],
    "chunks": lambda visit: (
        visit.send(CHUNKED),
        visit.trickle(itertools.repeat(b"1\r\nx\r\n")),
    )[0],
    "trailers": lambda visit: (
        visit.send(CHUNKED + b"1\r\nx\r\n0\r\n"),
        visit.trickle(itertools.repeat(b"X: y\r\n")),
    )[0],
    "a trailer's bytes": lambda visit: (
        visit.send(CHUNKED + b"1\r\nx\r\n0\r\n"),
        visit.trickle(letters(b"X: yyy")),
    )[0],
    "a refusal": lambda visit: (
        visit.send(b"HTTP/1.1 404 Not "),
        visit.trickle(letters(b"Found")),
    )[0],
}


@pytest.mark.parametrize("what", TRICKLES)
def test_one_deadline_holds_whatever_a_server_trickles(hostile: HostileServer, what: str) -> None:
    hostile.answer = TRICKLES[what]
    assert "it took longer than 0.4 s" in refused(f"{hostile.url}/a.jpg").reason


def test_one_deadline_holds_for_all_redirects_together(hostile: HostileServer) -> None:
    def slow(visit: Visit) -> None:
        visit.wait(0.15)
        visit.send(b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")

    hostile.answer = slow
    limits = UrlLimits(seconds=0.4, redirects=100)
    assert "it took longer than" in refused(f"{hostile.url}/a.jpg", limits).reason
    assert len(hostile.requests) < 20


def test_the_deadline_holds_for_a_tls_handshake(hostile: HostileServer) -> None:
    listening = socket.create_server(("127.0.0.1", 0))
    with listening:
        # It takes the connection, and never says a word.
        error = refused(f"https://127.0.0.1:{listening.getsockname()[1]}/a.jpg")
    assert "it took longer than" in error.reason


def test_the_deadline_holds_for_the_look_up_of_a_name() -> None:
    def slow(host: str, port: int, seconds: float) -> list[Found]:
        time.sleep(seconds)
        raise TimeoutError

    assert "it took longer than" in refused("http://slow.example/a.jpg", look_up=slow).reason


FLOODS: dict[str, Callable[[Visit], None]] = {
    "the status line": lambda visit: visit.flood(b"HTTP/1.1 200 O" + b"K" * 1000),
    "headers": lambda visit: (visit.send(OK), visit.flood(b"X: y\r\n"))[0],
    "a header": lambda visit: (visit.send(OK + b"X: "), visit.flood(b"y" * 1000))[0],
    "100 Continue": lambda visit: visit.flood(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
    "the body": lambda visit: (visit.send(OK + b"\r\n"), visit.flood(b"x" * 1000))[0],
    "chunks": lambda visit: (visit.send(CHUNKED), visit.flood(b"1\r\nx\r\n" * 100))[0],
    "a chunk's extension": lambda visit: (
        visit.send(CHUNKED + b"1;"),
        visit.flood(b"a" * 1000),
    )[0],
    "trailers": lambda visit: (
        visit.send(CHUNKED + b"1\r\nx\r\n0\r\n"),
        visit.flood(b"X: y\r\n" * 100),
    )[0],
    "one endless chunk": lambda visit: (
        visit.send(CHUNKED + b"fffffffffff\r\n"),
        visit.flood(b"x" * 1000),
    )[0],
    "chunks of less than nothing": lambda visit: (
        visit.send(CHUNKED + b"-5\r\n"),
        visit.flood(b"x" * 1000),
    )[0],
}


@pytest.mark.parametrize("what", FLOODS)
def test_a_server_that_floods_is_cut_off(hostile: HostileServer, what: str) -> None:
    hostile.answer = FLOODS[what]
    reason = refused(f"{hostile.url}/a.jpg", UrlLimits(bytes=10_000, overhead=20_000)).reason
    assert "larger than 0.01 MB" in reason or "cannot be fetched" in reason
    assert "took longer" not in reason


def test_a_length_that_is_too_large_is_believed(hostile: HostileServer) -> None:
    hostile.answer = lambda visit: visit.send(OK + b"Content-Length: 10001\r\n\r\n")
    assert "larger than 0.01 MB" in refused(f"{hostile.url}/a.jpg").reason


def test_a_picture_that_breaks_off_is_no_picture(hostile: HostileServer) -> None:
    hostile.answer = lambda visit: visit.send(OK + b"Content-Length: 100\r\n\r\nabc")
    assert "the connection broke after 3 bytes" in refused(f"{hostile.url}/a.jpg").reason


@pytest.mark.parametrize("raw", [b"", b"\0" * 100, b"HTTP/1.1\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_what_is_no_answer_is_refused(hostile: HostileServer, raw: bytes) -> None:
    hostile.answer = lambda visit: visit.send(raw)
    assert "cannot be fetched" in refused(f"{hostile.url}/a.jpg").reason


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_followed(site: Any, status: int) -> None:
    site.serve("/b.jpg", b"picture")

    def leads_on(request: Any) -> None:
        request.send_response(status)
        request.send_header("Location", "/b.jpg")
        request.end_headers()

    assert get(site.serve("/a.jpg", answer=leads_on)) == b"picture"
    assert [path for _, path, _ in site.asked] == ["/a.jpg", "/b.jpg"]


def test_a_circle_of_redirects_ends(hostile: HostileServer) -> None:
    hostile.answer = lambda visit: visit.send(
        b"HTTP/1.1 302 Found\r\nLocation: /a.jpg\r\nContent-Length: 0\r\n\r\n"
    )
    error = refused(f"{hostile.url}/a.jpg", UrlLimits(redirects=3))
    assert error.reason == "it leads on more than 3 times"
    assert len(hostile.requests) == 4


@pytest.mark.parametrize(
    "location",
    ["ftp://127.0.0.1/a.jpg", "file:///etc/passwd", "gopher://x/", "data:image/png,x", "FILE:/x"],
)
def test_a_redirect_leads_nowhere_but_to_the_web(hostile: HostileServer, location: str) -> None:
    hostile.answer = lambda visit: visit.send(
        b"HTTP/1.1 302 Found\r\nLocation: " + location.encode() + b"\r\n\r\n"
    )
    scheme = location.partition(":")[0].lower()
    assert f"it leads to {scheme}:" in refused(f"{hostile.url}/a.jpg").reason
    assert len(hostile.requests) == 1


NO_ADDRESSES = (
    *("nonsense", "gopher://host/a.jpg", "ftp://host/a.jpg", "file:///etc/passwd", "http://"),
    *("http://[bad/a", "http://user:word@127.0.0.1/", "http://127.0.0.1:99999/", "http:///a.jpg"),
    *("http://127.0.0.1:no/", "http://" + "a" * 300 + ".example/", "http://\udcff.example/"),
)


@pytest.mark.parametrize("url", NO_ADDRESSES)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    assert "Check the address" in refused(url).remedy


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/stühle 1.jpg", b"/st%C3%BChle%201.jpg"),
        ("/a%20b.jpg?x=1&y=%2F", b"/a%20b.jpg?x=1&y=%2F"),
        ("/a.jpg#part", b"/a.jpg"),
        ("", b"/"),
    ],
)
def test_what_a_url_may_not_hold_is_quoted(hostile: HostileServer, path: str, asked: bytes) -> None:
    hostile.answer = lambda visit: visit.send(OK + b"Content-Length: 1\r\n\r\nx")
    assert get(hostile.url + path) == b"x"
    assert hostile.requests[0].startswith(b"GET " + asked + b" HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{hostile.port}\r\n".encode() in hostile.requests[0]


def test_line_breaks_in_a_url_make_no_headers(hostile: HostileServer) -> None:
    hostile.answer = lambda visit: visit.send(OK + b"Content-Length: 1\r\n\r\nx")
    get(f"{hostile.url}/a.jpg HTTP/1.1\r\nX-Evil: 1\r\n")
    assert b"\r\nX-Evil" not in hostile.requests[0]


def test_an_image_is_fetched(site: Any) -> None:
    assert get(site.serve("/a.jpg", BODY), UrlLimits()) == BODY


def test_an_image_without_a_length_is_fetched(site: Any) -> None:
    assert get(site.serve("/a.jpg", BODY, sized=False), UrlLimits()) == BODY


def test_an_image_in_chunks_is_fetched(hostile: HostileServer) -> None:
    hostile.answer = lambda visit: visit.send(
        b"HTTP/1.1 100 Continue\r\n\r\n" + CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX: y\r\n\r\n"
    )
    assert get(f"{hostile.url}/a.jpg") == b"abcde"


def test_an_image_as_large_as_the_limit_is_fetched(site: Any) -> None:
    assert get(site.serve("/a.jpg", BODY), UrlLimits(bytes=len(BODY))) == BODY


def test_an_image_larger_than_the_limit_is_refused(site: Any) -> None:
    url = site.serve("/a.jpg", BODY * 5)
    assert "larger than 2 MB" in refused(url, UrlLimits(bytes=2_000_000)).reason


@pytest.mark.parametrize("status", [404, 403, 500, 304, 302])
def test_a_refusal_is_told_with_its_number(site: Any, status: int) -> None:
    url = site.serve("/a.jpg", BODY, status=status)
    assert f"the server answered {status}" in refused(url, UrlLimits()).reason


def test_a_port_where_nobody_answers_is_told(closed_port: str) -> None:
    assert "cannot be fetched" in refused(f"{closed_port}/a.jpg").reason


def test_a_failed_fetch_counts_as_one_bad_image(closed_port: str) -> None:
    with pytest.raises(ImageError):
        get(f"{closed_port}/a.jpg")


def test_the_next_address_is_tried_where_one_does_not_answer(site: Any, closed_port: str) -> None:
    url = site.serve("/a.jpg", b"picture")

    def two(host: str, port: int, seconds: float) -> list[Found]:
        [found, *_] = look_up("127.0.0.1", port, seconds)
        closed = int(closed_port.rpartition(":")[2])
        return [(found[0], ("127.0.0.1", closed)), found]

    assert get(url, look_up=two) == b"picture"


def test_a_proxy_that_the_environment_names_is_asked(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://me:word@127.0.0.1:{hostile.port}")
    monkeypatch.setenv("no_proxy", "")
    hostile.answer = lambda visit: visit.send(OK + b"Content-Length: 1\r\n\r\nx")
    assert get("http://pictures.invalid/a.jpg") == b"x"
    assert hostile.requests[0].startswith(b"GET http://pictures.invalid/a.jpg HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic bWU6d29yZA==\r\n" in hostile.requests[0]


def test_a_proxy_is_asked_to_connect_to_a_server_that_speaks_tls(
    hostile: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", hostile.url)
    monkeypatch.setenv("no_proxy", "")
    hostile.answer = lambda visit: visit.send(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    assert "the proxy answered 403" in refused("https://pictures.invalid/a.jpg").reason
    assert hostile.requests[0].startswith(b"CONNECT pictures.invalid:443 HTTP/1.1\r\n")
