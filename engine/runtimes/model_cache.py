"""Folders of the cache that are there whole or not at all.

What `index/files/atomic_file.py` does for a file: written under a temporary name, flushed to the
disk, renamed. The checksum of each file lies beside it, because native code reads them without a
doubt: a file that was cut off, or filled with zeros when the power went, ends the process there.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Sequence
from mmap import ACCESS_READ, mmap
from pathlib import Path

from engine.errors import EngineError
from index.errors import reason_of
from index.files.atomic_file import sync_folder, temporary_name

# Size and CRC-32 of each file, written last.
CHECKSUMS = "checksums.json"


def is_complete(folder: Path, names: Sequence[str]) -> bool:
    """Say whether a folder holds all its files, each as long as it was made; none is read."""
    noted = _noted(folder)
    try:
        return all((folder / name).stat().st_size == noted[name][0] for name in names)
    except (OSError, LookupError, TypeError):
        return False


def is_sound(folder: Path, names: Sequence[str]) -> bool:
    """Read these files of a folder and say whether each is as it was made."""
    noted = _noted(folder)
    try:
        return all(file_crc32(folder / name) == noted[name][1] for name in names)
    except (OSError, LookupError, TypeError):
        return False


def file_crc32(path: Path) -> int:
    """Return the CRC-32 of a file.

    Raises
    ------
    OSError
        It cannot be read.
    """
    with path.open("rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return 0
        # In one call: a thread that must ask for the interpreter after every piece waits each time,
        # while the others import.
        with mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            return zlib.crc32(content)


def write_folder(folder: Path, names: Sequence[str], write: Callable[[Path], None]) -> None:
    """Make a folder of the cache, in place of what was left of one.

    Parameters
    ----------
    names
        The files that it shall hold.
    write
        Makes them in the folder that it is given, which takes the place of `folder` when all of
        them are there.

    Raises
    ------
    EngineError
        The cache cannot be written.
    """
    temporary = temporary_name(folder)
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        write(temporary)
        sums = {name: _size_and_crc32(temporary / name) for name in names}
        (temporary / CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")
        for name in (*names, CHECKSUMS):
            with (temporary / name).open("rb") as file:
                os.fsync(file.fileno())
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        # Another process may have been faster; then its files are as good as ours.
        if not (is_complete(folder, names) and is_sound(folder, names)):
            raise EngineError(
                folder,
                f"the model cannot be written to the cache ({reason_of(error)})",
                "Free some space, or name another folder in ENGINE_CACHE",
            ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_folder_or_temporary(
    folder: Path, names: Sequence[str], write: Callable[[Path], None]
) -> Path:
    """Make a folder of the cache, or one for this process where the cache cannot be written.

    For what is quickly made anew: a cache that cannot be written costs time only.

    Returns
    -------
    `folder`, or a temporary one that goes when Python ends.
    """
    try:
        write_folder(folder, names, write)
    except EngineError:
        temporary = Path(tempfile.mkdtemp(prefix="engine-"))
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        write(temporary)
        return temporary
    return folder


def _size_and_crc32(path: Path) -> tuple[int, int]:
    return path.stat().st_size, file_crc32(path)


def _noted(folder: Path) -> dict[str, tuple[int, int]]:
    try:
        noted = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return noted if isinstance(noted, dict) else {}
