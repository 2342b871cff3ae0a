"""Handing the embeddings to other programs."""

from __future__ import annotations

import contextlib
import csv
import os
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import EngineError, UsageError
from engine.results import ExportReport
from index.catalog.catalog import Catalog
from index.records import Floats, ImageRow

COLUMNS = ("path", "label", "category", "probability", "width", "height", "format", "content_hash")


def export(catalog: Catalog, file: Path) -> ExportReport:
    """Write unit vectors, float32 `[n, dim]`, and what is known about each image.

    A `.npy` file holds the vectors alone; the other columns stand beside it in a `.csv` file of
    the same name, a line for each row. A `.parquet` file holds everything.

    Raises
    ------
    UsageError
        Another ending, or Parquet support is not installed.
    EngineError
        The file cannot be written.
    """
    writers = {".npy": _write_npy, ".parquet": _write_parquet}
    if file.suffix not in writers:
        raise UsageError(file, "this ending is not known", "Use .npy or .parquet")
    ids, vectors = catalog.embeddings.all()
    found = catalog.images.rows(ids.tolist())
    # A writer may have forgotten some between the two looks.
    there = np.array([image_id in found for image_id in ids.tolist()], np.bool_)
    vectors = vectors[there]
    rows = [found[image_id] for image_id in ids[there].tolist()]
    temporary = file.with_name(f"{file.name}.{os.getpid()}.tmp")
    try:
        writers[file.suffix](temporary, file, rows, vectors.unit)
        temporary.replace(file)
    except OSError as error:
        raise EngineError(
            file, f"it cannot be written ({error.strerror})", "Name another place or free space"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()
    return ExportReport(str(file), len(rows), catalog.identity.dim)


def _write_npy(temporary: Path, file: Path, rows: list[ImageRow], unit: Floats) -> None:
    with temporary.open("wb") as out:
        np.save(out, unit)
    table = file.with_suffix(".csv")
    with table.open("w", encoding="utf-8", errors="surrogateescape", newline="") as lines:
        writer = csv.writer(lines)
        writer.writerow(COLUMNS)
        writer.writerows([getattr(row, name) for name in COLUMNS] for row in rows)


def _write_parquet(temporary: Path, file: Path, rows: list[ImageRow], unit: Floats) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise UsageError(
            file,
            "writing Parquet needs the package pyarrow",
            "Run: pip install 'image-engine[parquet]'",
        ) from None
    columns: dict[str, Any] = {
        name: [_text(getattr(row, name)) for row in rows] for name in COLUMNS
    }
    dim = unit.shape[1] if unit.size else 1
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(unit.ravel()), dim)
    pq.write_table(pa.table(columns), temporary)


def _text(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value
