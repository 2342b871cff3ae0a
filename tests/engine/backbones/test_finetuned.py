"""Fine-tuned backbones: kept, found by name, and told apart from the table's."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.backbones.finetuned import TunedBackbones, check_new_name
from engine.backbones.table import BACKBONES, Tuned, backbone_named
from engine.backbones.weights import WeightsCache
from engine.errors import UnknownBackboneError, UsageError, WeightsUnreachableError

LITE0 = backbone_named("efficientnet_lite0")
SHA256 = "ab" * 32


@pytest.fixture
def tuned(tmp_path: Path) -> TunedBackbones:
    return TunedBackbones(tmp_path)


def test_without_any_there_is_the_table(tuned: TunedBackbones) -> None:
    assert tuned.all() == BACKBONES
    assert tuned.named("resnet50") is backbone_named("resnet50")


def test_what_is_kept_is_found_by_name_with_the_preprocessing_of_its_base(
    tuned: TunedBackbones,
) -> None:
    kept = tuned.keep("mine", LITE0, b"weights", SHA256, {"images": 3})
    assert tuned.named("mine") == kept
    assert tuned.all() == (*BACKBONES, kept)
    assert kept.preprocessing == LITE0.preprocessing
    assert isinstance(kept.weights, Tuned)
    assert kept.weights.base == "efficientnet_lite0"
    assert Path(kept.weights.path).read_bytes() == b"weights"
    assert tuned.facts("mine")["images"] == 3


def test_other_weights_are_another_backbone(tuned: TunedBackbones) -> None:
    kept = tuned.keep("mine", LITE0, b"weights", SHA256, {})
    assert kept.fingerprint(SHA256) != LITE0.fingerprint(LITE0.weights.sha256)


def test_one_of_the_same_name_is_replaced(tuned: TunedBackbones) -> None:
    tuned.keep("mine", LITE0, b"weights", SHA256, {})
    again = tuned.keep("mine", LITE0, b"better", "cd" * 32, {})
    assert tuned.all() == (*BACKBONES, again)


def test_its_weights_are_found_without_any_cache(tuned: TunedBackbones, tmp_path: Path) -> None:
    kept = tuned.keep("mine", LITE0, b"weights", SHA256, {})
    found = WeightsCache(tmp_path / "nothing").find(kept)
    assert found is not None and (found.sha256, found.origin) == (SHA256, "fine-tuned")


def test_weights_that_are_gone_cannot_be_fetched(tuned: TunedBackbones, tmp_path: Path) -> None:
    kept = tuned.keep("mine", LITE0, b"weights", SHA256, {})
    assert isinstance(kept.weights, Tuned)
    Path(kept.weights.path).unlink()
    with pytest.raises(WeightsUnreachableError, match="are gone"):
        WeightsCache(tmp_path).require(kept, lambda line: None, lambda done, total: None)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"base": "resnet51"}'])
def test_a_damaged_note_is_no_backbone(
    tuned: TunedBackbones, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "mine.json").write_bytes(content)
    assert tuned.all() == BACKBONES
    with pytest.raises(UnknownBackboneError):
        tuned.named("mine")


@pytest.mark.parametrize("name", ["../mine", "a/b", "", "nobody's"])
def test_a_name_leads_to_no_other_file(tuned: TunedBackbones, name: str) -> None:
    with pytest.raises(UnknownBackboneError) as caught:
        tuned.named(name)
    assert "resnet50" in caught.value.remedy


@pytest.mark.parametrize("name", ["auto", "resnet50", "efficientnet_lite0"])
def test_names_of_the_engine_are_not_given_away(name: str) -> None:
    with pytest.raises(UsageError, match="belongs to the engine"):
        check_new_name(name)


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, ".hidden"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a backbone"):
        check_new_name(name)


@pytest.mark.parametrize("name", ["lite0-furniture", "möbel_2", "a"])
def test_ordinary_names_are_taken(name: str) -> None:
    check_new_name(name)
