"""Model selection: which candidate is taken, and on which images candidates are compared."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from engine.heads.options import MANY as MANY_ROWS
from engine.heads.options import TrainOptions
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split, SplitOptions, measuring_splits
from engine.learning.selection.candidates import (
    CANDIDATES,
    SelectionOptions,
    candidate_options,
    soonest_first,
)
from engine.learning.selection.select import Selected, select
from index.records import Floats, Ids, Vectors
from tests.support.spread import SAME_CONTENT

QUICK = TrainOptions(epochs=40, patience=8, lr=0.02)
LINEAR: Mapping[str, Any] = {"hidden": ()}
BENT: Mapping[str, Any] = {"hidden": (32,), "dropout": 0.0}
FEW, MANY = SplitOptions(few=10_000), SplitOptions(few=0)

pytestmark = pytest.mark.slow


def examples_of(values: Floats, labels: Ids, views: int = 1) -> Examples:
    """Return rows as examples, every row an image, or a view of one after the other."""
    count = len(labels) // views
    image = np.tile(np.arange(count), views)
    # Not divided by the lengths: in so few directions nothing else would be left.
    return Examples(
        hashes=tuple(f"{number:064x}" for number in range(count)),
        paths=("",) * count,
        categories=("no", "yes"),
        labels=labels[:count].astype(np.int64),
        vectors=Vectors(values * np.float32(8), np.ones(len(values), np.float32)),
        image=image,
        view=np.repeat(np.arange(views), count),
        views=("original", "mirror")[:views],
        copies=SAME_CONTENT,
    )


def straight(count: int, seed: int = 0) -> Examples:
    """Two categories on two sides of a line."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (count, 2)).astype(np.float32)
    # Not quite: near the line either is as right.
    return examples_of(values, values[:, 0] + rng.normal(0, 0.3, count) > 0)


