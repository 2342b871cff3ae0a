"""Archives that are open: their tables, and temporary copies of those that lie behind URLs.

A copy has no name on the disk and is gone with its last reader, or with the process.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cache

from engine.config import UrlLimits
from engine.errors import ImageError
from engine.pictures.sources.archive import ArchiveFile, Table, opened_file
from engine.pictures.sources.paths import is_remote
from engine.pictures.sources.states import require_allowed, state_of
from engine.pictures.sources.table import archive_kind, scheme_of, store_of
from index.errors import reason_of
from index.records import FileState


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """How much is open at once.

    Attributes
    ----------
    copies
        Temporary copies of archives behind URLs.
    local
        Archives of this machine.
    copy_bytes
        Of the largest archive that is copied.
    trusted_seconds
        So long a server is not asked again whether an archive has changed.
    """

    copies: int = 2
    local: int = 8
    copy_bytes: int = 1 << 40
    trusted_seconds: float = 60.0


@dataclass(slots=True)
class _Entry:
    """An archive that is open, or about to be: who has the lock opens it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    archive: FileState | None = None
    table: Table | None = None
    labels: bool = False
    file: ArchiveFile | None = None
    asked: float = 0.0


class OpenArchives:
    """The archives of a process that were read last.

    Parameters
    ----------
    limits
        How many.
    """

    def __init__(self, limits: ArchiveLimits = ArchiveLimits()) -> None:
        self._limits = limits
        self._lock = threading.Lock()
        self._entries: dict[bool, OrderedDict[str, _Entry]] = {
            True: OrderedDict(),
            False: OrderedDict(),
        }

    def table(self, archive: FileState, urls: UrlLimits, *, labels: bool = False) -> Table:
        """Return the table of an archive in a state that was seen.

        Parameters
        ----------
        labels
            With what the archive says of its images.

        Raises
        ------
        ImageError
            It cannot be read, or is no archive.
        """
        entry = self._entry(archive.path)
        with entry.lock:
            return self._table(entry, archive, urls, labels=labels)

    def current(self, path: str, urls: UrlLimits) -> Table | None:
        """Return the table of an archive as it is now; None where there is no file of that path.

        Raises
        ------
        ImageError
            As of `table`.
        """
        entry = self._entry(path)
        with entry.lock:
            trusted = time.monotonic() - entry.asked < self._limits.trusted_seconds
            if is_remote(path) and entry.table is not None and trusted:
                return entry.table
            state = state_of(path, urls)
            if state is None:
                return None
            return self._table(entry, state, urls, labels=False)

    def _entry(self, path: str) -> _Entry:
        remote = is_remote(path)
        with self._lock:
            entries = self._entries[remote]
            entry = entries.setdefault(path, _Entry())
            entries.move_to_end(path)
            while len(entries) > (self._limits.copies if remote else self._limits.local):
                entries.popitem(last=False)
            return entry

    def _table(self, entry: _Entry, archive: FileState, urls: UrlLimits, *, labels: bool) -> Table:
        # Of what has no version it is not known whether it is the same.
        same = entry.archive == archive and archive.inode is not None
        if not same or entry.file is None:
            entry.table, entry.file = None, None
            entry.file = self._opened(archive, urls)
            entry.archive = archive
        if entry.table is None or (labels and not entry.labels):
            kind = archive_kind(archive.path)
            if kind is None:
                raise ImageError(archive.path, "it is no archive", "Name a .tar or .parquet file")
            kind.require(archive.path)
            entry.table = kind.table()(entry.file, labels=labels)
            entry.labels = labels
        entry.asked = time.monotonic()
        return entry.table

    def _opened(self, archive: FileState, urls: UrlLimits) -> ArchiveFile:
        if is_remote(archive.path):
            return self._copied(archive, urls)
        try:
            return opened_file(archive.path)
        except OSError as error:
            reason = f"it cannot be opened ({reason_of(error)})"
            raise ImageError(archive.path, reason, "Check the file and its folder") from None

    def _copied(self, archive: FileState, urls: UrlLimits) -> ArchiveFile:
        """Return a temporary copy of an archive behind a URL."""
        url, scheme = archive.path, scheme_of(archive.path)
        assert scheme is not None
        require_allowed(url, urls)
        room = shutil.disk_usage(tempfile.gettempdir()).free
        if archive.size > min(room, self._limits.copy_bytes):
            raise self._no_room(url)
        copied = 0

        def write(data: bytes) -> None:
            nonlocal copied
            copied += len(data)
            if copied > self._limits.copy_bytes:
                raise self._no_room(url)
            try:
                file.write(data)
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
                    raise self._no_room(url) from None
                raise

        with tempfile.TemporaryFile(prefix="engine-", buffering=0) as file:
            store_of(scheme).copy(url, urls, write)
            return ArchiveFile(os.dup(file.fileno()), url)

    def _no_room(self, url: str) -> ImageError:
        folder = tempfile.gettempdir()
        remedy = "Make room there, or name another folder with TMPDIR"
        return ImageError(url, f"there is no room in {folder} for a copy of it", remedy)


@cache
def open_archives() -> OpenArchives:
    """Return the archives that all of this process share: each copy is worth minutes."""
    return OpenArchives()
