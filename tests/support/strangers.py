"""Strangers: pictures that show none of ImageNet's thousand categories and none of furniture's.

Two sets, drawn by different functions with different seeds: one that figures are reported on, and
one that thresholds were chosen on. Photographs of Caltech-101 categories that ImageNet does not
have join each of them where there are such; no category is in both.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tests.support.patterns import TESTED, TUNED, Draw, drawn

# Neither in ImageNet nor furniture; by alphabet in turn for figures and for thresholds.
# Faces are left out: behind them there are bookcases and desks, which ImageNet has.
TESTED_PHOTOGRAPHS = ("emu", "inline_skate", "metronome", "rhino", "stapler")
TUNED_PHOTOGRAPHS = ("brain", "garfield", "mandolin", "octopus", "sea_horse")
PHOTOGRAPHS_EACH = 2


def write_strangers(folder: Path, photographs: Path | None = None) -> list[Path]:
    """Write the strangers that figures are reported on; return the files.

    Parameters
    ----------
    photographs
        Folder of Caltech-101 categories, of which some join.
    """
    return _write(folder, TESTED, 1, photographs, TESTED_PHOTOGRAPHS)


def write_others(folder: Path, photographs: Path | None = None) -> list[Path]:
    """Write the strangers that thresholds were chosen on; return the files."""
    return _write(folder, TUNED, 2, photographs, TUNED_PHOTOGRAPHS)


def _write(
    folder: Path,
    of: Mapping[str, Draw],
    seed: int,
    photographs: Path | None,
    categories: tuple[str, ...],
) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name, picture in drawn(of, seed).items():
        files.append(folder / f"{name}.png")
        picture.save(files[-1])
    if photographs is not None:
        for category in categories:
            files += sorted((photographs / category).iterdir())[:PHOTOGRAPHS_EACH]
    return files
