"""FAISS as this room uses it: the module itself, its threads, and its inner products.

FAISS's type stubs know nothing of what its Python layer adds, so the module is handed out as
`Any`; every other file of this room imports it from here.

NumPy's threads go on looking for work for milliseconds after a product, on the very cores where
FAISS's threads do the next step: a batch of queries took twice as long. So a search multiplies
on the calling thread or on FAISS's own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import faiss as _faiss
import numpy as np

from index.records import Floats

faiss: Any = _faiss

# The thread that forks a child is the child's only one. What FAISS does in it with several others
# would wait for those that it had in the parent; alone it works. Threads made there are not hurt.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: faiss.omp_set_num_threads(1))

# Fewer queries than this at once are not worth waking a second thread for.
QUERIES_PER_THREAD = 4
# Nor are fewer worth starting a thread for that works in Python.
QUERIES_PER_PART = 16


@contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """Limit FAISS's threads for a few queries, inside a `with` block of the calling thread.

    To wake other threads costs more than they bring, and waits when the machine is busy.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(1, min(before, queries // QUERIES_PER_THREAD)))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)


def in_parts(work: Callable[[slice], None], count: int) -> None:
    """Call `work` for all of `count` queries, in as many threads as is worth it.

    Parameters
    ----------
    work
        Releases the interpreter's lock most of the time, as NumPy and FAISS do.
    count
        How many queries there are.
    """
    threads = max(1, min(faiss.omp_get_max_threads(), count // QUERIES_PER_PART))
    if threads == 1:
        work(slice(0, count))
        return
    from concurrent.futures import ThreadPoolExecutor

    bounds = [count * part // threads for part in range(threads + 1)]
    # Each part takes one core; FAISS's own threads would only get into each other's way.
    with ThreadPoolExecutor(threads, initializer=faiss.omp_set_num_threads, initargs=(1,)) as pool:
        for _ in pool.map(work, map(slice, bounds, bounds[1:])):
            pass


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
    """Return a `faiss.LinearTransform` that maps vectors to their inner products with `rows`.

    Parameters
    ----------
    rows
        float32 `[n, dim]`, of which it keeps a copy.
    """
    transform = faiss.LinearTransform(rows.shape[1], rows.shape[0], False)
    faiss.copy_array_to_vector(rows.reshape(-1), transform.A)
    transform.is_trained = True
    return transform
