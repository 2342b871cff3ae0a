"""Progress bars on terminals, and nothing of the kind anywhere else."""

from __future__ import annotations

import hashlib
import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from http.server import BaseHTTPRequestHandler
from io import StringIO
from pathlib import Path
from typing import TextIO

import pytest

from cli.progress import Bars
from cli.render import ConsoleReporter
from tests.support import REPOSITORY
from tests.support.web import Site

Run = Callable[..., subprocess.CompletedProcess[bytes]]
COLOUR = re.compile(rb"\x1b\[[0-9;]*3[0-9][0-9;]*m")
HIDE_CURSOR, SHOW_CURSOR = b"\x1b[?25l", b"\x1b[?25h"
PARTS = 8
PART = bytes(1 << 18)


def slowly(request: BaseHTTPRequestHandler) -> None:
    """Send two megabytes in about two seconds."""
    request.send_response(200)
    request.send_header("Content-Length", str(PARTS * len(PART)))
    request.end_headers()
    for _ in range(PARTS):
        request.wfile.write(PART)
        time.sleep(0.25)


@pytest.fixture
def slow_pull(site: Site) -> list[str]:
    """The arguments of a command that takes about two seconds."""
    url = site.serve("/weights.pth", answer=slowly)
    digest = hashlib.sha256(PART * PARTS).hexdigest()
    return ["backbones", "pull", "resnet50", "--url", url, "--sha256", digest]


@contextmanager
def terminal() -> Iterator[tuple[TextIO, bytearray]]:
    """A stream to a terminal, and what appears there; all of it when the context is left."""
    ours, theirs = pty.openpty()
    seen = bytearray()

    def read() -> None:
        # Linux says so when the other end is closed.
        with suppress(OSError):
            while data := os.read(ours, 4096):
                seen.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    stream = os.fdopen(theirs, "w")
    try:
        yield stream, seen
    finally:
        stream.close()
        reader.join()
        os.close(ours)


def _on_terminal(engine: Run, arguments: list[str], stream: str, env: dict[str, str]) -> bytes:
    """Run the command with a stream on a terminal; return what appears there."""
    with terminal() as (theirs, seen):
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {stream: theirs}
        done = engine(*arguments, capture_output=False, env=env, **streams)
    assert done.returncode == 0
    return bytes(seen)


def _environment(cache: Path, **more: str) -> dict[str, str]:
    return {"ENGINE_CACHE": str(cache), "TERM": "xterm-256color", "COLUMNS": "100"} | more


@pytest.mark.slow
def test_a_bar_with_amount_and_rate_appears_on_a_terminal(
    engine: Run, slow_pull: list[str], tmp_path: Path
) -> None:
    seen = _on_terminal(engine, slow_pull, "stderr", _environment(tmp_path))
    assert b"fetching resnet50" in seen
    assert re.search(rb"\d/2 MB", seen)
    assert b"MB/s" in seen
    assert COLOUR.search(seen)


@pytest.mark.slow
def test_a_bar_has_no_colours_where_nobody_wants_them(
    engine: Run, slow_pull: list[str], tmp_path: Path
) -> None:
    environment = _environment(tmp_path, NO_COLOR="1")
    seen = _on_terminal(engine, slow_pull, "stderr", environment)
    assert re.search(rb"\d/2 MB", seen)
    assert not COLOUR.search(seen)


@pytest.mark.slow
def test_a_terminal_that_only_knows_lines_has_no_bar(
    engine: Run, slow_pull: list[str], tmp_path: Path
) -> None:
    seen = _on_terminal(engine, slow_pull, "stderr", _environment(tmp_path, TERM="dumb"))
    [line] = seen.splitlines()
    assert line.startswith(b"fetching the weights of resnet50")


@pytest.mark.slow
def test_an_interrupt_gives_the_terminal_its_cursor_back(
    slow_pull: list[str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "cli.main", *slow_pull]
    environment = os.environ | _environment(tmp_path, PYTHONPATH=os.fspath(REPOSITORY))
    with terminal() as (theirs, seen):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs, env=environment)
        while b"MB/s" not in seen and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate()
    assert process.returncode == 130
    assert HIDE_CURSOR in seen
    after = seen.rpartition(HIDE_CURSOR)[2].partition(SHOW_CURSOR)[2]
    assert b"interrupted; everything finished so far is kept" in after


@pytest.mark.slow
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


