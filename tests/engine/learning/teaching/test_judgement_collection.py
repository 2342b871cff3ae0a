"""What people judged stays, whatever becomes of files and images."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import Config, Engine
from engine.errors import StoreNotFoundError, TrainingError, UnknownImageError, UsageError
from engine.learning.teaching.judgement_collection import JudgedCategory, Judgements
from engine.testing import FakeEmbedder
from index.catalog.tables.judgements import JudgementTable
from tests.support.meanwhile import meanwhile


@pytest.fixture
def indexed(images: Path, fake_engine: Engine) -> Iterator[Engine]:
    """An engine with twelve pictures: ids 1 to 4 are beds, then chairs, then lamps."""
    fake_engine.index([images], label="parent")
    yield fake_engine


def test_the_last_word_counts(indexed: Engine) -> None:
    indexed.judgements.add("bed", yes=[1, 2], no=[9])
    assert indexed.judgements.add("bed", no=[2]) == Judgements("bed", [1], [2, 9])
    assert indexed.judgements.forget("bed", [1, 4]) == 1
    assert list(indexed.judgements) == [JudgedCategory("bed", 0, 2)]


def test_names_that_differ_in_case_alone_are_one(indexed: Engine) -> None:
    indexed.judgements.add(" Night table", yes=[1])
    indexed.judgements.add("night Table", yes=[2])
    assert list(indexed.judgements) == [JudgedCategory("Night table", 2, 0)]
    assert indexed.judgements["NIGHT TABLE"].yes == [1, 2]


def test_judgements_are_listed_in_one_state(
    indexed: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def respelled() -> Judgements:
        indexed.judgements.forget("Bed", [1])
        return indexed.judgements.add("BED", yes=[2])

    indexed.judgements.add("Bed", yes=[1])
    seen = meanwhile(monkeypatch, JudgementTable, "images", respelled)
    assert indexed.judgements["bed"] == Judgements("Bed", [1], [])
    assert seen == [indexed.judgements["bed"]] == [Judgements("BED", [2], [])]


def test_judgements_outlive_moving_forgetting_and_indexing_anew(
    indexed: Engine, images: Path
) -> None:
    indexed.judgements.add("bed", yes=[1, 2], no=[9])
    (images / "bed").rename(images / "couch")
    indexed.index([images])
    assert indexed.judgements["bed"] == Judgements("bed", [1, 2], [9])
    indexed.remove([images])
    indexed.compact()
    assert indexed.status().judgements == 3
    assert indexed.judgements["bed"] == Judgements("bed", [], [])
    indexed.index([images])
    again = indexed.judgements["bed"]
    paths = [Path(indexed.images[each].path).parent.name for each in [*again.yes, *again.no]]
    assert paths == ["couch", "couch", "lamp"]


def test_judgements_move_with_relocated_pictures(indexed: Engine, images: Path) -> None:
    indexed.judgements.add("bed", yes=[1])
    images.rename(images.with_name("elsewhere"))
    indexed.relocate(images, images.with_name("elsewhere"))
    assert indexed.judgements["bed"].yes == [1]


def test_a_copy_has_the_answer_of_its_content(indexed: Engine, images: Path) -> None:
    original = Path(indexed.images[1].path)
    (images / "copy.png").write_bytes(original.read_bytes())
    indexed.index([images])
    copy = max(each.id for each in indexed.images.page(limit=100).images)
    assert indexed.judgements.add("bed", yes=[copy]).yes == [1]
    with pytest.raises(UsageError, match="a copy of it"):
        indexed.judgements.add("bed", yes=[1], no=[copy])


def test_what_cannot_be_judged_is_refused(indexed: Engine) -> None:
    with pytest.raises(UnknownImageError, match="images 98, 99"):
        indexed.judgements.add("bed", yes=[1, 99], no=[98])
    with pytest.raises(UsageError, match="no name of a category"):
        indexed.judgements.add("\u200b", yes=[1])
    assert list(indexed.judgements) == []


def test_without_a_catalog_there_is_nothing_to_judge(tmp_path: Path) -> None:
    config = Config.at(tmp_path / "nothing")
    with (
        Engine(config, embedder=FakeEmbedder(config)) as engine,
        pytest.raises(StoreNotFoundError),
    ):
        list(engine.judgements)


def test_a_head_learns_all_that_was_judged(indexed: Engine) -> None:
    indexed.judgements.add("bed", yes=[1, 2, 3], no=[9, 10])
    indexed.judgements.add("chair", yes=[5, 6, 7], no=[1, 11])
    indexed.judgements.add("single", yes=[12])
    report = indexed.train(head="taught", from_judgements=True)
    assert (report.categories, report.images) == (("bed", "chair"), 6)
    told = " ".join(report.notes)
    assert "single (1)" in told
    assert "3 pictures said to show none of these" in told
    metrics = indexed.report("taught").metrics
    assert metrics["refused_images"] == 3
    assert 0 <= metrics["refused"] <= 1
    again = indexed.train(head="taught", from_judgements=True)
    assert again.validation_accuracy == report.validation_accuracy


def test_one_category_can_be_learned_alone(indexed: Engine) -> None:
    indexed.judgements.add("bed", yes=[1, 2], no=[9])
    indexed.judgements.add("chair", yes=[5, 6])
    report = indexed.train(head="beds", from_judgements=True, only=["Bed"])
    assert report.categories == ("bed",)


def test_an_image_of_two_categories_is_learned_as_the_rarer(indexed: Engine) -> None:
    indexed.judgements.add("furniture", yes=[1, 2, 5, 6, 7])
    indexed.judgements.add("bed", yes=[1, 2])
    report = indexed.train(head="taught", from_judgements=True)
    assert report.images == 5
    learned = indexed.report("taught").learned
    assert learned == {"bed": 2, "furniture": 3}
    assert any("learned as the rarest of them: 2 pictures" in note for note in report.notes)


def test_a_head_of_labels_learns_judgements_too(indexed: Engine) -> None:
    indexed.train(head="rooms", from_labels=True)
    indexed.judgements.add("bed", no=[1])
    told = indexed.save_lesson("dark", [9, 10], [5], head="rooms")
    assert set(told.head.categories) == {"bed", "chair", "lamp", "dark"}
    assert indexed.report("rooms").learned["dark"] == 2
    assert indexed.report("rooms").learned["lamp"] == 2


def test_no_answer_that_says_yes_is_nothing_to_learn(indexed: Engine) -> None:
    indexed.judgements.add("bed", no=[9])
    with pytest.raises(TrainingError, match="no picture of the catalog was judged"):
        indexed.train(head="taught", from_judgements=True)


def test_one_source_is_learned_from(indexed: Engine, images: Path) -> None:
    for wrong in (
        {"from_judgements": True, "from_labels": True},
        {"from_labels": True, "only": ["bed"]},
    ):
        with pytest.raises(UsageError, match="from judgements"):
            indexed.train(head="taught", **wrong)  # type: ignore[arg-type]
