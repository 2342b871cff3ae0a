"""How many threads FAISS may use for a call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import faiss

# Fewer queries than this at once are not worth waking a second thread for.
QUERIES_PER_THREAD = 4


@contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """Answer few queries on one thread: to wake others costs more, and waits when they are busy."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(max(1, min(before, queries // QUERIES_PER_THREAD)))
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
