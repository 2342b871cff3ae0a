"""A shop: a folder of pictures to which things happen, and the engine that indexes it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from engine import Engine, IndexReport, IngestOptions, Reporter
from engine.pictures.threads.memory import ImageMemory, Reserve, Result

LONG_AGO = 1_600_000_000


def put(path: Path, content: int) -> Path:
    """Write a picture of a content's own, at a time of its own and long untouched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image(content).save(path, "BMP")
    os.utime(path, (LONG_AGO, LONG_AGO + content))
    return path


def image(content: int) -> Image.Image:
    """Return a picture that no other number gives: sixteen squares of colour."""
    squares = np.random.default_rng(content).integers(0, 256, (4, 4, 3), np.uint8)
    return Image.fromarray(squares).resize((24, 24), Image.Resampling.NEAREST)


class NotingMemory(ImageMemory):
    """Notes which images take a turn: those that are opened."""

    def __init__(self) -> None:
        super().__init__(10**9)
        self.opened: list[str] = []

    def turn(self, name: str, work: Callable[[Reserve], Result]) -> Result:
        """Note the name."""
        self.opened.append(name)
        return super().turn(name, work)


class NotingReporter(Reporter):
    """Notes progress and announcements."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int | None, str]] = []
        self.announced: list[str] = []

    def announce(self, text: str) -> None:
        """Note it."""
        self.announced.append(text)

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Note it."""
        self.told.append((task, done, total, unit))


@dataclass
class Shop:
    """A folder of pictures, all of one size in bytes, and the engine that indexes it."""

    folder: Path
    engine: Engine
    memory: NotingMemory
    reporter: NotingReporter

    def put(self, name: str | bytes, content: int) -> Path:
        """Write a picture that looks long untouched."""
        return put(self.folder / os.fsdecode(name), content)

    def index(self, label: str | None = None, **options: Any) -> IndexReport:
        """Index the folder; `opened` then names the files that were read."""
        self.memory.opened.clear()
        return self.engine.index([self.folder], label=label, options=IngestOptions(**options))

    @property
    def opened(self) -> list[str]:
        """The files that the last run read."""
        return [os.path.relpath(path, self.folder) for path in self.memory.opened]

    def shown(self, *contents: int) -> dict[str, list[str]]:
        """Return for each content the names of the files that a search finds to be just it."""
        return {str(content): self._names(content) for content in contents}

    def names(self) -> list[str]:
        """Return the names of all files that a search can find."""
        hits = self.engine.search(self._bytes(1), k=1000)
        return sorted(os.path.relpath(hit.path, self.folder) for hit in hits)

    def labels(self) -> dict[str, str | None]:
        """Return the label of every file."""
        hits = self.engine.search(self._bytes(1), k=1000)
        return {os.path.relpath(hit.path, self.folder): hit.label for hit in hits}

    def _names(self, content: int) -> list[str]:
        hits = self.engine.search(self._bytes(content), k=1000, min_score=0.9999)
        return sorted(os.path.relpath(hit.path, self.folder) for hit in hits)

    def _bytes(self, content: int) -> bytes:
        path = self.folder.parent / "query.bmp"
        image(content).save(path, "BMP")
        return path.read_bytes()


def counts(report: IndexReport) -> dict[str, int]:
    """Return the counts that are not zero."""
    names = ("added", "updated", "moved", "unchanged", "removed", "came_back", "embedded")
    return {name: getattr(report, name) for name in names if getattr(report, name)}
