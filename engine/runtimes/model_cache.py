"""Folders of the cache that are there whole or not at all."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import EngineError

# The bytes of each file, written last: a file that was cut off is known by them.
SIZES = "sizes.json"


def is_whole(folder: Path, names: Sequence[str]) -> bool:
    """Say whether a folder holds all its files, each as long as it was made."""
    try:
        wanted = json.loads((folder / SIZES).read_text(encoding="utf-8"))
        return bool(_sizes(folder, names) == wanted)
    except (OSError, ValueError):
        return False


def keep(folder: Path, names: Sequence[str], write: Callable[[Path], None]) -> None:
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
    temporary = folder.with_name(f"{folder.name}.{os.getpid()}.tmp")
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        write(temporary)
        (temporary / SIZES).write_text(json.dumps(_sizes(temporary, names)), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        temporary.rename(folder)
    except OSError as error:
        # Another process may have been faster; then its files are as good as ours.
        if not is_whole(folder, names):
            raise EngineError(
                folder,
                f"the converted model cannot be kept ({error.strerror})",
                "Free some space, or name another folder in ENGINE_CACHE",
            ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def keep_or_lend(folder: Path, names: Sequence[str], write: Callable[[Path], None]) -> Path:
    """Make a folder that is quickly made anew; where the cache cannot be written, for this process.

    Returns
    -------
    `folder`, or a temporary one that goes when Python ends: a cache that cannot be written costs
    time only.
    """
    try:
        keep(folder, names, write)
    except EngineError:
        lent = Path(tempfile.mkdtemp(prefix="engine-"))
        atexit.register(shutil.rmtree, lent, ignore_errors=True)
        write(lent)
        return lent
    return folder


def _sizes(folder: Path, names: Sequence[str]) -> dict[str, int]:
    return {name: (folder / name).stat().st_size for name in names}
