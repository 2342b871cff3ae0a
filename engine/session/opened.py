"""What a session holds open, shared by all that report to somebody else."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

from engine.progress import Reporter
from engine.session.current_index import CurrentIndex

if TYPE_CHECKING:
    from engine.embedding.embedder import Embedder
    from engine.embedding.warmup import WarmUp
    from engine.heads.stored import StoredHeads
    from engine.session.pool import PoolReader
    from index.catalog.catalog import Catalog


@dataclass(slots=True)
class Opened:
    """The open resources of one store, exchanged under the lock of the process alone.

    Attributes
    ----------
    index
        There from the beginning, with nothing open.
    reporter
        Hears of what no verb is asked for in particular.
    embedder_given
        To be used instead of the backbone that the configuration names.
    pid, locks
        The process that it belongs to, and the lock of each process.
    passing
        The embedder was chosen while there was no catalog.
    writer
        The process and the thread that hold the store's writer lock, if these are ours.
    """

    index: CurrentIndex
    reporter: Reporter
    embedder_given: Embedder | None
    pid: int = field(default_factory=os.getpid)
    locks: dict[int, Any] = field(init=False)
    catalog: Catalog | None = None
    heads: StoredHeads | None = None
    embedder: Embedder | None = None
    passing: bool = False
    backbone_warm_up: WarmUp | None = None
    pool: PoolReader | None = None
    writer: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        self.locks = {self.pid: RLock()}
