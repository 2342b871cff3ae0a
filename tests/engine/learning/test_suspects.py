"""Which labels are doubted: by layers that have seen neither a picture nor a copy of it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Engine, TrainOptions, UsageError
from engine.errors import StoreNotFoundError, TrainingError, UnknownHeadError
from engine.learning.data.copies import CopyOptions
from engine.learning.data.examples import Examples
from engine.learning.suspects import SuspectOptions, find_suspects, label_margins
from index.catalog.catalog import Catalog
from index.records import Ids, Vectors
from tests.support.spread import SAME_CONTENT

DIM = 12
EXACT = TrainOptions(optimizer="lbfgs", weight_decay=1.0, epochs=500, validation=0.25)

pytestmark = pytest.mark.slow


def clusters(labels: Ids, shown: Ids, *, spread: float = 0.5, seed: int = 1) -> Examples:
    """Return pictures that show one category and are labelled as another, where these differ."""
    rng = np.random.default_rng(seed)
    count = len(labels)
    values = 4 * np.eye(DIM)[shown] + rng.normal(0, spread, (count, DIM))
    return Examples(
        hashes=tuple(f"{number:064x}" for number in range(count)),
        paths=tuple(f"/{number}.jpg" for number in range(count)),
        categories=tuple("abc"),
        labels=labels.astype(np.int64),
        vectors=Vectors.of(values.astype(np.float32)),
        image=np.arange(count),
        view=np.zeros(count, np.int64),
        copies=SAME_CONTENT,
    )


def exchanged(count: int, wrong: list[int]) -> Examples:
    """Return pictures of three categories in turn, some of them with the next one's label."""
    shown = np.arange(count) % 3
    labels = shown.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    return clusters(labels, shown)


def test_labels_that_were_exchanged_come_first_with_what_the_pictures_show() -> None:
    wrong = [4, 11, 32, 57]
    report = find_suspects(exchanged(90, wrong), "labels", doubted=False)
    assert (report.images, report.doubted, report.left_out) == (90, 4, 0)
    first = report.suspects[:4]
    assert {each.path for each in first} == {f"/{image}.jpg" for image in wrong}
    assert {each.path: (each.label, each.suggestion) for each in first}["/4.jpg"] == ("c", "b")
    margins = [each.margin for each in report]
    assert margins == sorted(margins, reverse=True)
    for each in report:
        assert each.margin == pytest.approx(each.suggestion_probability - each.probability)


def test_those_that_are_doubted_are_listed_and_no_others() -> None:
    report = find_suspects(exchanged(90, [4, 11]), "labels")
    assert {each.path for each in report} == {"/4.jpg", "/11.jpg"}
    assert len(find_suspects(exchanged(90, [4, 11]), "labels", k=1)) == 1


def test_all_labels_right_none_is_doubted() -> None:
    assert find_suspects(exchanged(60, []), "labels").doubted == 0


def test_a_copy_with_the_same_wrong_label_does_not_vouch_for_it() -> None:
    once = exchanged(60, [7])
    # Three copies of each picture, labelled like it: layers that saw one would know the others.
    three = np.repeat(np.arange(60), 3)
    some = replace(
        once,
        hashes=tuple(once.hashes[at] for at in three.tolist()),
        paths=tuple(f"/{once.hashes[at]}-{number}.jpg" for number, at in enumerate(three.tolist())),
        labels=once.labels[three],
        vectors=once.vectors[three],
        image=np.arange(180),
        view=np.zeros(180, np.int64),
    )
    # No penalty: what has been seen is learned by heart.
    by_heart = TrainOptions(optimizer="lbfgs", weight_decay=0.0, epochs=300)
    options = SuspectOptions(training=by_heart, repeats=1)
    margin = label_margins(some, options).margin
    assert (margin[three == 7] > 0).all()
    # Were they no copies to it, each would be believed.
    blind = replace(some, hashes=tuple(f"{number:064x}" for number in range(180)))
    assert (label_margins(blind, options).margin[three == 7] < 0).any()


