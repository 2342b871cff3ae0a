"""Layers fitted to embeddings, and splits to fit them on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from engine.errors import TrainingError
from engine.heads.fitting.epochs import validate
from engine.heads.fitting.fit import Fitted, LayersLearner, fit_layers, threads_for
from engine.heads.fitting.rows import Rows
from engine.heads.head import Dense
from engine.heads.numerics import ACTIVATIONS
from engine.heads.options import MANY, TrainOptions
from index.records import Floats, Ids

QUICK = TrainOptions(epochs=8, lr=0.02, weight_decay=0.0)


def clouds(counts: tuple[int, ...], seed: int, spread: float = 0.5, dim: int = 8) -> Rows:
    """Return points around one corner for each category."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    values = np.eye(len(counts), dim)[labels] + rng.normal(0, spread, (len(labels), dim))
    return Rows(values.astype(np.float32), labels.astype(np.int64))


def answers(layers: tuple[Dense, ...], values: Floats) -> Ids:
    for layer in layers[:-1]:
        values = np.maximum(layer(values), 0)
    best: Ids = layers[-1](values).argmax(axis=1)
    return best


def same(one: Fitted, other: Fitted) -> bool:
    return all(
        np.array_equal(a.weight, b.weight) and np.array_equal(a.bias, b.bias)
        for a, b in zip(one.layers, other.layers, strict=True)
    )


@pytest.mark.parametrize("hidden", [(), (16,)])
def test_the_same_seed_gives_the_same_layers_to_the_last_bit(hidden: tuple[int, ...]) -> None:
    rows, options = clouds((30, 30, 30), 1), replace(QUICK, hidden=hidden)
    assert same(fit_layers(rows, 3, options), fit_layers(rows, 3, options))


def test_another_seed_gives_other_layers() -> None:
    rows = clouds((30, 30, 30), 1)
    assert not same(fit_layers(rows, 3, QUICK), fit_layers(rows, 3, replace(QUICK, seed=1)))


def test_training_does_not_disturb_the_callers_random_numbers() -> None:
    torch.manual_seed(5)
    wanted = torch.rand(4)
    torch.manual_seed(5)
    fit_layers(clouds((10, 10), 1), 2, QUICK)
    assert torch.equal(torch.rand(4), wanted)


@pytest.mark.parametrize("hidden", [(), (32,), (32, 16)])
def test_categories_that_lie_apart_are_learned(hidden: tuple[int, ...]) -> None:
    options = replace(QUICK, hidden=hidden, epochs=40)
    fitted = fit_layers(clouds((40, 40, 40), 1, 0.2), 3, options)
    assert len(fitted.layers) == len(hidden) + 1
    test = clouds((50, 50, 50), 2, 0.2)
    assert (answers(fitted.layers, test.values) == test.labels).mean() > 0.95


def test_a_hidden_layer_learns_what_no_straight_line_can() -> None:
    rng = np.random.default_rng(0)
    values = rng.uniform(-1, 1, (400, 2)).astype(np.float32)
    rows = Rows(values, (values[:, 0] * values[:, 1] > 0).astype(np.int64))
    options = replace(QUICK, epochs=60, dropout=0.0)
    straight = fit_layers(rows, 2, options)
    bent = fit_layers(rows, 2, replace(options, hidden=(24,)))
    assert (answers(straight.layers, values) == rows.labels).mean() < 0.75
    assert (answers(bent.layers, values) == rows.labels).mean() > 0.95


def test_a_rare_category_weighs_as_much_as_a_common_one() -> None:
    # With every picture weighing the same, the border would lie where a third of the rare ones
    # are found; in the middle five of six are.
    rng = np.random.default_rng(3)
    labels = np.repeat([0, 1], [950, 50])
    rows = Rows(rng.normal(2.0 * labels - 1)[:, None].astype(np.float32), labels)
    fitted = fit_layers(rows, 2, replace(QUICK, epochs=30))
    rare = rng.normal(1, 1, (2000, 1)).astype(np.float32)
    common = rng.normal(-1, 1, (2000, 1)).astype(np.float32)
    assert (answers(fitted.layers, rare) == 1).mean() > 0.75
    assert (answers(fitted.layers, common) == 0).mean() > 0.75


def misleading() -> tuple[Rows, Rows]:
    rows, validation = clouds((40, 40, 40), 1), clouds((20, 20, 20), 2)
    shuffled = np.random.default_rng(0).permutation(validation.labels)
    return rows, Rows(validation.values, shuffled)


