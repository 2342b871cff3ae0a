"""The driver of a run: it writes the ledger, keeps workers alive, and watches until all is done."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from secrets import token_hex

from engine.config import Config
from engine.errors import ClusterError
from engine.ingest.cluster.job import MakeEmbedder, ShardJob, outcome_of
from engine.ingest.cluster.launcher import Launcher, Workers, launcher_for
from engine.ingest.cluster.options import ClusterOptions
from engine.ingest.cluster.patience import Answer, Patience
from engine.ingest.cluster.plan import listings
from engine.ingest.indexer import Indexer
from engine.ingest.labels.labels import label_rule
from engine.ingest.options import IngestOptions
from engine.ingest.planner import Plan
from engine.progress import Reporter
from engine.skipped import Skipped
from index.catalog.catalog import Catalog
from index.catalog.shards import Progress, Run

AGAIN = "Run `engine index` again: it goes on from there"
# Of the time that the driver takes it spends so much at most with asking how far all is.
ASKED_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class ClusterRun:
    """What a run on a cluster works with.

    Attributes
    ----------
    launcher
        Who starts workers.
    label
        The rule for labels, as `Engine.index` takes it.
    make_embedder
        Makes each worker's embedder; None for the catalog's own.
    """

    launcher: Launcher
    config: Config
    options: ClusterOptions
    label: str | None = None
    ingest: IngestOptions = field(default_factory=IngestOptions)
    make_embedder: MakeEmbedder | None = None

    @classmethod
    def of(
        cls,
        config: Config,
        options: ClusterOptions | None,
        label: str | None,
        ingest: IngestOptions | None,
        make_embedder: MakeEmbedder | None = None,
    ) -> ClusterRun:
        """Return a run on the cluster that a configuration names.

        Raises
        ------
        UsageError
            It names none, or the catalog cannot be reached from there.
        ClusterError
            It does not answer.
        """
        launcher = launcher_for("local" if config.cluster is None else config.cluster)
        launcher.require_reachable(config)
        options, ingest = options or ClusterOptions(), ingest or IngestOptions()
        return cls(launcher, config, options, label, ingest, make_embedder)

    def index(
        self, catalog: Catalog, indexer: Indexer, paths: Sequence[str], reporter: Reporter
    ) -> None:
        """Index everything at or below `paths` by workers; the caller holds the writer's lock.

        Raises
        ------
        ClusterError
            Workers end again and again, nothing goes on any more, or another run has taken over.
        KeyboardInterrupt
            As the user asked; shards that are done are kept.
        """
        # What an earlier run has done of archives, and could not say any more.
        _remember_archives(catalog, catalog.shards.run())
        plan, options = indexer.plan(paths), self.options
        run = Run(token_hex(16), ", ".join(paths), datetime.now(UTC))
        failed = [] if options.retry_failed else catalog.shards.failed_files()
        shards = listings(indexer, plan, failed, options)
        catalog.shards.begin(run, shards, keep=not options.retry_failed)
        with ExitStack() as locks:
            driver = _Driver(catalog, run, options, reporter, locks)
            if catalog.shards.is_open(run):
                with ExitStack() as ending:
                    workers = self.launcher.start(self._job(run, plan))
                    ending.callback(workers.stop)
                    driver.watch(workers)
            driver.finish(indexer, plan)

    def _job(self, run: Run, plan: Plan) -> ShardJob:
        return ShardJob(
            self.config,
            run,
            self.options,
            label_rule(self.label),
            self.ingest,
            plan.roots,
            plan.damaged,
            self.make_embedder,
        )


def _remember_archives(catalog: Catalog, run: Run | None) -> None:
    """Remember the archives that the workers of a run have indexed whole."""
    texts = catalog.shards.reports(run) if run else ()
    archives = [archive for text in texts for archive in outcome_of(text).archives.items()]
    catalog.archives.add(dict(archives))


def _count(catalog: Catalog, run: Run, indexer: Indexer) -> None:
    """Let the report of the driver's indexer tell what the workers have done."""
    # Asked first: whoever asks again after an outage counts nothing twice.
    reports = [outcome_of(text) for text in catalog.shards.reports(run)]
    progress = catalog.shards.progress(run, most_failures=None)
    for report in reports:
        indexer.add(report)
    for failure in progress.failures if progress else ():
        indexer.skip(
            Skipped(
                failure.first,
                f"its shard of {failure.n} files failed: {failure.error}",
                "Mend that, and run `engine index` with --retry-failed",
            )
        )


class _Driver:
    """Watches one run.

    Parameters
    ----------
    run, options
        Which one, and how patient it is.
    locks
        Takes the writer's lock, where that has to be taken again.
    """

    def __init__(
        self,
        catalog: Catalog,
        run: Run,
        options: ClusterOptions,
        reporter: Reporter,
        locks: ExitStack,
    ) -> None:
        self._catalog = catalog
        self._run = run
        self._options = options
        self._reporter = reporter
        self._locks = locks
        self._patience = Patience(options.outage_seconds)
        self._asked_seconds = 0.0

    def watch(self, workers: Workers) -> None:
        """Return when every shard is done or has failed."""
        options = self._options
        before, moved = None, time.monotonic()
        while True:
            progress = self._as_writer(self._progress)
            self._reporter.progress("indexing", progress.done, progress.images, "images")
            if not progress.open:
                return
            now = progress.done, dict(progress.shards)
            goes_on = now != before
            if goes_on:
                before, moved = now, time.monotonic()
            elif time.monotonic() - moved > options.stall_seconds:
                raise ClusterError(
                    "the cluster",
                    f"nothing was finished for {options.stall_seconds:.0f} s "
                    f"({progress.open} shards are open, {len(progress.workers)} workers are at it)",
                    AGAIN,
                )
            for name in workers.check(goes_on=goes_on):
                expire = partial(self._catalog.shards.expire, self._run, name)
                self._patience.until_it_answers(expire)
            time.sleep(max(options.poll_seconds, self._asked_seconds / ASKED_SHARE))

    def finish(self, indexer: Indexer, plan: Plan) -> None:
        """Let the catalog and the report say what the workers have done.

        Raises
        ------
        ClusterError
            Another run has taken over, and knows better what is gone.
        """
        run = self._run
        for step in (
            partial(_remember_archives, self._catalog, run),
            partial(_count, self._catalog, run, indexer),
            partial(indexer.hear_of, plan.archives),
            indexer.hide_gone,
        ):
            self._as_writer(partial(self._unless_replaced, step))

    def _unless_replaced(self, step: Callable[[], None]) -> None:
        """Take a step of this run, which in an outage may have ceased to be the store's."""
        self._progress()
        step()

    def _as_writer(self, ask: Callable[[], Answer]) -> Answer:
        """Return an answer, however long it takes, and be the catalog's writer afterwards."""
        outages = self._patience.outages
        answer = self._patience.until_it_answers(ask)
        if self._patience.outages != outages:
            # A server has forgotten the lock with the connection that held it.
            database = self._catalog.database
            if self._patience.until_it_answers(database.current_writer) is None:
                self._locks.enter_context(database.writer_lock())
        return answer

    def _progress(self) -> Progress:
        began = time.monotonic()
        progress = self._catalog.shards.progress(self._run)
        # Of the answer, and not of an outage before it.
        self._asked_seconds = time.monotonic() - began
        if progress is None:
            raise ClusterError(
                "the cluster", "another run of indexing has taken over this store", AGAIN
            )
        return progress
