"""Choosing a backbone: the one asked for, the catalog's own, or the best that can be had."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.backbones.finetuned import FinetunedBackbones
from engine.backbones.table import Backbone, backbone_named
from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.errors import BackboneMismatchError, UnknownBackboneError, WeightsUnreachableError
from engine.progress import Reporter
from engine.runtimes.int8_archive import fingerprint_of, pack
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
def alone(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights could only come from where there are none."""
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", site.url)


def config(tmp_path: Path, **changes: Any) -> Config:
    settings = {"cache": tmp_path / "cache", "data": tmp_path / "data"} | changes
    return Config.at(tmp_path / "store", **settings)


def identity(
    backbone: str, fingerprint: str = "0" * 64, precision: str = "fp32"
) -> CatalogIdentity:
    return CatalogIdentity(backbone, fingerprint, 1280, "float16", precision)


def put_resnet50(tmp_path: Path) -> str:
    """Make the cache say that ResNet50's weights were imported; return the fingerprint."""
    folder = tmp_path / "cache" / "weights"
    folder.mkdir(parents=True)
    (folder / "w.pth").touch()
    note = {"path": "w.pth", "sha256": "1" * 64, "origin": "/home/me/w.pth"}
    (folder / "resnet50.json").write_text(json.dumps(note))
    return backbone_named("resnet50").fingerprint("1" * 64)


def published(backbone: str) -> str:
    row = backbone_named(backbone)
    return row.fingerprint(row.weights.sha256)


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
@pytest.mark.parametrize("asked", [None, "auto", LITE0])
def test_a_catalog_keeps_its_own_backbone(tmp_path: Path, heard: Heard, asked: str | None) -> None:
    put_resnet50(tmp_path)
    own = identity(LITE0, published(LITE0))
    embedder = choose_embedder(config(tmp_path, backbone=asked), own, heard)
    assert (embedder.backbone.name, embedder.fingerprint) == (LITE0, own.fingerprint)
    assert heard.announced == []


