"""Fixtures of a web server on this machine, and of a port at which there is none."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest


@dataclass
class Page:
    """What the server says at one path, and how badly."""

    body: bytes
    status: int = 200
    ranges: bool = True
    breaks_after: list[int] = field(default_factory=list)
    raw: bytes = b""
    sized: bool = True
    drip: bool = False
    answer: Callable[[BaseHTTPRequestHandler], None] | None = None


@dataclass
class Site:
    """A web server on this machine that does as it is told."""

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def serve(self, path: str, body: bytes = b"", **behaviour: Any) -> str:
        """Put a page at a path and return its URL.

        `breaks_after` lists after how many bytes the first answers break off, `raw` is sent
        instead of an HTTP answer, `drip` sends one byte and then no more, `answer` is a function
        that answers a GET by itself.
        """
        self.pages[path] = Page(body, **behaviour)
        return self.url + path


class Handler(BaseHTTPRequestHandler):
    """Answers for a `Site`, and notes method, path and range of each request."""

    site: Site

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer without the body."""
        self._answer(with_body=False)

    def do_GET(self) -> None:
        """Answer."""
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        self.site.asked.append((self.command, self.path, self.headers.get("Range")))
        page = self.site.pages.get(self.path, Page(b"", 404))
        self.close_connection = True
        if page.answer and with_body:
            page.answer(self)
        elif page.raw:
            self.wfile.write(page.raw)
        else:
            self._send(page, with_body=with_body)

    def _send(self, page: Page, *, with_body: bool) -> None:
        body, status = page.body, page.status
        asked = self.headers.get("Range")
        if asked and page.ranges and status == 200:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            body, status = body[start:], 206 if start < len(body) else 416
        self.send_response(status)
        if page.sized:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if not with_body:
            return
        if page.drip:
            self.wfile.write(body[:1])
            self.wfile.flush()
            self.site.stopped.wait(30)
            return
        end = page.breaks_after.pop(0) if page.breaks_after else len(body)
        self.wfile.write(body[:end])


class Server(ThreadingHTTPServer):
    """Takes no offence at a client that hangs up, and does not wait for answers at the end."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what else goes wrong."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server of the test's own."""
    handler = type("OwnHandler", (Handler,), {})
    server = Server(("127.0.0.1", 0), handler)
    handler.site = site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def closed_port() -> str:
    """A URL on this machine at which nobody answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port = server.server_port
    server.server_close()
    return f"http://127.0.0.1:{port}"
