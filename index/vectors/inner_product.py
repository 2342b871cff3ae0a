"""Inner products of one vector with many, and of many with many.

NumPy's threads go on looking for work for milliseconds after a product, on the very cores where
FAISS's threads do the next step: a batch of queries took twice as long. So a search multiplies
on the calling thread or on FAISS's own.
"""

from __future__ import annotations

from typing import Any

import faiss as _faiss
import numpy as np

from index.records import Floats

# FAISS's type stubs know nothing of what its Python layer adds.
faiss: Any = _faiss


def inner_products(rows: Floats, vector: Floats) -> Floats:
    """Return the inner product of `vector` with each of `rows`, float32 `[n]`.

    Parameters
    ----------
    rows
        float32 `[n, dim]`, contiguous.
    vector
        float32 `[dim]`, contiguous.
    """
    products = np.empty(len(rows), np.float32)
    if len(rows):
        faiss.fvec_inner_products_ny(
            faiss.swig_ptr(products),
            faiss.swig_ptr(vector),
            faiss.swig_ptr(rows),
            rows.shape[1],
            len(rows),
        )
    return products


def product_with(rows: Floats) -> Any:
    """Return a transform of FAISS's, which takes vectors to their inner products with `rows`.

    Parameters
    ----------
    rows
        float32 `[n, dim]`, of which it keeps a copy.
    """
    transform = faiss.LinearTransform(rows.shape[1], rows.shape[0], False)
    faiss.copy_array_to_vector(rows.reshape(-1), transform.A)
    transform.is_trained = True
    return transform
