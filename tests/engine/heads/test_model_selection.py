"""Choosing how to train by cross-validation."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from engine.heads.model_selection import CANDIDATES, Tuned, tune
from engine.heads.options import TrainOptions
from engine.heads.rows import Rows

QUICK = TrainOptions(epochs=40, patience=8, lr=0.02)
LINEAR, BENT = {"hidden": ()}, {"hidden": (32,), "dropout": 0.0}


def straight(count: int, seed: int = 0) -> Rows:
    """Two categories on two sides of a line."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0, 1, (count, 2)).astype(np.float32)
    # Not quite: near the line either is as right.
    right = values[:, 0] + rng.normal(0, 0.3, count) > 0
    return Rows(values, right.astype(np.int64), scale=3.0)


def crossed(count: int, seed: int = 0) -> Rows:
    """Two categories in opposite corners, which no line tells apart."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(-1, 1, (count, 2)).astype(np.float32)
    return Rows(values, (values[:, 0] * values[:, 1] > 0).astype(np.int64), scale=4.0)


def tuned(rows: Rows, options: TrainOptions = QUICK, *candidates: dict[str, object]) -> Tuned:
    """Choose between these candidates, every row a picture of its own."""
    every = np.arange(len(rows.labels))
    return tune(rows, every, every, 2, options, candidates or (LINEAR, BENT))


def test_the_simplest_way_is_chosen_where_others_are_no_better() -> None:
    chosen = tuned(straight(200)).chosen
    assert chosen.options.hidden == ()
    assert chosen.accuracy > 0.85


def test_a_way_that_is_clearly_better_is_chosen_though_it_is_less_simple() -> None:
    options = TrainOptions(epochs=60)
    result = tuned(crossed(400), options)
    assert result.chosen.options.hidden == (32,)
    linear, bent = result.tried
    assert linear.accuracy < 0.75 < 0.9 < bent.accuracy
    assert linear.behind > linear.uncertain


def test_it_says_what_was_chosen_and_why() -> None:
    result = tuned(straight(200))
    assert result.reason.startswith("linear, lr 0.02")
    assert "5 folds of 200 pictures" in result.reason
    assert "one standard error" in result.reason or "the best of 2" in result.reason


def test_the_same_images_and_seed_give_the_same_choice_to_the_last_digit() -> None:
    assert tuned(straight(100)) == tuned(straight(100))


def test_what_was_asked_for_stays() -> None:
    options = TrainOptions(epochs=4, hidden=(8,), lr=0.01)
    every = np.arange(60)
    result = tune(straight(60), every, every, 2, options, CANDIDATES)
    assert {each.options.hidden for each in result.tried} == {(8,)}
    assert {each.options.lr for each in result.tried} == {0.01}
    assert len({each.options for each in result.tried}) == len(result.tried) > 1


def test_views_of_a_image_are_held_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.heads import model_selection as module

    rows = straight(40)
    views = Rows(np.repeat(rows.values, 2, axis=0), np.repeat(rows.labels, 2), scale=rows.scale)
    images, original = np.repeat(np.arange(40), 2), np.arange(0, 80, 2)
    asked: list[np.ndarray] = []
    fit = module.fit_layers

    def watched(rows: Rows, outputs: int, options: TrainOptions, *, validation: Rows) -> object:
        assert not set(images[rows.positions]) & set(images[validation.positions])
        asked.append(validation.positions)
        return fit(rows, outputs, options, validation=validation)

    monkeypatch.setattr(module, "fit_layers", watched)
    tune(views, images, original, 2, QUICK, (LINEAR,))
    assert sorted(np.concatenate(asked).tolist()) == original.tolist()


def test_each_category_is_in_every_fold() -> None:
    from engine.heads.model_selection import _folds

    labels = np.repeat([0, 1, 2], [50, 7, 4])
    fold_of = _folds(labels, 0)
    assert set(fold_of) == {0, 1, 2, 3}
    for fold in range(4):
        assert set(labels[fold_of == fold]) == {0, 1, 2}
        assert 12 <= Counter(labels[fold_of == fold].tolist())[0] <= 13


def test_progress_counts_every_training() -> None:
    told: list[tuple[int, int]] = []
    every = np.arange(40)
    tune(straight(40), every, every, 2, QUICK, (LINEAR, BENT), lambda *part: told.append(part))
    assert told == [(done, 10) for done in range(1, 11)]
