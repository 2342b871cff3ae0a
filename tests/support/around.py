"""Surroundings of examples found by comparing all with all: the oracle for those of an index."""

from __future__ import annotations

import numpy as np

from engine.learning.data.propagation import PropagationOptions, Surroundings
from index.records import Floats, Vectors


def surroundings(
    images: Floats, examples: Floats, options: PropagationOptions | None = None
) -> Surroundings:
    """Return unit vectors as the images without a label around other unit vectors."""
    options = options or PropagationOptions()
    among, towards = images @ images.T, examples @ images.T
    np.fill_diagonal(among, -2)
    count = min(options.neighbours, len(images) - 1)
    own = np.argsort(-among, axis=1, kind="stable")[:, :count]
    nearest = np.argsort(-towards, axis=1, kind="stable")[:, :count]
    return Surroundings(
        Vectors(images, np.ones(len(images), np.float32)),
        own,
        np.take_along_axis(among, own, 1),
        nearest,
        np.take_along_axis(towards, nearest, 1),
        options,
    )