def crossed(count: int, seed: int = 0) -> Examples:
    """Two categories in opposite corners, which no line tells apart."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    return examples_of(values, values[:, 0] * values[:, 1] > 0)


def splits_of(examples: Examples, options: SplitOptions = FEW) -> list[Split]:
    return measuring_splits(examples.labels, examples.groups, 0.2, options, 0)


def selected(
    examples: Examples,
    options: TrainOptions = QUICK,
    candidates: tuple[Mapping[str, Any], ...] = (LINEAR, BENT),
    split: SplitOptions = FEW,
    **how: Any,
) -> Selected:
    splits = splits_of(examples, split)
    return select(examples, splits, options, SelectionOptions(candidates, **how))


@pytest.mark.parametrize("split", [FEW, MANY])
def test_the_simplest_candidate_is_taken_where_others_are_no_better(split: SplitOptions) -> None:
    found = selected(straight(200), split=split)
    (chosen,) = (each for each in found.told.candidates if each.chosen)
    assert found.final.hidden == ()
    assert chosen is found.told.candidates[0]
    assert chosen.accuracy > 0.85


@pytest.mark.parametrize("split", [FEW, MANY])
def test_a_clearly_better_candidate_is_taken_though_less_simple(
    split: SplitOptions,
) -> None:
    found = selected(crossed(400), TrainOptions(epochs=60), split=split)
    assert found.final.hidden == (32,)
    assert {each.hidden for each in found.of_splits} == {(32,)}
    linear, bent = found.told.candidates
    assert linear.accuracy < 0.75 < 0.85 < bent.accuracy
    assert linear.behind > linear.standard_error


def test_it_says_what_was_selected_and_why() -> None:
    reason = selected(straight(200)).told.reason
    assert reason.startswith("linear, lr 0.02")
    assert "5 folds of 200 images" in reason
    assert "one standard error" in reason or "the best of 2" in reason


def test_the_same_images_and_seed_give_the_same_scores_to_the_last_digit() -> None:
    one, other = (selected(straight(100)).told.candidates for _ in range(2))
    assert one == other


def test_what_was_asked_for_stays() -> None:
    options = TrainOptions(epochs=4, hidden=(8,), lr=0.01)
    found = candidate_options(options, CANDIDATES)
    assert {each.hidden for each in found} == {(8,)}
    assert {each.lr for each in found} == {0.01}
    assert len(set(found)) == len(found) > 1


def test_of_many_images_no_more_are_compared_than_it_takes() -> None:
    found = selected(straight(300), split=MANY, images=100, images_each=5)
    assert found.told.images == 100


def test_views_are_learned_from_but_not_compared_on() -> None:
    one = straight(60)
    values = np.concatenate([one.vectors.unit / 8, -one.vectors.unit / 8])
    both = examples_of(values, np.tile(one.labels, 2), views=2)
    with_views, without = selected(both).told, selected(both, views=1).told
    assert without.candidates == selected(one).told.candidates != with_views.candidates
    assert with_views.images == without.images == 60


@pytest.mark.parametrize(("split", "trials"), [(FEW, 10), (MANY, 5)])
def test_progress_counts_every_trial(split: SplitOptions, trials: int) -> None:
    told: list[tuple[int, int]] = []
    examples = straight(40)
    how = SelectionOptions((LINEAR, BENT))
    select(examples, splits_of(examples, split), QUICK, how, lambda *part: told.append(part))
    assert told == sorted(told)
    assert list(dict.fromkeys(told)) == [(done, 2 * trials) for done in range(2 * trials + 1)]


def test_too_few_images_to_compare_leave_the_simplest_candidate() -> None:
    few = examples_of(np.eye(4, 2, dtype=np.float32), np.array([0, 1, 0, 1]))
    found = selected(few)
    assert found.final.hidden == ()
    assert [each.hidden for each in found.of_splits] == [()] * len(splits_of(few))
    assert "too few" in found.told.reason


def with_drawn(misleading: bool) -> Examples:
    """Two categories whose drawn views show what the images leave out, or the opposite of it."""
    rng = np.random.default_rng(5)
    labels = np.arange(30) % 2
    away = np.where(labels, 1, -1)[:, None] * np.array([0.6, 0.0])
    seen = away + rng.normal(0, 0.7, (30, 2))
    drawn = (-away if misleading else away) + rng.normal(0, 0.05, (30, 2))
    values = np.concatenate([seen, seen, drawn, drawn]).astype(np.float32)
    both = examples_of(values, np.tile(labels, 4), views=4)
    return replace(both, views=("original", "mirror", "drawn-1", "drawn-2"))


LBFGS = {"optimizer": "lbfgs", "weight_decay": 1.0}


@pytest.mark.parametrize("split", [FEW, MANY])
@pytest.mark.parametrize("misleading", [False, True])
def test_drawn_views_are_learned_from_where_they_help(
    split: SplitOptions, misleading: bool
) -> None:
    found = selected(with_drawn(misleading), TrainOptions(), (LBFGS,), split, judge_views=True)
    assert found.final.views == (2 if misleading else None)
    # Without the images of its fold a selection may say otherwise, but seldom.
    views = [each.views for each in found.of_splits]
    assert 2 * views.count(found.final.views) > len(views)
    assert len(found.told.candidates) == 2
    assert ("without drawn views" in found.told.reason) == misleading


@pytest.mark.parametrize("split", [FEW, MANY])
def test_without_time_the_one_is_taken_that_is_trained_soonest(split: SplitOptions) -> None:
    examples, late = straight(40), time.monotonic() - 1
    splits, told = splits_of(examples, split), list[tuple[int, int]]()
    how = SelectionOptions((LINEAR, LBFGS))
    found = select(examples, splits, TrainOptions(), how, lambda *part: told.append(part), late)
    assert {each.optimizer for each in (found.final, *found.of_splits)} == {"lbfgs"}
    assert "no time to compare" in found.told.reason
    # The bar goes away though nothing was compared.
    assert told and all(done == total for done, total in told)


def test_a_candidate_that_takes_too_long_is_left_out_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    examples, options = straight(60), TrainOptions()
    # Enough for the first candidate and some trials of the other one, not for all ten.
    seconds = 400
    slow = {"hidden": (8,), "patience": options.epochs}
    how = SelectionOptions((LBFGS, slow))
    now = 0.0

    def told(done: int, total: int) -> None:
        nonlocal now
        now += 1.0

    # By this clock what is told takes a second: an epoch does.
    with monkeypatch.context() as patch:
        patch.setattr(time, "monotonic", lambda: now)
        found = select(examples, splits_of(examples), options, how, told, seconds)
    assert found.final.optimizer == "lbfgs"
    assert [each.options for each in found.told.candidates] == ["linear, weight decay 1, lbfgs"]
    (late,) = found.told.left_out
    assert late.startswith("hidden 8")
    assert "left out for want of time: 1 (hidden 8" in found.told.reason
    # It was known from the first trial, long before the time was over.
    assert now < seconds - 2 * options.epochs


def test_a_deadline_that_is_no_limit_changes_nothing() -> None:
    examples = straight(80)
    splits = splits_of(examples)
    how = SelectionOptions((LBFGS, LINEAR))
    one = select(examples, splits, QUICK, how)
    other = select(examples, splits, QUICK, how, deadline=time.monotonic() + 600)
    assert (one.final, one.of_splits) == (other.final, other.of_splits)
    assert one.told.candidates == other.told.candidates


@pytest.mark.parametrize(("rows", "first"), [(MANY_ROWS, "lbfgs"), (MANY_ROWS + 1, "adamw")])
def test_what_is_trained_the_soonest_comes_first(rows: int, first: str) -> None:
    candidates = candidate_options(TrainOptions(), CANDIDATES)
    groups = soonest_first(candidates, rows)
    assert groups[0][0].optimizer == first
    assert groups[0][0].hidden == ()
    assert {each for group in groups for each in group} == set(candidates)


@pytest.mark.parametrize(
    ("name", "value"), [("optimizer", "adamw"), ("hidden", ()), ("weight_decay", 0.05)]
)
def test_what_was_given_stays_though_it_is_the_default(name: str, value: Any) -> None:
    found = candidate_options(TrainOptions(given=(name,)), CANDIDATES)
    assert {getattr(each, name) for each in found} == {value}


def test_one_category_leaves_nothing_to_compare() -> None:
    examples = replace(straight(40), categories=("yes",), labels=np.zeros(40, np.int64))
    found = selected(examples)
    assert found.told.candidates == [] and "no other" in found.told.reason