def test_training_stops_when_validation_has_not_gained_for_long() -> None:
    rows, validation = misleading()
    fitted = fit_layers(rows, 3, replace(QUICK, epochs=200, patience=4), validation=validation)
    assert len(fitted.history) == fitted.epochs + 4


def test_the_layers_kept_are_those_of_the_best_epoch() -> None:
    rows, validation = misleading()
    options = replace(QUICK, epochs=200, patience=4)
    fitted = fit_layers(rows, 3, options, validation=validation)
    assert same(fitted, fit_layers(rows, 3, options, epochs=fitted.epochs))
    losses = [row["validation_loss"] for row in fitted.history]
    assert int(np.argmin(losses)) + 1 == fitted.epochs


def test_a_number_of_epochs_is_kept_to_exactly() -> None:
    fitted = fit_layers(clouds((20, 20), 1), 2, QUICK, epochs=3)
    assert (fitted.epochs, [row["epoch"] for row in fitted.history]) == (3, [1, 2, 3])


def test_the_history_tells_of_a_loss_that_falls() -> None:
    rows = clouds((40, 40, 40), 1, 0.2)
    history = fit_layers(rows, 3, replace(QUICK, epochs=20), validation=rows).history
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert 0.95 < history[-1]["validation_accuracy"] <= 1


def test_progress_is_told_after_every_epoch() -> None:
    told: list[tuple[int, int]] = []
    rows = clouds((9, 9), 1)
    fit_layers(rows, 2, QUICK, progress=lambda done, total: told.append((done, total)))
    assert told == [(epoch, 8) for epoch in range(1, 9)]


def test_chosen_rows_are_learned_as_if_there_were_no_others() -> None:
    rows, options = clouds((30, 30, 30), 1), replace(QUICK, hidden=(8,))
    chosen = np.arange(0, 90, 2)
    copied = Rows(rows.values[chosen] * np.float32(1.7), rows.labels[chosen])
    taken = replace(rows, chosen=chosen, scale=1.7)
    assert same(fit_layers(taken, 3, options), fit_layers(copied, 3, options))


@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_chosen_rows_are_validated_as_if_there_were_no_others(batch: int) -> None:
    rows, other, positions = clouds((30, 30), 1), clouds((20, 20), 2), np.arange(5, 40)
    alone = Rows(other.values[positions] * np.float32(1.7), other.labels[positions])
    chosen = replace(other, chosen=positions, scale=1.7)
    learner = LayersLearner(rows, 2, QUICK, alone, 1, validation_batch=batch)
    whole = validate(learner)
    again = LayersLearner(rows, 2, QUICK, chosen, 1)
    again.network.load_state_dict(learner.network.state_dict())
    taken = validate(again)
    assert taken["validation_accuracy"] == whole["validation_accuracy"]
    assert taken["validation_loss"] == pytest.approx(whole["validation_loss"], rel=1e-5)


