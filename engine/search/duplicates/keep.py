"""Which file of a group stays: the largest, the oldest, or those that a pattern names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from engine.errors import UsageError
from index.catalog.tables.filters import glob_matches

if TYPE_CHECKING:
    from engine.search.duplicates.files import ImageFile
    from engine.search.results import DuplicateGroup

LARGEST, OLDEST = "largest", "oldest"


@dataclass(frozen=True, slots=True)
class Keep:
    """The rule by which files stay.

    Attributes
    ----------
    order
        `largest` by pixels, or `oldest` by the time of the last change.
    pattern
        A glob on whole paths, as `--where 'path~GLOB'` has them: the case of letters does not
        matter, `*` stands for any characters, slashes too, and `?` for one. All that match stay.
    """

    order: str = LARGEST
    pattern: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `largest`, `oldest` or a pattern.

        Raises
        ------
        UsageError
            It is empty.
        """
        if not isinstance(text, str) or not text.strip():
            raise UsageError("keep", f"{text!r} is no rule", "Use largest, oldest or a pattern")
        return cls(text) if text in (LARGEST, OLDEST) else cls(pattern=text)

    def __str__(self) -> str:
        return self.pattern or self.order

    def matches(self, path: str) -> bool:
        """Say whether the pattern names a path."""
        return bool(self.pattern) and glob_matches(self.pattern, path)

    def rank(self, file: ImageFile) -> tuple[Any, ...]:
        """Return what sorts the file that should stay first.

        Files that are gone or were changed come last. Then it is the largest, of these the oldest,
        and then by path; of files of one size those come last that links alone lead to, and the
        target of a link comes first, however young: it stays in any case, so that the others may
        go. By `oldest`, what links alone lead to comes after all files of their own, for it stays
        in any case and speaks for no other.
        """
        gone, link = not file.unchanged, not file.direct
        if self.order == OLDEST:
            return gone, link, file.mtime_ns, -file.pixels, file.removable, file.path
        named = not file.named
        return gone, named, -file.pixels, link, file.removable, file.mtime_ns, file.path

    def unmatched(self, groups: Iterable[DuplicateGroup]) -> str | None:
        """Return what to say where there are groups and the pattern names no picture of any."""
        paths = [path for group in groups for path in group.paths]
        if not self.pattern or not paths or any(map(self.matches, paths)):
            return None
        return f"{self.pattern!r} is no rule, and as a pattern matches no picture of any group"


LARGEST_STAYS = Keep()
