"""What tests of the engine share: the real backbone, weights at random, a web server, nobody."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.backbones.table import backbone_named
from engine.backbones.torchvision_import import import_torchvision
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels
from engine.runtimes.openvino_export import Converted, convert
from index.records import Floats

NOBODY = 65534


@pytest.fixture(scope="session")
def weights(own_cache: Path) -> WeightsFile:
    """The embedded backbone's weights."""
    found = WeightsCache(own_cache).find(backbone_named("efficientnet_lite0"))
    assert found is not None
    return found


@pytest.fixture(scope="session")
def converted(own_cache: Path, weights: WeightsFile) -> Converted:
    """The embedded backbone, converted once in the cache of all tests."""
    return convert(backbone_named("efficientnet_lite0"), weights, own_cache, lambda text: None)


@pytest.fixture(scope="session")
def renders(drawn: Path) -> Pixels:
    """The embedded backbone's inputs for all drawn pictures, uint8 `[60, 224, 224, 3]`."""
    preprocessing = backbone_named("efficientnet_lite0").preprocessing
    paths = sorted(drawn.rglob("*.jpg"))
    images = [decode(path.read_bytes(), str(path), 10**8).pixels for path in paths]
    return np.stack([preprocessing.pixels(image) for image in images])


@pytest.fixture(scope="session")
def cosines() -> Callable[[Floats, Floats], Floats]:
    """A function that returns the cosine of each pair of rows, float64 `[n]`."""

    def between(one: Floats, other: Floats) -> Any:
        a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
        return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    return between


@pytest.fixture(scope="session")
def resnet50_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ResNet50's shape with weights at random (100 MB)."""
    import_torchvision()
    from torchvision.models import get_model

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(get_model("resnet50", weights=None).state_dict(), path)
    return path


@pytest.fixture
def common_folder() -> Iterator[Path]:
    """An empty folder that every user of the machine can reach, unlike pytest's own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def as_nobody() -> Callable[[], AbstractContextManager[None]]:
    """A context in which file permissions count, even where the tests are run by root."""

    @contextmanager
    def context() -> Iterator[None]:
        if not hasattr(os, "geteuid"):
            pytest.skip("this system has no users to become")
        before = os.geteuid()
        if before == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(before)

    return context


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
        instead of an HTTP answer, `drip` sends one byte and then no more.
        """
        self.pages[path] = Page(body, **behaviour)
        return self.url + path


class Handler(BaseHTTPRequestHandler):
    """Answers for a `Site`."""

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
        if page.raw:
            self.wfile.write(page.raw)
            return
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
    """Takes no offence at a client that hangs up."""

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


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr("engine.pictures.download.time.sleep", lambda seconds: None)
