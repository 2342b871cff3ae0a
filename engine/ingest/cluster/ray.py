"""Workers that are actors of a Ray cluster: Ray places them, the ledger says what they do.

Nothing travels through Ray's object store but a `ShardJob`. Where an actor or its node is lost, the
driver starts another one, which claims what is left; actors end with the driver.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from threading import Thread
from typing import Any

from engine.config import Config, cache_folder, data_folder, quarter_of_memory, usable_cores
from engine.errors import ClusterError, EngineError, UsageError
from engine.ingest.cluster.job import ShardJob
from engine.ingest.cluster.launcher import Losses
from engine.ingest.cluster.local import worker_name
from index.errors import briefly

INSTALL = "Run pip install 'image-engine[ray]' here and on every machine of the cluster"
# A port on which Ray's client server listens; on any other one its GCS does.
CLIENT_PORT = "10001"
# A worker's cores, as `local` has them; one of each machine is left to Ray itself.
MOST_CORES = 4
CONNECT_SECONDS, POLL_SECONDS = 30.0, 0.3
# A cluster that grows by need has no machine at first.
GROW_SECONDS = 120.0
END_SECONDS = 15.0
# So many actors may be lost before anything is done.
LOSSES = 20


class RayLauncher:
    """Starts actors.

    Parameters
    ----------
    address
        `ray://HOST:PORT`.
    """

    def __init__(self, address: str) -> None:
        self._address = address

    def require_reachable(self, config: Config) -> None:
        """Insist on a catalog that other machines can reach, and on a cluster that answers.

        Raises
        ------
        UsageError
            The catalog is a file of this machine, or Ray is not installed.
        ClusterError
            The cluster does not answer.
        """
        if config.store.catalog_url is None:
            raise UsageError(
                f"--cluster {self._address}",
                f"the store {config.store.name} is a folder of this machine, which the cluster's "
                "workers cannot share",
                "Name a database: --store postgresql://user@host/name",
            )
        self._connect()

    def start(self, job: ShardJob) -> RayWorkers:
        """Start as many actors as there is room for."""
        ray = self._connect()
        return RayWorkers(ray, job)

    def _connect(self) -> Any:
        ray = _ray()
        if ray.is_initialized():
            return ray
        host, _, port = self._address.removeprefix("ray://").rpartition(":")
        _require_listening(self._address, host, port)
        client = port == CLIENT_PORT
        settings: dict[str, Any] = {"address": self._address if client else f"{host}:{port}"}
        if not client and host in ("127.0.0.1", "localhost"):
            settings["_node_ip_address"] = "127.0.0.1"
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        try:
            ray.init(
                **settings, log_to_driver=False, logging_level="ERROR", configure_logging=False
            )
        except Exception as error:  # Ray has no root of its errors
            raise _unreachable(self._address, f"{type(error).__name__}: {error}") from None
        return ray


class RayWorkers:
    """Actors that were started for a run."""

    def __init__(self, ray: Any, job: ShardJob) -> None:
        self._ray, self._job = ray, job
        self._cores = _cores_of_each(_free_cores(ray))
        self._actor = _actor_class(ray, self._cores)
        self._losses = Losses(LOSSES)
        self._running: dict[Any, Any] = {}
        self._end = 10 * job.options.poll_seconds
        self._fill()

    def _fill(self) -> None:
        """Start as many actors as there is room for: machines come and go."""
        room = sum(count // self._cores for count in _free_cores(self._ray, wait=0))
        while len(self._running) < (self._job.options.workers or room):
            actor = self._actor.remote()
            self._running[actor.work.remote(self._job, self._cores)] = actor

    def check(self, *, goes_on: bool) -> tuple[str, ...]:
        """Start anew the actors that have died for good; their leases run out by themselves.

        Raises
        ------
        ClusterError
            They die again and again, or the cluster is gone.
        """
        if goes_on:
            self._losses.forget()
        try:
            ended, _ = self._ray.wait(
                list(self._running), num_returns=len(self._running), timeout=0
            )
        except Exception as error:
            raise ClusterError(
                "the cluster", f"it is gone ({type(error).__name__})", "Run the command again"
            ) from None
        for work in ended:
            self._running.pop(work)
            try:
                told = self._ray.get(work)
                if told is not None:
                    self._losses.add(told, told=True)
            except ClusterError:
                raise
            except Exception as error:  # Ray has no root of its errors
                self._losses.add(_brief(error))
        self._fill()
        return ()

    def stop(self) -> None:
        """End them all, and leave the cluster; one that is gone is not waited for."""
        leaving = Thread(target=self._leave, name="leave", daemon=True)
        leaving.start()
        leaving.join(END_SECONDS)

    def _leave(self) -> None:
        with suppress(Exception):  # Ray has no root of its errors, and the cluster may be gone
            # Where the run is over they end by themselves: Ray tells everybody of what is killed.
            self._ray.wait(list(self._running), num_returns=len(self._running), timeout=self._end)
        with suppress(Exception):
            self._ray.shutdown()


def _actor_class(ray: Any, cores: int) -> Any:
    """Return the class of actors of so many cores."""

    class EmbedShard:
        """A process that does shards."""

        def work(self, job: ShardJob, cores: int) -> str | None:
            """Do shards until none is left; return why that was not possible."""
            return work_elsewhere(job, cores)

    return ray.remote(num_cpus=cores, max_restarts=0)(EmbedShard)


def work_elsewhere(job: ShardJob, cores: int) -> str | None:
    """Be a worker on any machine, with its own folders; return why that was not possible."""
    from engine.ingest.cluster.worker import ShardWorker

    config = replace(
        job.config,
        cache=cache_folder(),
        data=data_folder(),
        threads=cores,
        decoders=max(2, cores),
        # As many workers as this machine has room for share its memory.
        decode_bytes=max(1, quarter_of_memory() * cores // max(cores, usable_cores())),
    )
    try:
        ShardWorker(replace(job, config=config), worker_name(os.getpid()), lambda: False).work()
    except EngineError as error:
        return str(error)
    return None


def _brief(error: Exception) -> str:
    """Return what an error of Ray comes to: its texts hold whole tracebacks."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"of {type(error).__name__} ({briefly(lines[-1] if lines else '')})"


