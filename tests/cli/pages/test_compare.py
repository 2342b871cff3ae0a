"""The page of `compare --html`: does it answer, and does it show what was measured?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cli.pages.compare import verdict, write_compare_page
from engine.learning.results import ComparedMethod, Comparison

ROW = {"epoch": 1.0, "loss": 0.5, "accuracy": 0.7, "validation_loss": 0.6}
FROZEN = ComparedMethod(
    "frozen <net>", "frozen", 0.9, 0.01, [0.89, 0.91], 0.5, 1.5, 5_125, [ROW, ROW]
)
SCRATCH = ComparedMethod("CNN", "scratch", 0.4, 0.02, [0.38, 0.42], 20.0, 0.0, 4_000_000, [ROW])
BOTH = Comparison(75, ("bed", "sofa"), 2, (FROZEN, SCRATCH), 60.0, ())


def methods(*them: ComparedMethod) -> Comparison:
    """Return a comparison of these."""
    return replace(BOTH, methods=them)


def test_a_clear_gain_is_a_yes_with_points_and_times() -> None:
    assert verdict(BOTH) == (
        "Yes: frozen <net> is right on 50.0 more of 100 pictures than CNN, with 10.0 times less "
        "training time (2.0 against 20.0 seconds), embedding included."
    )


def test_a_clear_loss_is_a_no() -> None:
    said = verdict(methods(replace(FROZEN, accuracy=0.3), SCRATCH))
    assert said.startswith("No: frozen <net> is right on 10.0 fewer of 100 pictures than CNN")


def test_a_difference_within_the_spread_is_none() -> None:
    said = verdict(methods(replace(FROZEN, accuracy=0.41), SCRATCH))
    assert said.startswith("It makes no clear difference in accuracy")


def test_a_slower_frozen_backbone_is_said_to_be_slower() -> None:
    assert "20.0 times more training time" in verdict(
        methods(replace(FROZEN, train_seconds=398.5), SCRATCH)
    )


def test_the_best_of_each_kind_is_compared() -> None:
    worse = replace(FROZEN, name="other", accuracy=0.5)
    assert verdict(methods(worse, FROZEN, SCRATCH)) == verdict(BOTH)


def test_one_split_is_said_not_to_rule_out_chance() -> None:
    assert "chance is not ruled out" in verdict(replace(BOTH, rounds=1))


@pytest.mark.parametrize("only", [FROZEN, SCRATCH])
def test_without_one_of_the_two_there_is_no_answer(only: ComparedMethod) -> None:
    assert verdict(methods(only)).startswith("That cannot be said")


@pytest.mark.slow
def test_the_page_has_table_bars_and_curves_and_fetches_nothing(tmp_path: Path) -> None:
    write_compare_page(BOTH, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("data:image/svg+xml;base64,") == 2 + 2 * 2
    assert "frozen &lt;net&gt;" in page
    assert "90.0 %" in page
    assert "http" not in page.replace("data:image/svg+xml", "")
