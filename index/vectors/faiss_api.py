"""How many threads a search may use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import faiss

# Fewer queries than this at once are not worth waking a second thread for.
QUERIES_PER_THREAD = 4
# Nor are fewer worth starting a thread for that works in Python.
QUERIES_PER_PART = 16


@contextmanager
def threads_for(queries: int) -> Iterator[None]:
    """Answer few queries on one thread: to wake others costs more, and waits when they are busy."""
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
        Lets go of Python's lock most of the time, as NumPy and FAISS do.
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
