"""Stores of the release before the index had a manifest, opened by this one."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Config, Engine
from tests.old_store.stores import CountingEmbedder, OldStore, unpack, weights_with


@pytest.fixture(params=["exact", "compressed"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OldStore]:
    """Each store of the fake backbone, opened by this release."""
    yield from _opened(request.param, tmp_path)


@pytest.fixture
def exact(tmp_path: Path) -> Iterator[OldStore]:
    """The store with a head."""
    yield from _opened("exact", tmp_path)


def _opened(name: str, tmp_path: Path) -> Iterator[OldStore]:
    folder, pictures, answers = unpack(name, tmp_path)
    config = Config.at(folder)
    embedder = CountingEmbedder(config)
    with Engine(config, embedder=embedder) as engine:
        yield OldStore(folder, pictures, answers, engine, embedder)


@pytest.fixture(scope="session")
def shop_weights(own_cache: Path) -> bytes:
    """The weights of the fine-tuned backbone `shop`, byte for byte those of the old store."""
    return weights_with(1.25, own_cache)


@pytest.fixture
def data(shop_weights: bytes, tmp_path: Path) -> Path:
    """A folder of fine-tuned backbones as the old release left it, with `shop` in it."""
    folder, sha256 = tmp_path / "data", hashlib.sha256(shop_weights).hexdigest()
    (folder / "backbones").mkdir(parents=True)
    (folder / "backbones" / f"shop-{sha256[:8]}.safetensors").write_bytes(shop_weights)
    return folder


@pytest.fixture
def finetuned(data: Path, own_cache: Path, tmp_path: Path) -> Iterator[OldStore]:
    """The store made with `shop`."""
    folder, pictures, answers = unpack("finetuned", tmp_path)
    shutil.move(folder / "shop.json", data / "backbones")
    with Engine.open(folder, data=data, cache=own_cache, backbone="auto") as engine:
        yield OldStore(folder, pictures, answers, engine)
