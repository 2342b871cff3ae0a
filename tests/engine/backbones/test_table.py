"""The table of backbones, and the fingerprint that pins an embedding."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any

import pytest

from engine.backbones.table import (
    AUTO,
    BACKBONES,
    EMBEDDED,
    REFERENCE,
    Backbone,
    backbone_named,
)
from engine.backbones.weights_source import Download, Packaged
from engine.errors import UnknownBackboneError
from engine.pictures.resize import INTERPOLATIONS

LITE0 = backbone_named(EMBEDDED)
EACH = pytest.mark.parametrize("backbone", BACKBONES, ids=lambda each: each.name)


def test_names_are_unique_and_none_is_the_word_for_a_choice() -> None:
    names = [backbone.name for backbone in BACKBONES]
    assert len(set(names)) == len(names)
    assert AUTO not in names
    assert {REFERENCE, EMBEDDED} <= set(names)


@EACH
def test_each_row_can_be_had_by_its_name(backbone: Backbone) -> None:
    assert backbone_named(backbone.name) is backbone


@EACH
def test_each_row_is_preprocessed_in_a_way_that_exists(backbone: Backbone) -> None:
    facts = backbone.preprocessing
    assert facts.interpolation in INTERPOLATIONS
    assert 0 < facts.crop <= facts.resize
    assert len(facts.mean) == len(facts.std) == 3
    assert all(0 < value < 1 for value in (*facts.mean, *facts.std))


@EACH
def test_each_row_pins_its_weights_by_a_whole_hash(backbone: Backbone) -> None:
    weights = backbone.weights
    assert len(weights.sha256) == 64
    assert set(weights.sha256) <= set(string.hexdigits.lower())
    assert weights.size > 10**6


@EACH
def test_each_row_is_of_a_library_that_builds_it_with_its_dim(backbone: Backbone) -> None:
    import torch

    from engine.backbones.torchvision_import import import_torchvision

    import_torchvision()
    with torch.device("meta"):
        if backbone.library == "timm":
            import timm

            network = timm.create_model(backbone.architecture, pretrained=False)
        else:
            assert backbone.library == "torchvision"
            from torchvision.models import get_model

            network = get_model(backbone.architecture, weights=None)
    classifier = network.get_submodule(backbone.classifier)
    assert (classifier.in_features, classifier.out_features) == (backbone.dim, 1000)


def test_downloads_are_encrypted_and_named_by_their_hash() -> None:
    for weights in (backbone.weights for backbone in BACKBONES):
        if isinstance(weights, Download):
            assert weights.url.startswith("https://")
            assert f"-{weights.sha256[:8]}." in weights.url


def test_the_embedded_backbone_needs_no_download() -> None:
    assert isinstance(LITE0.weights, Packaged)


def test_an_unknown_name_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UnknownBackboneError) as caught:
        backbone_named("resnet51")
    assert caught.value.thing == "resnet51"
    assert all(name in caught.value.remedy for name in (AUTO, REFERENCE, EMBEDDED))


def test_the_fingerprint_of_the_embedded_backbone_stays() -> None:
    # Catalogs of users carry it: whoever changes it makes them unreadable.
    pinned = "b4db3cf849dbfb7121e15bf5e9fa4adc59d9d485a7c3307dd6c6a64c132511ae"
    assert LITE0.fingerprint(LITE0.weights.sha256) == pinned


def test_other_weights_have_another_fingerprint() -> None:
    assert LITE0.fingerprint("0" * 64) != LITE0.fingerprint("1" * 64)


@pytest.mark.parametrize(
    "change",
    [
        {"resize": 257},
        {"crop": 223},
        {"interpolation": "bilinear"},
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.5)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_other_preprocessing_has_another_fingerprint(change: dict[str, Any]) -> None:
    other = replace(LITE0, preprocessing=replace(LITE0.preprocessing, **change))
    assert other.fingerprint("0" * 64) != LITE0.fingerprint("0" * 64)


@pytest.mark.parametrize(
    "change",
    [{"architecture": "x"}, {"library": "x"}, {"dim": 1}, {"classifier": "x"}],
    ids=lambda change: next(iter(change)),
)
def test_another_network_has_another_fingerprint(change: dict[str, Any]) -> None:
    assert replace(LITE0, **change).fingerprint("0" * 64) != LITE0.fingerprint("0" * 64)


def test_another_name_or_source_leaves_the_fingerprint() -> None:
    renamed = replace(LITE0, name="other", weights=Download("https://other/", "0" * 64, 1))
    assert renamed.fingerprint("0" * 64) == LITE0.fingerprint("0" * 64)