def _free_cores(ray: Any, wait: float = GROW_SECONDS) -> list[int]:
    """Return how many cores each machine has for workers; one is left to Ray where it has several.

    Raises
    ------
    ClusterError
        After so many seconds none has any.
    """
    until = time.monotonic() + wait
    while True:
        nodes: list[Mapping[str, Any]] = [node for node in ray.nodes() if node.get("Alive")]
        cpus = [int(node["Resources"].get("CPU", 0)) for node in nodes]
        free = [max(1, count - 1) for count in cpus if count]
        if free or not wait:
            return free
        if time.monotonic() > until:
            raise ClusterError(
                "the cluster", "none of its machines has a core to work on", "Add one: ray start"
            )
        time.sleep(POLL_SECONDS)


def _cores_of_each(free: list[int]) -> int:
    """Return how many cores a worker is to have."""
    return min(MOST_CORES, *free)


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise UsageError("--cluster", "Ray is not installed", INSTALL) from None
    return ray


def _require_listening(address: str, host: str, port: str) -> None:
    """Insist that something listens there: Ray itself would wait for minutes."""
    try:
        with socket.create_connection((host, int(port)), CONNECT_SECONDS):
            pass
    except (OSError, ValueError, OverflowError) as error:
        raise _unreachable(address, str(error)) from None


def _unreachable(address: str, reason: str) -> ClusterError:
    return ClusterError(
        f"--cluster {address}",
        f"the cluster cannot be reached ({reason.splitlines()[0] if reason else 'no answer'})",
        "Check the address, and that `ray status` there tells of live nodes",
    )
