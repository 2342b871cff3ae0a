"""Writing the manifest of a move: each line is on the disk before it is acted upon."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from engine.errors import EngineError
from engine.search.duplicates.moves.records import KIND, VERSION, Header, MadeFolder, Move
from index.errors import reason_of
from index.files.atomic_file import sync_folder


class ManifestWriter:
    """A new manifest in a folder; what was added is on the disk.

    Parameters
    ----------
    folder
        Where; it must be there.
    header
        Its first line.
    name
        Its own, without an ending, which no other has; by default one by the time.

    Raises
    ------
    EngineError
        It cannot be made or written.
    """

    def __init__(self, folder: str, header: Header, name: str | None = None) -> None:
        self.path, self._file = _new_file(folder, name)
        try:
            lock(self._file, self.path)
            self._write([{"manifest": KIND, "version": VERSION, **asdict(header)}])
            sync_folder(Path(folder))
        except BaseException:
            self._file.close()
            raise

    def add(self, records: Sequence[Move | MadeFolder]) -> None:
        """Add lines."""
        self._write([asdict(each) for each in records])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, lines: Sequence[dict[str, Any]]) -> None:
        # ASCII: names that are no Unicode are escaped, and read back as they are.
        text = "".join(json.dumps(line, ensure_ascii=True) + "\n" for line in lines)
        try:
            data = memoryview(text.encode("ascii"))
            while data:
                # A disk that is nearly full takes a part, and says so.
                data = data[self._file.write(data) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            reason = f"the manifest cannot be written ({reason_of(error)})"
            raise EngineError(
                self.path, reason, "Free some space, or name another folder"
            ) from None


def _new_file(folder: str, name: str | None) -> tuple[str, BinaryIO]:
    name = name or datetime.now(UTC).strftime("moved-%Y%m%dT%H%M%SZ")
    number = 1
    while True:
        path = os.path.join(folder, f"{name}{f'-{number}' if number > 1 else ''}.jsonl")
        try:
            opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
            return path, os.fdopen(opened, "wb", buffering=0)
        except FileExistsError:
            number += 1
        except OSError as error:
            reason = f"nothing can be written here ({reason_of(error)})"
            raise EngineError(folder, reason, "Name another folder") from None


def lock(file: BinaryIO, path: str) -> None:
    """Keep other processes from playing back a manifest, until the file is closed.

    Raises
    ------
    EngineError
        Another process works with it.
    """
    try:
        import fcntl
    except ImportError:
        return  # on Windows the lock of the store keeps them apart, where there is one
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        reason = "another process moves what it names"
        raise EngineError(path, reason, "Wait until it has ended") from None
    except OSError:
        pass  # a file system without locks
