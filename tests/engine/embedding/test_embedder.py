"""The backbone at work: unit vectors and their lengths, one row a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.pictures.preprocess import Pixels
from engine.progress import SILENT


@pytest.fixture
def embedder(tmp_path: Path, own_cache: Path) -> Embedder:
    """The embedded backbone on OpenVINO."""
    config = Config.at(
        tmp_path / "store", cache=own_cache, backbone="efficientnet_lite0", runtime="openvino"
    )
    return choose_embedder(config, None, SILENT)


def test_nothing_gives_no_embeddings_of_the_right_width(embedder: Embedder) -> None:
    assert embedder.embed([]).unit.shape == (0, 1280)


@pytest.mark.slow
@pytest.mark.usefixtures("exported")
def test_embeddings_are_unit_vectors_with_their_lengths(
    embedder: Embedder, renders: Pixels
) -> None:
    vectors = embedder.embed(list(renders[:3]))
    assert np.allclose(np.linalg.norm(vectors.unit, axis=1), 1, atol=1e-6)
    assert (vectors.norm > 1).all()
