"""Some of the drawn pictures, for a test to do with as it likes."""

from __future__ import annotations

import shutil
from pathlib import Path


def copied_images(drawn: Path, folder: Path) -> Path:
    """Copy four renders of each of three categories into a new folder, and return it."""
    for category in ("bed", "chair", "lamp"):
        (folder / category).mkdir(parents=True)
        for source in sorted((drawn / category).iterdir())[:4]:
            shutil.copy2(source, folder / category / source.name)
    return folder
