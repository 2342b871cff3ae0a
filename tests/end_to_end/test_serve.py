"""`engine serve` as a process of its own: asked over a socket, and ended."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from tests.support import REPOSITORY
from tests.support.command import Run

PATIENCE = 60.0
pytestmark = pytest.mark.slow


class Service:
    """A service that runs.

    Parameters
    ----------
    process
        Its process.
    link
        The address that it has printed.
    """

    def __init__(self, process: subprocess.Popen[bytes], link: str) -> None:
        self.process = process
        self.link = link
        self.address, _, self.query = link.rstrip("/").partition("/?")
        self.port = int(self.address.rpartition(":")[2])

    def ask(self, path: str, data: bytes | None = None, **headers: str) -> tuple[int, Any]:
        """Return the status and the JSON of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urlopen(Request(self.address + path, data, named), timeout=PATIENCE) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def ended(self, by: signal.Signals) -> tuple[int, float]:
        """Send a signal; return the exit code and the seconds until it came."""
        began = time.monotonic()
        self.process.send_signal(by)
        return self.process.wait(PATIENCE), time.monotonic() - began


@pytest.fixture(scope="module")
def store(engine: Run, own_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with pictures of furniture."""
    from demo.catalog import draw_catalog

    folder = tmp_path_factory.mktemp("served")
    draw_catalog(folder / "pictures", 2)
    done = engine("index", folder / "pictures", "--store", folder / "store", "--label", "parent")
    assert done.returncode == 0, done.stderr
    return folder / "store"


@pytest.fixture
def serve(store: Path) -> Iterator[Callable[..., Service]]:
    """A function that starts a service on a free port."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: str | Path, env: dict[str, str] | None = None) -> Service:
        command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--store", store]
        process = subprocess.Popen(
            [*command, *arguments],
            env=os.environ | {"PYTHONPATH": str(REPOSITORY)} | (env or {}),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        started.append(process)
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(rb"https?://\S+", line):
                return Service(process, found[0].decode())
        pytest.fail("it never listened")

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def picture(store: Path) -> bytes:
    return next((store.parent / "pictures").rglob("*.jpg")).read_bytes()


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_until_it_is_told_to_end(
    serve: Callable[..., Service], store: Path, by: signal.Signals
) -> None:
    service = serve()
    status, report = service.ask("/v1/search?k=1", picture(store), content_type="image/jpeg")
    assert (status, round(report["results"][0]["score"], 2)) == (200, 1)
    code, seconds = service.ended(by)
    assert code == 0
    assert seconds < 20


def test_what_the_first_questions_need_is_opened_before_they_come(
    serve: Callable[..., Service],
) -> None:
    service, until = serve(), time.monotonic() + PATIENCE
    lag = ""
    while lag != "0.0" and time.monotonic() < until:
        time.sleep(0.05)
        with urlopen(service.address + "/metrics", timeout=PATIENCE) as answer:
            lag = re.search(r"^engine_index_lag (\S+)$", answer.read().decode(), re.MULTILINE)[1]
    assert lag == "0.0"


def test_what_is_changed_is_there_when_it_starts_again(serve: Callable[..., Service]) -> None:
    service = serve()
    request = Request(f"{service.address}/v1/images/1", b'{"label": "kept"}', method="PATCH")
    with urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 200
    service.process.kill()
    service.process.wait()
    assert serve().ask("/v1/images/1")[1]["label"] == "kept"


def test_another_process_s_images_are_found_at_once(
    serve: Callable[..., Service], engine: Run, store: Path, tmp_path: Path
) -> None:
    service = serve()
    new = tmp_path / "new.jpg"
    new.write_bytes(picture(store) + b"more")
    assert len(service.ask("/v1/images?limit=1000")[1]["images"]) == 10
    assert engine("index", new, "--store", store).returncode == 0
    assert len(service.ask("/v1/images?limit=1000")[1]["images"]) == 11
    status, report = service.ask("/v1/search?k=2", new.read_bytes(), content_type="image/jpeg")
    assert (status, str(new) in {hit["path"] for hit in report["results"]}) == (200, True)
    assert engine("remove", new, "--store", store).returncode == 0
    assert len(service.ask("/v1/images?limit=1000")[1]["images"]) == 10


def test_a_port_that_is_taken_is_named(
    serve: Callable[..., Service], engine: Run, store: Path
) -> None:
    port = serve().port
    done = engine("serve", "--store", store, "--port", str(port))
    assert done.returncode == 2
    assert b"nothing can listen there" in done.stderr


def test_a_store_that_is_not_there_is_not_served(engine: Run, tmp_path: Path) -> None:
    done = engine("serve", "--store", tmp_path / "none", "--port", "0")
    assert done.returncode == 1
    assert b"none" in done.stderr
    assert not (tmp_path / "none").exists()


def test_beyond_this_machine_it_makes_up_a_token(serve: Callable[..., Service]) -> None:
    # All addresses of this machine: it is asked by loopback alone.
    service = serve("--host", "0.0.0.0")
    token = service.query.removeprefix("token=")
    assert len(token) >= 32
    assert service.ask("/v1/images")[0] == 401
    assert service.ask("/v1/images", authorization=f"Bearer {token}")[0] == 200


def test_a_token_of_one_s_own_is_not_printed(serve: Callable[..., Service]) -> None:
    service = serve(env={"ENGINE_TOKEN": "a-token-of-my-own"})
    assert "token" not in service.link
    assert service.ask("/v1/images", authorization="Bearer a-token-of-my-own")[0] == 200


@pytest.mark.parametrize(
    "start", [b"GET /", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ", b"POST /v1/search?a="]
)
def test_a_request_whose_head_does_not_end_is_ended(
    serve: Callable[..., Service], start: bytes
) -> None:
    service, sent = serve(), 0
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as client:
        client.sendall(start)
        with pytest.raises(OSError):
            for _ in range(1000):
                sent += client.send(b"a" * 16_384)
                time.sleep(0.001)
    # What was under way when it closed counts, too.
    assert sent < 8 << 20
    assert service.ask("/v1/images?limit=1")[0] == 200


def test_broken_and_idle_clients_keep_nobody_waiting(
    serve: Callable[..., Service], store: Path
) -> None:
    service = serve()
    begun = [
        b"",
        b"GET / HTTP/1.1\r\nHost: local",
        b"POST /v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        b"Content-Length: 1000\r\n\r\nabc",
        b"\x16\x03\x01\x02\x00",
    ]
    opened = []
    for start in begun * 40:
        client = socket.create_connection(("127.0.0.1", service.port), PATIENCE)
        client.sendall(start)
        opened.append(client)
    status, _ = service.ask("/v1/search?k=1", picture(store), content_type="image/jpeg")
    assert status == 200
    for client in opened:
        client.close()
    assert service.ended(signal.SIGTERM)[0] == 0


def test_what_was_begun_is_answered_before_it_ends(
    serve: Callable[..., Service], store: Path
) -> None:
    service, data = serve(), picture(store)
    head = (
        "POST /v1/search?k=1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: image/jpeg\r\n"
        f"Content-Length: {len(data)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", service.port), PATIENCE) as client:
        client.sendall(head.encode() + data[:100])
        # It has been heard: what comes after it on another connection is answered.
        assert service.ask("/v1/images?limit=1")[0] == 200
        service.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        client.sendall(data[100:])
        assert client.recv(100).startswith(b"HTTP/1.1 200")
    assert service.process.wait(PATIENCE) == 0


def test_a_program_reads_the_address_from_stdout(store: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--store", store, "--json"]
    variables = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        told = json.loads(b"".join(iter(process.stdout.readline, b"}\n")) + b"}")
        with urlopen(f"{told['address']}healthz", timeout=PATIENCE) as answer:
            assert answer.read() == b"ok\n"
        process.terminate()
    assert (process.returncode, told["token"]) == (0, None)


@pytest.mark.parametrize("package", ["uvicorn", "fastapi", "prometheus_client"])
def test_without_its_packages_it_says_how_to_get_them(
    engine: Run, store: Path, package: str
) -> None:
    missing = f"import sys\nsys.modules[{package!r}] = None"
    done = engine("serve", "--store", store, "--port", "0", first=missing)
    assert done.returncode == 2
    assert b"pip install 'image-engine[serve]'" in done.stderr


@pytest.fixture
def browser(tmp_path: Path) -> Path:
    """A browser that writes down what it is to open."""
    program = tmp_path / "browser"
    program.write_text(
        f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/new && mv {tmp_path}/new {tmp_path}/opened\n'
    )
    program.chmod(0o755)
    return program


def opened(browser: Path) -> str:
    """Return the link that a browser was started with."""
    file, until = browser.with_name("opened"), time.monotonic() + PATIENCE
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.01)
    return file.read_text()


def test_the_page_is_opened_when_it_can_answer(
    serve: Callable[..., Service], browser: Path
) -> None:
    service = serve("--open", env={"BROWSER": str(browser)})
    assert opened(browser) == f"{service.address}/"


def test_the_link_that_is_opened_lets_in_once(serve: Callable[..., Service], browser: Path) -> None:
    token = "a-token-of-my-own"
    service = serve("--open", env={"BROWSER": str(browser), "ENGINE_TOKEN": token})
    link = opened(browser)
    assert link.startswith(f"{service.address}/?token=")
    # Whoever sees how browsers are started does not see the token, and comes too late.
    assert token not in link
    asked = link.removeprefix(service.address)
    first, second = entered(service, asked), entered(service, asked)
    assert first[0] == 303
    assert "HttpOnly" in first[1]
    # The page alone, which says how to get in; its answers need the cookie.
    assert second == (200, "")
    assert entered(service, f"/?token={token}")[0] == 303


def entered(service: Service, link: str) -> tuple[int, str]:
    """Return the status and the cookie with which a link is answered."""
    from http.client import HTTPConnection

    connection = HTTPConnection("127.0.0.1", service.port, timeout=PATIENCE)
    try:
        connection.request("GET", link)
        answer = connection.getresponse()
        return answer.status, answer.headers.get("set-cookie", "")
    finally:
        connection.close()


def test_where_there_is_no_browser_the_address_is_all(store: Path) -> None:
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--store", store, "--open"]
    variables = {
        name: value
        for name, value in os.environ.items()
        if name not in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    }
    variables["PYTHONPATH"] = str(REPOSITORY)
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        told = [process.stderr.readline(), process.stderr.readline()]
        process.terminate()
    assert told[0].startswith(b"http://localhost:")
    assert b"no browser" in told[1]


def test_requests_are_logged_where_it_is_asked_for(serve: Callable[..., Service]) -> None:
    service = serve("--log", "json", env={"ENGINE_TOKEN": "a-token-of-my-own"})
    assert service.ask("/v1/images?where=label=x", authorization="Bearer a-token-of-my-own")
    assert service.ask("/v1/heads?token=a-wrong-token")[0] == 401
    service.process.terminate()
    assert service.process.stderr is not None
    lines = service.process.stderr.read().decode().splitlines()
    logged = [json.loads(line) for line in lines]
    assert [(each["path"], each["status"]) for each in logged] == [
        ("/v1/images", 200),
        ("/v1/heads", 401),
    ]
    assert "token" not in "".join(lines)


@pytest.mark.parametrize("arguments", [["--log", "xml"], ["--port", "-1"]])
def test_wrong_options_are_told(engine: Run, store: Path, arguments: list[str]) -> None:
    done = engine("serve", "--store", store, "--port", "0", *arguments)
    assert done.returncode == 2


def test_urls_are_allowed_or_refused_and_not_both(engine: Run, store: Path) -> None:
    first = "import os\nos.environ['ENGINE_NO_URLS'] = '1'"
    done = engine("serve", "--store", store, "--port", "0", "--allow-urls", first=first)
    assert done.returncode == 2
    assert b"ENGINE_NO_URLS" in done.stderr


def test_allowed_urls_lead_to_no_internal_address(serve: Callable[..., Service]) -> None:
    service = serve("--allow-urls")
    body = json.dumps({"urls": ["http://127.0.0.1:80/latest/meta-data"]}).encode()
    status, told = service.ask("/v1/search", body, content_type="application/json")
    assert (status, told["type"]) == (422, "FetchError")
    assert "internal network" in told["reason"]
