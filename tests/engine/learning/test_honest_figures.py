"""What is reported of a head is measured on images that took part in nothing.

Two ways to see it. Where labels are drawn at random nothing can be learned, so an honest accuracy
is at chance, whatever stops, calibrates or selects. And what answers for a test image cannot depend
on the test images of its fold: when one of them shows something else, the answers on all the
others, their confidence and their rejection stay the same to the last bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from engine.heads.classifier import BuiltIn
from engine.heads.head import Head
from engine.heads.options import LBFGS, TrainOptions
from engine.heads.record import Answers
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split, SplitOptions, measuring_splits
from engine.learning.selection.candidates import SelectionOptions
from engine.learning.train_head import HeadTraining, TrainLimits
from engine.learning.trial import new_head
from index.records import CatalogIdentity, Ids, Vectors
from tests.support.around import surroundings
from tests.support.spread import SAME_CONTENT

DIM = 12
IDENTITY = CatalogIdentity("fake", "f" * 64, DIM, "float16", "fp32")
QUICK = TrainOptions(epochs=25, patience=3, lr=0.02)
CANDIDATES: tuple[Mapping[str, Any], ...] = (
    {"optimizer": LBFGS, "weight_decay": 1.0},
    {"weight_decay": 0.05},
    {"weight_decay": 0.5, "label_smoothing": 0.3},
)
FEW, MANY = SplitOptions(few=10_000), SplitOptions(few=0, test=0.25)

pytestmark = pytest.mark.slow


def examples_of(
    values: np.ndarray, labels: Ids, views: int = 1, copies: Mapping[int, int] | None = None
) -> Examples:
    """Return examples of embeddings `[views, n, dim]`; `copies` says which image is which other."""
    count = len(labels)
    hashes = [f"{(copies or {}).get(number, number):064x}" for number in range(count)]
    return Examples(
        hashes=tuple(hashes),
        paths=tuple(f"/{number}.jpg" for number in range(count)),
        categories=tuple("abc"[: labels.max() + 1]),
        labels=labels.astype(np.int64),
        vectors=Vectors.of(values.reshape(-1, DIM).astype(np.float32)),
        image=np.tile(np.arange(count), views),
        view=np.repeat(np.arange(views), count),
        views=("original", "mirror", "drawn-1")[:views],
        copies=SAME_CONTENT,
    )


def trained(
    examples: Examples,
    built_in: BuiltIn,
    split: SplitOptions,
    *,
    select_model: bool = False,
    judge_views: bool = False,
    options: TrainOptions = QUICK,
) -> Head:
    limits = TrainLimits(split, SelectionOptions(CANDIDATES, judge_views=judge_views))
    training = HeadTraining(examples, Vectors.empty(DIM), built_in, options, limits)
    return training.run(new_head("x", IDENTITY, examples), select_model=select_model).head


def answers_of(head: Head) -> Answers:
    assert head.record is not None and head.record.answers is not None
    return head.record.answers


@pytest.mark.parametrize("select_model", [False, True])
@pytest.mark.parametrize("split", [FEW, MANY], ids=["few", "many"])
def test_labels_at_random_are_told_apart_no_better_than_by_chance(
    small_built_in: BuiltIn, split: SplitOptions, select_model: bool
) -> None:
    right, tested = 0.0, 0.0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        examples = examples_of(rng.normal(0, 3, (1, 60, DIM)), rng.permutation(np.arange(60) % 2))
        options = replace(QUICK, seed=seed)
        metrics = trained(
            examples, small_built_in, split, select_model=select_model, options=options
        ).metrics
        right += metrics["validation_accuracy"] * metrics["test_images"]
        tested += metrics["test_images"]
    # Three standard errors of a fair coin.
    assert abs(right / tested - 0.5) < 3 * 0.5 / np.sqrt(tested)


@pytest.mark.parametrize("split", [FEW, MANY], ids=["few", "many"])
def test_copies_of_images_in_other_folders_do_not_help(
    small_built_in: BuiltIn, split: SplitOptions
) -> None:
    # Each image is there three times, under the same label, which was drawn at random.
    right, tested = 0.0, 0.0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        values = np.tile(rng.normal(0, 3, (1, 40, DIM)), (1, 3, 1))
        labels = np.tile(rng.permutation(np.arange(40) % 2), 3)
        copies = {number: number % 40 for number in range(120)}
        examples = examples_of(values, labels, copies=copies)
        metrics = trained(
            examples, small_built_in, split, options=replace(QUICK, seed=seed)
        ).metrics
        right += metrics["validation_accuracy"] * metrics["test_images"]
        tested += metrics["test_images"]
    # Three times the same image is one answer.
    assert abs(right / tested - 0.5) < 3 * 0.5 / np.sqrt(tested / 3)


@pytest.mark.parametrize("select_model", [False, True])
@pytest.mark.parametrize("split", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("own", [0, 1, 5])
def test_a_category_of_copies_of_another_can_be_trained(
    small_built_in: BuiltIn, split: SplitOptions, select_model: bool, own: int
) -> None:
    # Twenty images, ten of them again as another category, which has few of its own, or none.
    rng = np.random.default_rng(0)
    values = rng.normal(0, 3, (1, 30 + own, DIM))
    values[:, 20:30] = values[:, :10]
    labels = np.array([0] * 20 + [1] * (10 + own))
    copies = {number: number - 20 for number in range(20, 30)}
    head = trained(
        examples_of(values, labels, copies=copies),
        small_built_in,
        split,
        select_model=select_model,
    )
    assert 0 <= head.metrics["validation_accuracy"] <= 1


@pytest.mark.parametrize("split", [FEW, MANY], ids=["few", "many"])
def test_where_all_images_are_copies_of_one_nothing_is_tested(
    small_built_in: BuiltIn, split: SplitOptions
) -> None:
    values = np.tile(np.random.default_rng(0).normal(0, 3, (1, 1, DIM)), (1, 6, 1))
    copies = dict.fromkeys(range(6), 0)
    labels = np.array([0, 0, 0, 1, 1, 1])
    head = trained(
        examples_of(values, labels, copies=copies), small_built_in, split, select_model=True
    )
    assert head.metrics["test_images"] == 0
    assert "validation_accuracy" not in head.metrics


@dataclass(frozen=True, slots=True)
class Case:
    """A training; `views` of each image, `learned` of which came from the head before."""

    split: SplitOptions
    views: int = 1
    select_model: bool = False
    copies: bool = False
    judge_views: bool = False
    unlabelled: bool = False


CASES = {
    "few": Case(FEW),
    "few, with views": Case(FEW, views=2),
    "few, selected": Case(FEW, select_model=True),
    "few, selected, with views": Case(FEW, views=2, select_model=True),
    "few, views judged": Case(FEW, views=3, select_model=True, judge_views=True),
    "few, with unlabelled": Case(FEW, views=2, unlabelled=True),
    "few, with copies": Case(FEW, copies=True),
    "many": Case(MANY),
    "many, with views": Case(MANY, views=2),
    "many, selected": Case(MANY, select_model=True),
    "many, views judged": Case(MANY, views=3, select_model=True, judge_views=True),
    "many, with copies": Case(MANY, copies=True),
}


def values_of(case: Case) -> tuple[np.ndarray, Ids]:
    """Return embeddings that are not told apart easily, and labels."""
    rng = np.random.default_rng(7)
    labels = np.arange(48) % 3
    values = rng.normal(0, 2.0, (case.views, 48, DIM)) + 2.5 * np.eye(DIM)[labels]
    if case.copies:
        values[:, 24:] = values[:, :24]
        labels[24:] = labels[:24]
    return values, labels


def ask(case: Case, values: np.ndarray, labels: Ids, built_in: BuiltIn) -> tuple[Head, Split, Ids]:
    """Return the head, the split that has image 0 in its test part, and the images tested."""
    copies = {number: number % 24 for number in range(48)} if case.copies else None
    examples = examples_of(values, labels, case.views, copies)
    options = QUICK
    if case.unlabelled:
        others = (
            np.random.default_rng(8).normal(0, 2.0, (30, DIM))
            + 2.5 * np.eye(DIM)[np.arange(30) % 3]
        )
        unit = Vectors.of(others.astype(np.float32)).unit
        around = surroundings(unit, examples.vectors.unit[examples.originals])
        examples = replace(examples, around=around)
        options = TrainOptions(optimizer=LBFGS, weight_decay=1.0)
    head = trained(
        examples,
        built_in,
        case.split,
        select_model=case.select_model,
        judge_views=case.judge_views,
        options=options,
    )
    splits = measuring_splits(examples.labels, examples.groups, 0.2, case.split, 0)
    (first,) = (split for split in splits if split.test[0] == splits[0].test[0])
    return head, first, np.sort(np.concatenate([split.test for split in splits]))


@pytest.mark.parametrize("name", CASES)
def test_no_answer_depends_on_what_the_test_images_of_its_fold_show(
    small_built_in: BuiltIn, name: str
) -> None:
    case = CASES[name]
    values, labels = values_of(case)
    head, split, tested = ask(case, values, labels, small_built_in)
    changed = values.copy()
    # All but the first image of the fold show something else, in all views.
    kept, others = split.test[0], split.test[1:]
    if case.copies:
        others = others[others % 24 != kept % 24]
    changed[:, others] = -30 * changed[:, others]
    other, _, _ = ask(case, changed, labels, small_built_in)

    before, after = answers_of(head), answers_of(other)
    at = np.searchsorted(tested, kept)
    for field in ("answers", "confidence", "raw_confidence"):
        assert getattr(before, field)[at] == getattr(after, field)[at]
    rest = np.searchsorted(tested, others)
    assert (before.raw_confidence[rest] != after.raw_confidence[rest]).any()


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.views == 2])
def test_no_answer_depends_on_other_views_of_its_image(small_built_in: BuiltIn, name: str) -> None:
    case = CASES[name]
    values, labels = values_of(case)
    head, split, tested = ask(case, values, labels, small_built_in)
    changed = values.copy()
    changed[1, split.test] = -30 * changed[1, split.test]
    other, _, _ = ask(case, changed, labels, small_built_in)

    at = np.searchsorted(tested, split.test)
    for field in ("answers", "confidence", "raw_confidence"):
        one, again = (getattr(answers_of(each), field)[at] for each in (head, other))
        assert np.array_equal(one, again)


@pytest.mark.parametrize("select_model", [False, True])
def test_of_many_images_the_test_part_calibrates_nothing(
    small_built_in: BuiltIn, select_model: bool
) -> None:
    case = Case(MANY, select_model=select_model)
    values, labels = values_of(case)
    head, split, _ = ask(case, values, labels, small_built_in)
    changed = values.copy()
    changed[:, split.test] = -30 * changed[:, split.test]
    other, _, _ = ask(case, changed, labels, small_built_in)
    assert (head.temperature, head.accept) == (other.temperature, other.accept)
    assert head.history == other.history
    assert not np.array_equal(head.layers[0].weight, other.layers[0].weight)


@pytest.mark.parametrize("name", ["few", "few, selected", "many"])
def test_answers_depend_on_what_was_learned_and_what_calibrated(
    small_built_in: BuiltIn, name: str
) -> None:
    case = CASES[name]
    values, labels = values_of(case)
    head, split, tested = ask(case, values, labels, small_built_in)
    at = np.searchsorted(tested, split.test)
    before = answers_of(head).confidence[at]
    for part in (split.train, split.validation):
        changed = values.copy()
        changed[:, part] = -30 * changed[:, part]
        other, _, _ = ask(case, changed, labels, small_built_in)
        assert not np.array_equal(before, answers_of(other).confidence[at])
