"""What the routes of one service share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response

from engine import Engine
from server.answers import answer
from server.bodies import Asked, BodyBudget, asked_about
from server.fetches import Fetches
from server.metrics import Metrics
from server.options import ServerOptions
from server.problems import RefusedError
from server.work_queue import WorkQueue

Question = Callable[[Engine], object]


@dataclass(frozen=True, slots=True)
class Service:
    """An engine, and the threads that ask it.

    Attributes
    ----------
    engine
        Open; any number of threads may use it.
    options
        How the service works.
    pictures
        Does what embeds or decodes a picture.
    reads
        Does what only reads some rows of the catalog.
    slow
        Does what reads all of the store, one after the other.
    changes
        Changes the store, one after the other.
    fetched
        Fetches pictures that clients name by URLs.
    bodies
        Room for what clients send.
    metrics
        Counts.
    """

    engine: Engine
    options: ServerOptions
    pictures: WorkQueue
    reads: WorkQueue
    slow: WorkQueue
    changes: WorkQueue
    fetched: WorkQueue
    bodies: BodyBudget
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", Metrics(self.queues))

    @property
    def queues(self) -> tuple[WorkQueue, ...]:
        """All that has threads."""
        return self.pictures, self.reads, self.slow, self.changes, self.fetched

    @classmethod
    def of(cls, engine: Engine, options: ServerOptions) -> Service:
        """Return the service of an engine."""
        limits = options.limits
        wait = limits.retry_seconds
        return cls(
            engine,
            options,
            WorkQueue("pictures", limits.threads, limits.waiting, wait),
            WorkQueue("reads", limits.reading_threads, limits.reading_waiting, wait),
            WorkQueue("slow", 1, limits.slow_waiting, wait),
            WorkQueue("changes", 1, limits.changes_waiting, wait),
            WorkQueue("fetches", limits.fetches, limits.fetches_waiting, wait),
            BodyBudget(limits),
        )

    async def asked(self, request: Request) -> Asked:
        """Return what a request asks about: pictures, those of its URLs included, or ids.

        Raises
        ------
        RefusedError
            It brings none of them, too much, or what is not allowed.
        FetchError
            A URL cannot be fetched.
        """
        asked = await asked_about(request, self.options.limits)
        if not asked.urls:
            return asked
        fetches = Fetches(self.options, self.fetched, self.bodies)
        return replace(asked, images=await fetches.images(asked.urls))

    async def read(self, question: Question) -> Response:
        """Answer a question that some rows of the catalog answer."""
        return await self.reads.run(lambda: answer(question(self.engine)))

    async def read_all(self, question: Question) -> Response:
        """Answer a question for which all of the store is read."""
        return await self.slow.run(lambda: answer(question(self.engine)))

    async def look(self, question: Question) -> Response:
        """Answer a question that embeds pictures."""
        return await self.pictures.run(lambda: answer(question(self.engine)))

    async def change(self, change: Question) -> Response:
        """Change the store, and answer with what has become of it.

        Raises
        ------
        RefusedError
            The service is for reading alone.
        """
        if self.options.read_only:
            raise RefusedError(
                403, "ReadOnlyError", "this service", "nothing may be changed", "Ask who runs it"
            )
        return await self.changes.run(lambda: answer(change(self.engine)))

    def close(self, seconds: float) -> bool:
        """Begin nothing more; return whether all that has begun ended within so many seconds."""
        until = time.monotonic() + seconds
        ended = [queue.close(max(0.0, until - time.monotonic())) for queue in self.queues]
        return all(ended)
