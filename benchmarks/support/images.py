"""Pictures in a folder of their own, as many as a measurement wants."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

WARM_UP = 8


@dataclass(frozen=True, slots=True)
class Staged:
    """Copies of pictures below a temporary folder.

    Attributes
    ----------
    folder, files
        The pictures, in order of path.
    warm_up_folder, warm_up
        A few more, to be embedded before the clock starts.
    labels
        The name of each picture's original folder.
    """

    folder: Path
    files: list[Path]
    warm_up_folder: Path
    warm_up: list[Path]

    @property
    def labels(self) -> list[str]:
        """The folder that each picture came from."""
        return [file.parent.name for file in self.files]


@contextmanager
def staged(images: Sequence[Path], count: int) -> Iterator[Staged]:
    """Copy `count` pictures, taking them again from the first as often as it needs.

    Every copy ends in bytes of its own. A decoder stops before them, but the content differs, so
    that the engine, which embeds the same content once, has as much to do as the others.
    """
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder, warm_up = Path(temporary) / "pictures", Path(temporary) / "warm-up"
        files = sorted(_copied(picks, number, folder) for number, picks in _picks(images, count))
        few = sorted(_copied(path, -number, warm_up) for number, path in _picks(images, WARM_UP))
        yield Staged(folder, files, warm_up, few)


def _picks(images: Sequence[Path], count: int) -> Iterator[tuple[int, Path]]:
    if count >= len(images):
        return enumerate(islice(cycle(images), count), start=1)
    # Spread over the whole, so that a small sample has every label.
    step = len(images) / count
    return enumerate((images[int(row * step)] for row in range(count)), start=1)


def _copied(image: Path, number: int, folder: Path) -> Path:
    target = folder / image.parent.name / f"{number:06d}-{image.name}"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(image.read_bytes() + f"copy {number}".encode())
    return target
