"""Stores that the last release before this one made: everything works on, nothing is embedded anew.

The stores, and what that release answered, were made by `make.py` and lie in `data/`.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, Engine, SearchReport, TrainOptions
from tests.old_store import drawing
from tests.old_store.stores import CountingEmbedder, OldStore

QUICK = TrainOptions(epochs=5)

pytestmark = pytest.mark.slow


def _found(report: SearchReport, old: OldStore) -> list[list[Any]]:
    return [[old.relative(hit.path), hit.score, hit.label, hit.category] for hit in report]


def _assert_same(found: list[list[Any]], recorded: list[list[Any]], old: OldStore) -> None:
    """Hold hits against those of the old release; equal scores may come in either order."""
    scores = [hit[1] for hit in recorded]
    # A compressed index is built anew, and then rounds scores in another way.
    tolerance = 1e-6 if old.answers["status"]["index"].startswith("exact") else 5e-3
    assert [hit[1] for hit in found] == pytest.approx(scores, abs=tolerance)
    known = {hit[0]: hit[1:] for hit in recorded}
    for path, score, label, category in found:
        if path in known:
            assert [label, category] == known[path][1:]
        else:
            assert score == pytest.approx(scores[-1], abs=2 * tolerance), path
    assert {found[0][0], found[0][0].replace("exact copy", "bed-0000")} & set(known)


def _embedded(old: OldStore) -> int:
    assert old.embedder is not None
    return old.embedder.embedded


def test_its_status_is_what_it_was(old: OldStore) -> None:
    status, recorded = old.engine.status(), old.answers["status"]
    for name in set(recorded) - {"index", "index_state"}:
        assert getattr(status, name) == recorded[name], name
    assert status.problems == []
    assert _embedded(old) == 0


def test_searches_answer_what_they_answered(old: OldStore) -> None:
    for recorded in old.answers["searches"]:
        report = old.engine.search(drawing.picture(*recorded["query"]), k=8)
        _assert_same(_found(report, old), recorded["hits"], old)
    assert _embedded(old) == len(old.answers["searches"])


def test_a_filter_goes_into_the_search(old: OldStore) -> None:
    for recorded in old.answers["filtered"]:
        query = drawing.picture(*recorded["query"])
        report = old.engine.search(query, k=8, where=["label=chair"])
        assert len(report) == 8
        _assert_same(_found(report, old), recorded["hits"], old)


def test_pictures_are_classified_as_they_were(old: OldStore) -> None:
    for recorded in old.answers["classified"]:
        [answer] = old.engine.classify(drawing.picture(*recorded["query"]), k=3)
        assert answer.unknown == recorded["unknown"]
        said = [(each.category, each.source) for each in answer.predictions]
        assert said == [(category, source) for category, _, source in recorded["predictions"]]
        sure = [each.probability for each in answer.predictions]
        assert sure == pytest.approx([each[1] for each in recorded["predictions"]], abs=1e-5)


def test_the_head_is_listed_and_reported_on(exact: OldStore) -> None:
    [head], [recorded] = list(exact.engine.heads), exact.answers["heads"]
    assert (head.name, list(head.categories)) == (recorded["name"], recorded["categories"])
    assert (head.images, head.created_at) == (recorded["images"], recorded["created_at"])
    report = exact.engine.report("furniture")
    assert set(report.per_category) == set(recorded["categories"])


def test_the_head_goes_to_a_store_of_this_release(exact: OldStore, tmp_path: Path) -> None:
    file = tmp_path / "furniture.safetensors"
    exact.engine.heads.export("furniture", file)
    config = Config.at(tmp_path / "new")
    with Engine(config, embedder=CountingEmbedder(config)) as new:
        new.index([exact.pictures], label="parent")
        new.heads.add(file)
        picture = drawing.picture("chair", 900)
        [one], [other] = (each.classify(picture, head="furniture") for each in (new, exact.engine))
        assert [each.category for each in one.predictions] == [
            each.category for each in other.predictions
        ]


def test_duplicates_are_found_again(old: OldStore) -> None:
    groups = old.engine.duplicates(min_score=0.99)
    found = [[group.kind, sorted(map(old.relative, group.paths))] for group in groups]
    # Copies were called near then.
    kinds = {"exact": "exact", "near": "copy"}
    assert found == [[kinds[kind], sorted(paths)] for kind, _, paths in old.answers["duplicates"]]
    assert _embedded(old) == 0


def test_its_embeddings_are_exported(old: OldStore, tmp_path: Path) -> None:
    old.engine.export(tmp_path / "all.npy")
    vectors = np.load(tmp_path / "all.npy")
    with (tmp_path / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(vectors) == len(rows) == old.answers["status"]["images"]
    assert vectors.shape[1] == 48
    assert _embedded(old) == 0


def test_indexing_again_embeds_nothing(old: OldStore) -> None:
    report = old.engine.index([old.pictures], label="parent")
    images = old.answers["status"]["images"]
    assert (report.unchanged, report.images) == (images, images)
    assert (report.added, report.updated, report.moved, report.removed) == (0, 0, 0, 0)
    assert _embedded(old) == report.embedded == 0
    assert old.engine.status().consistent


def test_new_pictures_alone_are_embedded(old: OldStore) -> None:
    drawing.draw(old.pictures, range(700, 705))
    report = old.engine.index([old.pictures], label="parent")
    assert (report.added, _embedded(old)) == (15, 15)
    assert report.images == old.answers["status"]["images"] + 15
    for number in range(700, 705):
        [best, *_] = old.engine.search(drawing.picture("lamp", number))
        assert old.relative(best.path) == f"lamp/lamp-{number:04}.bmp"
        assert best.score == pytest.approx(1, abs=0.01)
    status = old.engine.status()
    assert (status.consistent, status.index_state) == (True, "current")


def test_moved_pictures_are_known_by_their_content(old: OldStore) -> None:
    (old.pictures / "lamp").rename(old.pictures / "light")
    lamps = len(list((old.pictures / "light").iterdir()))
    report = old.engine.index([old.pictures], label="parent")
    assert (report.moved, _embedded(old)) == (lamps, 0)
    [hit, *_] = old.engine.search(drawing.picture("lamp", 5))
    assert (old.relative(hit.path), hit.label) == ("light/lamp-0005.bmp", "light")


def test_a_picture_that_was_gone_comes_back(exact: OldStore) -> None:
    drawing.write(exact.pictures / "lamp" / "gone.bmp", drawing.picture("lamp", 500))
    report = exact.engine.index([exact.pictures])
    assert (report.came_back, _embedded(exact)) == (1, 0)
    [hit, *_] = exact.engine.search(drawing.picture("lamp", 500))
    assert exact.relative(hit.path) == "lamp/gone.bmp"


def test_removed_pictures_stay_removed(old: OldStore) -> None:
    gone = {"exact": ("lamp", 501), "compressed": ("lamp", 20)}
    kind = "exact" if old.answers["heads"] else "compressed"
    hits = old.engine.search(drawing.picture(*gone[kind]), k=500)
    assert len(hits) == old.answers["status"]["images"]
    assert max(hit.score for hit in hits) < 0.999


def test_pictures_are_removed_from_it(old: OldStore) -> None:
    report = old.engine.remove([old.pictures / "chair"])
    assert report.images == old.answers["status"]["images"] - report.removed > 0
    hits = old.engine.search(drawing.picture("chair", 900), k=500)
    assert len(hits) == report.images
    assert all(hit.label != "chair" for hit in hits)


def test_the_head_is_trained_again_without_opening_a_picture(
    exact: OldStore, tmp_path: Path
) -> None:
    lessons = tmp_path / "lessons"
    drawing.draw(lessons, range(12), [*drawing.CATEGORIES, "sofa"])
    report = exact.engine.train(
        lessons, head="furniture", options=QUICK, views=1, mirror_indexed=True
    )
    assert (report.images, report.embedded, _embedded(exact)) == (48, 0, 0)


def test_the_head_is_extended_by_new_pictures_alone(exact: OldStore, tmp_path: Path) -> None:
    drawing.draw(tmp_path / "lessons", range(6), ["table"])
    report = exact.engine.train(tmp_path / "lessons", head="furniture", options=QUICK, extend=True)
    assert list(report.categories) == ["bed", "chair", "lamp", "sofa", "table"]
    assert (report.images, report.embedded) == (54, 6)
    # Each as it is, and mirrored.
    assert _embedded(exact) == 12


def test_a_new_head_is_trained_from_its_labels(old: OldStore) -> None:
    report = old.engine.train(head="rooms", from_labels=True, options=QUICK)
    assert list(report.categories) == ["bed", "chair", "lamp"]
    assert (report.images, _embedded(old)) == (old.answers["status"]["images"], 0)
    assert old.engine.status().consistent


def test_its_pictures_are_judged_and_a_head_learns_that(old: OldStore) -> None:
    ids = [each.id for each in old.engine.images.page(limit=12).images]
    old.engine.judgements.add("wanted", yes=ids[:6], no=ids[6:])
    report = old.engine.train(head="wanted", from_judgements=True)
    assert (report.images, _embedded(old)) == (6, 0)
    assert old.engine.status().judgements == 12
    assert old.engine.status().consistent
