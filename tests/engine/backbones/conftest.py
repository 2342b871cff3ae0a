"""What tests of weights share."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.backbones.download import Retries
from engine.backbones.weights import WeightsCache


@pytest.fixture
def no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    """No mirror is set."""
    monkeypatch.delenv("ENGINE_WEIGHTS_MIRROR", raising=False)


@pytest.fixture
def cache(tmp_path: Path) -> WeightsCache:
    """An empty cache."""
    return WeightsCache(tmp_path / "cache", retries=Retries(pause=0))
