"""A worker: it claims shards of a run and does them until none is left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event, Thread

from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.errors import EngineError
from engine.heads.classifier import Classifier
from engine.heads.stored import StoredHeads
from engine.ingest.batch_writer import KnownHashes
from engine.ingest.cluster.job import ShardJob
from engine.ingest.cluster.patience import Patience
from engine.ingest.cluster.shard import WHOLE, embed_shard
from engine.progress import Reporter, Stopped
from index.catalog.catalog import Catalog
from index.catalog.shards import Claim
from index.errors import (
    CatalogDamagedError,
    CatalogVersionError,
    DiskFullError,
    LeaseLostError,
    ReadOnlyError,
)

STORE_IS_UNUSABLE = (CatalogDamagedError, CatalogVersionError, DiskFullError, ReadOnlyError)


class _Listener(Reporter):
    """Hears how far a shard has come, and ends it where that is of no use any more."""

    def __init__(self, stopped: Callable[[], bool]) -> None:
        self._stopped = stopped
        self.done = 0
        self.lost = Event()

    def announce(self, text: str) -> None:
        """Say nothing: the driver has said the same."""

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Note it; raise where the worker is to stop, or has lost its shard."""
        if task == "indexing":
            self.done = done
        if self.lost.is_set() or self._stopped():
            raise Stopped


class ShardWorker:
    """A process's part in a run.

    Parameters
    ----------
    name
        Of the worker, for people: its machine and process.
    stopped
        Says whether it is to end, also in the middle of a shard.
    """

    def __init__(self, job: ShardJob, name: str, stopped: Callable[[], bool]) -> None:
        self._job = job
        self._name = name
        self._stopped = stopped
        self._listener = _Listener(stopped)
        self._heads = StoredHeads()
        self._patience = Patience(job.options.outage_seconds, stopped)

    def work(self) -> int:
        """Do shards until the run is over; return how many this worker has finished.

        Raises
        ------
        EngineError
            The backbone is not here, or the catalog cannot be reached any more.
        """
        catalog = self._patience.until_it_answers(self._opened)
        try:
            return self._work(catalog)
        finally:
            catalog.close()

    def _opened(self) -> Catalog:
        return Catalog.open(self._job.config.store.catalog)

    def _work(self, catalog: Catalog) -> int:
        embedder, run = self._embedder(catalog), self._job.run
        hashes = KnownHashes(catalog, WHOLE)
        finished = after = 0
        while not self._stopped():
            claim = self._patience.until_it_answers(partial(self._claim, catalog, after))
            if claim is not None:
                after = claim.shard
                finished += self._done(catalog, embedder, hashes, claim)
            elif self._patience.until_it_answers(partial(catalog.shards.is_open, run)):
                # Somebody else's shard may still come back.
                time.sleep(self._job.options.poll_seconds)
            else:
                break
        return finished

    def _embedder(self, catalog: Catalog) -> Embedder:
        config, make = self._job.config, self._job.make_embedder
        if make is not None:
            return make(config, self._listener)
        return choose_embedder(config, catalog.identity, self._listener, catalog.network)

    def _claim(self, catalog: Catalog, after: int) -> Claim | None:
        job = self._job
        most = job.options.most_attempts
        return catalog.shards.claim(job.run, self._name, job.lease, after=after, most_attempts=most)

    def _done(
        self, catalog: Catalog, embedder: Embedder, hashes: KnownHashes, claim: Claim
    ) -> bool:
        """Do one shard; return whether this worker has finished it."""

        def classifier() -> Classifier:
            return Classifier(embedder.built_in, self._heads.read(catalog, lambda text: None))

        try:
            with self._leased(catalog, claim):
                embed_shard(catalog, embedder, classifier, hashes, claim, self._job)
            return True
        except LeaseLostError:
            return False
        except Stopped:
            self._give_back(catalog, claim)
            return False
        except STORE_IS_UNUSABLE:
            # No other shard would fare better: it is not this one that has failed.
            self._give_back(catalog, claim)
            raise
        except EngineError as error:
            if not self._patience.is_outage(error):
                self._failed(catalog, claim, error)
                return False
            # Whatever was committed is done; whatever was not is claimed again.
            self._patience.until_it_answers(lambda: catalog.shards.release(claim))
            return False

    def _failed(self, catalog: Catalog, claim: Claim, error: EngineError) -> None:
        with suppress(LeaseLostError):
            self._patience.until_it_answers(lambda: catalog.shards.fail(claim, str(error)))

    def _give_back(self, catalog: Catalog, claim: Claim) -> None:
        with suppress(EngineError):
            catalog.shards.release(claim)

    @contextmanager
    def _leased(self, catalog: Catalog, claim: Claim) -> Iterator[None]:
        """Renew a claim for the length of a `with` block."""
        self._listener.done = 0
        self._listener.lost.clear()
        over = Event()
        beat = Thread(target=self._renew, args=(catalog, claim, over), name="lease", daemon=True)
        beat.start()
        try:
            yield
        finally:
            over.set()
            beat.join()

    def _renew(self, catalog: Catalog, claim: Claim, over: Event) -> None:
        pause = min(2.0, self._job.options.lease_seconds / 4)
        while not over.wait(pause):
            try:
                if not catalog.shards.renew(claim, self._job.lease, self._listener.done):
                    # Or finished just now: then nobody listens any more.
                    self._listener.lost.set()
                    return
            except EngineError:
                continue  # the database is away: the lease lasts for a while
