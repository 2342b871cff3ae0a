"""What tests of sessions share: who writes beside them, and what of a store is mapped."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine import Config, Engine
from engine.session.session import Session
from engine.testing import FakeEmbedder

MakeSession = Callable[[], Session]
needs_maps = pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux's /proc")


def writer_on(store: Path) -> Engine:
    """Return an engine as another process has it."""
    config = Config.at(store)
    return Engine(config, embedder=FakeEmbedder(config))


def noise() -> bytes:
    """Return the file of a picture of noise."""
    file = BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def maps(store: Path) -> bool:
    """Return whether this process has a file below a folder mapped."""
    return str(store) in Path("/proc/self/maps").read_text()
