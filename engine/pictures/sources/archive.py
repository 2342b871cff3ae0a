"""Archives: files whose members are images. Here is what is the same for all kinds of them.

The table of an archive says where its members lie; they are read from an open file by offset, so
that many threads may read at once. Everything in an archive is a stranger's: members by names that
are no plain relative paths, or that another one has, are left out with a reason.
"""

from __future__ import annotations

import io
import os
import stat
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from engine.errors import ImageError
from engine.skipped import Skipped

# Of one archive; its table takes some 200 bytes for each.
MOST_MEMBERS = 20_000_000
LONGEST_NAME = 4096
REMEDY = "Rename it in the archive"


class ArchiveFile:
    """An open file that many threads read at once; it is closed when nobody has it any more.

    Parameters
    ----------
    opened
        A descriptor, which becomes its own.
    name
        For errors.
    """

    def __init__(self, opened: int, name: str) -> None:
        self.name = name
        self.size = os.fstat(opened).st_size
        self._opened = opened
        weakref.finalize(self, os.close, opened)

    def read(self, size: int, offset: int) -> bytes:
        """Return bytes from an offset on; fewer at the end."""
        parts: list[bytes] = []
        while size > 0 and (data := os.pread(self._opened, size, offset)):
            parts.append(data)
            size, offset = size - len(data), offset + len(data)
        return b"".join(parts)

    def stream(self, most: int | None = None) -> io.BufferedReader:
        """Return it as a file with a position of its own.

        Parameters
        ----------
        most
            Refuse, by an OSError, to read more bytes than that at once.
        """
        return _Bounded(_Positioned(self), most)


class _Bounded(io.BufferedReader):
    """A buffer that refuses to read more than so many bytes at once, before it takes them."""

    def __init__(self, raw: io.RawIOBase, most: int | None) -> None:
        super().__init__(raw, 1 << 16)
        self._most = most

    def read(self, size: int | None = -1, /) -> bytes:
        """Read some bytes."""
        if self._most is not None and (size is None or not 0 <= size <= self._most):
            raise OSError(f"a header of {size} bytes")
        return super().read(size)


class _Positioned(io.RawIOBase):
    """A view of an `ArchiveFile` from its start."""

    def __init__(self, file: ArchiveFile) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def seekable(self) -> bool:
        """Say that it has a position."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Move the position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]
        """Read some bytes."""
        data = self._file.read(len(buffer), self._position)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


@dataclass(frozen=True, slots=True)
class Member:
    """Where a member lies.

    Attributes
    ----------
    position
        Offset in bytes, or the number of a row.
    size
        In bytes; 0 where that is not known before it is read.
    label
        What the archive says it shows; empty where it says nothing or was not asked.
    """

    position: int
    size: int
    label: str = ""


@dataclass(slots=True)
class Table:
    """What an archive holds.

    Attributes
    ----------
    members
        By name, in the order in which they lie.
    skipped
        Members that cannot be images, by name.
    whole
        False where it is damaged behind the last of them: what is not there may not be gone.
    read
        Returns the bytes of a member, of which there may be at most so many.
    references
        Names of images that lie elsewhere: URLs and paths, where the archive is a list of such.
    """

    members: dict[str, Member] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    whole: bool = True
    read: Callable[[Member, int], bytes] | None = None
    references: Sequence[str] = ()

    def take(self, name: str, member: Member, archive: str) -> None:
        """Add a member, where its name is a good one that no other has."""
        reason = unsafe(name)
        if reason is None and name in self.members:
            reason = "another member has the same name"
        if reason is not None:
            shown = name[:200] or "''"
            self.skipped.append(Skipped(f"{archive}/{shown}", reason, REMEDY))
            return
        if len(self.members) >= MOST_MEMBERS:
            raise ImageError(archive, f"it has more than {MOST_MEMBERS:,} members", "Divide it")
        self.members[name] = member


class ReadTable(Protocol):
    """What reads the table of one kind of archives."""

    def __call__(self, file: ArchiveFile, *, labels: bool) -> Table:
        """Return the table.

        Parameters
        ----------
        labels
            Look for what the archive says of its images.

        Raises
        ------
        ImageError
            It is no archive of this kind.
        """


Unsafe: TypeAlias = str | None


def unsafe(name: str) -> Unsafe:
    """Return why a member's name is none that an image can have; None where it is good."""
    parts = name.split("/")
    if not name or len(name) > LONGEST_NAME:
        return f"a name has 1 to {LONGEST_NAME} characters"
    if "\0" in name or "\\" in name:
        return "its name holds a character that none may have"
    if name.startswith("/") or ".." in parts:
        return "its name leads out of the archive"
    if "" in parts or "." in parts:
        return "its name is no plain path"
    return None


def opened_file(path: str) -> ArchiveFile:
    """Return an ordinary local file, open.

    Raises
    ------
    OSError
        It cannot be opened.
    ImageError
        It is no ordinary file.
    """
    opened = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(opened).st_mode):
        os.close(opened)
        raise ImageError(path, "it is not an ordinary file", "Name an archive")
    return ArchiveFile(opened, path)
