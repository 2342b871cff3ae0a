"""Files that are made, and not written over."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import UsageError

FORCE = "Name another file, or add --force (force=True)"


def require_new(*files: str | Path, force: bool, remedy: str = FORCE) -> None:
    """Insist that files to be written do not exist, or may be written over.

    Parameters
    ----------
    remedy
        What to do about those that exist.

    Raises
    ------
    UsageError
        Some exist and `force` is not set, or one of them is a folder; all that exist are named.
    """
    there = [os.fspath(file) for file in files if os.path.lexists(file)]
    for file in there:
        if os.path.isdir(file):
            raise UsageError(file, "it cannot be written, being a folder", "Name another place")
    if there and not force:
        verb = "exists" if len(there) == 1 else "exist"
        raise UsageError(" and ".join(there), f"{verb} already", remedy)
