"""What the routes of one service share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial

from starlette.requests import Request
from starlette.responses import Response

from engine import EmbeddedImages, Engine
from engine.errors import EngineError, StoreLockedError
from server.jobs.queue import JobQueue
from server.jobs.work import Work
from server.metrics import Measuring, Metrics
from server.options import ServerOptions
from server.requests.asked import Asked, all_urls, asked_about
from server.requests.bodies import BodyBudget, json_body
from server.requests.fetches import Fetches
from server.responses.answers import answer, shown
from server.responses.problems import RefusedError
from server.thumbnails.thumbnails import Thumbnails
from server.work_queue import WorkQueue

Question = Callable[[Engine], object]
# As many as a window shows at once, and how large the page shows them.
FIRST_THUMBNAILS, FIRST_SIDE = 24, 256


@dataclass(frozen=True, slots=True)
class Service:
    """An engine, and the threads that ask it.

    Attributes
    ----------
    engine
        Open; any number of threads may use it. How long its stages take is counted.
    options
        How the service works.
    pictures
        Does what embeds or decodes a picture.
    reads
        Does what only reads some rows of the catalog.
    slow
        Does what reads all of the store, one after the other.
    lessons
        Makes lessons of what was judged, one after the other.
    changes
        Changes the store, one after the other.
    fetched
        Fetches pictures that clients name by URLs.
    state
        Says whether the service can answer and what it has counted: not behind what waits.
    bodies
        Room for what clients send, and for large answers.
    jobs
        Do what takes long, one after the other.
    thumbnails
        Of the catalog's pictures.
    metrics
        Counts.
    """

    engine: Engine
    options: ServerOptions
    pictures: WorkQueue
    reads: WorkQueue
    slow: WorkQueue
    lessons: WorkQueue
    changes: WorkQueue
    fetched: WorkQueue
    state: WorkQueue
    bodies: BodyBudget
    jobs: JobQueue
    thumbnails: Thumbnails
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        metrics = Metrics(self.queues, self.jobs, self.options.shared)
        object.__setattr__(self, "metrics", metrics)
        measured = self.engine.reporting_to(Measuring(metrics, self.engine.reporter))
        object.__setattr__(self, "engine", measured)

    @property
    def queues(self) -> tuple[WorkQueue, ...]:
        """All that has threads."""
        asking = self.pictures, self.reads, self.slow, self.lessons
        return *asking, self.changes, self.fetched, self.state

    @classmethod
    def of(cls, engine: Engine, options: ServerOptions) -> Service:
        """Return the service of an engine."""
        limits = options.limits
        wait = limits.retry_seconds
        return cls(
            engine,
            options,
            WorkQueue("pictures", limits.threads, limits.waiting, wait),
            WorkQueue(
                "reads", limits.reading_threads, limits.reading_waiting, wait, patience=0.005
            ),
            WorkQueue("slow", 1, limits.slow_waiting, wait),
            WorkQueue("lessons", 1, limits.lessons_waiting, wait),
            WorkQueue("changes", 1, limits.changes_waiting, wait),
            WorkQueue("fetches", limits.fetches, limits.fetches_waiting, wait),
            WorkQueue("state", limits.state_threads, limits.state_waiting, wait),
            BodyBudget(limits),
            JobQueue(engine, limits),
            Thumbnails(engine, limits),
        )

    @asynccontextmanager
    async def asked(self, request: Request, *, words: bool = False) -> AsyncIterator[Asked]:
        """Give what a request asks about: pictures, those of its URLs included, ids, or words.

        There is room for it for the length of an `async with` block.

        Parameters
        ----------
        words
            Whether it may ask by words, and subtract.

        Raises
        ------
        RefusedError
            It brings none of them, too much, or what is not allowed.
        FetchError
            A URL cannot be fetched.
        """
        with self.bodies.of(request, self.options.limits.upload_bytes):
            asked = await asked_about(request, self.options.limits, words=words)
            images: list[bytes] = []
            if urls := all_urls(asked):
                images = await Fetches(self.options, self.fetched, self.bodies).images(urls)
                asked = _with_fetched(asked, images)
            with self.bodies.room(sum(map(len, images))):
                yield asked

    async def told(self, request: Request) -> object:
        """Return what a request says as JSON; while it comes there is room for it.

        Raises
        ------
        RefusedError
            It is too large, too slow or no JSON, or too much is being sent.
        """
        limits = self.options.limits
        with self.bodies.of(request, limits.body_bytes):
            return await json_body(request, limits)

    async def read(self, question: Question) -> Response:
        """Answer a question that some rows of the catalog answer."""
        return await self.reads.run(lambda: answer(question(self.engine)))

    async def embedded(self, images: Sequence[bytes], crop: str | None) -> EmbeddedImages:
        """Return pictures embedded, for questions that are then answered without them."""
        return await self.pictures.run(lambda: self.engine.embed(images, crop=crop))

    async def read_all(self, question: Question) -> Response:
        """Answer a question for which all of the store is read."""
        return await self.slow.run(lambda: answer(question(self.engine)))

    async def look(self, question: Question) -> Response:
        """Answer a question that embeds pictures."""
        return await self.pictures.run(lambda: answer(question(self.engine)))

    async def learn(self, question: Question) -> Response:
        """Answer a question that is answered by learning from what was judged."""
        return await self.lessons.run(lambda: answer(question(self.engine)))

    async def change(self, change: Question) -> Response:
        """Change the store, and answer with what has become of it.

        Raises
        ------
        RefusedError
            The service is for reading alone, or a job holds the store's lock.
        """
        self.require_writable()

        def changed() -> Response:
            self._require_no_writing_job()
            try:
                return answer(change(self.engine))
            except StoreLockedError:
                # It may have begun meanwhile: nobody else is to be looked for.
                self._require_no_writing_job()
                raise

        return await self.changes.run(changed)

    async def begin(self, work: Work) -> Response:
        """Take a job, and answer with it.

        Raises
        ------
        RefusedError
            The service is for reading alone, or too many jobs wait.
        """
        self.require_writable()
        job = await self.reads.run(lambda: self.jobs.submit(work))
        location = f"{self.options.root_path}/v1/jobs/{job.id}"
        return shown(job, 202, {"location": location})

    def require_writable(self) -> None:
        """Insist that clients may change something.

        Raises
        ------
        RefusedError
            They may not.
        ReadOnlyError
            Nobody may: the store is for reading alone.
        """
        if self.options.read_only:
            raise RefusedError(
                403, "ReadOnlyError", "this service", "nothing may be changed", "Ask who runs it"
            )
        self.engine.config.store.require_writable()

    def _require_no_writing_job(self) -> None:
        if (job := self.jobs.writing()) is not None:
            raise RefusedError(
                409,
                "StoreLockedError",
                "the store",
                f"a job is writing to it: {job.title} ({job.id})",
                f"Wait until it has ended, or cancel it: DELETE /v1/jobs/{job.id}",
                {"Retry-After": str(self.options.limits.retry_seconds)},
            )

    async def warm_up(self) -> None:
        """Have ready what the first questions would have to wait for."""
        # What fails, fails again for whoever asks, and is told then.
        await asyncio.gather(
            self._first_thumbnails(), self.lessons.run(self.engine.warm_up), return_exceptions=True
        )

    async def _first_thumbnails(self) -> None:
        """Make those that the page shows first, on a screen of ordinary density."""
        limits = self.options.limits
        if FIRST_SIDE not in limits.thumbnail_sides or not limits.thumbnail_bytes:
            return
        page = await self.reads.run(lambda: self.engine.images.page(limit=FIRST_THUMBNAILS))
        for image in page.images:
            with suppress(EngineError):
                await self.pictures.run(partial(self.thumbnails.of, image, FIRST_SIDE))

    def begin_closing(self) -> None:
        """Stop the job that runs, and end what only tells of jobs."""
        self.jobs.begin_closing()

    def close(self, seconds: float, job_seconds: float | None = None) -> bool:
        """Begin nothing more; return whether all that has begun ended within so many seconds.

        Parameters
        ----------
        job_seconds
            How long the job that runs has to end, where that differs.
        """
        until = time.monotonic() + seconds
        ended = [self.jobs.close(seconds if job_seconds is None else job_seconds)]
        ended += [queue.close(max(0.0, until - time.monotonic())) for queue in self.queues]
        return all(ended)


def _with_fetched(asked: Asked, images: list[bytes]) -> Asked:
    """Return what is asked about with the pictures of its URLs, in the order of `all_urls`."""
    count, without = len(asked.urls), asked.without
    if without is not None:
        without = replace(without, images=[*without.images, *images[count:]])
    return replace(asked, images=[*asked.images, *images[:count]], without=without)
