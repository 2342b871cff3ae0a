"""Draw the demo catalog: one picture, or a folder of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from demo.furniture.builders import BUILDERS
from demo.render import render

CATEGORIES: tuple[str, ...] = ("bed", "chair", "lamp", "sofa", "table")
SMALLEST_SIZE = 16
LARGEST_CATALOG = 100_000  # pictures a category: keeps the seeds of two catalogs apart
JPEG_QUALITY = 90


def draw(category: str, seed: int, size: int = 320) -> Image.Image:
    """Draw a piece of furniture in a room.

    Parameters
    ----------
    category : str
        One of ``CATEGORIES``.
    seed : int
        Zero or more; the same category, seed and size give the same pixels.
    size : int
        Side of the picture, pixels.

    Returns
    -------
    PIL.Image.Image
        RGB, ``size`` x ``size``.

    Raises
    ------
    ValueError
        If the category is unknown, the seed is negative or the size is too small.
    """
    _check(category in BUILDERS, f"category {category!r}", f"use one of {', '.join(CATEGORIES)}")
    _check(seed >= 0, f"seed {seed}", "use zero or a positive number")
    _check(size >= SMALLEST_SIZE, f"size {size}", f"use {SMALLEST_SIZE} pixels or more")
    rng = np.random.default_rng([CATEGORIES.index(category), seed])
    return render(BUILDERS[category](rng), rng, size)


def draw_catalog(
    folder: Path,
    per_category: int,
    seed: int = 0,
    size: int = 320,
    progress: Callable[[int], None] | None = None,
) -> list[Path]:
    """Draw a catalog into a folder with one subfolder per category.

    Parameters
    ----------
    folder : pathlib.Path
        Where to write; made when missing. Files of the same name are replaced.
    per_category : int
        Pictures of each category.
    seed : int
        Which catalog: two seeds have no picture in common.
    size : int
        Side of the pictures, pixels.
    progress : callable, optional
        Called with the number of pictures written so far, after each one.

    Returns
    -------
    list of pathlib.Path
        ``folder/<category>/<category>-0001.jpg`` and so on, in the order drawn.

    Raises
    ------
    ValueError
        If ``per_category`` or ``seed`` is negative, or ``per_category`` or ``size`` is out of
        range.
    """
    _check(
        0 <= per_category <= LARGEST_CATALOG,
        f"per_category {per_category}",
        f"use a number from 0 to {LARGEST_CATALOG}",
    )
    _check(seed >= 0, f"seed {seed}", "use zero or a positive number")
    paths: list[Path] = []
    for category in CATEGORIES:
        subfolder = folder / category
        subfolder.mkdir(parents=True, exist_ok=True)
        for number in range(per_category):
            path = subfolder / f"{category}-{number + 1:04d}.jpg"
            image = draw(category, seed * LARGEST_CATALOG + number, size)
            image.save(path, quality=JPEG_QUALITY)
            paths.append(path)
            if progress is not None:
                progress(len(paths))
    return paths


def _check(sound: bool, what: str, remedy: str) -> None:
    if not sound:
        raise ValueError(f"Cannot draw with {what}: {remedy}.")
