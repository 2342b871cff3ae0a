"""One writer at a time, and a word about who it is.

The lock is the operating system's own (through `filelock`): it vanishes with the process that
holds it, however that process ends, so there is never a stale lock to delete by hand. Readers do
not ask for it. A catalog on a server has a lock of its own, which says the same
(`index/catalog/sql/dialects/postgresql.py`).
"""

from __future__ import annotations

import errno
import json
import os
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from index.errors import DiskFullError, ReadOnlyError, StoreError, StoreLockedError, reason_of
from index.files.atomic_file import write_atomically
from index.files.regular_file import open_regular, require_regular

# Characters of the command line that a note repeats. In PostgreSQL, which cuts a statement that it
# shows after 1,024 bytes, a note of any characters must fit.
COMMAND_LENGTH = 200
# What a URL says that others are not to read: as user:HERE@host, and as the value of an option.
_PASSWORD = re.compile(r"(\w:/{1,2}[^/?#\s:@]*):[^\s]*@")
_SECRET = re.compile(r"(\w*(?:passw|pwd|secret|token)\w*=)[^&\s]*", re.IGNORECASE)
# What the system answers to who may not write somewhere.
MAY_NOT = (errno.EACCES, errno.EPERM, errno.EROFS)
# A note is shorter; what is longer is none.
NOTE_BYTES = 1 << 16


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
    from filelock import FileLock, Timeout  # readers, who import this room, do without it

    _require_lock_file(folder)
    lock = FileLock(folder / "writer.lock")
    note = folder / "writer.json"
    try:
        lock.acquire(timeout=wait_seconds)
    except Timeout:
        raise refused(folder, _read(note)) from None
    except OSError as error:
        kind = ReadOnlyError if error.errno in MAY_NOT else StoreError
        raise kind(
            folder,
            f"the store cannot be written ({reason_of(error)})",
            "Check its permissions, or name another with --store",
        ) from None
    try:
        _write(note)
        yield
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def current_writer(folder: Path) -> str | None:
    """Return who is writing to a store, None where nobody is.

    The lock itself is asked: a note that a killed process left behind counts for nothing.

    Raises
    ------
    StoreError
        What has the name of the lock is no ordinary file.
    """
    file = folder / "writer.lock"
    if not os.path.lexists(file):
        return None
    _require_lock_file(folder)
    from filelock import FileLock, Timeout

    lock = FileLock(file)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return described(_read(folder / "writer.json"))
    except OSError:
        return None  # a store that cannot be written has no writer
    lock.release()
    return None


def writer_note() -> str:
    """Return who this process is, as a JSON object for `described`."""
    facts = {
        "pid": os.getpid(),
        "host": socket.gethostname(),
        "command": " ".join(map(without_secrets, sys.argv))[:COMMAND_LENGTH],
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    # An argument of undecodable bytes becomes an escape of JSON, which decodes to the same text.
    text = json.dumps(facts, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def without_secrets(argument: str) -> str:
    """Return an argument of a command without the passwords of URLs in it."""
    return _SECRET.sub(r"\1...", _PASSWORD.sub(r"\1:...@", argument))


def described(note: str) -> str:
    """Return what `writer_note` says of a writer as a sentence, whatever there is instead."""
    try:
        facts = json.loads(note)
        return (
            f"process {facts['pid']} on {facts['host']}, since {facts['since']}: {facts['command']}"
        )
    except (ValueError, KeyError, TypeError):
        return "it has not said who it is"


def refused(thing: object, note: str) -> StoreLockedError:
    """Return the error of one who finds that another process, or thread, is writing."""
    if _is_own(note):
        reason = f"another thread of this process is writing ({described(note)})"
        return StoreLockedError(thing, reason, "Wait until it has ended")
    return StoreLockedError(
        thing, f"another process is writing ({described(note)})", "Wait until it has ended"
    )


def _is_own(note: str) -> bool:
    try:
        facts = json.loads(note)
        return bool(facts["pid"] == os.getpid() and facts["host"] == socket.gethostname())
    except (ValueError, KeyError, TypeError):
        return False


def _write(note: Path) -> None:
    try:
        write_atomically(note, writer_note().encode())
    except OSError as error:
        raise DiskFullError(note, reason_of(error), "Free some space and try again") from None


def _read(note: Path) -> str:
    try:
        with open_regular(note) as file:
            return file.read(NOTE_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return ""


def _require_lock_file(folder: Path) -> None:
    # The lock is emptied when it is taken. It is filelock that opens it, of some releases through
    # a link.
    require_regular(folder / "writer.lock")
