"""Jobs told as they go on: as they are, what changes, and an end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from typing import Any, cast

import pytest

from engine import Engine
from server.jobs.events import HEARTBEAT, job_events
from server.jobs.job import DONE, RUNNING, Job
from server.jobs.queue import JobQueue
from server.jobs.work import Work
from server.options import ServerLimits


@pytest.fixture
def queue(indexed: Engine) -> Iterator[JobQueue]:
    queue = JobQueue(indexed, ServerLimits())
    yield queue
    queue.close(60)


def told(event: bytes) -> dict[str, Any]:
    name, data, *end = event.split(b"\n")
    assert (name, end) == (b"event: job", [b"", b""])
    return dict(json.loads(data.removeprefix(b"data: ")))


async def all_of(queue: JobQueue, job_id: str) -> list[dict[str, Any]]:
    return [told(event) async for event in job_events(queue, job_id)]


def test_a_job_is_told_until_it_ends(queue: JobQueue) -> None:
    go = Event()

    def waits(engine: Engine) -> str:
        assert go.wait(60)
        return "done"

    async def scene() -> list[dict[str, Any]]:
        job = await asyncio.to_thread(queue.submit, Work("map", "Wait", waits, writes=False))
        following = asyncio.create_task(all_of(queue, job.id))
        await asyncio.sleep(0)
        go.set()
        return await following

    events = asyncio.run(scene())
    assert events[-1]["state"] == "done"
    assert "result" not in events[-1]
    assert len({event["id"] for event in events}) == 1


def test_a_job_that_is_over_is_told_once(queue: JobQueue) -> None:
    job = queue.submit(Work("map", "Wait", lambda _: 1, writes=False))
    assert asyncio.run(all_of(queue, job.id))[-1]["state"] == "done"
    assert len(asyncio.run(all_of(queue, job.id))) == 1


def test_the_last_state_is_told_whenever_it_comes(queue: JobQueue) -> None:
    class Late:
        """A queue in which a job ends right after it was asked what has changed."""

        is_closing = False

        def __init__(self) -> None:
            self.over = False
            self.jobs = [replace(job, state=RUNNING), job]

        def listen(self, told: Callable[[], object]) -> Callable[[], None]:
            self.told = told
            return lambda: None

        def changes(self, since: int) -> tuple[int, list[Job]]:
            self.over = True
            self.told()
            return since + 1, [self.jobs.pop(0)]

        def is_over(self, job_id: str) -> bool:
            return self.over

    job = queue.submit(Work("map", "Wait", lambda _: 1, writes=False)).ended(DONE)
    events = asyncio.run(all_of(cast(JobQueue, Late()), job.id))
    assert [event["state"] for event in events] == [RUNNING, DONE]


def test_all_jobs_are_told_without_end(queue: JobQueue) -> None:
    async def scene() -> list[bytes]:
        events = job_events(queue, heartbeat=0.05)
        first = await anext(events)
        job = await asyncio.to_thread(queue.submit, Work("map", "Wait", lambda _: 1, writes=False))
        found = [first]
        while not found[-1].startswith(b"event") or told(found[-1])["state"] != "done":
            found.append(await anext(events))
        assert told(found[-1])["id"] == job.id
        await events.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(scene())[0] == HEARTBEAT
    assert not queue._board._listeners


def test_the_end_of_the_service_ends_what_is_told(queue: JobQueue) -> None:
    async def scene() -> list[bytes]:
        following = asyncio.create_task(listed())
        await asyncio.sleep(0)
        queue.begin_closing()
        return await asyncio.wait_for(following, 60)

    async def listed() -> list[bytes]:
        return [event async for event in job_events(queue)]

    assert asyncio.run(scene()) == []