def test_the_only_picture_of_a_category_cannot_be_judged() -> None:
    labels = np.append(np.arange(40) % 2, 2)
    report = find_suspects(clusters(labels, labels), "labels", doubted=False)
    assert (report.images, report.left_out) == (40, 1)
    assert "/40.jpg" not in {each.path for each in report}
    assert any("not tested: c" in note for note in report.notes)


def test_pictures_whose_files_are_not_known_are_counted_and_not_listed() -> None:
    some = exchanged(60, [7, 8])
    paths = tuple("" if image == 7 else path for image, path in enumerate(some.paths))
    report = find_suspects(replace(some, paths=paths), "labels")
    assert (report.doubted, [each.path for each in report]) == (2, ["/8.jpg"])
    assert any("not known any more: 1 picture" in note for note in report.notes)


def test_what_somebody_said_a_picture_shows_is_not_doubted() -> None:
    some = exchanged(60, [7, 8])
    said = [(some.hashes[7], "C"), (some.hashes[8], "b"), (some.hashes[9], "a")]
    report = find_suspects(some, "labels", said=said)
    assert some.categories[some.labels[7]] == "c" and some.categories[some.labels[8]] == "a"
    assert (report.doubted, [each.path for each in report]) == (1, ["/8.jpg"])
    assert any("not doubted" in note and "1 picture" in note for note in report.notes)
    every = find_suspects(some, "labels", said=said, doubted=False)
    assert (len(every), every.doubted) == (60, 1)


@pytest.mark.parametrize("labels", [[0] * 20, [0, 1, 2], []], ids=["one", "single", "none"])
def test_too_few_to_doubt_is_an_error_that_says_what_it_takes(labels: list[int]) -> None:
    array = np.array(labels, np.int64)
    some = clusters(array, array)
    some = replace(some, categories=some.categories[: len(set(labels))])
    with pytest.raises(TrainingError, match=r"two categories.*Add pictures"):
        find_suspects(some, "labels")


def test_the_same_pictures_give_the_same_answer() -> None:
    one, other = (find_suspects(exchanged(60, [3]), "labels", doubted=False) for _ in range(2))
    assert one == other


def test_many_pictures_have_one_repeat_and_each_is_judged() -> None:
    told: list[tuple[int, int]] = []
    options = SuspectOptions(few=50, training_many=TrainOptions(epochs=20, lr=0.02))
    note = lambda done, total: told.append((done, total))  # noqa: E731
    found = label_margins(exchanged(60, [7]), options, note)
    assert (told[-1], found.judged.all()) == ((5, 5), True)
    assert found.margin.argmax() == 7


def test_views_are_learned_from_and_not_judged() -> None:
    once = exchanged(45, [7])
    both = replace(
        once,
        vectors=Vectors.concatenate([once.vectors, once.vectors]),
        image=np.tile(np.arange(45), 2),
        view=np.repeat(np.arange(2), 45),
        views=("original", "mirror"),
        copies=CopyOptions(score=1e9, always=1e9),
    )
    report = find_suspects(both, "labels")
    assert (report.images, [each.path for each in report]) == (45, ["/7.jpg"])


@pytest.fixture
def rooms(drawn: Path, tmp_path: Path) -> Path:
    """Twelve renders each of bed, chair and lamp, and a lamp among the beds."""
    folder = tmp_path / "rooms"
    for category in ("bed", "chair", "lamp"):
        shutil.copytree(drawn / category, folder / category)
    first = min((folder / "lamp").iterdir())
    first.rename(folder / "bed" / "wrong.jpg")
    return folder


def first_of(engine: Engine, dataset: Path | None = None, head: str | None = None) -> list[str]:
    report = engine.suspects(dataset, head=head, doubted=False)
    assert report.images == 36
    return [each.path for each in report]


