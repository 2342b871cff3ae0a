"""What the order of hits is worth: fused against plain, on photographs, as a search gives them.

    python -m benchmarks.ranking [--data FOLDER] [--draws 5]

Catalogs of a few pictures of each of 30 categories and 300 foreign ones; all other pictures of the
categories are searched for. Then every picture of all categories among all others. P@10 is that of
`engine evaluate`: of those that could be among the first ten, how many are. R-precision is the
precision of as many hits as there are pictures to be found.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.settings import find_data
from engine import Engine
from engine.search.ranking import FUSED, RANKS, fused_ranking, plain_ranking
from index.records import Floats, Ids
from index.state import CatalogState
from index.vectors.faiss_index import FaissIndex
from index.vectors.graph import build_graph

FOREIGN = "foreign"
STATE = CatalogState("0" * 32, 1, "0" * 32)
# P@1, R-precision, P@10 and mAP.
Figures = tuple[float, float, float, float]


def embedded(data: Path) -> tuple[Floats, list[str]]:
    """Return unit vectors float32 `[n, dim]` of all photographs, and what each shows."""
    with tempfile.TemporaryDirectory() as folder:
        with Engine.open(Path(folder) / "store", backbone="efficientnet_lite0") as engine:
            engine.index([data / "catalog", data / "imagenet300"])
            catalog = engine._session.catalog()
            ids, vectors = catalog.embeddings.all()
            rows = catalog.images.rows(ids.tolist())
        paths = [Path(rows[image_id].path) for image_id in ids.tolist()]
    labels = [path.parent.name if "catalog" in path.parts else FOREIGN for path in paths]
    return vectors.unit, labels


def arranged(unit: Floats) -> FaissIndex:
    """Return an exact index of vectors, arranged."""
    index = FaissIndex(Path("nowhere"), unit.shape[1], "float16")
    ids = np.arange(len(unit), dtype=np.int64)
    index.add(ids, unit)
    index.graph = build_graph(index, [(ids, unit)], STATE)
    return index


def figures(
    index: FaissIndex, labels: Sequence[str], queries: Floats, wanted: Sequence[str], order: str
) -> Figures:
    """Return P@1, R-precision, P@10 and mAP of queries from outside of the index."""
    names = np.array(labels)
    results = []
    for query, label in zip(queries, wanted, strict=True):
        results.append(_figures(_ranked(index, query, len(names), order), names == label))
    first, full, ten, mean = np.mean(results, axis=0).tolist()
    return first, full, ten, mean


def leave_one_out(index: FaissIndex, unit: Floats, labels: Sequence[str], order: str) -> Figures:
    """Return P@1, R-precision, P@10 and mAP of every image of the index among all others."""
    names, results = np.array(labels), []
    for row, query in enumerate(unit):
        ranked = _ranked(index, query, len(names), order)
        relevant = names == names[row]
        relevant[row] = False
        results.append(_figures(ranked[ranked != row], relevant))
    first, full, ten, mean = np.mean(results, axis=0).tolist()
    return first, full, ten, mean


def _ranked(index: FaissIndex, query: Floats, k: int, order: str) -> Ids:
    ranking = fused_ranking if order == FUSED else plain_ranking
    return ranking(index, np.ascontiguousarray(query), k, None).ids


def _figures(ranked: Ids, relevant: Ids) -> Figures:
    found = relevant[ranked]
    there = max(1, int(relevant.sum()))
    precision = np.cumsum(found) / np.arange(1, len(found) + 1)
    ten = float(found[:10].sum()) / min(there, 10)
    return (
        float(found[0]),
        float(precision[there - 1]),
        ten,
        float((precision * found).sum()) / there,
    )


def draws(unit: Floats, labels: Sequence[str], each: int, count: int, order: str) -> Figures:
    """Return the means over several catalogs of so many images of each category."""
    names = np.array(labels)
    results = []
    for draw in range(count):
        rng = np.random.default_rng(draw)
        held: list[int] = np.flatnonzero(names == FOREIGN).tolist()
        asked: list[int] = []
        for name in sorted(set(labels) - {FOREIGN}):
            some = rng.permutation(np.flatnonzero(names == name)).tolist()
            held += some[:each]
            asked += some[each:]
        index = arranged(unit[held])
        results.append(figures(index, names[held], unit[asked], names[asked], order))
    first, full, ten, mean = np.mean(results, axis=0).tolist()
    return first, full, ten, mean


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--draws", type=int, default=5)
    asked = parser.parse_args(arguments)
    data = find_data(asked.data)
    if data is None:
        parser.error("photographs are needed: --data DIR; benchmarks/README.md says which")
    unit, labels = embedded(data)
    print("| catalog | order | P@1 | R-precision | P@10 | mAP |\n|---|---|---:|---:|---:|---:|")
    for each in (5, 2):
        for order in reversed(RANKS):
            found = draws(unit, labels, each, asked.draws, order)
            _line(f"30 categories x {each}, 300 foreign", order, found)
    own = [row for row, label in enumerate(labels) if label != FOREIGN]
    index = arranged(unit[own])
    for order in reversed(RANKS):
        found = leave_one_out(index, unit[own], [labels[row] for row in own], order)
        _line(f"each of {len(own)} among the others", order, found)


def _line(what: str, order: str, found: Figures) -> None:
    print(f"| {what} | {order} | " + " | ".join(f"{value:.3f}" for value in found) + " |")


if __name__ == "__main__":
    main()
