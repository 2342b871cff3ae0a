"""The files behind images: which images are one and the same file, and which file may go.

What counts is the disk as it is now, not as it was when it was indexed. A file is known by its
device and inode: a symbolic link, a path below a linked folder and a hard link are other names of
it, never copies. A file that a link leads to stays, because without it the link would be broken.
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from engine.pictures.read import file_hash
from engine.pictures.sources.links import Links
from engine.pictures.sources.paths import real
from engine.pictures.walk_rules import in_trash
from engine.search.duplicates.keep import LARGEST_STAYS, Keep
from engine.search.results import DuplicateGroup, DuplicateImage
from index.catalog.catalog import Catalog
from index.records import ImageFacts

# A file changed so shortly before its last scan, or after it, may hold something else by now.
SETTLED_NS = 2_000_000_000
# Device and inode; the path, where there is nothing on the disk.
Identity: TypeAlias = tuple[int, int] | str


@dataclass(frozen=True, slots=True)
class ImageFile:
    """A file under however many names, each an image of the catalog.

    Attributes
    ----------
    id, path
        The image that stands for the file: one whose path leads through no link, where there is
        one, of these one that a pattern names, and of these the first by path.
    identity
        What no other file has.
    pixels
        Width times height.
    mtime_ns
        When it was last changed.
    direct
        That path leads through no link.
    unchanged
        It is there and holds what the catalog says.
    removable
        It is unchanged, no pattern names it, and no link that was seen leads to it, nor a path of
        the catalog through one.
    named
        A pattern names one of its paths, so that it stays.
    rank
        What sorts the file that should stay first: see `ranked`.
    """

    id: int
    path: str
    identity: Identity
    pixels: int
    mtime_ns: int
    direct: bool
    unchanged: bool
    removable: bool
    named: bool = False
    rank: tuple[Any, ...] = field(default=(), compare=False)

    @property
    def vouches(self) -> bool:
        """Whether others may go because this one stays; in the trash it does not."""
        return self.direct and self.unchanged and not in_trash(self.path)


@dataclass(frozen=True, slots=True)
class _Name:
    """One path of a file."""

    id: int
    facts: ImageFacts
    state: os.stat_result | None
    linked: bool
    is_target: bool

    @property
    def identity(self) -> Identity:
        if self.state is None:
            return self.facts.file.path
        return self.state.st_dev, self.state.st_ino


class Disk:
    """What lies at the paths of images; the real path of a folder is found once.

    Parameters
    ----------
    folders
        Where links to files are looked for, to the bottom, beside the folders of the images.
    keep
        Which files stay.
    """

    def __init__(self, folders: Sequence[str] = (), keep: Keep = LARGEST_STAYS) -> None:
        self._keep = keep
        self._real: dict[str, str] = {}
        self._links = Links(folders)

    def files(self, images: Mapping[int, ImageFacts]) -> list[ImageFile]:
        """Return the files of some images, each once, the one that should stay first."""
        paths = [facts.file.path for facts in images.values()]
        self._links.scan(dict.fromkeys(map(os.path.dirname, paths)))
        names: dict[Identity, list[_Name]] = defaultdict(list)
        for image_id, facts in images.items():
            state = _state(facts.file.path)
            linked = self._is_linked(facts.file.path)
            is_target = state is not None and self._links.lead_to(state)
            name = _Name(image_id, facts, state, linked, is_target)
            names[name.identity].append(name)
        found = (_file(each, self._keep) for each in names.values())
        return sorted(found, key=lambda file: file.rank)

    def _is_linked(self, path: str) -> bool:
        """Say whether a path leads through a link, at its end or before."""
        folder = os.path.dirname(path)
        if folder not in self._real:
            self._real[folder] = real(folder)
        return self._real[folder] != folder or os.path.islink(path)


def _state(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def _file(names: list[_Name], keep: Keep) -> ImageFile:
    """Return the file that has these names."""
    wanted = {each.id for each in names if keep.matches(each.facts.file.path)}
    name = min(names, key=lambda each: (each.linked, each.id not in wanted, each.facts.file.path))
    facts, state = name.facts, name.state
    unchanged = state is not None and _is_unchanged(facts, state)
    # The target of a link stays: who made the link relies on it.
    is_led_to = any(each.linked or each.is_target for each in names)
    file = ImageFile(
        id=name.id,
        path=facts.file.path,
        identity=name.identity,
        pixels=facts.width * facts.height,
        mtime_ns=state.st_mtime_ns if state else facts.file.mtime_ns,
        direct=not name.linked,
        unchanged=unchanged,
        removable=unchanged and not is_led_to,
    )
    return ranked(file, keep, [each.facts.file.path for each in names])


def ranked(file: ImageFile, keep: Keep, paths: Sequence[str]) -> ImageFile:
    """Return a file that has these paths, with what a rule makes of it."""
    named = any(map(keep.matches, paths))
    file = replace(file, named=named, removable=file.removable and not named)
    return replace(file, rank=keep.rank(file))


def with_images(groups: Sequence[DuplicateGroup], catalog: Catalog) -> list[DuplicateGroup]:
    """Return groups with what the catalog knows of each of their images."""
    known = catalog.images.known([path for group in groups for path in group.paths])
    facts = catalog.contents.facts([each.id for each in known.values()])
    found = {
        path: DuplicateImage(
            each.id, path, facts[each.id].width, facts[each.id].height, each.size, each.label
        )
        for path, each in known.items()
        if each.id in facts
    }
    return [
        replace(group, images=[found[path] for path in group.paths if path in found])
        for group in groups
    ]


def _is_unchanged(facts: ImageFacts, state: os.stat_result) -> bool:
    """Say whether a file holds what was read of it; it is read again where that is not certain."""
    if not stat.S_ISREG(state.st_mode) or state.st_size != facts.file.size:
        return False
    touched_ns = max(state.st_mtime_ns, state.st_ctime_ns)
    if state.st_mtime_ns == facts.file.mtime_ns and touched_ns < facts.scanned_ns - SETTLED_NS:
        return True
    return file_hash(facts.file.path) == facts.content_hash