def test_a_learning_rate_that_falls_comes_to_rest() -> None:
    rows, options = clouds((40, 40), 1), replace(QUICK, epochs=20, batch=8, lr=0.5)
    last = {
        decay: fit_layers(rows, 2, replace(options, decay=decay)).history[-1]["loss"]
        for decay in (False, True)
    }
    assert last[True] < last[False]


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [(), (32,)])
def test_few_epochs_over_many_images_are_enough(hidden: tuple[int, ...]) -> None:
    counts = (MANY // 10 + 1,) * 10
    rows, test = clouds(counts, 1, 0.3, 16), clouds((100,) * 10, 2, 0.3, 16)
    few = fit_layers(rows, 10, replace(TrainOptions(), hidden=hidden).scaled(len(rows.labels)))
    centres = np.eye(10, 16)
    possible = np.linalg.norm(test.values[:, None] - centres, axis=2).argmin(1) == test.labels
    assert (answers(few.layers, test.values) == test.labels).mean() > possible.mean() - 0.02


def test_a_small_training_runs_on_one_thread_and_gives_the_others_back() -> None:
    torch.set_num_threads(2)
    with threads_for(100, 100):
        inside = torch.get_num_threads()
    assert (inside, torch.get_num_threads()) == (1, 2)


def test_a_large_training_keeps_its_threads() -> None:
    torch.set_num_threads(2)
    with threads_for(100_000, 1280):
        assert torch.get_num_threads() == 2


@pytest.mark.parametrize("rows", [100, 100_000])
def test_numpy_leaves_the_cores_to_torch(rows: int) -> None:
    def threads() -> set[int]:
        return {each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"}

    with threadpool_limits(2, user_api="blas"):
        with threads_for(rows, 1280):
            assert threads() == {1}
        assert threads() == {2}


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_answers_are_those_of_the_layers_that_were_trained(activation: str) -> None:
    rows = clouds((40, 40, 40), 1, 0.2)
    options = replace(QUICK, hidden=(24, 12), activation=activation, epochs=25, dropout=0.0)
    fitted = fit_layers(rows, 3, options, validation=rows)
    values = rows.values
    for layer in fitted.layers[:-1]:
        values = ACTIVATIONS[activation](layer(values))
    accuracy = (fitted.layers[-1](values).argmax(axis=1) == rows.labels).mean()
    assert accuracy == pytest.approx(fitted.history[fitted.epochs - 1]["validation_accuracy"])
    assert accuracy > 0.9


def test_gradient_descent_learns_as_well() -> None:
    options = replace(QUICK, optimizer="sgd", lr=None, epochs=40)
    fitted = fit_layers(clouds((40, 40, 40), 1, 0.2), 3, options)
    test = clouds((50, 50, 50), 2, 0.2)
    assert (answers(fitted.layers, test.values) == test.labels).mean() > 0.95


def test_smoothed_labels_leave_answers_less_certain() -> None:
    rows = clouds((40, 40, 40), 1, 0.1)
    options = replace(QUICK, epochs=60)
    sure, smooth = (
        np.abs(fit_layers(rows, 3, replace(options, label_smoothing=share)).layers[0].weight).mean()
        for share in (0.0, 0.2)
    )
    assert smooth < sure


def test_the_history_tells_of_learning_rates_and_accuracy() -> None:
    rows = clouds((40, 40, 40), 1, 0.2)
    history = fit_layers(rows, 3, replace(QUICK, decay=True)).history
    rates = [row["lr"] for row in history]
    assert rates[0] == QUICK.rate and rates == sorted(rates, reverse=True)
    assert 0 < history[0]["accuracy"] <= history[-1]["accuracy"] <= 1


def test_a_loss_that_is_nan_ends_the_training_and_keeps_the_best() -> None:
    rows, validation = clouds((20, 20, 20), 0, 0.2), clouds((7, 7, 6), 1, 0.2)
    # Weights grow by a million in every step, until they are too large for float32.
    options = TrainOptions(optimizer="sgd", lr=1e3, weight_decay=1e3, batch=60, patience=60)
    found = fit_layers(rows, 3, options, validation=validation)
    assert found.diverged
    assert 1 <= found.epochs <= len(found.history) < options.epochs
    assert same(found, fit_layers(rows, 3, options, epochs=found.epochs))
    assert all(np.isfinite(layer.weight).all() for layer in found.layers)


def test_a_loss_that_is_nan_from_the_start_is_an_error_with_a_remedy() -> None:
    options = TrainOptions(epochs=5)
    with pytest.raises(
        TrainingError, match=r"learning rate 0\.002: the loss is NaN after one epoch"
    ):
        fit_layers(replace(clouds((20, 20, 20), 0, 0.2), scale=1e39), 3, options)


def test_lbfgs_tells_of_every_iteration_and_of_its_validation() -> None:
    options = TrainOptions(optimizer="lbfgs", weight_decay=1.0)
    found = fit_layers(
        clouds((20, 20, 20), 0, 0.2), 3, options, validation=clouds((7, 7, 6), 1, 0.2)
    )

    assert [row["epoch"] for row in found.history] == list(range(1, found.epochs + 1))
    assert found.history[-1]["loss"] < found.history[0]["loss"]
    assert found.history[-1]["validation_accuracy"] > 0.9


def test_lbfgs_learns_from_chosen_rows_alone() -> None:
    rows, options = clouds((20, 20, 20), 0, 0.2), TrainOptions(optimizer="lbfgs", weight_decay=1.0)
    some = np.arange(0, 60, 2)
    alone = Rows(rows.values[some], rows.labels[some], scale=rows.scale)

    chosen = fit_layers(replace(rows, chosen=some), 3, options).layers[0]

    assert np.array_equal(chosen.weight, fit_layers(alone, 3, options).layers[0].weight)
