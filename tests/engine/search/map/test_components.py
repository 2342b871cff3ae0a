"""Principal components: those that scikit-learn finds in all embeddings at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from engine import Engine
from engine.search.map.components import ComponentLimits, components
from engine.search.map.positions import fitted
from index.catalog.catalog import Catalog


@pytest.fixture
def catalog(drawn: Path, fake_engine: Engine) -> Catalog:
    """A catalog of sixty renders."""
    fake_engine.index([drawn])
    return Catalog.open(fake_engine.config.store.catalog)


def test_they_are_those_of_scikit_learn(catalog: Catalog) -> None:
    with catalog:
        found = components(catalog)
        ids, vectors = catalog.embeddings.all()
    expected = fitted(PCA(2, svd_solver="full").fit_transform(vectors.unit))
    assert found.ids.tolist() == ids.tolist()
    for axis in range(2):
        # A direction may point either way.
        own, other = found.xy[:, axis], expected[:, axis]
        assert min(np.abs(own - other).max(), np.abs(own - (1 - other)).max()) < 1e-3


def test_blocks_change_nothing(catalog: Catalog) -> None:
    with catalog:
        whole, parts = components(catalog), components(catalog, limits=ComponentLimits(block=7))
    assert parts.ids.tolist() == whole.ids.tolist()
    assert parts.xy == pytest.approx(whole.xy, abs=1e-4)


def test_a_sample_gives_nearly_the_same(catalog: Catalog) -> None:
    with catalog:
        whole = components(catalog)
        some = components(catalog, limits=ComponentLimits(block=5, sample=30))
    assert some.ids.tolist() == whole.ids.tolist()
    correlation = np.corrcoef(some.xy[:, 0], whole.xy[:, 0])[0, 1]
    assert abs(correlation) > 0.9


def test_progress_ends_at_its_total(catalog: Catalog) -> None:
    told: list[tuple[int, int]] = []
    with catalog:
        components(
            catalog, lambda done, total: told.append((done, total)), ComponentLimits(block=9)
        )
    assert [done for done, _ in told] == list(range(1, told[-1][1] + 1))
