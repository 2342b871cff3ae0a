"""What a server says of itself stands in an error, and not all of it."""

from __future__ import annotations

import pytest

from engine.config import UrlLimits
from engine.errors import FetchError
from engine.pictures.urls.fetch import fetch_bytes
from tests.support.hostile_web import OK, HostileServer


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 404 " + b"a" * 60_000 + b"\r\n\r\n",
        b"HTTP/1.1 " + b"4" * 60_000 + b"\r\n\r\n",
        b"a" * 60_000 + b"\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: " + b"a" * 60_000 + b":b\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://h:" + b"a" * 60_000 + b"/\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n" + b"z" * 60_000 + b"\r\n",
    ],
)
def test_what_a_server_says_is_told_as_far_as_anybody_reads(
    hostile: HostileServer, raw: bytes
) -> None:
    hostile.answer = lambda visit: visit.send(raw)
    limits = UrlLimits(seconds=5, overhead=200_000)
    with pytest.raises(FetchError) as caught:
        fetch_bytes(f"{hostile.url}/a.jpg", limits, lambda text: None)
    assert len(caught.value.reason) < 400
