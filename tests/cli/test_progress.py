"""Progress bars on terminals, and nothing of the kind anywhere else."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cli.progress import ConsoleReporter

Run = Callable[..., subprocess.CompletedProcess[bytes]]
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9][0-9;]*m")
PARTS = 8
PART = bytes(1 << 18)


class Slow(BaseHTTPRequestHandler):
    """Sends two megabytes in about two seconds."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Length", str(PARTS * len(PART)))
        self.end_headers()
        for _ in range(PARTS):
            self.wfile.write(PART)
            time.sleep(0.25)


@pytest.fixture
def slow_pull() -> Iterator[list[str]]:
    """The arguments of a command that takes about two seconds."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/weights.pth"
    digest = hashlib.sha256(PART * PARTS).hexdigest()
    yield ["backbones", "pull", "resnet50", "--url", url, "--sha256", digest]
    server.shutdown()
    thread.join()
    server.server_close()


def _on_terminal(engine: Run, arguments: list[str], stream: str, env: dict[str, str]) -> bytes:
    """Run the command with a stream on a terminal; return what appears there."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # what Linux says when the other end is closed
                return
            if not data:
                return
            seen.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: theirs}
    try:
        done = engine(*arguments, capture_output=False, env=env, **streams)
    finally:
        os.close(theirs)
        reader.join()
        os.close(ours)
    assert done.returncode == 0
    return bytes(seen)


def _environment(cache: Path, **more: str) -> dict[str, str]:
    return {"ENGINE_CACHE": str(cache), "TERM": "xterm-256color", "COLUMNS": "100"} | more


def test_a_bar_with_amount_and_rate_appears_on_a_terminal(
    engine: Run, slow_pull: list[str], tmp_path: Path
) -> None:
    seen = _on_terminal(engine, slow_pull, "stderr", _environment(tmp_path))
    assert b"fetching resnet50" in seen
    assert re.search(rb"\d/2 MB", seen)
    assert b"MB/s" in seen
    assert COLOUR.search(seen)


def test_a_bar_has_no_colours_where_nobody_wants_them(
    engine: Run, slow_pull: list[str], tmp_path: Path
) -> None:
    environment = _environment(tmp_path, NO_COLOR="1")
    seen = _on_terminal(engine, slow_pull, "stderr", environment)
    assert re.search(rb"\d/2 MB", seen)
    assert not COLOUR.search(seen)


def test_without_a_terminal_stderr_is_plain_lines(
    engine: Run, slow_pull: list[str], tmp_path: Path
) -> None:
    done = engine(*slow_pull, env=_environment(tmp_path))
    assert done.returncode == 0
    [line] = done.stderr.splitlines()
    assert line.startswith(b"fetching the weights of resnet50 from http://127.0.0.1")
    assert all(char.isprintable() or char == "\n" for char in (done.stderr + done.stdout).decode())


def test_headings_are_bold_on_a_terminal(engine: Run, tmp_path: Path) -> None:
    seen = _on_terminal(engine, ["backbones"], "stdout", _environment(tmp_path))
    assert seen.startswith(b"\x1b[1mname ")


@pytest.mark.parametrize("reason", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_headings_are_plain_where_nobody_wants_colours(
    engine: Run, tmp_path: Path, reason: dict[str, str]
) -> None:
    seen = _on_terminal(engine, ["backbones"], "stdout", _environment(tmp_path, **reason))
    assert b"\x1b" not in seen


def test_an_announcement_is_one_safe_line(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    reporter = ConsoleReporter()
    reporter.announce("fetching \x1b[2J\nfrom afar")
    reporter.progress("fetching", 1, 2, "bytes")
    assert capfdbinary.readouterr() == (b"", b"fetching \\x1b[2J\\nfrom afar\n")
