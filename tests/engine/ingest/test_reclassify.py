"""Predictions after a change of heads are those that a fresh look at everything would give."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update

from engine import Config, Engine, TrainOptions
from engine.heads.classifier import BuiltIn, Classifier
from engine.heads.file import head_from_bytes
from engine.heads.head import Head
from engine.ingest.reclassify import adopt_heads
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.sql.schema import Prediction
from index.records import Summary, Vectors

QUICK = TrainOptions(epochs=4)

pytestmark = pytest.mark.slow


@pytest.fixture
def labelled(fake_engine: Engine, images: Path) -> Engine:
    """A catalog of twelve labelled pictures."""
    fake_engine.index([images], label="parent")
    return fake_engine


@pytest.fixture
def catalog(labelled: Engine) -> Iterator[Catalog]:
    """The catalog of `labelled`."""
    with Catalog.open(labelled.config.store.catalog) as opened:
        yield opened


@pytest.fixture
def head(labelled: Engine, catalog: Catalog) -> Head:
    """A head that learned from the labels and was forgotten again."""
    labelled.train(head="mine", from_labels=True, options=QUICK)
    [row] = catalog.heads.all()
    labelled.heads.delete("mine")
    return head_from_bytes(row.file, row.name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many pictures at a time the built-in categories were asked."""
    counts: list[int] = []
    summary = BuiltIn.summary

    def noted(self: BuiltIn, vectors: Vectors) -> Summary:
        counts.append(len(vectors))
        return summary(self, vectors)

    monkeypatch.setattr(BuiltIn, "summary", noted)
    return counts


def assert_as_if_looked_at_afresh(catalog: Catalog, config: Config) -> None:
    heads = [head_from_bytes(row.file, row.name) for row in catalog.heads.all()]
    ids, vectors = catalog.embeddings.all(gone_too=True)
    wanted = Classifier(FakeEmbedder(config).built_in, heads).joint(vectors).best()
    said = catalog.predictions.of(ids.tolist())
    rows = [said[key] for key in ids.tolist()]
    names = [wanted.names[choice] for choice in wanted.choice.tolist()]
    assert [(row.source, row.category) for row in rows] == names
    np.testing.assert_allclose([row.probability for row in rows], wanted.probability, atol=1e-5)
    assert [row.unknown for row in rows] == wanted.unknown.tolist()


def forget(catalog: Catalog, ids: list[int]) -> None:
    """Make images look as an older release left them."""
    with catalog.database.writing() as connection:
        connection.execute(
            update(Prediction).where(Prediction.image_id.in_(ids)).values(built_in=None)
        )


def ids_of(catalog: Catalog) -> list[int]:
    ids: list[int] = catalog.embeddings.all()[0].tolist()
    return ids


def remembered(catalog: Catalog) -> bool:
    return all(
        catalog.embeddings.in_span(span).summary.complete for span in catalog.embeddings.spans()
    )


def test_a_head_learned_from_labels(labelled: Engine, catalog: Catalog) -> None:
    labelled.train(head="mine", from_labels=True, options=QUICK)
    assert_as_if_looked_at_afresh(catalog, labelled.config)


@pytest.mark.parametrize("span", [1, 5, 1000])
def test_a_head_adopted_span_by_span(
    labelled: Engine, catalog: Catalog, head: Head, span: int
) -> None:
    adopt_heads(catalog, FakeEmbedder(labelled.config), [head], put=head, span=span)
    assert_as_if_looked_at_afresh(catalog, labelled.config)
    assert "mine" in {row.source for row in catalog.predictions.of(ids_of(catalog)).values()}


def test_two_heads_and_one_of_them_deleted(labelled: Engine, catalog: Catalog) -> None:
    labelled.train(head="one", from_labels=True, options=QUICK)
    labelled.train(head="two", from_labels=True, options=TrainOptions(epochs=4, hidden=(8,)))
    assert_as_if_looked_at_afresh(catalog, labelled.config)
    labelled.heads.delete("one")
    assert_as_if_looked_at_afresh(catalog, labelled.config)


def test_gone_images_are_classified_too(labelled: Engine, catalog: Catalog) -> None:
    ids = catalog.embeddings.all()[0].tolist()
    catalog.images.hide(ids[::4])
    labelled.train(head="mine", from_labels=True, options=QUICK)
    assert_as_if_looked_at_afresh(catalog, labelled.config)


@pytest.mark.parametrize("forgotten", [slice(0, 1), slice(4, 9), slice(0, None)])
def test_images_of_an_older_release_are_worked_out_and_then_remembered(
    labelled: Engine, catalog: Catalog, head: Head, forgotten: slice
) -> None:
    forget(catalog, ids_of(catalog)[forgotten])
    assert not remembered(catalog)
    adopt_heads(catalog, FakeEmbedder(labelled.config), [head], put=head, span=4)
    assert_as_if_looked_at_afresh(catalog, labelled.config)
    assert remembered(catalog)


def test_the_built_in_categories_are_asked_once_for_an_image(
    fake_engine: Engine, images: Path, asked: list[int]
) -> None:
    fake_engine.index([images], label="parent")
    assert sum(asked) == 12
    fake_engine.train(head="mine", from_labels=True, options=QUICK)
    fake_engine.heads.delete("mine")
    assert sum(asked) == 12


def test_a_catalog_that_has_become_empty_forgets_a_head(labelled: Engine, catalog: Catalog) -> None:
    labelled.train(head="mine", from_labels=True, options=QUICK)
    catalog.images.delete(catalog.embeddings.all()[0].tolist())
    labelled.heads.delete("mine")
    assert list(labelled.heads) == []


def test_a_reader_sees_all_predictions_before_or_all_after(
    labelled: Engine, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled.train(head="mine", from_labels=True, options=QUICK)
    ids = catalog.embeddings.all()[0].tolist()
    before = catalog.predictions.of(ids)
    seen = []
    settle = Classifier.settle

    def watched(self: Classifier, vectors: Vectors, summary: Summary) -> object:
        seen.append(catalog.predictions.of(ids))
        return settle(self, vectors, summary)

    monkeypatch.setattr(Classifier, "settle", watched)
    adopt_heads(catalog, FakeEmbedder(labelled.config), [], delete="mine", span=4)
    assert seen == [before] * 3
    assert catalog.predictions.of(ids) != before


def test_a_refresh_that_breaks_off_leaves_everything_as_it_was(
    labelled: Engine, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled.train(head="mine", from_labels=True, options=QUICK)
    ids = catalog.embeddings.all()[0].tolist()
    before = catalog.predictions.of(ids)
    calls = iter([True, True, False])
    settle = Classifier.settle

    def fails_at_last(self: Classifier, vectors: Vectors, summary: Summary) -> object:
        if not next(calls):
            raise RuntimeError("no more")
        return settle(self, vectors, summary)

    monkeypatch.setattr(Classifier, "settle", fails_at_last)
    with pytest.raises(RuntimeError, match="no more"):
        adopt_heads(catalog, FakeEmbedder(labelled.config), [], delete="mine", span=4)
    assert catalog.predictions.of(ids) == before
    assert [row.name for row in catalog.heads.all()] == ["mine"]
