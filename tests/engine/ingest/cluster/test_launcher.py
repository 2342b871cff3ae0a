"""Where workers can run, and what is said where they cannot."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from engine import Config, UsageError
from engine.errors import ClusterError
from engine.ingest.cluster.launcher import LAUNCHERS, Losses, launcher_for


@pytest.mark.parametrize("address", ["local", "ray://127.0.0.1:10001", "ray://head:6379"])
def test_an_address_names_a_launcher(address: str) -> None:
    assert launcher_for(address)
    assert address.partition("://")[0] in LAUNCHERS


@pytest.mark.parametrize(
    "address", ["", "loc", "local://x", "ray", "ray://", "http://head:1", "x y"]
)
def test_any_other_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="this is no cluster"):
        launcher_for(address)


def test_ray_needs_a_catalog_that_its_machines_can_reach(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"folder of this machine.*postgresql://"):
        launcher_for("ray://127.0.0.1:10001").require_reachable(Config.at(tmp_path / "store"))


@pytest.mark.parametrize("rest", ["", ":x", ":99999999"])
def test_a_cluster_that_cannot_be_reached_is_told_at_once(tmp_path: Path, rest: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"ray://127.0.0.1{rest or ':' + str(unused.getsockname()[1])}"
        config = Config.at("postgresql://nobody@127.0.0.1/nothing", data=tmp_path)
        with pytest.raises(ClusterError, match="cannot be reached"):
            launcher_for(address).require_reachable(config)


def test_workers_may_die_so_often_and_no_more() -> None:
    losses = Losses(2)
    losses.add("of signal 9")
    losses.add("of signal 9")
    with pytest.raises(ClusterError, match="again and again, the last one because of signal 11"):
        losses.add("of signal 11")


def test_of_what_a_worker_says_itself_the_second_time_is_enough() -> None:
    losses = Losses(5)
    losses.add("the weights are not here", told=True)
    with pytest.raises(ClusterError, match="the weights are not here"):
        losses.add("the weights are not here", told=True)


def test_what_goes_on_may_lose_workers_for_ever() -> None:
    losses = Losses(1)
    for _ in range(5):
        losses.add("of signal 9")
        losses.forget()
