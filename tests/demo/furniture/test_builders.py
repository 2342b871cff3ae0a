"""The demo catalog: what is drawn depends on the seed alone, and shows something."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from demo.camera import aim
from demo.catalog import CATEGORIES, draw, draw_catalog
from demo.furniture.builders import BUILDERS
from demo.raster import cover
from demo.solids import box

pytestmark = pytest.mark.slow

SMALL = 96


def pixels(category: str, seed: int) -> np.ndarray:
    return np.asarray(draw(category, seed, SMALL)).astype(int)


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_same_seed_gives_the_same_pixels(category: str) -> None:
    assert np.array_equal(pixels(category, 3), pixels(category, 3))


@pytest.mark.parametrize("category", CATEGORIES)
def test_another_seed_gives_another_image(category: str) -> None:
    assert np.abs(pixels(category, 3) - pixels(category, 4)).mean() > 2


def test_every_category_has_a_builder_and_is_drawn_in_the_size_asked_for() -> None:
    assert set(BUILDERS) == set(CATEGORIES)
    for category in CATEGORIES:
        image = draw(category, 1, 48)
        assert (image.mode, image.size) == ("RGB", (48, 48))


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("seed", range(6))
def test_an_image_is_neither_blank_nor_burnt_out(category: str, seed: int) -> None:
    drawn = pixels(category, seed)
    assert drawn.std() > 8
    assert 40 < drawn.mean() < 250
    assert (drawn.max(axis=2) == 0).mean() < 0.2


@pytest.mark.parametrize("category", CATEGORIES)
def test_the_furniture_covers_a_sensible_share_of_the_image(category: str) -> None:
    for seed in range(6):
        rng = np.random.default_rng([9, seed])
        scene = BUILDERS[category](rng)
        camera = aim(scene, rng)
        share = 0.0
        for part in scene.parts:
            xy, depth = camera.project(part.mesh.vertices)
            assert depth.min() > 0
            both = np.ones(len(part.mesh.triangles), dtype=bool)
            seen = cover(xy * SMALL, 1 / depth, part.mesh.triangles, both, (SMALL, SMALL))
            share += len(seen.pixel) / SMALL**2
            if part.framed:
                assert xy.min() > -0.05
                assert xy.max() < 1.05
        assert share > 0.02


def test_furniture_stands_on_the_floor_or_hangs_above_it() -> None:
    for category, build in BUILDERS.items():
        for seed in range(12):
            scene = build(np.random.default_rng(seed))
            lowest = min(float(part.mesh.vertices[:, 1].min()) for part in scene.parts)
            assert lowest > -0.02, (category, seed)


def test_the_triangles_of_a_box_face_outwards() -> None:
    for solid in (box((1.0, 2.0, 3.0)), box((1.0, 2.0, 3.0), radius=0.2, bulge=0.1)):
        corner = solid.vertices[solid.triangles]
        facing = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
        outwards = np.einsum("ij,ij->i", facing, corner.mean(axis=1))
        assert (outwards > 0).all()


def test_the_nearer_of_two_triangles_is_seen_wherever_they_overlap() -> None:
    xy = np.array([(0, 0), (0, 10), (10, 0)] * 2, dtype=float)
    nearness = np.array([0.2, 0.2, 0.2, 0.9, 0.9, 0.9])
    triangles = np.array([(0, 1, 2), (3, 4, 5)])
    seen = cover(xy, nearness, triangles, np.ones(2, dtype=bool), (10, 10))
    assert set(seen.owner.tolist()) == {1}
    assert np.allclose(seen.nearness, 0.9)


def test_triangles_that_share_an_edge_leave_no_gap_and_no_overlap() -> None:
    xy = np.array([(0.3, 0.2), (0.1, 9.7), (9.6, 9.9), (9.8, 0.4)])
    both = np.ones(1, dtype=bool)
    halves = [
        cover(xy, np.ones(4), np.array([corners]), both, (10, 10)).pixel
        for corners in ((0, 1, 2), (0, 2, 3))
    ]
    assert len(np.intersect1d(*halves)) == 0
    assert len(halves[0]) + len(halves[1]) >= 90


def test_draw_catalog_writes_the_files_it_returns(tmp_path: Path) -> None:
    counts: list[int] = []
    paths = draw_catalog(tmp_path / "shop", 2, size=32, progress=counts.append)
    assert counts == list(range(1, 11))
    assert [path.relative_to(tmp_path / "shop").as_posix() for path in paths[:3]] == [
        "bed/bed-0001.jpg",
        "bed/bed-0002.jpg",
        "chair/chair-0001.jpg",
    ]
    assert sorted(paths) == sorted((tmp_path / "shop").glob("*/*.jpg"))
    for path in paths:
        with Image.open(path) as image:
            assert (image.format, image.size) == ("JPEG", (32, 32))


def test_draw_catalog_is_repeatable_and_another_seed_shares_no_image(tmp_path: Path) -> None:
    first, again, other = (
        {path.read_bytes() for path in draw_catalog(tmp_path / name, 2, seed=seed, size=32)}
        for name, seed in (("first", 0), ("again", 0), ("other", 1))
    )
    assert first == again
    assert not first & other


def test_an_unknown_category_is_refused_with_the_names_of_the_known_ones() -> None:
    with pytest.raises(ValueError, match="wardrobe") as caught:
        draw("wardrobe", 0)
    assert all(category in str(caught.value) for category in CATEGORIES)


@pytest.mark.parametrize(("seed", "size"), [(-1, 64), (0, 4)])
def test_a_negative_seed_or_a_tiny_size_is_refused(seed: int, size: int) -> None:
    with pytest.raises(ValueError, match="use"):
        draw("bed", seed, size)


def test_draw_catalog_refuses_a_negative_number_of_images(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="per_category"):
        draw_catalog(tmp_path, -1)
