"""The backbone loaded in the background: the same one, or none at all, and never in silence."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.embedding.warmup import WarmUp, start_warm_up
from engine.errors import EngineError
from engine.progress import SILENT, Reporter
from engine.runtimes.openvino_export import ExportedModel
from engine.session.session import Session
from index.catalog.catalog import Catalog
from index.records import CatalogIdentity
from tests.support.machine import Machine

pytestmark = pytest.mark.slow


@pytest.fixture
def config(tmp_path: Path, exported: ExportedModel) -> Config:
    """An empty catalog of the embedded backbone, whose files lie ready in the cache.

    By OpenVINO, with or without a GPU: nothing is warmed up for PyTorch.
    """
    config = Config.at(tmp_path / "store", runtime="openvino")
    config.store.make()
    identity = choose_embedder(config, None, SILENT).identity
    Catalog.create(config.store.catalog, identity).close()
    return config


def identity_in(config: Config) -> CatalogIdentity:
    with Catalog.open(config.store.catalog) as catalog:
        return catalog.identity


def test_the_catalog_s_backbone_is_loaded_in_the_background(config: Config) -> None:
    warm_up = start_warm_up(config)
    assert warm_up is not None
    embedder = warm_up.embedder(identity_in(config))
    assert embedder is not None and embedder.identity == identity_in(config)


def test_a_session_works_with_the_backbone_that_was_warmed_up(
    config: Config, exported: ExportedModel, tmp_path: Path
) -> None:
    """Without its files there is no other way to one."""
    own = replace(config, cache=tmp_path / "cache")
    shutil.copytree(exported.folder, own.cache / "models" / exported.folder.name)
    listener = Listener()
    session = Session(own, listener, None)
    session.warm_up()
    join_background()
    shutil.rmtree(own.cache)
    embedder = session.embedder()
    assert embedder.identity == identity_in(own)
    assert len(embedder.embed([np.zeros((224, 224, 3), np.uint8)])) == 1
    assert listener.heard == []
    session.close()


def test_a_backbone_warmed_up_is_not_taken_for_another_catalog(config: Config) -> None:
    warm_up = start_warm_up(config)
    assert warm_up is not None
    assert warm_up.embedder(replace(identity_in(config), fingerprint="0" * 64)) is None
    assert warm_up.embedder(None) is None


def test_without_a_store_nothing_is_started(tmp_path: Path) -> None:
    assert start_warm_up(Config.at(tmp_path / "store")) is None


def test_torch_is_not_warmed_up(config: Config) -> None:
    assert start_warm_up(replace(config, runtime="torch")) is None
    assert start_warm_up(replace(config, runtime="auto"), Machine(gpu="cuda")) is None


def test_what_cannot_be_chosen_is_told_later_and_not_by_the_warm_up(config: Config) -> None:
    assert start_warm_up(replace(config, backbone="no such backbone")) is None


def test_what_must_be_announced_is_left_to_the_foreground(config: Config, tmp_path: Path) -> None:
    """A fresh cache wants the backbone exported, which is announced and takes seconds."""
    empty = replace(config, cache=tmp_path / "cache")
    warm_up = start_warm_up(empty)
    assert warm_up is not None and warm_up.embedder(identity_in(empty)) is None
    assert not empty.cache.exists()


class Listener(Reporter):
    """Remembers in which thread something was announced."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, threading.Thread]] = []

    def announce(self, text: str) -> None:
        self.heard.append((text, threading.current_thread()))


def test_the_foreground_announces_it(config: Config, tmp_path: Path, drawn: Path) -> None:
    listener = Listener()
    with Engine(replace(config, cache=tmp_path / "cache"), listener) as engine:
        assert engine.classify(drawn / "bed" / "bed-0001.jpg")
    assert listener.heard == [
        ("preparing efficientnet_lite0 for this machine (once)", threading.current_thread())
    ]


def test_what_is_damaged_is_made_anew_after_the_warm_up_and_announced(
    config: Config, exported: ExportedModel, tmp_path: Path, drawn: Path
) -> None:
    """The built-in categories are read when they are asked for, long after the warm-up."""
    own = replace(config, cache=tmp_path / "cache")
    folder = own.cache / "models" / exported.folder.name
    shutil.copytree(exported.folder, folder)
    whole = (folder / "classifier.safetensors").read_bytes()
    (folder / "classifier.safetensors").write_bytes(bytes(len(whole)))
    listener = Listener()
    with Engine(own, listener) as engine:
        assert engine.classify(drawn / "bed" / "bed-0001.jpg")
    assert listener.heard == [
        ("preparing efficientnet_lite0 for this machine (once)", threading.current_thread())
    ]
    assert (folder / "classifier.safetensors").read_bytes() == whole


def test_an_error_in_the_background_is_raised_where_the_backbone_is_needed(
    config: Config,
) -> None:
    own = identity_in(config)
    chosen = choose_embedder(config, own, SILENT)
    broken = Embedder(config, chosen.backbone, own.fingerprint, _broken, "fp32", SILENT)
    warm_up = WarmUp(own, broken)
    with pytest.raises(EngineError, match="the cache is gone"):
        warm_up.embedder(own)


def _broken() -> ExportedModel:
    raise EngineError("models", "the cache is gone", "Bring it back")


def test_the_background_ends_by_itself(config: Config) -> None:
    warm_up = start_warm_up(config)
    assert warm_up is not None
    warm_up.embedder(identity_in(config))
    assert not any(thread.is_alive() for thread in join_background())


def join_background() -> list[threading.Thread]:
    """Wait for the threads that load a backbone."""
    threads = [each for each in threading.enumerate() if each.name.startswith("backbone")]
    for thread in threads:
        thread.join(30)
    return threads
