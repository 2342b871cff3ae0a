"""How much int8 costs on real photographs, where there are some."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine import Engine, TrainOptions

PRECISIONS = ("fp32", "int8")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stores(real_images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A store in each precision with the same photographs, and a head that learned furniture."""
    folder = tmp_path_factory.mktemp("precisions")
    for precision in PRECISIONS:
        with Engine.open(folder / precision, precision=precision) as engine:
            engine.index([real_images / "catalog"], label="parent")
            engine.train(
                real_images / "furniture" / "train",
                head="furniture",
                options=TrainOptions(fast=True),
            )
    return {precision: folder / precision for precision in PRECISIONS}


def ten_nearest(store: Path, file: Path) -> list[set[int]]:
    """Return each image's ten nearest others by cosine."""
    with Engine.open(store) as engine:
        engine.export(file)
    unit = np.load(file)
    order = np.argsort(-(unit @ unit.T - 9 * np.eye(len(unit))), axis=1, kind="stable")
    return [set(row) for row in order[:, :10].tolist()]


def test_photographs_find_the_same_ones_as_in_fp32(stores: dict[str, Path], tmp_path: Path) -> None:
    fp32, int8 = (ten_nearest(stores[name], tmp_path / f"{name}.npy") for name in PRECISIONS)
    assert len(fp32) == len(int8) == 600
    pairs = zip(fp32, int8, strict=True)
    assert np.mean([len(found & wanted) / 10 for found, wanted in pairs]) >= 0.93


def test_a_head_is_right_as_often_as_in_fp32_but_for_a_point(
    stores: dict[str, Path], real_images: Path
) -> None:
    accuracy = {}
    for precision, store in stores.items():
        with Engine.open(store) as engine:
            report = engine.evaluate(real_images / "furniture" / "test", head="furniture")
        accuracy[precision] = report.accuracy
    assert accuracy["int8"] >= accuracy["fp32"] - 0.01
