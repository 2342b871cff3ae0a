"""What end-to-end runs share: the real command, stores that are ready, a web server, no power."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest

from cli.main import exit_code
from engine import Config, Engine
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.runtimes.openvino_export import convert

Run = Callable[..., subprocess.CompletedProcess[bytes]]
Answer = Callable[[BaseHTTPRequestHandler], None]
REPOSITORY = Path(__file__).resolve().parents[2]
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


@pytest.fixture(scope="session")
def ready(own_cache: Path) -> Path:
    """The cache of all tests, with the embedded backbone converted in it."""
    backbone = backbone_named("efficientnet_lite0")
    weights = WeightsCache(own_cache).find(backbone)
    assert weights is not None
    convert(backbone, weights, own_cache, lambda text: None)
    return own_cache


@pytest.fixture(scope="session")
def engine(ready: Path) -> Run:
    """Run the real command in a child process; keyword arguments are those of `subprocess.run`.

    `first` is Python code that the child runs before the command.
    """

    def run(
        *arguments: str | bytes | Path,
        first: str = "",
        env: dict[str, str] | None = None,
        **settings: Any,
    ) -> subprocess.CompletedProcess[bytes]:
        start = ["-c", f"{first}\nfrom cli.main import run\nrun()"] if first else ["-m", "cli.main"]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | (env or {})
        settings = {"capture_output": True, "timeout": 120} | settings
        command = [sys.executable, *start, *arguments]
        finished: Any = subprocess.run(command, env=environment, **settings)
        return cast("subprocess.CompletedProcess[bytes]", finished)

    return run


@pytest.fixture
def quick(ready: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run the command in this process, where a process of its own is not the point."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        capfdbinary.readouterr()
        code = exit_code([os.fspath(argument) for argument in arguments])
        stdout, stderr = capfdbinary.readouterr()
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    return run


@pytest.fixture(scope="session")
def trained(ready: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the drawn pictures, labelled, and the head `furniture`; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "store"
    with Engine(Config.at(folder)) as made:
        made.index([drawn], label="parent")
        made.train(drawn, head="furniture")
    return folder


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that belongs to one test."""
    return Path(shutil.copytree(trained, tmp_path / "shop"))


@dataclass
class Site:
    """A web server on this machine: bytes, or a function that answers, at each path."""

    url: str
    pages: dict[str, bytes | Answer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """Answers for a `Site`."""

    site: Site

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Refuse, so that nothing counts as reachable by chance."""
        self.send_error(404)

    def do_GET(self) -> None:
        """Answer."""
        self.site.asked.append(self.headers.get("Range") or "all")
        page = self.site.pages.get(self.path)
        if page is None:
            self.send_error(404)
        elif isinstance(page, bytes):
            self.send_response(200)
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)
        else:
            page(self)


@pytest.fixture
def site() -> Iterator[Site]:
    """A web server of the test's own."""

    class OwnHandler(Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), OwnHandler)
    server.daemon_threads = True
    OwnHandler.site = site = Site(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield site
    site.stopped.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="session")
def powerless() -> Callable[[], None]:
    """What a child does before it starts, so that file permissions count even for root."""
    if sys.platform != "linux":
        pytest.skip("only on Linux can a process give up root's way past permissions")
    libc = ctypes.CDLL(None, use_errno=True)
    prctl = libc.prctl

    def drop() -> None:
        if os.geteuid() == 0:
            for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
                if prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                    raise OSError(ctypes.get_errno(), "the power cannot be dropped")

    attempt = [sys.executable, "-c", "import os; os.listdir('/')"]
    try:
        subprocess.run(attempt, preexec_fn=drop, check=True)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("this process may not give up root's way past permissions")
    return drop


@pytest.fixture(scope="session")
def many(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 160 pictures, each with content of its own; not to be changed."""
    folder = tmp_path_factory.mktemp("many")
    sources = [path.read_bytes() for path in sorted(drawn.rglob("*.jpg"))]
    for number in range(160):
        # Bytes after a JPEG's end are no part of the picture, but of the content.
        data = sources[number % len(sources)] + number.to_bytes(2, "big")
        (folder / f"{number:03}.jpg").write_bytes(data)
    return folder
