"""What a walk or a listing of sources saw."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.skipped import Skipped
from index.records import FileState


@dataclass(slots=True)
class Found:
    """What a walk saw.

    Attributes
    ----------
    files
        Image files in order of path, each once; those of archives that were opened among them.
    skipped
        Things that could not be looked at.
    roots
        The starting points that exist, by the names that `absolute` gives them.
    unseen
        Paths below which the walk could not look: nothing there counts as gone.
    twins
        How many raw files of a camera were left out for a JPEG of the same name beside them.
    left_out
        How many folders and files were left out because they are hidden, or a system's or tool's.
    excluded
        How many folders and files were left out because a pattern says so.
    real
        The real paths of what was reached through links, by the paths that it has there.
    archives
        Archives whose images are wanted: those that were named, and all that were found where
        that is asked for.
    closed
        Archives that were found and not asked for.
    labels
        What archives say of their images, by path, where that was asked for.
    """

    files: list[FileState] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    roots: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)
    twins: int = 0
    left_out: int = 0
    excluded: int = 0
    real: dict[str, str] = field(default_factory=dict)
    archives: list[FileState] = field(default_factory=list)
    closed: list[FileState] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)

    def add(self, other: Found) -> None:
        """Add what another look saw; the order is for the caller to restore."""
        self.files += other.files
        self.skipped += other.skipped
        self.roots += other.roots
        self.unseen += other.unseen
        self.twins += other.twins
        self.left_out += other.left_out
        self.excluded += other.excluded
        self.real |= other.real
        self.archives += other.archives
        self.closed += other.closed
        self.labels |= other.labels

    def sort(self) -> None:
        """Put files and archives into the order of their paths, each once."""
        for each in (self.files, self.archives, self.closed):
            once = {file.path: file for file in each}
            each[:] = sorted(once.values(), key=lambda file: file.path)
        wanted = {archive.path for archive in self.archives}
        self.closed = [archive for archive in self.closed if archive.path not in wanted]