def test_an_announcement_that_nobody_hears_stops_no_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with suppress(BrokenPipeError), os.fdopen(writing, "w") as stream, redirect_stderr(stream):
        reporter = ConsoleReporter()
        reporter.announce("fetching")
        reporter.progress("fetching", 1, 2, "bytes")


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A terminal with a cursor, and threads that take turns as often as they can."""
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.slow
def test_threads_may_announce_and_report_progress_at_once(eager: None) -> None:
    failures: list[BaseException] = []

    def work(bars: Bars, number: int) -> None:
        try:
            for step in range(30):
                bars.print_line(f"line {number} {step}")
                bars.update("shared", step, None, "images")
                bars.update(f"own {number}", step, 99, "images")
                bars.update(f"short {number}", step % 3, 2, "images")
        except BaseException as error:
            failures.append(error)

    with terminal() as (stream, seen):
        bars = Bars(stream, patience=0.0)
        threads = [threading.Thread(target=work, args=(bars, number)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bars.update("afterwards", 1, 9, "images")
        bars.close()
    assert failures == []
    said = Counter(re.findall(rb"line (\d) (\d+)\r\n", bytes(seen)))
    wanted = [(b"%d" % number, b"%d" % step) for number in range(6) for step in range(30)]
    assert said == Counter(wanted)
    assert b"afterwards" in seen, "no bar has failed"
    assert seen.rfind(SHOW_CURSOR) > seen.rfind(HIDE_CURSOR) > 0


def test_tasks_at_the_same_time_have_a_bar_each_until_they_are_over(eager: None) -> None:
    with terminal() as (stream, seen):
        bars = Bars(stream, patience=0.0)
        bars.update("outer", 1, 3, "trainings")
        bars.update("inner", 5, None, "images")
        bars.update("inner", 7, 7, "images")
        stream.write("<inner is over>")
        stream.flush()
        bars.update("outer", 3, 3, "trainings")
    both, _, one = bytes(seen).partition(b"<inner is over>")
    assert b"outer" in both and b"inner" in both
    assert b"inner" not in one
    assert seen.count(HIDE_CURSOR) == seen.count(SHOW_CURSOR) == 1


def test_a_task_that_is_over_at_once_has_no_bar(eager: None) -> None:
    with terminal() as (stream, seen):
        bars = Bars(stream, patience=0.0)
        bars.update("short", 7, 7, "images")
        bars.update("none at all", 0, 0, "images")
        Bars(stream, patience=1e9).update("young", 1, 2, "images")
    assert seen == b""


def test_a_bar_of_a_task_that_never_ends_goes_at_the_end_of_the_work(eager: None) -> None:
    with terminal() as (stream, seen):
        bars = Bars(stream, patience=0.0)
        bars.update("endless", 5, None, "images")
        bars.close()
        bars.close()
        stream.write("the answer")
    assert b"5 images" in seen
    assert bytes(seen).endswith(SHOW_CURSOR + b"\r\x1b[1A\x1b[2Kthe answer")


def test_names_of_tasks_are_written_as_they_are(eager: None) -> None:
    with terminal() as (stream, seen):
        bars = Bars(stream, patience=0.0)
        bars.update("fetching [/red] [bold] \x1b[2J", 1, 9, "images")
        bars.print_line("[link=x] :smile: \x1b[2J")
        bars.close()
    assert rb"fetching [/red] [bold] \x1b[2J" in seen
    assert b"[link=x] :smile: \\x1b[2J\r\n" in seen


def test_an_announcement_stays_one_line_on_a_narrow_terminal(
    eager: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    line = "fetching the weights of a network from somewhere far away"
    with terminal() as (stream, seen):
        bars = Bars(stream, patience=0.0)
        bars.update("t", 1, 9, "images")
        bars.print_line(line)
        bars.close()
    assert line.encode() in seen


def test_answers_go_to_stdout_while_there_is_a_bar(eager: None) -> None:
    with terminal() as (stream, seen), redirect_stdout(StringIO()) as stdout:
        bars = Bars(stream, patience=0.0)
        bars.update("task", 1, 9, "images")
        print("the answer")
        bars.close()
    assert stdout.getvalue() == "the answer\n"
    assert b"the answer" not in seen


@pytest.mark.parametrize("already", [False, True])
def test_a_terminal_that_goes_away_ends_the_bars_and_not_the_work(
    eager: None, already: bool
) -> None:
    ours, theirs = pty.openpty()
    stderr = sys.stderr
    with suppress(OSError), os.fdopen(theirs, "w") as stream:
        bars = Bars(stream, patience=0.0)
        if already:
            bars.update("task", 1, 9, "images")
        os.close(ours)
        for step in range(3):
            bars.update("task", step, 9, "images")
            bars.print_line("said")
            bars.update("task", 9, 9, "images")
        bars.close()
    assert sys.stderr is stderr


def test_a_stream_that_is_closed_ends_the_bars_and_not_the_work(eager: None) -> None:
    with terminal() as (stream, _):
        bars = Bars(stream, patience=0.0)
        bars.update("task", 1, 9, "images")
        stream.close()
        bars.update("other", 2, 9, "images")
        bars.print_line("said")
        bars.close()
