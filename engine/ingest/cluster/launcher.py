"""Where workers run: on this machine, or on those of a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from engine.config import Config
from engine.errors import ClusterError, UsageError
from engine.ingest.cluster.job import ShardJob


class Workers(Protocol):
    """The workers of a run that has begun."""

    def check(self, *, goes_on: bool) -> Sequence[str]:
        """Start anew those that have died; return the names of these, as far as they are known.

        Parameters
        ----------
        goes_on
            Whether anything was done since the last time.

        Raises
        ------
        ClusterError
            They die again and again; it says of what.
        """

    def stop(self) -> None:
        """End them all; shards that they were at are given back, or taken when leases run out."""


class Launcher(Protocol):
    """Starts workers."""

    def require_reachable(self, config: Config) -> None:
        """Insist that workers can be started, and can reach the catalog.

        Raises
        ------
        UsageError, ClusterError
            They cannot.
        """

    def start(self, job: ShardJob) -> Workers:
        """Start the workers of a run."""


def _local(address: str) -> Launcher:
    from engine.ingest.cluster.local import LocalLauncher

    return LocalLauncher()


def _ray(address: str) -> Launcher:
    from engine.ingest.cluster.ray import RayLauncher

    return RayLauncher(address)


Make: TypeAlias = Callable[[str], Launcher]
# By what an address begins with.
LAUNCHERS: Mapping[str, Make] = {"local": _local, "ray": _ray}


def launcher_for(address: str) -> Launcher:
    """Return who starts workers at an address: `local`, or `ray://HOST:PORT`.

    Raises
    ------
    UsageError
        It is neither.
    """
    scheme, colon, rest = address.partition("://")
    known = LAUNCHERS.get(scheme)
    if known is None or bool(rest) != (scheme != "local") or (colon and not rest):
        raise UsageError(
            f"--cluster {address!r}",
            "this is no cluster",
            "Use local, for processes of this machine, or ray://HOST:10001",
        )
    return known(address)


class Losses:
    """How often workers have died since anything was finished.

    Parameters
    ----------
    most
        So often is too often.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._count = 0

    def add(self, reason: str, *, told: bool = False) -> None:
        """Count one more.

        Parameters
        ----------
        told
            The worker has said so itself: another one would most likely say the same.

        Raises
        ------
        ClusterError
            It is one too many.
        """
        self._count += self._most if told else 1
        if self._count > self._most:
            raise ClusterError(
                "the workers",
                f"they end again and again, the last one because {reason}",
                "What was finished is kept. Mend that, and run the command again",
            )

    def forget(self) -> None:
        """Begin to count anew."""
        self._count = 0
