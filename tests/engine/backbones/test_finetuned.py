"""Fine-tuned backbones: kept, found by name and by fingerprint, and told apart from the table's."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from engine.backbones.finetuned import FinetunedBackbones, check_new_name
from engine.backbones.manage import backbone_infos
from engine.backbones.table import BACKBONES, Backbone, backbone_named
from engine.backbones.weights import WeightsCache
from engine.backbones.weights_source import Finetuned
from engine.errors import UnknownBackboneError, UsageError, WeightsUnreachableError

LITE0 = backbone_named("efficientnet_lite0")
FIRST, SECOND = b"weights", b"better weights"


def sha256(weights: bytes) -> str:
    return hashlib.sha256(weights).hexdigest()


def fingerprint(row: Backbone) -> str:
    return row.fingerprint(row.weights.sha256)


def file_of(row: Backbone) -> Path:
    assert isinstance(row.weights, Finetuned)
    return Path(row.weights.path)


@pytest.fixture
def finetuned(tmp_path: Path) -> FinetunedBackbones:
    return FinetunedBackbones(tmp_path)


def keep(
    finetuned: FinetunedBackbones, weights: bytes, name: str = "mine", **facts: Any
) -> Backbone:
    return finetuned.keep(name, LITE0, weights, sha256(weights), facts)


def put_older(data: Path, name: str, weights: bytes) -> Backbone:
    """Keep a backbone as releases without records did; return what they made of it."""
    folder = data / "backbones"
    folder.mkdir(exist_ok=True)
    file = folder / f"{name}-{sha256(weights)[:8]}.safetensors"
    file.write_bytes(weights)
    facts = {"base": LITE0.name, "file": file.name, "sha256": sha256(weights), "size": len(weights)}
    (folder / f"{name}.json").write_text(json.dumps(facts | {"images": 3}))
    kind = Finetuned(str(file), sha256(weights), len(weights), LITE0.name)
    return replace(
        LITE0,
        name=name,
        weights=kind,
        tensors_in_order=False,
        in_distribution=None,
        close=None,
    )


def test_without_any_there_is_the_table(finetuned: FinetunedBackbones) -> None:
    assert finetuned.all() == BACKBONES
    assert finetuned.superseded() == ()
    assert finetuned.named("resnet50") is backbone_named("resnet50")


def test_what_is_kept_is_found_by_name_with_the_preprocessing_of_its_base(
    finetuned: FinetunedBackbones,
) -> None:
    row = keep(finetuned, FIRST, images=3)
    assert finetuned.named("mine") == row
    assert finetuned.all() == (*BACKBONES, row)
    assert row.preprocessing == LITE0.preprocessing
    assert isinstance(row.weights, Finetuned)
    assert row.weights.base == "efficientnet_lite0"
    assert file_of(row).read_bytes() == FIRST
    assert finetuned.facts("mine")["images"] == 3


def test_what_was_measured_of_the_base_does_not_hold(finetuned: FinetunedBackbones) -> None:
    assert None not in (LITE0.in_distribution, LITE0.close)
    row = keep(finetuned, FIRST)
    assert (row.in_distribution, row.close) == (None, None)


def test_other_weights_are_another_backbone(finetuned: FinetunedBackbones) -> None:
    row = keep(finetuned, FIRST)
    assert fingerprint(row) != LITE0.fingerprint(LITE0.weights.sha256)


def test_a_name_moves_on_to_the_weights_kept_last(finetuned: FinetunedBackbones) -> None:
    keep(finetuned, FIRST, images=3)
    again = keep(finetuned, SECOND, images=4)
    assert finetuned.named("mine") == again
    assert finetuned.all() == (*BACKBONES, again)
    assert finetuned.facts("mine")["images"] == 4


def test_what_a_name_meant_before_is_found_by_fingerprint(finetuned: FinetunedBackbones) -> None:
    first = keep(finetuned, FIRST)
    second = keep(finetuned, SECOND)
    assert finetuned.pinned("mine", fingerprint(first)) == first
    assert finetuned.pinned("mine", fingerprint(second)) == second
    assert file_of(first).read_bytes() == FIRST


def test_a_catalog_s_own_word_for_a_backbone_is_kept(finetuned: FinetunedBackbones) -> None:
    first = keep(finetuned, FIRST)
    assert finetuned.pinned("other", fingerprint(first)) == replace(first, name="other")


def test_two_names_can_mean_the_same_weights(finetuned: FinetunedBackbones) -> None:
    one, other = keep(finetuned, FIRST, "one"), keep(finetuned, FIRST, "other")
    assert fingerprint(one) == fingerprint(other)
    assert (finetuned.named("one"), finetuned.named("other")) == (one, other)
    assert finetuned.superseded() == ()


def test_what_a_name_meant_before_is_asked_for_by_its_fingerprint(
    finetuned: FinetunedBackbones,
) -> None:
    first = keep(finetuned, FIRST)
    keep(finetuned, SECOND)
    (older,) = finetuned.superseded()
    assert older == replace(first, name=f"mine@{fingerprint(first)[:12]}")
    assert finetuned.named(older.name) == older
    assert finetuned.named(f"mine@{fingerprint(first)[:4]}").weights == first.weights


@pytest.mark.parametrize("short", ["", "zz", "0123456789"])
def test_a_fingerprint_that_is_not_the_beginning_of_one_is_refused(
    finetuned: FinetunedBackbones, short: str
) -> None:
    first, second = keep(finetuned, FIRST), keep(finetuned, SECOND)
    with pytest.raises(UnknownBackboneError) as caught:
        finetuned.named(f"mine@{short}")
    assert fingerprint(first) != fingerprint(second)
    assert f"mine, mine@{fingerprint(first)[:12]}" in caught.value.remedy


def test_a_list_shows_each_name_and_what_it_meant_before(
    finetuned: FinetunedBackbones, tmp_path: Path
) -> None:
    first = keep(finetuned, FIRST)
    second = keep(finetuned, SECOND)
    rows = backbone_infos(cache=tmp_path / "cache", data=tmp_path)[len(BACKBONES) :]
    assert [row.name for row in rows] == ["mine", f"mine@{fingerprint(first)[:12]}"]
    assert [row.fingerprint for row in rows] == [fingerprint(second), fingerprint(first)]
    assert {row.weights for row in rows} == {"fine-tuned from efficientnet_lite0"}


def test_a_list_says_which_weights_are_gone(finetuned: FinetunedBackbones, tmp_path: Path) -> None:
    file_of(keep(finetuned, FIRST)).unlink()
    row = backbone_infos(cache=tmp_path / "cache", data=tmp_path)[-1]
    assert row.weights == "fine-tuned from efficientnet_lite0, its weights are gone"
    assert (row.source, row.sha256, row.fingerprint) == ("fine-tuned", None, None)


def test_its_weights_are_found_without_any_cache(
    finetuned: FinetunedBackbones, tmp_path: Path
) -> None:
    row = keep(finetuned, FIRST)
    found = WeightsCache(tmp_path / "nothing").find(row)
    assert found is not None and (found.sha256, found.origin) == (sha256(FIRST), "fine-tuned")


def test_fine_tuned_once_more_its_base_is_the_table_s(finetuned: FinetunedBackbones) -> None:
    once = keep(finetuned, FIRST)
    twice = finetuned.keep("twice", once, SECOND, sha256(SECOND), {})
    assert finetuned.named("twice") == twice
    assert isinstance(twice.weights, Finetuned) and twice.weights.base == LITE0.name


def silent(*heard: object) -> None:
    """Hear nothing."""


def required(finetuned: FinetunedBackbones, cache: Path, wanted: str) -> bytes:
    """What an embedder loads for a catalog with this fingerprint."""
    row = finetuned.pinned("mine", wanted)
    return WeightsCache(cache).require(row, silent, silent, wanted).path.read_bytes()


@pytest.mark.parametrize("lost", ["weights", "weights and record", "everything"])
@pytest.mark.parametrize("copied_to", ["mine-{}.safetensors", "from-the-other-machine.safetensors"])
def test_weights_that_are_gone_work_once_they_are_copied_back(
    finetuned: FinetunedBackbones, tmp_path: Path, lost: str, copied_to: str
) -> None:
    row = keep(finetuned, FIRST)
    wanted, folder = fingerprint(row), tmp_path / "backbones"
    file_of(row).unlink()
    if lost != "weights":
        shutil.rmtree(folder / "records")
    if lost == "everything":
        shutil.rmtree(folder)
    with pytest.raises(WeightsUnreachableError, match="are gone") as caught:
        required(finetuned, tmp_path / "cache", wanted)
    assert wanted[:12] in caught.value.reason
    assert f"Copy mine-*.safetensors back into {folder}" in caught.value.remedy
    folder.mkdir(exist_ok=True)
    (folder / copied_to.format(sha256(FIRST)[:16])).write_bytes(FIRST)
    assert required(finetuned, tmp_path / "cache", wanted) == FIRST


def test_weights_copied_back_do_not_lose_how_they_were_made(
    finetuned: FinetunedBackbones, tmp_path: Path
) -> None:
    row = keep(finetuned, FIRST, images=3)
    file_of(row).unlink()
    (tmp_path / "backbones" / "mine-back.safetensors").write_bytes(FIRST)
    finetuned.pinned("mine", fingerprint(row))
    assert finetuned.facts("mine")["images"] == 3


def test_weights_under_a_name_are_gone_with_their_file(
    finetuned: FinetunedBackbones, tmp_path: Path
) -> None:
    row = keep(finetuned, FIRST)
    file_of(row).unlink()
    with pytest.raises(WeightsUnreachableError, match="are gone"):
        WeightsCache(tmp_path).require(row, silent, silent)


def test_a_folder_of_an_older_release_is_read_as_it_is(
    finetuned: FinetunedBackbones, tmp_path: Path
) -> None:
    before = put_older(tmp_path, "mine", FIRST)
    assert finetuned.named("mine") == before
    assert finetuned.all() == (*BACKBONES, before)
    assert finetuned.pinned("mine", fingerprint(before)) == before
    assert finetuned.facts("mine")["images"] == 3
    assert not (tmp_path / "backbones" / "records").exists()


def test_what_an_older_release_kept_stays_when_its_name_moves_on(
    finetuned: FinetunedBackbones, tmp_path: Path
) -> None:
    before = put_older(tmp_path, "mine", FIRST)
    again = keep(finetuned, SECOND)
    assert finetuned.named("mine") == again
    assert finetuned.pinned("mine", fingerprint(before)) == before
    assert [asdict(each.weights) for each in finetuned.superseded()] == [asdict(before.weights)]


def test_what_an_older_release_had_replaced_is_found_by_hashing(
    finetuned: FinetunedBackbones, tmp_path: Path
) -> None:
    before = put_older(tmp_path, "mine", FIRST)
    put_older(tmp_path, "mine", SECOND)
    assert finetuned.pinned("mine", fingerprint(before)) == before
    # Hashed once: from now on there is a record.
    assert [fingerprint(each) for each in finetuned.superseded()] == [fingerprint(before)]


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b'{"base": "resnet51"}', b'{"record": "gone"}']
)
def test_a_damaged_label_is_no_backbone(
    finetuned: FinetunedBackbones, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "backbones").mkdir()
    (tmp_path / "backbones" / "mine.json").write_bytes(content)
    assert finetuned.all() == BACKBONES
    with pytest.raises(UnknownBackboneError):
        finetuned.named("mine")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"file": 1, "sha256": "0"}'])
def test_a_damaged_record_is_no_backbone_and_harms_no_other(
    finetuned: FinetunedBackbones, tmp_path: Path, content: bytes
) -> None:
    first, other = keep(finetuned, FIRST), keep(finetuned, SECOND, "other")
    record = tmp_path / "backbones" / "records" / f"mine-{sha256(FIRST)[:16]}.json"
    record.write_bytes(content)
    assert finetuned.all() == (*BACKBONES, other)
    # The weights are still there, and say by their hash what they are.
    assert finetuned.pinned("mine", fingerprint(first)).weights == first.weights


@pytest.mark.parametrize("name", ["../mine", "a/b", "", "nobody's", "../mine@1234"])
def test_a_name_leads_to_no_other_file(finetuned: FinetunedBackbones, name: str) -> None:
    with pytest.raises(UnknownBackboneError) as caught:
        finetuned.named(name)
    assert "resnet50" in caught.value.remedy


@pytest.mark.parametrize("name", ["auto", "resnet50", "efficientnet_lite0"])
def test_names_of_the_engine_are_not_given_away(name: str) -> None:
    with pytest.raises(UsageError, match="belongs to the engine"):
        check_new_name(name)


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 65, ".hidden", "mine@1234"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="no name for a backbone"):
        check_new_name(name)


@pytest.mark.parametrize("name", ["lite0-furniture", "möbel_2", "a"])
def test_ordinary_names_are_taken(name: str) -> None:
    check_new_name(name)
