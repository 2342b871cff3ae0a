"""`engine train --from-judgements`: what was said of pictures becomes a head, and nothing else."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Config, Engine

Run = Callable[..., subprocess.CompletedProcess[bytes]]
JUDGED = ("bed", "lamp")


@pytest.fixture
def judged(shop: Path) -> Path:
    """A store in which beds and lamps were judged, each beside all that is something else."""
    with Engine(Config.at(shop)) as engine:
        images = engine.images.page(limit=1000).images
        for category in JUDGED:
            engine.judgements.add(
                category,
                yes=[image.id for image in images if image.label == category],
                no=[image.id for image in images if image.label != category],
            )
    return shop


def test_a_head_is_made_of_judgements(quick: Run, judged: Path) -> None:
    made = quick(
        "train", "--from-judgements", "--head", "taught", "--fast", "--json", "--store", judged
    )
    assert made.returncode == 0, made.stderr
    report = json.loads(made.stdout)
    assert report["categories"] == list(JUDGED)
    assert any("said to show none of these" in note for note in report["notes"])
    [taught] = [
        each
        for each in json.loads(quick("heads", "--json", "--store", judged).stdout)
        if each["name"] == "taught"
    ]
    assert taught["categories"] == list(JUDGED)


def test_one_category_alone_is_learned_where_it_is_named(quick: Run, judged: Path) -> None:
    options = ("--head", "beds", "--category", "bed", "--fast", "--json", "--store", judged)
    made = quick("train", "--from-judgements", *options)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["categories"] == ["bed"]


def test_a_category_that_nobody_judged_is_named(quick: Run, judged: Path) -> None:
    options = ("--head", "sofas", "--category", "sofa", "--store", judged)
    refused = quick("train", "--from-judgements", *options)
    assert refused.returncode != 0
    assert b"sofa" in refused.stderr


@pytest.mark.parametrize("other", [("--from-labels",), (".",)])
def test_there_is_one_source_of_labels(quick: Run, judged: Path, other: tuple[str, ...]) -> None:
    refused = quick("train", *other, "--from-judgements", "--head", "x", "--store", judged)
    assert refused.returncode == 2
    assert b"--from-judgements" in refused.stderr


def test_status_counts_judgements(quick: Run, judged: Path) -> None:
    status = json.loads(quick("status", "--json", "--store", judged).stdout)
    assert status["judgements"] == len(JUDGED) * status["images"]
