"""Choosing a backbone: the one named, the catalog's own, or the best that can be had."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.config import Config
from engine.embedding.embedder import choose_embedder
from engine.errors import BackboneMismatchError, UnknownBackboneError, WeightsUnreachableError
from engine.progress import Reporter
from index.records import CatalogIdentity

LITE0 = "efficientnet_lite0"


class Heard(Reporter):
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def announce(self, text: str) -> None:
        self.announced.append(text)


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def alone(closed_port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights could only come from where nobody answers."""
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", closed_port)
    monkeypatch.setattr("engine.pictures.download.time.sleep", lambda seconds: None)


def config(tmp_path: Path, **changes: object) -> Config:
    return Config.at(tmp_path / "store", cache=tmp_path / "cache", **changes)


def identity(backbone: str, precision: str = "fp32") -> CatalogIdentity:
    return CatalogIdentity(backbone, "0" * 64, 1280, "float16", precision)


def put_resnet50(tmp_path: Path) -> None:
    """Make the cache say that ResNet50's weights were imported."""
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / "w.pth").touch()
    note = {"path": "w.pth", "sha256": "1" * 64, "origin": "/home/me/w.pth"}
    (folder / "resnet50.json").write_text(json.dumps(note))


@pytest.mark.usefixtures("alone")
def test_auto_takes_the_embedded_one_where_nothing_can_be_fetched(
    tmp_path: Path, heard: Heard
) -> None:
    embedder = choose_embedder(config(tmp_path, backbone="auto"), None, heard)
    assert embedder.backbone.name == LITE0


@pytest.mark.usefixtures("alone")
def test_auto_says_once_what_it_took_and_how_to_get_the_other(tmp_path: Path, heard: Heard) -> None:
    choose_embedder(config(tmp_path, backbone="auto"), None, heard)
    (line,) = heard.announced
    assert f"using the embedded backbone {LITE0}" in line
    assert "engine backbones pull resnet50" in line
    assert "engine backbones import resnet50 FILE" in line


@pytest.mark.usefixtures("alone")
def test_auto_takes_resnet50_where_it_was_imported(tmp_path: Path, heard: Heard) -> None:
    put_resnet50(tmp_path)
    embedder = choose_embedder(config(tmp_path, backbone="auto"), None, heard)
    assert embedder.backbone.name == "resnet50"
    assert heard.announced == []


def test_auto_takes_the_embedded_one_where_a_mirror_serves_something_else(
    tmp_path: Path, heard: Heard, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve("/resnet50-11ad3fa6.pth", b"something else")
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", site.url)
    embedder = choose_embedder(config(tmp_path, backbone="auto"), None, heard)
    assert embedder.backbone.name == LITE0
    assert site.url in heard.announced[0] and "SHA-256" in heard.announced[1]


@pytest.mark.usefixtures("alone")
def test_a_backbone_named_by_hand_is_never_replaced(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(WeightsUnreachableError):
        choose_embedder(config(tmp_path, backbone="resnet50"), None, heard)


@pytest.mark.usefixtures("alone")
def test_a_catalog_keeps_its_own_backbone(tmp_path: Path, heard: Heard) -> None:
    put_resnet50(tmp_path)
    embedder = choose_embedder(config(tmp_path, backbone="auto"), identity(LITE0), heard)
    assert embedder.backbone.name == LITE0
    assert heard.announced == []


def test_another_backbone_than_the_catalog_s_is_refused(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(BackboneMismatchError, match="made with resnet50, not efficientnet_lite0"):
        choose_embedder(config(tmp_path, backbone=LITE0), identity("resnet50"), heard)


def test_an_unknown_backbone_is_refused(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(UnknownBackboneError):
        choose_embedder(config(tmp_path, backbone="alexnet"), None, heard)


def test_choosing_prepares_nothing_yet(tmp_path: Path, heard: Heard) -> None:
    choose_embedder(config(tmp_path, backbone=LITE0), None, heard)
    assert heard.announced == []
    assert not (tmp_path / "cache").exists()


def test_nothing_gives_no_embeddings_of_the_right_width(tmp_path: Path, heard: Heard) -> None:
    embedder = choose_embedder(config(tmp_path, backbone=LITE0), None, heard)
    assert embedder.embed([]).unit.shape == (0, 1280)


@pytest.mark.usefixtures("converted")
def test_embeddings_are_unit_vectors_with_their_lengths(
    tmp_path: Path, own_cache: Path, heard: Heard, renders: Any
) -> None:
    settings = Config.at(tmp_path / "store", cache=own_cache, backbone=LITE0, runtime="openvino")
    vectors = choose_embedder(settings, None, heard).embed(list(renders[:3]))
    assert np.allclose(np.linalg.norm(vectors.unit, axis=1), 1, atol=1e-6)
    assert (vectors.norm > 1).all()
