"""Vectors that all share: brought in step by one at a time, and right for all who ask meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine
from engine.errors import StoreLockedError
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.records import Ids
from index.sync import follow_catalog, vectors_of
from index.vectors.index import VectorIndex
from index.vectors.milvus.milvus_index import MilvusIndex
from tests.support.sessions import noise

pytestmark = pytest.mark.slow


@pytest.fixture
def engine(tmp_path: Path, images: Path) -> Iterator[Engine]:
    """An engine on a store of twelve pictures, whose vectors are in a file of Milvus Lite."""
    config = Config.at(tmp_path / "store", vectors=str(tmp_path / "vectors.db"))
    with Engine(config, embedder=FakeEmbedder(config)) as made:
        made.index([images])
        made.search(noise(), k=1)
        yield made


@pytest.fixture
def beside(engine: Engine) -> Iterator[Catalog]:
    """The catalog as another process has it open."""
    with Catalog.open(engine.config.store.catalog) as catalog:
        yield catalog


def shared(engine: Engine, catalog: Catalog) -> MilvusIndex:
    """Return the index, not opened."""
    index = vectors_of(catalog, engine.config.store.index)
    assert isinstance(index, MilvusIndex)
    return index


def found(engine: Engine) -> set[str]:
    """Return all that a search finds."""
    return {hit.path for hit in engine.search(noise(), k=99)}


def test_while_another_brings_them_in_step_a_search_sees_what_was_committed(
    engine: Engine, beside: Catalog
) -> None:
    before = found(engine)
    [gone] = beside.images.rows([3]).values()
    with beside.database.vectors_lock():
        beside.images.hide([3])
        assert found(engine) == before - {gone.path}
        beside.images.reveal([3])
        assert found(engine) == before
        # Nothing has reached the collection yet.
        index = shared(engine, beside)
        assert index.open()
        assert index.state != beside.state()
    assert found(engine) == before


def test_the_first_search_brings_them_in_step_for_all(engine: Engine, beside: Catalog) -> None:
    beside.images.hide([3])
    found(engine)
    index = shared(engine, beside)
    assert index.open()
    assert (index.state, len(index)) == (beside.state(), 11)


def test_vectors_that_are_not_there_are_filled_in_by_one_alone(
    engine: Engine, beside: Catalog
) -> None:
    shared(engine, beside).discard()
    engine.close()
    with (
        beside.database.vectors_lock(),
        pytest.raises(StoreLockedError, match="another process does it") as caught,
    ):
        engine.search(noise(), k=1)
    assert "\n" not in str(caught.value)
    assert len(found(engine)) == 12


def test_a_question_is_asked_again_when_they_have_moved_meanwhile(
    engine: Engine, beside: Catalog
) -> None:
    answers: list[Ids] = []

    def question(catalog: Catalog, index: VectorIndex) -> Ids:
        if not answers:
            beside.images.hide([3])
            follow_catalog(beside, shared(engine, beside))
        query = np.eye(1, catalog.identity.dim, dtype=np.float32)
        answers.append(index.search(query, 99).ids[0])
        return answers[-1]

    last = engine._session.ask(question)
    assert len(answers) > 1
    assert 3 not in last
    assert (last >= 0).sum() == 11


def test_a_vector_that_somebody_changed_is_noticed_and_put_right(
    engine: Engine, beside: Catalog
) -> None:
    before = [engine.search(noise(), k=12, rank=rank).results for rank in ("plain", "fused")]
    index = shared(engine, beside)
    ids, vectors = beside.embeddings.all()
    index._collection.upsert(ids, -vectors.unit, 1)
    after = [engine.search(noise(), k=12, rank=rank).results for rank in ("plain", "fused")]
    assert after == before
    assert index.open()
    assert index.search(vectors.unit[:1], 1).ids.tolist() == [[ids[0]]]


def test_any_number_of_threads_may_ask_while_they_are_brought_in_step(
    engine: Engine, beside: Catalog
) -> None:
    every = found(engine)
    [third] = {row.path for row in beside.images.rows([3]).values()}
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(found, engine) for _ in range(12)]
        for change in (beside.images.hide, beside.images.reveal) * 3:
            change([3])
        answers = [each.result() for each in asked]
    assert all(answer in (every, every - {third}) for answer in answers)
    assert found(engine) == every


def test_one_store_is_moved_by_its_engine_and_followed_by_another(
    engine: Engine, tmp_path: Path, images: Path
) -> None:
    before = found(engine)
    config = Config.at(engine.config.store.folder, vectors="faiss")
    with Engine(config, embedder=FakeEmbedder(config)) as other:
        other.index([images])
        assert other.status().vectors == "faiss"
        assert found(other) == before
    # The first had the collection open, which is gone.
    assert found(engine) == before
    assert engine.status().consistent
