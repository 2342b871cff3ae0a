"""Comparing methods of learning on drawn images."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Engine, UsageError
from engine.config import Config
from engine.errors import TrainingError
from engine.learning.compare.backbones import backbones_at_hand
from engine.learning.compare.comparison import run_rounds
from engine.learning.compare.method import Learned, Method
from engine.learning.compare.options import CompareOptions
from engine.learning.examples import Examples
from engine.learning.results import Comparison
from engine.learning.split import Split
from engine.progress import SILENT
from index.records import Vectors

QUICK = CompareOptions(repeats=2, test=0.25, backbones=("efficientnet_lite0",), scratch_epochs=2)
FOREVER = float("inf")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def comparison(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """All kinds of methods on 60 drawn images."""
    with Engine.open(tmp_path_factory.mktemp("nowhere") / "store") as engine:
        return engine.compare(drawn, options=replace(QUICK, block="top"))


def test_each_kind_of_method_is_asked_on_every_split(comparison: Comparison) -> None:
    assert [method.kind for method in comparison.methods] == [
        "frozen",
        "fine-tuned",
        "scratch",
        "scratch",
    ]
    assert (comparison.images, comparison.rounds) == (60, 2)
    for method in comparison.methods:
        assert len(method.accuracies) == 2
        assert method.accuracy == pytest.approx(np.mean(method.accuracies))
        assert method.spread == pytest.approx(np.std(method.accuracies, ddof=1))
        assert method.train_seconds > 0 and method.history


def test_a_frozen_backbone_is_better_than_two_epochs_from_scratch(comparison: Comparison) -> None:
    frozen, _, plain, dropped = comparison.methods
    assert frozen.accuracy > max(plain.accuracy, dropped.accuracy) + 0.25
    assert frozen.trained_parameters == 5 * 1281
    assert frozen.embed_seconds > 0 == plain.embed_seconds


def test_the_same_seed_gives_the_same_accuracies(
    comparison: Comparison, drawn: Path, tmp_path: Path
) -> None:
    with Engine.open(tmp_path / "store") as engine:
        again = engine.compare(drawn, options=QUICK)
    of = {method.name: method.accuracies for method in comparison.methods}
    assert all(of[method.name] == method.accuracies for method in again.methods)


def test_a_budget_ends_it_after_the_first_round(drawn: Path, tmp_path: Path) -> None:
    with Engine.open(tmp_path / "store") as engine:
        short = engine.compare(drawn, options=replace(QUICK, budget=0.001, scratch_epochs=50))
    assert short.rounds == 1
    assert all(len(method.accuracies) == 1 for method in short.methods)
    assert all(len(method.history) == 1 for method in short.methods if method.kind == "scratch")
    assert not (tmp_path / "store").exists(), "nothing is written to a store"


def test_a_backbone_that_is_not_there_is_refused(drawn: Path, tmp_path: Path) -> None:
    with Engine.open(tmp_path / "store") as engine, pytest.raises(UsageError):
        engine.compare(drawn, options=replace(QUICK, backbones=("resnet51",)))


def test_a_category_with_one_image_is_too_few(images: Path, tmp_path: Path) -> None:
    for path in sorted((images / "bed").iterdir())[1:]:
        path.unlink()
    with Engine.open(tmp_path / "store") as engine, pytest.raises(TrainingError):
        engine.compare(images, options=QUICK)


def test_without_a_choice_those_at_hand_are_compared() -> None:
    assert backbones_at_hand(Config.at("nowhere"))[0] == "efficientnet_lite0"


def some_examples(copies: int) -> Examples:
    """Return twelve different images of each of three categories, and copies of each."""
    count = 36 * copies
    vectors = np.random.default_rng(0).normal(size=(count, 4)).astype(np.float32)
    return Examples(
        hashes=tuple(f"{number % 36:064}" for number in range(count)),
        paths=tuple(f"{number}.jpg" for number in range(count)),
        categories=("bed", "chair", "lamp"),
        labels=np.arange(count) % 3,
        vectors=Vectors.of(vectors),
        image=np.arange(count),
        view=np.zeros(count, np.int64),
    )


class Watching:
    """A method that learns nothing and remembers what it was given."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.splits: list[Split] = []
        self.left: list[float] = []
        self.method = Method("watching", "frozen", self.learn)
        self._seconds = seconds

    def learn(self, split: Split, seed: int, deadline: float) -> Learned:
        """Remember."""
        self.splits.append(split)
        self.left.append(deadline - time.monotonic())
        time.sleep(self._seconds)
        return Learned(0.5, [], 0.1, 7)


def test_all_methods_learn_from_the_same_splits_each_round_from_another() -> None:
    one, other = Watching(), Watching()
    rounds = run_rounds(
        [one.method, other.method],
        some_examples(1),
        CompareOptions(repeats=3),
        FOREVER,
        SILENT,
    )
    assert [len(learned) for learned in rounds] == [2, 2, 2]
    for mine, others in zip(one.splits, other.splits, strict=True):
        assert mine is others
    assert len({split.test.tobytes() for split in one.splits}) == 3


@pytest.mark.parametrize("copies", [1, 3])
def test_no_image_and_no_copy_of_it_is_in_two_parts_of_a_split(copies: int) -> None:
    examples, watching = some_examples(copies), Watching()
    run_rounds([watching.method], examples, CompareOptions(test=0.25), FOREVER, SILENT)
    for split in watching.splits:
        parts = [split.train, split.validation, split.test]
        assert sorted(np.concatenate(parts)) == list(range(36 * copies))
        contents = [{examples.hashes[position] for position in part} for part in parts]
        assert [len(each) for each in contents] == [21, 6, 9]
        assert all(set(examples.labels[part]) == {0, 1, 2} for part in parts)


def test_what_is_left_of_the_budget_is_shared_among_those_to_come() -> None:
    methods = [Watching() for _ in range(4)]
    rounds = run_rounds(
        [each.method for each in methods],
        some_examples(1),
        CompareOptions(repeats=1),
        time.monotonic() + 1200,
        SILENT,
    )
    assert len(rounds) == 1
    assert [round(each.left[0], -1) for each in methods] == [300, 400, 600, 1200]


def test_a_round_that_would_outlast_the_budget_is_not_begun() -> None:
    slow = Watching(seconds=0.2)
    rounds = run_rounds(
        [slow.method], some_examples(1), CompareOptions(repeats=9), time.monotonic() + 0.3, SILENT
    )
    assert len(rounds) == len(slow.splits) < 9
