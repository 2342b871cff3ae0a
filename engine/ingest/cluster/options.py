"""How a run is divided, and when a worker or a cluster is given up."""

from __future__ import annotations

from dataclasses import dataclass, fields

from engine.config import require_number


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a run on a cluster goes about it.

    Attributes
    ----------
    workers
        How many processes embed; None for as many as there is room for.
    shard_images
        Pictures of a shard: what is lost with a worker, and what a transaction holds.
    lease_seconds
        A worker that is not heard of for so long has lost its shard.
    poll_seconds
        How often the driver looks at the ledger.
    stall_seconds
        A run in which nothing is finished for so long is given up; the next one goes on with it.
    outage_seconds
        How long a worker, and the driver, wait for a database that does not answer.
    most_attempts
        A shard that was given to so many workers and finished by none has failed.
    retry_failed
        Try again shards that failed in an earlier run.

    Raises
    ------
    UsageError
        One has a value that it cannot have.
    """

    workers: int | None = None
    shard_images: int = 1000
    lease_seconds: float = 60.0
    poll_seconds: float = 0.3
    stall_seconds: float = 900.0
    outage_seconds: float = 300.0
    most_attempts: int = 3
    retry_failed: bool = False

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name != "retry_failed" and value is not None:
                whole = each.name in ("workers", "shard_images", "most_attempts")
                require_number(each.name, value, 1 if whole else 0, whole=whole)
