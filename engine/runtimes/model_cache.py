"""Folders of the cache that are there whole or not at all.

What `index/atomic_file.py` does for a file: written under a temporary name, flushed to the disk,
renamed.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import EngineError
from index.atomic_file import sync_folder, temporary_name

# The bytes of each file, written last: a folder whose files were cut off is known by them.
SIZES = "sizes.json"


def is_complete(folder: Path, names: Sequence[str]) -> bool:
    """Say whether a folder holds all its files, each as long as it was made."""
    try:
        wanted = json.loads((folder / SIZES).read_text(encoding="utf-8"))
        return bool(_sizes(folder, names) == wanted)
    except (OSError, ValueError):
        return False


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
        (temporary / SIZES).write_text(json.dumps(_sizes(temporary, names)), encoding="utf-8")
        for name in (*names, SIZES):
            with (temporary / name).open("rb") as file:
                os.fsync(file.fileno())
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
        sync_folder(folder.parent)
    except OSError as error:
        # Another process may have been faster; then its files are as good as ours.
        if not is_complete(folder, names):
            raise EngineError(
                folder,
                f"the model cannot be written to the cache ({error.strerror})",
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


def _sizes(folder: Path, names: Sequence[str]) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in names}
