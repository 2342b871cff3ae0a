"""What end-to-end runs share: a cache and stores that are ready."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine import Config, Engine, TrainOptions
from engine.backbones.table import backbone_named
from engine.backbones.weights import WeightsCache
from engine.runtimes.openvino_export import export_openvino


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all of this folder to `make test`: whole commands take their time."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", autouse=True)
def ready(own_cache: Path) -> Path:
    """The cache of all tests, with the embedded backbone converted in it."""
    backbone = backbone_named("efficientnet_lite0")
    weights = WeightsCache(own_cache).find(backbone)
    assert weights is not None
    export_openvino(backbone, weights, own_cache, lambda text: None)
    return own_cache


@pytest.fixture(scope="session")
def trained(ready: Path, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the drawn pictures, labelled, and the head `furniture`; not to be changed."""
    folder = tmp_path_factory.mktemp("trained") / "store"
    with Engine(Config.at(folder)) as made:
        made.index([drawn], label="parent")
        made.train(drawn, head="furniture", options=TrainOptions(fast=True))
    return folder


@pytest.fixture
def shop(trained: Path, tmp_path: Path) -> Path:
    """A copy of `trained` that belongs to one test."""
    return Path(shutil.copytree(trained, tmp_path / "shop"))


@pytest.fixture(scope="session")
def many(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 160 pictures, each with content of its own; not to be changed."""
    folder = tmp_path_factory.mktemp("many")
    sources = [path.read_bytes() for path in sorted(drawn.rglob("*.jpg"))]
    for number in range(160):
        # Bytes after a JPEG's end are no part of the picture, but of the content.
        data = sources[number % len(sources)] + number.to_bytes(2, "big")
        (folder / f"{number:03}.jpg").write_bytes(data)
    return folder
