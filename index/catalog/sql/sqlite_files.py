"""The files of an SQLite catalog, looked at before SQLite opens them."""

from __future__ import annotations

from pathlib import Path

from index.errors import CatalogDamagedError
from index.files.regular_file import require_regular


def require_own_files(path: Path) -> None:
    """Insist that SQLite, which follows links, would open nothing but files of its own.

    Raises
    ------
    StoreError
        The file, or one that SQLite keeps beside it, is a link, a pipe or a device.
    CatalogDamagedError
        The file is empty, and what lies beside it says that it was not.
    """
    require_regular(path, *(beside(path, end) for end in ("-wal", "-shm", "-journal")))
    if size(path) != 0:
        return
    # A new catalog is empty for a moment, in which its making may be cut short: nothing lies beside
    # it then. SQLite itself would delete the log, and begin anew.
    if size(beside(path, "-wal")) or (path.parent / "index").exists():
        raise CatalogDamagedError(
            path,
            "the catalog is empty (0 bytes), but was not: what belongs to it lies beside it",
            "Nothing was changed. Put back a copy of the file; to begin anew, remove the store",
        )


def beside(path: Path, end: str) -> Path:
    """Return the file that SQLite keeps beside another: `-wal`, `-shm` or `-journal`."""
    return path.with_name(path.name + end)


def size(path: Path) -> int | None:
    """Return the bytes of a file, None where there is none."""
    try:
        return path.lstat().st_size
    except OSError:
        return None
