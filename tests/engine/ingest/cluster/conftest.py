"""A shop whose pictures workers index: in this process, where no process is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from engine import Config, Engine, IndexReport, IngestOptions, Reporter
from engine.heads.classifier import Classifier
from engine.ingest.cluster.driver import ClusterRun
from engine.ingest.cluster.job import MakeEmbedder, ShardJob
from engine.ingest.cluster.launcher import Launcher
from engine.ingest.cluster.options import ClusterOptions
from engine.ingest.cluster.worker import ShardWorker
from engine.ingest.indexer import Indexer
from engine.ingest.labels.labels import label_rule
from engine.progress import SILENT
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from tests.support.shop import put

PICTURES = 10
QUICK = ClusterOptions(shard_images=3, poll_seconds=0.01)
Work = Callable[[ShardJob], None]


def work_once(job: ShardJob) -> None:
    """Be the only worker, until nothing is left to do."""
    ShardWorker(job, "this process", lambda: False).work()


@dataclass
class HereLauncher:
    """Starts one worker after the other in this process, when the driver looks at them.

    Attributes
    ----------
    works
        What each does; the last one is started again and again.
    """

    works: list[Work] = field(default_factory=lambda: [work_once])
    stopped: bool = False
    job: ShardJob | None = None

    def require_reachable(self, config: Config) -> None:
        """Need nothing."""

    def start(self, job: ShardJob) -> HereLauncher:
        """Note what is to be done."""
        self.job = job
        return self

    def check(self, *, goes_on: bool) -> list[str]:
        """Let the next worker work."""
        assert self.job is not None
        work = self.works.pop(0) if len(self.works) > 1 else self.works[0]
        work(self.job)
        return []

    def stop(self) -> None:
        """Note it."""
        self.stopped = True


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Ten pictures in two folders, long untouched."""
    for number in range(PICTURES):
        put(tmp_path / "shop" / ("bed" if number % 2 else "lamp") / f"{number}.bmp", number + 1)
    return tmp_path / "shop"


Index = Callable[..., IndexReport]


@pytest.fixture
def index(tmp_path: Path, folder: Path) -> Index:
    """Index the shop by workers that a launcher starts, as `Engine.index` does."""

    def run(
        launcher: Launcher | None = None,
        *,
        store: str = "store",
        label: str | None = None,
        options: ClusterOptions = QUICK,
        exclude: Sequence[str] = (),
        verify: bool = False,
        archives: bool = False,
        reporter: Reporter = SILENT,
        root: Path = folder,
        make_embedder: MakeEmbedder = FakeEmbedder,
    ) -> IndexReport:
        config = Config.at(tmp_path / store)
        embedder = FakeEmbedder(config, reporter)
        config.store.make()
        launcher = launcher or HereLauncher()
        ingest = IngestOptions(tuple(exclude), verify=verify, archives=archives)
        run = ClusterRun(launcher, config, options, label, ingest, make_embedder)
        with (
            Catalog.create(config.store.catalog, embedder.identity) as catalog,
            config.store.writer_lock(),
        ):
            indexer = Indexer(
                catalog,
                embedder,
                label_rule(label),
                lambda: Classifier(embedder.built_in, []),
                options=ingest,
            )
            run.index(catalog, indexer, [str(root)], reporter)
            return indexer.report(1.0)

    return run


NewEngine = Callable[[str], Engine]


@pytest.fixture
def engine_on(tmp_path: Path) -> Iterator[NewEngine]:
    """Return an engine with the fake backbone on a store of a name."""
    with ExitStack() as open_engines:

        def make(name: str) -> Engine:
            config = Config.at(tmp_path / name)
            return open_engines.enter_context(Engine(config, embedder=FakeEmbedder(config)))

        yield make
