"""What the routes of one service share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from engine import Engine
from server.metrics import Metrics
from server.options import ServerOptions
from server.problems import RefusedError
from server.work_queue import WorkQueue

Result = TypeVar("Result")


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
        Does what embeds a picture.
    reads
        Does what only reads the catalog.
    changes
        Changes the store, one after the other.
    metrics
        Counts.
    """

    engine: Engine
    options: ServerOptions
    pictures: WorkQueue
    reads: WorkQueue
    changes: WorkQueue
    metrics: Metrics = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", Metrics((self.pictures, self.reads, self.changes)))

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
            WorkQueue("changes", 1, limits.changes_waiting, wait),
        )

    async def read(self, question: Callable[[Engine], Result]) -> Result:
        """Return the engine's answer to a question that embeds no picture."""
        return await self.reads.run(lambda: question(self.engine))

    async def look(self, question: Callable[[Engine], Result]) -> Result:
        """Return the engine's answer to a question that embeds pictures."""
        return await self.pictures.run(lambda: question(self.engine))

    async def change(self, change: Callable[[Engine], Result]) -> Result:
        """Change the store.

        Raises
        ------
        RefusedError
            The service is for reading alone.
        """
        if self.options.read_only:
            raise RefusedError(
                403, "ReadOnlyError", "this service", "nothing may be changed", "Ask who runs it"
            )
        return await self.changes.run(lambda: change(self.engine))

    def close(self) -> None:
        """Wait for what has begun."""
        self.pictures.close()
        self.reads.close()
        self.changes.close()
