"""What a worker is told: where the catalog is, which run it works for, and how."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from engine.config import Config
from engine.embedding.embedder import Embedder
from engine.ingest.cluster.options import ClusterOptions
from engine.ingest.results import Outcome
from engine.progress import Reporter
from engine.skipped import Skipped
from index.shards import Run

# Makes a worker's embedder; None for the catalog's own.
MakeEmbedder: TypeAlias = Callable[[Config, Reporter], Embedder]


@dataclass(frozen=True, slots=True)
class ShardJob:
    """The work of a run, as it is sent to every worker; it holds no picture and no embedding.

    Attributes
    ----------
    config
        How to work. A worker on another machine takes that machine's folders.
    run
        Whose shards are to be done.
    label
        The rule by which members of archives get labels, as `Engine.index` takes it.
    verify
        Open every file, also those that look unchanged.
    """

    config: Config
    run: Run
    options: ClusterOptions
    label: str | None = None
    verify: bool = False
    make_embedder: MakeEmbedder | None = None

    @property
    def lease(self) -> timedelta:
        """How long a shard is claimed for."""
        return timedelta(seconds=self.options.lease_seconds)


def outcome_text(outcome: Outcome) -> str:
    """Return an outcome as JSON, for the ledger."""
    facts = {
        "counts": dict(outcome.counts),
        "embedded": outcome.embedded,
        "skipped": [asdict(each) for each in outcome.skipped],
        "remarks": outcome.remarks,
    }
    return json.dumps(facts)


def outcome_of(text: str) -> Outcome:
    """Return the outcome that was written as `text`."""
    facts: Mapping[str, Any] = json.loads(text)
    skipped: Sequence[Skipped] = [Skipped(**each) for each in facts["skipped"]]
    return Outcome(facts["counts"], facts["embedded"], skipped, facts["remarks"])
