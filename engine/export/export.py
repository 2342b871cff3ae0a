"""Files for other programs: the embeddings, and what is known about each image."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from engine.errors import EngineError, UsageError
from engine.export.new_files import require_new
from engine.export.results import ExportReport
from engine.export.spreadsheet import guarded
from index.catalog.catalog import Catalog
from index.errors import reason_of
from index.files.atomic_file import atomic_file
from index.records import Floats, ImageRow

COLUMNS = ("path", "label", "category", "probability", "width", "height", "format", "content_hash")


def export(catalog: Catalog, file: Path, *, force: bool = False) -> ExportReport:
    """Write unit vectors, float32 `[n, dim]`, and what is known about each image.

    A `.npy` file holds the vectors alone; the other columns stand beside it in a `.csv` file of
    the same name, a line for each row, in which what a spreadsheet would take for a formula is a
    text (`guarded`). A `.parquet` file holds everything. Nothing that exists is
    replaced before all is written.

    Parameters
    ----------
    force
        Write over files that exist.

    Raises
    ------
    UsageError
        Another ending, Parquet support is not installed, or a file exists.
    EngineError
        A file cannot be written.
    """
    if file.suffix not in (".npy", ".parquet"):
        raise UsageError(file, "this ending is not known", "Use .npy or .parquet")
    parquet, table = file.suffix == ".parquet", file.with_suffix(".csv")
    require_new(*([file] if parquet else [file, table]), force=force)
    if parquet:
        _require_parquet(file)
    rows, unit = _contents(catalog)
    try:
        if parquet:
            with atomic_file(file) as out:
                _write_parquet(out, rows, unit)
        else:
            _write_npy(file, table, rows, unit)
    except (OSError, ValueError) as error:
        raise EngineError(
            file, f"it cannot be written ({reason_of(error)})", "Name another place or free space"
        ) from None
    return ExportReport(str(file), len(rows), catalog.identity.dim)


def _contents(catalog: Catalog) -> tuple[Sequence[ImageRow], Floats]:
    ids, vectors = catalog.embeddings.all()
    found = catalog.images.rows(ids.tolist())
    # A writer may have forgotten some between the two queries.
    there = np.array([image_id in found for image_id in ids.tolist()], np.bool_)
    return [found[image_id] for image_id in ids[there].tolist()], vectors[there].unit


def _write_npy(file: Path, table: Path, rows: Sequence[ImageRow], unit: Floats) -> None:
    with atomic_file(table) as lines, atomic_file(file) as out:
        np.save(out, unit)
        text = io.TextIOWrapper(lines, "utf-8", "surrogateescape", newline="")
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        writer.writerows([guarded(getattr(row, name)) for name in COLUMNS] for row in rows)
        text.detach()
        # Both are on the disk before the first takes the place of an older one.
        for each in (lines, out):
            each.flush()
            os.fsync(each.fileno())


def _require_parquet(file: Path) -> None:
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError(
            file,
            "writing Parquet needs the package pyarrow",
            "Run: pip install 'image-engine[parquet]'",
        ) from None


def _write_parquet(out: BinaryIO, rows: Sequence[ImageRow], unit: Floats) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, Any] = {
        name: [_text(getattr(row, name)) for row in rows] for name in COLUMNS
    }
    dim = unit.shape[1] if unit.size else 1
    columns["embedding"] = pa.FixedSizeListArray.from_arrays(pa.array(unit.ravel()), dim)
    pq.write_table(pa.table(columns), out)


def _text(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return value
