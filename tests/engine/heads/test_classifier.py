"""Built-in categories and heads in one distribution."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.heads.classifier import (
    BuiltIn,
    Classifier,
    Distribution,
    belonging,
    check_known,
    distribution,
)
from engine.heads.head import ALL, BUILT_IN, Dense, Head
from index.records import Floats, Vectors

MakeHead = Callable[..., Head]
MakeVectors = Callable[[int, int], Vectors]
SEEDS = st.integers(0, 10_000)


@given(seed=SEEDS)
def test_all_categories_together_share_one(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors, seed: int
) -> None:
    answer = Classifier(small_built_in, heads).joint(make_vectors(9, seed))
    assert answer.probability.shape == (9, 7 + 3 + 2 + 1)
    np.testing.assert_allclose(answer.probability.sum(axis=1), 1, atol=1e-5)


@given(seed=SEEDS)
def test_the_categories_of_one_head_share_one(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors, seed: int
) -> None:
    answer = Classifier(small_built_in, heads).own(heads[1], make_vectors(9, seed))
    assert list(answer.names) == [("vehicles", "vehicles 0"), ("vehicles", "vehicles 1")]
    np.testing.assert_allclose(answer.probability.sum(axis=1), 1, atol=1e-5)


@given(seed=SEEDS, order=st.permutations([0, 1, 2]))
def test_the_order_of_heads_changes_no_probability(
    small_built_in: BuiltIn,
    heads: list[Head],
    make_vectors: MakeVectors,
    seed: int,
    order: list[int],
) -> None:
    vectors = make_vectors(5, seed)
    one = Classifier(small_built_in, heads).joint(vectors)
    other = Classifier(small_built_in, [heads[place] for place in order]).joint(vectors)
    places = [list(other.names).index(name) for name in one.names]
    np.testing.assert_allclose(one.probability, other.probability[:, places], atol=1e-6)


@given(seed=SEEDS)
def test_heads_leave_the_proportions_of_the_built_in_categories_alone(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors, seed: int
) -> None:
    vectors = make_vectors(5, seed)
    classifier = Classifier(small_built_in, heads)
    alone = np.log(classifier.built_in(vectors).probability + 1e-30)
    joined = np.log(classifier.joint(vectors).probability[:, :7] + 1e-30)
    seen = (alone > -20) & (joined > -20)
    best = alone.argmax(axis=1)[:, None]
    ratios = alone - np.take_along_axis(alone, best, axis=1)
    joined_ratios = joined - np.take_along_axis(joined, best, axis=1)
    valid = seen & np.take_along_axis(seen, best, axis=1)
    np.testing.assert_allclose(ratios[valid], joined_ratios[valid], atol=1e-3)


def test_without_heads_the_joint_distribution_is_the_built_in_one(
    small_built_in: BuiltIn, make_vectors: MakeVectors
) -> None:
    classifier, vectors = Classifier(small_built_in, []), make_vectors(5, 1)
    joint, alone = classifier.joint(vectors), classifier.built_in(vectors)
    assert np.array_equal(joint.probability, alone.probability)
    assert {source for source, _ in alone.names} == {BUILT_IN}


@pytest.mark.parametrize("count", [0, 1, 3, 4, 10])
def test_the_best_in_blocks_are_the_best_at_once(
    small_built_in: BuiltIn,
    heads: list[Head],
    make_vectors: MakeVectors,
    count: int,
) -> None:
    classifier, vectors = Classifier(small_built_in, heads), make_vectors(count, 5)
    blocks, whole = classifier.best(vectors, block=3), classifier.joint(vectors).best()
    assert np.array_equal(blocks.choice, whole.choice)
    np.testing.assert_allclose(blocks.probability, whole.probability, atol=1e-6)
    assert np.array_equal(blocks.unknown, whole.unknown)


@given(seed=SEEDS)
def test_the_best_where_the_built_in_answers_are_known_is_the_best_of_all(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors, seed: int
) -> None:
    classifier, vectors = Classifier(small_built_in, heads), make_vectors(50, seed)
    settled = classifier.settle(vectors, small_built_in.summary(vectors))
    whole = classifier.joint(vectors).best()
    assert np.array_equal(settled.choice, whole.choice)
    np.testing.assert_allclose(settled.probability, whole.probability, atol=5e-6)
    assert settled.summary is None


def test_the_layers_of_a_head_are_asked_only_where_it_could_win(
    small_built_in: BuiltIn,
    make_head: MakeHead,
    make_vectors: MakeVectors,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[int] = []
    ask = Head.log_probabilities

    def noted(self: Head, vectors: Vectors) -> Floats:
        asked.append(len(vectors))
        return ask(self, vectors)

    monkeypatch.setattr(Head, "log_probabilities", noted)
    vectors, head = make_vectors(200, 1), make_head(1)
    summary = small_built_in.summary(vectors)
    Classifier(small_built_in, [head]).settle(vectors, summary)
    assert asked == [int((head.belonging(vectors) > summary.logit).sum())]
    assert 0 < asked[0] < 200


def test_a_summary_says_what_the_built_in_categories_alone_say(
    small_built_in: BuiltIn, make_vectors: MakeVectors
) -> None:
    vectors = make_vectors(30, 4)
    summary = small_built_in.summary(vectors)
    alone = Classifier(small_built_in, []).built_in(vectors)
    assert np.array_equal(summary.choice, alone.probability.argmax(axis=1))
    np.testing.assert_allclose(
        np.exp(summary.log_probability), alone.probability.max(axis=1), rtol=1e-5
    )


def test_ranked_answers_fall_and_begin_with_the_best(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors
) -> None:
    answer = Classifier(small_built_in, heads).joint(make_vectors(4, 5))
    best = answer.best()
    for row, ranked in enumerate(answer.ranked(["a", "b", "c", "d"], 4)):
        chances = [each.probability for each in ranked.predictions]
        first = ranked.predictions[0]
        assert len(chances) == 4
        assert chances == sorted(chances, reverse=True)
        assert (first.source, first.category) == best.names[best.choice[row]]


def test_more_answers_than_categories_are_all_categories(
    small_built_in: BuiltIn, make_vectors: MakeVectors
) -> None:
    (ranked,) = Classifier(small_built_in, []).joint(make_vectors(1, 5)).ranked(["a"], 100)
    assert {each.category for each in ranked.predictions} == set(small_built_in.categories)


@given(seed=SEEDS)
def test_a_category_of_two_heads_is_answered_once_by_the_likelier(
    small_built_in: BuiltIn, make_head: MakeHead, make_vectors: MakeVectors, seed: int
) -> None:
    shared = ("Chair", "cafe\u0301", "c")
    heads = [
        replace(make_head(1, name="a"), categories=shared),
        replace(make_head(2, name="b"), categories=("chair", "café", "d")),
    ]
    joint = Classifier(small_built_in, heads).joint(make_vectors(1, seed))
    [answer] = joint.ranked(["x"], 99)
    assert len(answer.predictions) == 7 + 4
    for one, other in (("Chair", "chair"), ("cafe\u0301", "café")):
        first, second = (
            float(joint.probability[0, joint.names.index(pair)])
            for pair in (("a", one), ("b", other))
        )
        [said] = [each for each in answer.predictions if each.category in (one, other)]
        assert said.probability == max(first, second)
        assert said.source == ("a" if first >= second else "b")


def test_of_equal_answers_the_first_source_stands() -> None:
    names = [("imagenet", "x"), ("a", "chair"), ("b", "chair")]
    even = np.array([[0.5, 0.25, 0.25]], np.float32)
    [answer] = Distribution(names, even, np.array([False])).ranked(["x"], 5)
    assert [each.source for each in answer.predictions] == ["imagenet", "a"]


def test_two_categories_of_one_source_are_both_answered() -> None:
    names = [("imagenet", "crane"), ("imagenet", "crane"), ("a", "Crane")]
    probability = np.array([[0.3, 0.2, 0.5]], np.float32)
    both = Distribution(names[:2], probability[:, :2], np.array([False])).ranked(["x"], 5)
    assert [each.category for each in both[0].predictions] == ["crane", "crane"]
    [answer] = Distribution(names, probability, np.array([False])).ranked(["x"], 5)
    assert [each.source for each in answer.predictions] == ["a"]


def test_an_image_with_nothing_convincing_is_unknown(make_vectors: MakeVectors) -> None:
    flat = Dense(np.zeros((10, 12), np.float32), np.zeros(10, np.float32))
    built_in = BuiltIn(flat, tuple(f"thing {number}" for number in range(10)))
    (ranked,) = Classifier(built_in, []).joint(make_vectors(1, 1)).ranked(["a"], 1)
    assert ranked.unknown
    assert ranked.category is None


def test_a_convincing_image_is_known(small_built_in: BuiltIn, make_vectors: MakeVectors) -> None:
    sure = replace(small_built_in.layer, bias=np.eye(7, dtype=np.float32)[2] * 1000)
    built_in = replace(small_built_in, layer=sure)
    (ranked,) = Classifier(built_in, []).joint(make_vectors(1, 1)).ranked(["a"], 1)
    assert ranked.category == "thing 2"


def test_a_head_asked_alone_refuses_exactly_what_belongs_too_little(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors
) -> None:
    vectors = make_vectors(200, 8)
    share = belonging(heads[0], small_built_in, vectors)
    head = replace(heads[0], accept=float(np.median(share)))
    unknown = Classifier(small_built_in, heads).own(head, vectors).unknown
    assert np.array_equal(unknown, share < np.float32(head.accept))
    assert 0 < unknown.sum() < 200


def test_belonging_is_the_heads_share_beside_the_built_in_categories(
    small_built_in: BuiltIn, heads: list[Head], make_vectors: MakeVectors
) -> None:
    vectors = make_vectors(50, 8)
    joint = Classifier(small_built_in, heads[:1]).joint(vectors).probability
    share = belonging(heads[0], small_built_in, vectors)
    np.testing.assert_allclose(share, joint[:, 7:].sum(axis=1), atol=1e-5)


@pytest.mark.slow
def test_the_embedded_backbone_has_a_thousand_categories_with_their_names(
    imagenet: BuiltIn,
) -> None:
    assert imagenet.layer.weight.shape == (1000, 1280)
    assert len(imagenet.categories) == 1000
    assert imagenet.categories[831] == "studio couch"


@pytest.mark.parametrize("name", [None, ALL, BUILT_IN, "furniture"])
def test_heads_and_what_stands_for_them_are_known(make_head: MakeHead, name: str | None) -> None:
    check_known([make_head()], name)


def test_a_name_chooses_who_answers(
    make_head: MakeHead, small_built_in: BuiltIn, make_vectors: Callable[[int, int], Vectors]
) -> None:
    heads, vectors = [make_head(1, name="one"), make_head(2, name="two")], make_vectors(2, 1)
    sources = {
        name: {source for source, _ in distribution(small_built_in, heads, name, vectors).names}
        for name in (None, ALL, BUILT_IN, "two")
    }
    everyone = {BUILT_IN, "one", "two"}
    assert sources == {None: everyone, ALL: everyone, BUILT_IN: {BUILT_IN}, "two": {"two"}}
