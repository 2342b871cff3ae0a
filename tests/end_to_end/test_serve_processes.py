"""`engine serve --processes`: one address, several processes, and an end for all of them."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.error import URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener, urlopen

import pytest

from index.store import Store
from tests.support.command import Run
from tests.support.service import PATIENCE, Service, running_service

pytestmark = pytest.mark.slow
TOKEN = "a-token-of-all-processes"


@pytest.fixture
def service(shop: Path, tmp_path: Path) -> Iterator[Service]:
    """A service of two processes."""
    shared = {"TMPDIR": str(tmp_path)}
    with running_service(shop, "--processes", "2", env=shared) as service:
        yield service
        # Else they would end by themselves, later than the test.
        service.process.terminate()
        service.process.wait(PATIENCE)


def until(is_so: Callable[[], object]) -> None:
    """Wait for what others do."""
    last = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < last
        time.sleep(0.02)


def doing(store: Path, job_id: str) -> int:
    """Return the id of the process that does a job."""
    jobs = json.loads((store / "jobs.json").read_bytes())["jobs"]
    return int(next(job for job in jobs if job["id"] == job_id)["claim"]["process"].split("-")[0])


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def counted(service: Service, route: str) -> float:
    """Return how many requests of a route all processes have counted."""
    text = service.ask("/metrics")[1].decode()
    found = re.findall(rf'^engine_requests_total{{.*route="{route}".*}} (\S+)$', text, re.MULTILINE)
    return sum(map(float, found))


def test_a_process_that_is_killed_takes_only_its_job_with_it(service: Service, shop: Path) -> None:
    for _ in range(5):
        assert service.ask("/v1/search", {"ids": [1]})[0] == 200
    with Store(shop).writer_lock():
        job_id = service.ask("/v1/index", {})[1]["id"]
        events = service.events(f"/v1/jobs/{job_id}/events")
        assert any(job["announcements"] for job in events)
        killed = doing(shop, job_id)
        os.kill(killed, signal.SIGKILL)
        until(lambda: not is_there(killed))

        def is_interrupted() -> bool:
            # A connection that the dead one has accepted, or not yet, may break.
            try:
                return bool(service.ask(f"/v1/jobs/{job_id}")[1]["state"] == "interrupted")
            except (URLError, ConnectionError):
                return False

        until(is_interrupted)
    assert counted(service, "/v1/search") == 5
    stderr = service.process.stderr
    assert stderr is not None
    assert f"process {killed} ended by itself (signal 9)" in stderr.readline().decode()
    again = service.ask("/v1/index", {})[1]["id"]
    *_, last = service.events(f"/v1/jobs/{again}/events")
    assert last["state"] == "done"


def test_all_processes_end_with_the_service(service: Service, shop: Path) -> None:
    with Store(shop).writer_lock():
        job_id = service.ask("/v1/index", {})[1]["id"]
        events = service.events("/v1/jobs/events")
        assert any(job["announcements"] for job in events)
        process = doing(shop, job_id)
        began = time.monotonic()
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(PATIENCE) == 0
    assert time.monotonic() - began < 20
    assert not is_there(process)
    assert json.loads((shop / "jobs.json").read_bytes())["jobs"][-1]["state"] == "interrupted"


def test_where_the_one_that_started_them_is_killed_all_end(
    service: Service, shop: Path, tmp_path: Path
) -> None:
    assert list(tmp_path.glob("engine-serve-*"))
    job_id = service.ask("/v1/jobs", {"kind": "suspects"})[1]["id"]
    process = doing(shop, job_id)
    service.process.kill()
    until(lambda: not is_there(process))

    def is_refused() -> bool:
        try:
            urlopen(f"{service.address}/healthz", timeout=PATIENCE).close()
        except (URLError, ConnectionError) as error:
            return "refused" in str(error)
        return False

    until(is_refused)
    assert not list(tmp_path.glob("engine-serve-*"))


class NotFollowed(HTTPRedirectHandler):
    """Answers with the redirect itself."""

    def http_error_303(self, req: object, fp: object, *others: object) -> object:
        """Return it."""
        return fp


def test_the_link_for_a_browser_lets_in_once_whichever_process_answers(
    shop: Path, tmp_path: Path
) -> None:
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    env = {"ENGINE_TOKEN": TOKEN, "BROWSER": str(browser)}
    with running_service(shop, "--processes", "2", "--open", env=env, token=TOKEN) as service:
        until(opened.exists)
        answers = []
        for _ in range(6):
            with build_opener(NotFollowed).open(Request(opened.read_text())) as answer:
                answers.append((answer.status, answer.headers["set-cookie"]))
        assert [status for status, _ in answers] == [303] + [200] * 5
        cookie = answers[0][1].partition(";")[0]
        for _ in range(6):
            assert service.ask("/v1/images?limit=1", cookie=cookie)[0] == 200
        service.process.terminate()
        service.process.wait(PATIENCE)


def test_what_keeps_the_first_process_from_beginning_is_told_once(
    engine: Run, tmp_path: Path
) -> None:
    done = engine("serve", "--processes", "2", "--store", tmp_path / "none", "--port", "0")
    assert done.returncode == 1
    assert done.stderr.count(b"error: ") == 1
    assert b"there is no catalog here" in done.stderr
