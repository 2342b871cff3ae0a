"""How a run is divided, and when a worker or a cluster is given up."""

from __future__ import annotations

from dataclasses import dataclass, fields

from engine.config import require_number

# Of a run with few files so many shards are made, for workers to end at about the same time; of one
# with many, each is as large as is worth losing.
SHARDS, LEAST_IMAGES, MOST_IMAGES = 64, 32, 1000


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How a run on a cluster goes about it.

    Attributes
    ----------
    workers
        How many processes embed; None for as many as there is room for.
    shard_images
        Pictures of a shard: what is lost with a worker, and what a transaction holds. None for as
        many as share the work out evenly, and at most 1,000.
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
    shard_images: int | None = None
    lease_seconds: float = 60.0
    poll_seconds: float = 0.3
    stall_seconds: float = 900.0
    outage_seconds: float = 300.0
    most_attempts: int = 3
    retry_failed: bool = False

    def images_of(self, files: int) -> int:
        """Return how many pictures a shard has where there are so many files."""
        return self.shard_images or max(LEAST_IMAGES, min(MOST_IMAGES, files // SHARDS))

    def __post_init__(self) -> None:
        for each in fields(self):
            value = getattr(self, each.name)
            if each.name != "retry_failed" and value is not None:
                whole = each.name in ("workers", "shard_images", "most_attempts")
                require_number(each.name, value, 1 if whole else 0, whole=whole)