def test_labels_of_the_catalog_those_of_a_folder_and_of_a_head_are_ranked_alike(
    rooms: Path, fake_engine: Engine
) -> None:
    fake_engine.index([rooms], label="parent")
    fake_engine.train(head="rooms", from_labels=True, options=EXACT)
    of_catalog = first_of(fake_engine)
    assert first_of(fake_engine, rooms) == of_catalog
    assert first_of(fake_engine, head="rooms") == of_catalog


def test_a_judgement_settles_the_labels_of_the_catalog_alone(
    rooms: Path, fake_engine: Engine
) -> None:
    fake_engine.index([rooms], label="parent")
    before = fake_engine.suspects()
    first, label = before.suspects[0].id, before.suspects[0].label
    assert first is not None
    fake_engine.judgements.add("something else", yes=[first])
    fake_engine.judgements.add(label, no=[first])
    assert fake_engine.suspects() == before
    fake_engine.judgements.add(label, yes=[first])
    after = fake_engine.suspects()
    assert [each.id for each in after] == [each.id for each in before][1:]
    assert after.doubted == before.doubted - 1
    assert len(fake_engine.suspects(rooms)) == len(before)


def test_nothing_is_written(rooms: Path, fake_engine: Engine) -> None:
    fake_engine.index([rooms], label="parent")
    with Catalog.open(fake_engine.config.store.catalog) as catalog:
        before = catalog.contents.visible()
    fake_engine.suspects()
    with Catalog.open(fake_engine.config.store.catalog) as catalog:
        assert catalog.contents.visible() == before


def test_a_folder_needs_no_store(rooms: Path, fake_engine: Engine) -> None:
    assert fake_engine.suspects(rooms).images == 36
    assert not fake_engine.config.store.exists()


def test_a_head_is_looked_at_though_its_pictures_are_gone(rooms: Path, fake_engine: Engine) -> None:
    fake_engine.train(rooms, head="rooms", options=EXACT)
    before = first_of(fake_engine, head="rooms")
    assert str(rooms / "bed" / "wrong.jpg") in before
    shutil.rmtree(rooms)
    assert first_of(fake_engine, head="rooms") == before


def test_pictures_of_a_head_are_named_where_they_lie_now(
    rooms: Path, fake_engine: Engine, tmp_path: Path
) -> None:
    fake_engine.train(rooms, head="rooms", options=EXACT)
    rooms.rename(tmp_path / "moved")
    fake_engine.index([tmp_path / "moved"])
    assert all(
        path.startswith(str(tmp_path / "moved")) for path in first_of(fake_engine, None, "rooms")
    )


def test_labels_that_changed_since_a_head_learned_them_are_told(
    rooms: Path, fake_engine: Engine
) -> None:
    fake_engine.index([rooms], label="parent")
    fake_engine.train(head="rooms", from_labels=True, options=EXACT)
    (rooms / "bed" / "wrong.jpg").rename(rooms / "lamp" / "wrong.jpg")
    fake_engine.index([rooms], label="parent")
    notes = fake_engine.suspects(head="rooms").notes
    assert any("1 picture had another label when rooms learned it" in note for note in notes)


def test_what_cannot_be_asked_is_refused(rooms: Path, fake_engine: Engine, images: Path) -> None:
    with pytest.raises(StoreNotFoundError):
        fake_engine.suspects()
    fake_engine.index([images])
    with pytest.raises(TrainingError, match="no image in the catalog has a label"):
        fake_engine.suspects()
    with pytest.raises(UnknownHeadError):
        fake_engine.suspects(head="rooms")
    with pytest.raises(UsageError, match="Name one of the two"):
        fake_engine.suspects(rooms, head="rooms")
    with pytest.raises(UsageError, match="no such folder"):
        fake_engine.suspects(rooms / "none")
    with pytest.raises(UsageError, match="out of range"):
        fake_engine.suspects(rooms, k=0)
