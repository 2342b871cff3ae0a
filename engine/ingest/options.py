"""What may be asked of an indexing run."""

from __future__ import annotations

from dataclasses import dataclass

from engine.pictures.walk_rules import WalkRules


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """How a run of indexing goes about it.

    Attributes
    ----------
    exclude
        Patterns of files and folders to leave out; see `WalkRules`.
    include_hidden
        Look at hidden files and folders, and at those of systems and tools, too.
    verify
        Open every file and compare its content, also where the file system says that it is as it
        was.
    archives
        Look into archives that are found below folders and URLs, and not only into those that are
        named.
    """

    exclude: tuple[str, ...] = ()
    include_hidden: bool = False
    verify: bool = False
    archives: bool = False

    @property
    def rules(self) -> WalkRules:
        """What a walk leaves out."""
        return WalkRules(self.exclude, self.include_hidden, self.archives)
