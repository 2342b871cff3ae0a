"""What a catalog holds, as far as two of the same pictures must agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from engine import Engine
from index.catalog.catalog import Catalog


def contents(engine: Engine) -> dict[str, Any]:
    """Return the facts, the bytes of the embedding and the prediction of every visible image."""
    with Catalog.open(engine.config.store.catalog) as catalog:
        visible = catalog.contents.visible()
        ids = [each.id for each in visible]
        rows = catalog.images.rows(ids)
        found, vectors = catalog.embeddings.of(ids)
        embedded = dict(zip(found, vectors.raw.astype(np.float32), strict=True))
        return {
            each.path: (
                each.content_hash,
                each.label,
                rows[each.id].category,
                # A product of one row is rounded otherwise than the same row's among others.
                pytest.approx(rows[each.id].probability, abs=1e-5),
                embedded[each.id].tobytes(),
            )
            for each in visible
        }
