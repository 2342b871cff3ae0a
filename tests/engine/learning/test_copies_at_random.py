"""Where labels are drawn at random nothing can be learned, however often each picture is there.

Three sizes of each of 40 pictures lie in the folder of a label that was drawn for the picture. What
recognises a picture by its copy is right every time; an honest accuracy is at chance.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.catalog import CATEGORIES, draw
from engine import Config, Engine, TrainOptions
from engine.learning.compare.options import CompareOptions
from index.store import Store

SIZES = (320, 240, 160)
SEEDS = range(5)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    """Forty drawn pictures."""
    return [draw(category, 1000 + number) for category in CATEGORIES for number in range(8)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An engine whose store remembers embeddings from one data set to the next."""
    return Engine(Config(store=Store(tmp_path_factory.mktemp("store") / "store")))


def data_set(folder: Path, pictures: list[Image.Image], seed: int) -> Path:
    """Write three sizes of each picture under a label drawn for it, half of them under each."""
    labels = np.random.default_rng(seed).permutation(np.arange(len(pictures)) % 2)
    for number, (picture, label) in enumerate(zip(pictures, labels.tolist(), strict=True)):
        target = folder / ("ab"[label])
        target.mkdir(parents=True, exist_ok=True)
        for size in SIZES:
            picture.resize((size, size)).save(target / f"{number}-{size}.jpg", quality=85)
    return folder


@pytest.mark.parametrize("seed", SEEDS)
def test_a_head_is_at_chance(
    seed: int, pictures: list[Image.Image], engine: Engine, tmp_path: Path
) -> None:
    folder = data_set(tmp_path, pictures, seed)
    report = engine.train(folder, head="random", options=TrainOptions(seed=seed))
    assert report.test_images == 120
    assert 0.3 <= report.validation_accuracy <= 0.7
    assert any("of 120 pictures are copies of others" in note for note in report.notes)


def test_model_selection_is_at_chance(
    pictures: list[Image.Image], engine: Engine, tmp_path: Path
) -> None:
    report = engine.train(data_set(tmp_path, pictures, 0), head="random", tune=True)
    assert report.selection is not None
    assert 0.3 <= report.validation_accuracy <= 0.7
    assert all(0.3 <= each.accuracy <= 0.7 for each in report.selection.candidates)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_comparison_is_at_chance(
    seed: int, pictures: list[Image.Image], engine: Engine, tmp_path: Path
) -> None:
    options = CompareOptions(
        backbones=("efficientnet_lite0",), scratch_epochs=1, test=0.4, seed=seed
    )
    comparison = engine.compare(data_set(tmp_path, pictures, seed), options=options)
    assert comparison.rounds == 3
    assert {method.kind for method in comparison.methods} == {"frozen", "scratch"}
    assert all(0.3 <= method.accuracy <= 0.7 for method in comparison.methods)
