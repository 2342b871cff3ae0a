"""Inner products of one vector with many, on the calling thread alone."""

from __future__ import annotations

from typing import Any

import faiss as _faiss
import numpy as np

from index.records import Floats

# FAISS's type stubs know nothing of what its Python layer adds.
faiss: Any = _faiss


def inner_products(rows: Floats, vector: Floats) -> Floats:
    """Return the inner product of `vector` with each of `rows`, float32 `[n]`.

    NumPy would ask a second thread to help, which costs a query milliseconds where the machine is
    busy.

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
