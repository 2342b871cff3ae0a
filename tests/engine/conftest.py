"""What tests of the engine share: the real backbone, and weights at random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.backbones.table import backbone_named
from engine.backbones.torchvision_import import import_torchvision
from engine.backbones.weights import WeightsCache, WeightsFile
from engine.pictures.decode import decode
from engine.pictures.preprocess import Pixels
from engine.runtimes.openvino_export import ExportedModel, export_openvino
from index.records import Floats


@pytest.fixture(scope="session")
def weights(own_cache: Path) -> WeightsFile:
    """The embedded backbone's weights."""
    found = WeightsCache(own_cache).find(backbone_named("efficientnet_lite0"))
    assert found is not None
    return found


@pytest.fixture(scope="session")
def exported(own_cache: Path, weights: WeightsFile) -> ExportedModel:
    """The embedded backbone, converted once in the cache of all tests."""
    return export_openvino(
        backbone_named("efficientnet_lite0"), weights, own_cache, lambda text: None
    )


@pytest.fixture(scope="session")
def renders(drawn: Path) -> Pixels:
    """The embedded backbone's inputs for all drawn pictures, uint8 `[60, 224, 224, 3]`."""
    preprocessing = backbone_named("efficientnet_lite0").preprocessing
    paths = sorted(drawn.rglob("*.jpg"))
    images = [decode(path.read_bytes(), str(path), 10**8).pixels for path in paths]
    return np.stack([preprocessing.pixels(image) for image in images])


@pytest.fixture(scope="session")
def cosines() -> Callable[[Floats, Floats], Floats]:
    """A function that returns the cosine of each pair of rows, float64 `[n]`."""

    def between(one: Floats, other: Floats) -> Any:
        a, b = np.asarray(one, np.float64), np.asarray(other, np.float64)
        return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)

    return between


@pytest.fixture(scope="session")
def resnet50_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of ResNet50's shape with weights at random (100 MB)."""
    import_torchvision()
    from torchvision.models import get_model

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "random.pth"
    torch.save(get_model("resnet50", weights=None).state_dict(), path)
    return path
