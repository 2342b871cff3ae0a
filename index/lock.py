"""One writer at a time, and a word about who it is.

The lock is the operating system's own (through `filelock`): it vanishes with the process that
holds it, however that process ends, so there is never a stale lock to delete by hand. Readers do
not ask for it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from index.errors import DiskFullError, StoreError, StoreLockedError


@contextmanager
def writer_lock(folder: Path, *, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the store's writer lock for the length of a `with` block.

    Parameters
    ----------
    folder
        The store.
    wait_seconds
        How long to wait for another writer to finish.

    Raises
    ------
    StoreLockedError
        Another process holds the lock; the message says which.
    StoreError
        The store cannot be written to.
    """
    lock = FileLock(folder / "writer.lock")
    holder = folder / "writer.json"
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise StoreLockedError(
            folder, f"another process is writing ({_describe(holder)})", "Wait until it has ended"
        ) from None
    except OSError as error:
        raise StoreError(
            folder,
            f"the store cannot be written ({error.strerror})",
            "Check its permissions, or name another with --store",
        ) from None
    try:
        _introduce(holder)
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def current_writer(folder: Path) -> str | None:
    """Return who is writing to a store, None where nobody is.

    The lock itself is asked: a note that a killed process left behind counts for nothing.
    """
    file = folder / "writer.lock"
    if not file.exists():
        return None
    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _describe(folder / "writer.json")
    except OSError:
        return None  # a store that cannot be written has no writer
    lock.release()
    return None


def _introduce(holder: Path) -> None:
    facts = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join(sys.argv)[:200],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    try:
        holder.write_text(json.dumps(facts), encoding="utf-8")
    except OSError as error:
        raise DiskFullError(
            holder, error.strerror or "the file cannot be written", "Free some space and try again"
        ) from None


def _describe(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text(encoding="utf-8"))
        return (
            f"process {facts['pid']} on {facts['host']}, since {facts['since']}: {facts['command']}"
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "it has not said who it is"
