"""A lesson: what to ask next, what was found, and how many there are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import Engine, Lesson
from engine.errors import UnknownImageError, UsageError
from engine.learning.teaching.scorer import ScorerOptions
from engine.learning.teaching.teach import Teacher, TeachOptions
from engine.session.pool import PoolLimits, PoolReader
from index.catalog.catalog import Catalog
from index.vectors.index import VectorIndex


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Engine:
    """An engine with twelve pictures: ids 1 to 4 are beds, then chairs, then lamps."""
    fake_engine.index([images], label="parent")
    return fake_engine


def test_where_nothing_is_known_typical_pictures_are_asked(indexed: Engine) -> None:
    lesson = indexed.teach("bright", k=5)
    assert len({each.id for each in lesson.ask}) == 5
    assert {each.why for each in lesson.ask} == {"typical"}
    assert {each.probability for each in lesson.ask} == {None}
    assert (lesson.found, lesson.estimate) == ([], None)
    assert (lesson.images, lesson.looked_at) == (12, 12)


def test_a_label_says_what_to_ask_first(indexed: Engine) -> None:
    lesson = indexed.teach("Chair")
    assert {each.id for each in lesson.ask} == {5, 6, 7, 8}
    assert {each.why for each in lesson.ask} == {"label"}
    left = indexed.teach("chair", no=[5, 6, 7, 8])
    assert {each.why for each in left.ask} == {"typical"}


def test_what_was_judged_is_neither_asked_nor_found(indexed: Engine) -> None:
    lesson = indexed.teach("bright", yes=[1, 2], no=[9, 10], k=12)
    assert {each.id for each in lesson.ask} == {3, 4, 5, 6, 7, 8, 11, 12}
    assert {each.id for each in lesson.found} <= {3, 4, 5, 6, 7, 8, 11, 12}
    assert all(each.why == "uncertain" for each in lesson.ask)
    likely = [each.probability for each in lesson.found]
    assert likely == sorted(likely, reverse=True)
    assert all(each >= 0.5 for each in likely)


def test_of_too_many_answers_some_are_learned_from_and_all_count(indexed: Engine) -> None:
    few = TeachOptions(scorer=ScorerOptions(answers=10))

    def asked(catalog: Catalog, index: VectorIndex) -> Lesson:
        teacher = Teacher(catalog, index, indexed._session.pool(), few)
        return teacher.lesson("bright", [1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11], 12)

    lesson = indexed._session.ask(asked)
    assert (lesson.yes, lesson.no, [each.id for each in lesson.ask]) == (5, 6, [12])
    assert lesson.estimate is not None
    assert 5 <= lesson.estimate.low <= lesson.estimate.high <= 6


def test_the_same_question_has_the_same_answer(indexed: Engine) -> None:
    assert indexed.teach("bright", [1], [9], 4) == indexed.teach("bright", [1], [9], 4)


def test_when_all_is_judged_nothing_is_asked(indexed: Engine) -> None:
    lesson = indexed.teach("bright", yes=range(1, 7), no=range(7, 13))
    assert (lesson.ask, lesson.found) == ([], [])
    assert lesson.estimate is not None
    assert (lesson.estimate.count, lesson.estimate.low, lesson.estimate.high) == (6, 6, 6)


def test_what_cannot_be_asked_is_refused(indexed: Engine) -> None:
    with pytest.raises(UnknownImageError, match="image 99"):
        indexed.teach("bed", yes=[99])
    with pytest.raises(UsageError, match="image 3"):
        indexed.teach("bed", yes=[3], no=[3])
    with pytest.raises(UsageError):
        indexed.teach("bed", k=0)


def test_new_pictures_are_seen_at_once(indexed: Engine, images: Path, drawn: Path) -> None:
    assert indexed.teach("bright").images == 12
    for source in sorted((drawn / "sofa").iterdir())[:3]:
        (images / source.name).write_bytes(source.read_bytes())
    indexed.index([images])
    assert indexed.teach("bright", k=50).images == 15
    indexed.images.forget([1])
    asked = {each.id for each in indexed.teach("bright", k=50).ask}
    assert 1 not in asked


def test_the_embeddings_are_read_once(indexed: Engine) -> None:
    pool = indexed._session.pool()
    first = indexed._session.ask(lambda catalog, index: pool.read(catalog))
    indexed.images.relabel(3, "sofa")
    again = indexed._session.ask(lambda catalog, index: pool.read(catalog))
    assert again is first


def test_of_a_large_catalog_a_sample_is_looked_at_with_what_is_like_a_yes(
    indexed: Engine,
) -> None:
    dim = indexed._session.catalog().identity.dim
    small = PoolReader(PoolLimits(bytes=4 * dim * 5))

    def asked(catalog: Catalog, index: VectorIndex) -> Lesson:
        pool = small.read(catalog)
        assert (len(pool.ids), pool.images, pool.whole) == (5, 12, False)
        outside = np.setdiff1d(np.arange(1, 13), pool.ids).tolist()
        return Teacher(catalog, index, small).lesson("bright", outside[:2], outside[2:4], 12)

    lesson = indexed._session.ask(asked)
    assert (lesson.yes, lesson.no, lesson.images) == (2, 2, 12)
    # The index finds all of so few.
    assert lesson.looked_at == 12
    assert len(lesson.ask) == 8
