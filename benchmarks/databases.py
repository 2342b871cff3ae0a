"""A catalog in PostgreSQL beside the same one in an SQLite file: what each verb's question takes.

    python -m benchmarks.databases [--images 100000] [--folder DIR] [--rounds 5] [--plots DIR]

Both are filled with the same made-up images, and asked in turns; short questions more often, as a
service is asked. The server is one of its own, with its default settings, on a socket. A refresh
reads as `engine train` does: a thread reads embeddings while another writes predictions.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.support.filled_store import CATEGORIES, made_up_batch
from engine.ingest.reclassify import SPAN, WORKERS
from engine.pictures.threads.prefetch import prefetch
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Filter
from index.catalog.tables.index_source import IndexSource
from index.catalog.tables.shown import shown_images
from index.records import CatalogIdentity, Floats, Ids, Named
from tests.support.postgres import running_server

DIM, BATCH = 1280, 4096
# Questions of at most so many seconds are asked so many times.
SHORT, OFTEN = 0.01, 100
KINDS = SQLITE, POSTGRES = "SQLite", "PostgreSQL"
# What a fifth of the images fits.
MANY = "category=bed"
BOUND = 1.5

Questions = dict[str, Callable[[Catalog], object]]


def drawn(count: int, rng: np.random.Generator) -> Floats:
    """Return unit vectors, float32 `[count, DIM]`."""
    vectors = rng.standard_normal((count, DIM), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def fill(catalog: Catalog, count: int) -> float:
    """Store made-up images; return how many a second were committed."""
    rng, seconds = np.random.default_rng(0), 0.0
    for start in range(0, count, BATCH):
        batch = made_up_batch(drawn(min(BATCH, count - start), rng), 10.0, start)
        started = time.perf_counter()
        catalog.images.store(batch)
        seconds += time.perf_counter() - started
    return count / seconds


def questions(count: int) -> Questions:
    """Return what is asked, by name."""
    rng = np.random.default_rng(1)

    def some(number: int) -> list[int]:
        return (1 + rng.choice(count, number, replace=False)).tolist()

    def by_id(catalog: Catalog) -> object:
        # As a search does, in one transaction.
        with catalog.database.snapshot():
            catalog.state()
            catalog.embeddings.of(some(1))
            catalog.embeddings.sound(some(20))
            return shown_images(catalog.database, some(10))

    return {
        "status: counts": lambda catalog: (catalog.counts(), catalog.predictions.counts()),
        "search by id: embedding and ten rows": by_id,
        "scores of 250 images": lambda catalog: catalog.embeddings.of(some(250)),
        "filter, a fifth of all": lambda catalog: catalog.images.matching(Filter.parse([MANY])),
        "filter, first 1,000 of them": lambda catalog: catalog.images.matching(
            Filter.parse([MANY]), most=1000
        ),
        "page of 100 images": lambda catalog: catalog.images.matching(
            Filter(), after=count // 2, most=100
        ),
        "every embedding, as an index is built": read_all,
        "refresh: every prediction": refresh,
        "refresh: nothing new": same_again,
    }


def read_all(catalog: Catalog) -> int:
    """Read every embedding; return how many there are."""
    with catalog.database.reading() as connection:
        source = IndexSource(connection, catalog.identity.dtype)
        return sum(len(ids) for ids, _ in source.rows())


def _parts(catalog: Catalog, shift: int) -> Iterator[tuple[Ids, Named]]:
    names = [("imagenet", name) for name in CATEGORIES]
    read, spans = catalog.embeddings.in_span, catalog.embeddings.spans(SPAN)
    for stored in prefetch(read, spans, workers=WORKERS, window=WORKERS + 1):
        choice = (stored.ids + shift) % len(names)
        share = (0.3 + (stored.ids % 1000) / 2000 + shift / 100).astype(np.float32)
        yield stored.ids, Named(names, choice, share, np.zeros(len(choice), np.bool_))


_shift = iter(range(1, 1000))


def refresh(catalog: Catalog, shift: int | None = None) -> None:
    """Give every image another category, reading its embedding."""
    names = [("imagenet", name) for name in CATEGORIES]
    number = next(_shift) if shift is None else shift
    catalog.change_heads(put=None, delete=None, names=names, parts=_parts(catalog, number))


def same_again(catalog: Catalog) -> None:
    """Give every image the category that it has."""
    refresh(catalog, 0)


@contextmanager
def catalogs(folder: Path | None) -> Iterator[dict[str, Catalog]]:
    """Yield an empty catalog in either database."""
    identity = CatalogIdentity("fake", "f" * 64, DIM, "float16", "fp32")
    with ExitStack() as stack:
        file = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder)))
        url = stack.enter_context(running_server("", folder))
        places = {SQLITE: file / "catalog.sqlite", POSTGRES: url}
        yield {
            kind: stack.enter_context(Catalog.create(place, identity))
            for kind, place in places.items()
        }


def main() -> None:
    """Print a line for each question."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--folder", type=Path, help="where both lie; by default a temporary one")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plots", type=Path, help="a folder for a plot")
    given = parser.parse_args()
    with catalogs(given.folder) as both:
        rates = {kind: fill(catalog, given.images) for kind, catalog in both.items()}
        print(f"committed, images/s: {rates[SQLITE]:,.0f} {rates[POSTGRES]:,.0f}")
        both[POSTGRES].compact()
        sizes = [both[kind].database.size() / given.images for kind in KINDS]
        print(f"bytes an image, embedding of {2 * DIM} included: {sizes[0]:,.0f} {sizes[1]:,.0f}")
        rows: list[tuple[str, list[float]]] = []
        for name, question in questions(given.images).items():
            seconds: dict[str, list[float]] = {kind: [] for kind in KINDS}
            rounds = given.rounds + 1
            while len(seconds[SQLITE]) < rounds:
                for kind, catalog in both.items():
                    started = time.perf_counter()
                    question(catalog)
                    seconds[kind].append(time.perf_counter() - started)
                if max(each[-1] for each in seconds.values()) <= SHORT:
                    rounds = max(rounds, OFTEN)
            # The first reads from the disk what the others find in memory.
            own, other = (median(seconds[kind][1:]) for kind in KINDS)
            rows.append((name, [b / own for b in seconds[POSTGRES][1:]]))
            late = "" if other <= BOUND * own else f", bound {BOUND}"
            print(f"{name:38} {own * 1e3:9.2f} {other * 1e3:9.2f} ms, {other / own:.2f}{late}")
    if given.plots is not None:
        from benchmarks.plots import bar_chart

        given.plots.mkdir(parents=True, exist_ok=True)
        title = f"A catalog of {given.images:,} images in PostgreSQL"
        bar_chart(given.plots / "databases.png", title, "times SQLite's time", rows, "")


if __name__ == "__main__":
    main()
