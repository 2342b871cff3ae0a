"""Comparing methods of learning on drawn images."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Engine, UsageError
from engine.config import Config
from engine.errors import TrainingError
from engine.learning.compare.backbones import backbones_at_hand
from engine.learning.compare.options import CompareOptions
from engine.learning.results import Comparison

QUICK = CompareOptions(repeats=2, test=0.25, backbones=("efficientnet_lite0",), scratch_epochs=2)

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
