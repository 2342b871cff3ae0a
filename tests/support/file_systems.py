"""A second file system, where this machine has one: to move a file there is to copy it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

# Temporary files of a run of tests lie in one of these, or elsewhere.
CANDIDATES = (Path("/dev/shm"), Path("/var/tmp"), Path("/tmp"))


@pytest.fixture
def other_file_system(tmp_path: Path) -> Iterator[Path]:
    """An empty folder on a file system that `tmp_path` is not on."""
    own = tmp_path.stat().st_dev
    others = [each for each in CANDIDATES if each.is_dir() and each.stat().st_dev != own]
    others = [each for each in others if os.access(each, os.W_OK)]
    if not others:
        pytest.skip("this machine has no other file system than that of temporary files")
    with tempfile.TemporaryDirectory(dir=others[0]) as name:
        yield Path(name)
