"""The engine: indexing a folder into a fresh store, from files to rows committed and an index."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.peers.job import Job, Peer, SkipError, answer


class EnginePeer(Peer):
    """`Engine.index` with the options `backbone` and `precision`.

    Beside embedding it commits every picture to the catalog, names its category, and writes the
    search index: all that stands between a folder and the first search.
    """

    def __init__(self, job: Job) -> None:
        super().__init__(job)
        import engine

        self.version = engine.__version__
        self._engine_module = engine
        self._store = Path(job.work) / "store"
        options: dict[str, Any] = dict(job.options)
        try:
            if options.get("precision") == "int8":
                _make_int8(self._store, job)
            self._engine = engine.Engine.open(self._store, **options)
        except engine.EngineError as error:
            raise SkipError(str(error)) from None

    def embed(self, folder: str, files: Sequence[str]) -> None:
        """Index a folder; the warm-up does so first, and loads the backbone."""
        try:
            report = self._engine.index([folder])
        except self._engine_module.UsageError as error:
            raise SkipError(str(error)) from None
        if report.embedded != len(files):
            raise RuntimeError(f"embedded {report.embedded} of {len(files)}: {report.skipped[:3]}")

    def features(self, files: Sequence[str]) -> Any:
        """Return the catalog's embeddings."""
        import numpy as np

        table = Path(self.job.work) / "all.npy"
        self._engine.export(table)
        with table.with_suffix(".csv").open(encoding="utf-8", newline="") as lines:
            place = {row["path"]: number for number, row in enumerate(csv.DictReader(lines))}
        return np.load(table)[[place[file] for file in files]]


def _make_int8(store: Path, job: Job) -> None:
    """Make an empty catalog in int8: for its network the few pictures of the warm-up won't do."""
    from engine import Config
    from engine.embedding.int8_calibration import quantized_embedder
    from engine.progress import SILENT
    from index.catalog.catalog import Catalog

    config = Config.at(store, **job.options)
    embedder, network = quantized_embedder(config, [job.folder], SILENT)
    config.store.make()
    Catalog.create(config.store.catalog, embedder.identity, network=network).close()


if __name__ == "__main__":
    answer(EnginePeer)
