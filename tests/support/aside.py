"""A folder of pictures with copies among them, that are moved aside and put back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from engine import Config, Engine
from engine.progress import SILENT, Reporter
from engine.testing import FakeEmbedder
from tests.support.shop import put

# Content, time of the last change and permissions of files, None for folders, by relative path.
Tree: TypeAlias = Mapping[str, tuple[bytes, int, int] | None]


def tree(folder: Path) -> Tree:
    """Return all that lies in a folder, as it is."""
    found: dict[str, tuple[bytes, int, int] | None] = {}
    for parent, folders, names in os.walk(folder):
        for name in folders:
            found[os.path.relpath(os.path.join(parent, name), folder)] = None
        for name in names:
            path = os.path.join(parent, name)
            state = os.lstat(path)
            data = Path(path).read_bytes() if not os.path.islink(path) else os.fsencode(path)
            relative = os.path.relpath(path, folder)
            found[relative] = (data, state.st_mtime_ns, state.st_mode)
    return found


@dataclass(frozen=True, slots=True)
class Shop:
    """Pictures in `shop/`, and their store in `store/`; what is moved goes to `aside`.

    Attributes
    ----------
    folder
        Where both lie.
    aside
        Where to.
    """

    folder: Path
    aside: Path

    @property
    def images(self) -> Path:
        """The folder of pictures."""
        return self.folder / "shop"

    @contextmanager
    def opened(self, reporter: Reporter = SILENT) -> Iterator[Engine]:
        """Open the store with the fake backbone."""
        config = Config.at(self.folder / "store")
        with Engine(config, reporter, embedder=FakeEmbedder(config)) as engine:
            yield engine

    def put(self, name: str | bytes, content: int, mode: int = 0o644) -> Path:
        """Write a picture; two of one content are copies of each other."""
        path = put(Path(self.images, os.fsdecode(name)), content)
        path.chmod(mode)
        return path

    def index(self) -> None:
        """Index the pictures."""
        with self.opened() as engine:
            engine.index([self.images])

    def move(self, level: str = "exact", keep: str = "largest") -> None:
        """Move copies aside."""
        with self.opened() as engine:
            engine.move_duplicates(self.aside, level=level, keep=keep)

    def undo(self) -> None:
        """Play back every manifest, the last one first."""
        with self.opened() as engine:
            for manifest in reversed(self.manifests()):
                report = engine.undo_moves(manifest)
                assert not report.skipped, report.skipped

    def manifests(self) -> list[Path]:
        """Return the manifests, the oldest first."""
        return sorted(self.aside.glob("moved-*.jsonl"))

    def left_aside(self) -> list[str]:
        """Return what lies aside beside manifests."""
        return [name for name in tree(self.aside) if not name.startswith("moved-")]

    def found(self) -> list[str]:
        """Return the names of all that a search finds."""
        with self.opened() as engine:
            hits = engine.search(next(self.images.rglob("*.bmp")), k=1000)
            return sorted(os.path.relpath(hit.path, self.images) for hit in hits)

    def copied(self, folder: Path, aside: Path | None = None) -> Shop:
        """Copy all of it, times too. The store's paths are relative, and move with it."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Shop(folder, aside or folder / "aside")