def test_another_backbone_than_the_catalog_s_is_refused(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(BackboneMismatchError, match="made with resnet50, not efficientnet_lite0"):
        choose_embedder(config(tmp_path, backbone=LITE0), identity("resnet50"), heard)


def test_the_environment_s_backbone_is_for_new_catalogs(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_BACKBONE", "resnet50")
    put_resnet50(tmp_path)
    own = identity(LITE0, published(LITE0))
    assert choose_embedder(config(tmp_path), own, heard).backbone.name == LITE0
    assert choose_embedder(config(tmp_path), None, heard).backbone.name == "resnet50"


def test_a_backbone_asked_for_comes_before_the_environment_s(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_BACKBONE", "resnet50")
    put_resnet50(tmp_path)
    asked = config(tmp_path, backbone=LITE0)
    assert choose_embedder(asked, None, heard).backbone.name == LITE0


def test_an_unknown_backbone_in_the_environment_harms_no_catalog(
    tmp_path: Path, heard: Heard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_BACKBONE", "alexnet")
    own = identity(LITE0, published(LITE0))
    assert choose_embedder(config(tmp_path), own, heard).backbone.name == LITE0
    with pytest.raises(UnknownBackboneError):
        choose_embedder(config(tmp_path), None, heard)


@pytest.mark.usefixtures("alone")
def test_a_catalog_s_imported_weights_that_are_gone_are_told(tmp_path: Path, heard: Heard) -> None:
    put_resnet50(tmp_path)
    with pytest.raises(WeightsUnreachableError, match="222222222222 are gone") as caught:
        choose_embedder(config(tmp_path), identity("resnet50", "2" * 64), heard)
    assert "`engine backbones import resnet50 FILE`" in caught.value.remedy
    assert heard.announced == []


@pytest.mark.usefixtures("alone")
def test_a_catalog_s_published_weights_are_fetched(tmp_path: Path, heard: Heard) -> None:
    put_resnet50(tmp_path)
    with pytest.raises(WeightsUnreachableError) as caught:
        choose_embedder(config(tmp_path), identity("resnet50", published("resnet50")), heard)
    assert "fetching the weights of resnet50" in heard.announced[0]
    assert "import resnet50 FILE" in caught.value.remedy
    assert "efficientnet_lite0" not in caught.value.remedy


@pytest.fixture
def shop(tmp_path: Path) -> list[Backbone]:
    """Two backbones that were fine-tuned under one name, one after the other."""
    folder = FinetunedBackbones(tmp_path / "data")
    return [
        folder.keep("shop", backbone_named(LITE0), content, hashlib.sha256(content).hexdigest(), {})
        for content in (b"first weights", b"second weights")
    ]


def own_of(row: Backbone) -> CatalogIdentity:
    return identity("shop", row.fingerprint(row.weights.sha256))


@pytest.mark.parametrize("number", [0, 1])
def test_a_catalog_keeps_its_weights_when_their_name_moves_on(
    tmp_path: Path, heard: Heard, shop: list[Backbone], number: int
) -> None:
    own = own_of(shop[number])
    embedder = choose_embedder(config(tmp_path), own, heard)
    assert (embedder.backbone, embedder.fingerprint) == (shop[number], own.fingerprint)


def test_a_new_catalog_takes_what_a_name_means_now(
    tmp_path: Path, heard: Heard, shop: list[Backbone]
) -> None:
    assert choose_embedder(config(tmp_path, backbone="shop"), None, heard).backbone == shop[1]


def test_a_name_that_has_moved_on_is_refused_where_it_was_asked_for(
    tmp_path: Path, heard: Heard, shop: list[Backbone]
) -> None:
    asked, own = config(tmp_path, backbone="shop"), own_of(shop[0])
    with pytest.raises(BackboneMismatchError, match="made with other weights of shop") as caught:
        choose_embedder(asked, own, heard)
    assert "Leave --backbone out" in caught.value.remedy
    assert choose_embedder(replace(asked, backbone=None), own, heard).backbone == shop[0]


def test_an_older_meaning_is_taken_where_it_was_asked_for(
    tmp_path: Path, heard: Heard, shop: list[Backbone]
) -> None:
    own = own_of(shop[0])
    older = f"shop@{own.fingerprint[:12]}"
    asked = config(tmp_path, backbone=older)
    assert choose_embedder(asked, own, heard).fingerprint == own.fingerprint
    new = choose_embedder(asked, None, heard)
    assert (new.identity.backbone, new.fingerprint) == (older, own.fingerprint)
    assert choose_embedder(config(tmp_path), new.identity, heard).fingerprint == own.fingerprint


def test_another_name_of_the_same_weights_is_as_good(
    tmp_path: Path, heard: Heard, shop: list[Backbone]
) -> None:
    folder = FinetunedBackbones(tmp_path / "data")
    folder.keep("copy", backbone_named(LITE0), b"first weights", shop[0].weights.sha256, {})
    asked, own = config(tmp_path, backbone="copy"), own_of(shop[0])
    assert choose_embedder(asked, own, heard).fingerprint == own.fingerprint


def test_a_catalog_in_int8_keeps_its_base_when_the_name_moves_on(
    tmp_path: Path, heard: Heard, shop: list[Backbone]
) -> None:
    """The name may move on to a backbone with another input."""
    made = tmp_path / "made"
    made.mkdir()
    for name in ("model.xml", "model.bin", "classifier.safetensors"):
        (made / name).write_bytes(b"stands for a network")
    network = pack(made, "shop", shop[0].fingerprint(shop[0].weights.sha256))
    FinetunedBackbones(tmp_path / "data").keep(
        "shop", backbone_named("resnet18"), b"of another base", "3" * 64, {}
    )
    own = identity("shop", fingerprint_of(network), "int8")
    embedder = choose_embedder(config(tmp_path), own, heard, lambda: network)
    assert (embedder.backbone, embedder.fingerprint) == (shop[0], own.fingerprint)


def test_an_unknown_backbone_is_refused(tmp_path: Path, heard: Heard) -> None:
    with pytest.raises(UnknownBackboneError):
        choose_embedder(config(tmp_path, backbone="alexnet"), None, heard)


def test_choosing_prepares_nothing_yet(tmp_path: Path, heard: Heard) -> None:
    choose_embedder(config(tmp_path, backbone=LITE0), None, heard)
    assert heard.announced == []
    assert not (tmp_path / "cache").exists()


def test_where_no_catalog_is_to_come_nothing_is_fetched_and_nobody_asked(
    tmp_path: Path, heard: Heard, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve("/resnet50-11ad3fa6.pth", b"something else")
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", site.url)
    embedder = choose_embedder(config(tmp_path, backbone="auto"), None, heard, passing=True)
    assert embedder.backbone.name == LITE0
    assert site.asked == []
    (line,) = heard.announced
    assert "this is no reason to fetch them" in line


def test_where_no_catalog_is_to_come_the_reference_serves_if_it_is_here(
    tmp_path: Path, heard: Heard
) -> None:
    put_resnet50(tmp_path)
    embedder = choose_embedder(config(tmp_path, backbone="auto"), None, heard, passing=True)
    assert embedder.backbone.name == "resnet50"
