"""The backbone loaded in the background: the same one, or none at all, and never in silence."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from engine import Config, Engine
from engine.embedding.embedder import choose_embedder
from engine.embedding.warmup import start_early
from engine.errors import EngineError
from engine.progress import SILENT, Reporter
from engine.runtimes.openvino_export import Converted
from engine.session import Session
from index.catalog.catalog import Catalog
from index.records import CatalogIdentity


@pytest.fixture
def config(tmp_path: Path, converted: Converted) -> Config:
    """An empty catalog of the embedded backbone, whose files lie ready in the cache."""
    config = Config.at(tmp_path / "store")
    config.store.make()
    identity = choose_embedder(config, None, SILENT).identity
    Catalog.create(config.store.catalog, identity).close()
    return config


def identity_in(config: Config) -> CatalogIdentity:
    with Catalog.open(config.store.catalog) as catalog:
        return catalog.identity


def test_the_catalog_s_backbone_is_started_early(config: Config) -> None:
    early = start_early(config)
    assert early is not None
    embedder = early.embedder(identity_in(config))
    assert embedder is not None and embedder.identity == identity_in(config)


def test_a_session_works_with_the_backbone_that_was_started_early(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(config, SILENT, None)
    session.warm_up()
    monkeypatch.setattr("engine.embedding.embedder.choose_embedder", _never)
    assert session.embedder().identity == identity_in(config)
    session.close()


def _never(*arguments: object) -> None:
    raise AssertionError("the backbone was chosen a second time")


def test_a_backbone_started_early_is_not_taken_for_another_catalog(config: Config) -> None:
    early = start_early(config)
    assert early is not None
    assert early.embedder(replace(identity_in(config), fingerprint="0" * 64)) is None
    assert early.embedder(None) is None


def test_without_a_store_nothing_is_started(tmp_path: Path) -> None:
    assert start_early(Config.at(tmp_path / "store")) is None


def test_torch_is_not_started_early(config: Config) -> None:
    assert start_early(replace(config, runtime="torch")) is None


def test_what_cannot_be_chosen_is_told_later_and_not_by_the_early_start(config: Config) -> None:
    assert start_early(replace(config, backbone="no such backbone")) is None


def test_what_must_be_announced_is_left_to_the_foreground(config: Config, tmp_path: Path) -> None:
    """A fresh cache wants the backbone converted, which is announced and takes seconds."""
    fresh = replace(config, cache=tmp_path / "cache")
    early = start_early(fresh)
    assert early is not None and early.embedder(identity_in(fresh)) is None
    assert not fresh.cache.exists()


class Listener(Reporter):
    """Remembers in which thread something was announced."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, threading.Thread]] = []

    def announce(self, text: str) -> None:
        self.heard.append((text, threading.current_thread()))


@pytest.mark.slow
def test_the_foreground_announces_it(config: Config, tmp_path: Path, drawn: Path) -> None:
    listener = Listener()
    with Engine(replace(config, cache=tmp_path / "cache"), listener) as engine:
        assert engine.classify(drawn / "bed" / "bed-0001.jpg")
    assert listener.heard == [
        ("preparing efficientnet_lite0 for this machine (once)", threading.current_thread())
    ]


def test_an_error_in_the_background_is_raised_where_the_backbone_is_needed(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.embedding.embedder.open_runtime", _broken)
    early = start_early(config)
    assert early is not None
    with pytest.raises(EngineError, match="the cache is gone"):
        early.embedder(identity_in(config))


def _broken(*arguments: object, **settings: object) -> None:
    raise EngineError("models", "the cache is gone", "Bring it back")


def test_the_background_ends_by_itself(config: Config) -> None:
    early = start_early(config)
    assert early is not None
    early.embedder(identity_in(config))
    threads = [each for each in threading.enumerate() if each.name.startswith("backbone")]
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads)
