"""Workers that are processes: each can be killed, and what it was at is done by another."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.context import SpawnProcess
from pathlib import Path

import pytest

from engine import Config, Engine, IndexReport, Reporter
from engine.errors import ClusterError, WeightsUnreachableError
from engine.ingest.cluster.job import ShardJob
from engine.ingest.cluster.local import LocalLauncher, LocalWorkers
from engine.pictures.preprocess import Pixels
from engine.testing import FakeEmbedder
from index.records import Vectors
from tests.engine.ingest.cluster.conftest import PICTURES, QUICK
from tests.support.catalogs import contents
from tests.support.shop import counts

Index = Callable[..., IndexReport]
NewEngine = Callable[[str], Engine]
pytestmark = pytest.mark.slow


@dataclass
class KillingLauncher(LocalLauncher):
    """Kills the first worker of a run, and all that `more` says."""

    more: int = 0
    killed: list[int] = field(default_factory=list)

    def start(self, job: ShardJob) -> LocalWorkers:
        """Start workers of which some are dead before they have begun."""
        launcher, workers = self, super().start(job)

        class Killed(LocalWorkers):
            def check(self, *, goes_on: bool) -> list[str]:
                if len(launcher.killed) <= launcher.more:
                    victim = self.processes[0]
                    os.kill(victim, signal.SIGKILL)
                    launcher.killed.append(victim)
                    self._workers[0][0].join()
                return super().check(goes_on=goes_on)

        workers.__class__ = Killed
        return workers


def test_killed_workers_cost_no_picture(index: Index, engine_on: NewEngine, folder: Path) -> None:
    launcher = KillingLauncher(more=1)
    assert counts(index(launcher)) == {"added": PICTURES, "embedded": PICTURES}
    assert len(launcher.killed) == 2
    engine_on("other").index([folder])
    assert contents(engine_on("store")) == contents(engine_on("other"))


def _holds_back_ctrl_c(pid: int) -> bool:
    """Say whether a process blocks or ignores SIGINT at this moment."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    masks = dict(line.split(":", 1) for line in lines)
    held = int(masks["SigBlk"], 16) | int(masks["SigIgn"], 16)
    return bool(held >> (signal.SIGINT - 1) & 1)


class WatchedLauncher(LocalLauncher):
    """Notes whether workers that were just started would die of Ctrl-C, with a traceback."""

    def start(self, job: ShardJob) -> LocalWorkers:
        """Start workers, and look at them at once."""
        workers = super().start(job)
        self.safe = [_holds_back_ctrl_c(pid) for pid in workers.processes]
        return workers


def test_ctrl_c_is_held_back_from_workers_from_the_beginning(index: Index) -> None:
    launcher = WatchedLauncher()
    index(launcher)
    assert launcher.safe == [True, True]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == set()


def test_one_that_cannot_be_started_leaves_none_behind(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, started = SpawnProcess.start, []

    def at_most_one(self: SpawnProcess) -> None:
        if started:
            raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
        started.append(self)
        start(self)

    monkeypatch.setattr(SpawnProcess, "start", at_most_one)
    with pytest.raises(ClusterError, match="Name fewer of them"):
        index(LocalLauncher())
    assert multiprocessing.active_children() == []


class TerminatedOnce(FakeEmbedder):
    """Is asked to end in the middle of its first shard, by whoever did not start it."""

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        """Embed, and be asked to end where that has not happened yet."""
        asked = self.config.store.folder / "asked"
        if not asked.exists():
            asked.touch()
            os.kill(os.getpid(), signal.SIGTERM)
        return super().embed(inputs)


def test_a_worker_that_another_one_ended_is_started_anew(index: Index) -> None:
    options = replace(QUICK, workers=1, stall_seconds=20.0)
    assert index(LocalLauncher(), options=options, make_embedder=TerminatedOnce).added == PICTURES


class Unreachable(FakeEmbedder):
    """A backbone that no worker has."""

    def __init__(self, config: Config, reporter: Reporter) -> None:
        raise WeightsUnreachableError("weights", "they are not on this machine", "Fetch them")


def test_what_ends_every_worker_is_told_once(
    engine_on: NewEngine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = engine_on("store")
    monkeypatch.setattr(FakeEmbedder, "maker", Unreachable)
    clustered = Engine(
        Config.at(engine.config.store.folder, cluster="local"), embedder=FakeEmbedder(engine.config)
    )
    with clustered, pytest.raises(ClusterError, match="they are not on this machine"):
        clustered.index([folder])


def test_the_engine_indexes_by_processes_where_it_is_asked_to(
    engine_on: NewEngine, folder: Path, tmp_path: Path
) -> None:
    config = Config.at(tmp_path / "store", cluster="local")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        assert counts(engine.index([folder])) == {"added": PICTURES, "embedded": PICTURES}
        assert len(engine.search(next(folder.rglob("*.bmp")), k=PICTURES)) == PICTURES
    engine_on("other").index([folder])
    assert contents(engine) == contents(engine_on("other"))
