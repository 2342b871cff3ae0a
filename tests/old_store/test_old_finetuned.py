"""A store of the old release made with a fine-tuned backbone, whose name may have moved on since.

Its embeddings are those of real weights: a query must be embedded by the very same ones.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from engine import TrainOptions
from engine.backbones.table import backbone_named
from tests.old_store import drawing
from tests.old_store.stores import OldStore, weights_with

# Another processor or release of the runtime rounds otherwise; other weights differ by more.
TOLERANCE = 2e-3

pytestmark = pytest.mark.slow


def _assert_answers_as_before(old: OldStore) -> None:
    for recorded in old.answers["searches"]:
        report = old.engine.search(drawing.picture(*recorded["query"]), k=8)
        found = {old.relative(hit.path): hit.score for hit in report}
        for path, score, _, _ in recorded["hits"]:
            assert found.get(path, score) == pytest.approx(score, abs=TOLERANCE), path
        assert report[0].score == pytest.approx(recorded["hits"][0][1], abs=TOLERANCE)
    for recorded in old.answers["classified"]:
        [answer] = old.engine.classify(drawing.picture(*recorded["query"]), k=3)
        said = {each.category: each.probability for each in answer.predictions}
        assert said == pytest.approx(
            {each[0]: each[1] for each in recorded["predictions"]}, abs=0.02
        )


def _assert_is_indexed_further(old: OldStore) -> None:
    drawing.draw(old.pictures, [700])
    report = old.engine.index([old.pictures], label="parent")
    assert (report.unchanged, report.added, report.embedded) == (12, 3, 3)
    [hit, *_] = old.engine.search(drawing.picture("lamp", 700))
    assert old.relative(hit.path) == "lamp/lamp-0700.bmp"
    status = old.engine.status()
    assert (status.images, status.consistent, status.problems) == (15, True, [])
    assert status.fingerprint == old.answers["status"]["fingerprint"]


def test_it_answers_and_is_indexed_further(finetuned: OldStore) -> None:
    _assert_answers_as_before(finetuned)
    _assert_is_indexed_further(finetuned)


def test_its_head_learns_from_what_is_stored(finetuned: OldStore) -> None:
    report = finetuned.engine.train(
        head="furniture", from_labels=True, options=TrainOptions(epochs=3)
    )
    assert (report.images, report.embedded) == (12, 0)


def test_it_is_not_known_what_its_backbone_learned_from(finetuned: OldStore) -> None:
    assert finetuned.engine.evaluate(finetuned.pictures).learned is None


def test_it_works_on_where_the_old_release_gave_its_name_away(
    finetuned: OldStore, data: Path, own_cache: Path
) -> None:
    """The old release left the former weights in the folder, without a note."""
    other = weights_with(0.5, own_cache)
    sha256 = hashlib.sha256(other).hexdigest()
    folder = data / "backbones"
    (folder / f"shop-{sha256[:8]}.safetensors").write_bytes(other)
    note = json.loads((folder / "shop.json").read_text())
    note |= {"file": f"shop-{sha256[:8]}.safetensors", "sha256": sha256, "size": len(other)}
    (folder / "shop.json").write_text(json.dumps(note))
    _assert_answers_as_before(finetuned)
    _assert_is_indexed_further(finetuned)


def test_it_works_on_after_another_backbone_takes_its_name(
    finetuned: OldStore, data: Path, own_cache: Path
) -> None:
    from engine.backbones.finetuned import FinetunedBackbones

    other = weights_with(0.5, own_cache)
    sha256 = hashlib.sha256(other).hexdigest()
    base = backbone_named("efficientnet_lite0")
    FinetunedBackbones(data).keep("shop", base, other, sha256, {})
    _assert_answers_as_before(finetuned)
    _assert_is_indexed_further(finetuned)
