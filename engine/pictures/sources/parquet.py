"""Parquet files: a column of images, or a column of the URLs and paths of images.

A column of images holds bytes, or structs of `bytes` and `path` as Hugging Face writes them. A row
is called by its path where every row has one of its own, else by its number.
"""

from __future__ import annotations

import json
import os
import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

from engine.errors import ImageError
from engine.pictures.read import too_many_bytes
from engine.pictures.sources.archive import MOST_MEMBERS, ArchiveFile, Member, Table, unsafe
from engine.pictures.sources.tar import LONGEST_LABEL, as_label

# Of several columns that may be meant, those of such names come first.
IMAGES = ("image", "img", "jpg", "jpeg", "png", "webp", "picture", "photo", "bytes", "content")
REFERENCES = ("url", "image_url", "uri", "path", "image_path", "file_name", "filename", "image")
LABELS = ("label", "labels", "class", "cls")
# Rows come in groups, which are read whole: of the images of one, in bytes; and groups in memory.
GROUP_BYTES, GROUPS = 1 << 29, 2
ROWS = 1 << 14
REMEDY = "Write it anew, with a column `image` of bytes or a column `url`"


def read_parquet(file: ArchiveFile, *, labels: bool) -> Table:
    """Return the rows of a Parquet file; see `ReadTable`."""
    import pyarrow
    from pyarrow import parquet

    try:
        opened = parquet.ParquetFile(file.stream())
        column = _column(opened, pyarrow.types)
        if column is None:
            raise ImageError(file.name, "it has no column of images or of URLs", REMEDY)
        path, is_reference = column
        if is_reference:
            return Table(references=[text for text in _texts(opened, path) if text])
        table = Table(read=_Rows(file, opened, path).read)
        names = _names(opened, path)
        said = _labels(opened) if labels else iter(())
        for row in range(opened.metadata.num_rows):
            name = names[row] if names else f"{row:08d}"
            table.take(name, Member(row, 0, next(said, "")), file.name)
        return table
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        said_of = str(error).partition("\n")[0][:160]
        reason = f"it is no Parquet file that can be read ({said_of})"
        raise ImageError(file.name, reason, "Copy or download it again") from None


def _column(opened: Any, types: Any) -> tuple[str, bool] | None:
    """Return the dotted name of the column of images, and whether it holds references."""
    images: dict[str, str] = {}
    references: dict[str, str] = {}
    for each in opened.schema_arrow:
        if types.is_struct(each.type):
            names = [each.type.field(number).name for number in range(each.type.num_fields)]
            if "bytes" in names and _is_bytes(each.type.field("bytes").type, types):
                images[each.name] = f"{each.name}.bytes"
        elif _is_bytes(each.type, types):
            images[each.name] = each.name
        elif types.is_string(each.type) or types.is_large_string(each.type):
            references[each.name] = each.name
    for found, usual in ((images, IMAGES), (references, REFERENCES)):
        known = [name for name in usual if name in found]
        # Of images any column will do, of texts only one whose name says so.
        chosen = known[:1] or (list(found)[:1] if found is images else [])
        if chosen:
            return found[chosen[0]], found is references
    return None


def _is_bytes(kind: Any, types: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _names(opened: Any, column: str) -> list[str]:
    """Return the names of all rows; none where one of them has no good name of its own."""
    count = opened.metadata.num_rows
    if count > MOST_MEMBERS:
        raise ValueError(f"it has {count} rows")
    struct, inside, _ = column.rpartition(".")
    leaf = f"{struct}.path" if inside else "__key__"
    if leaf not in _leaves(opened):
        return []
    names = list(_texts(opened, leaf))
    good = len(names) == count == len(set(names))
    return names if good and not any(map(unsafe, names)) else []


def _leaves(opened: Any) -> set[str]:
    return {opened.schema.column(number).path for number in range(len(opened.schema))}


def _texts(opened: Any, column: str) -> Iterator[str]:
    """Yield a column's texts, empty where there is none."""
    for value in _values(opened, column):
        yield value.strip() if isinstance(value, str) else ""


def _values(opened: Any, column: str) -> Iterator[object]:
    inner = column.partition(".")[2]
    for batch in opened.iter_batches(batch_size=ROWS, columns=[column]):
        for value in batch.column(0).to_pylist():
            yield value.get(inner) if inner and isinstance(value, dict) else value


def _labels(opened: Any) -> Iterator[str]:
    """Yield what the file says that its rows show; by name, where it has names of classes."""
    names = opened.schema_arrow.names
    column = next((name for name in LABELS if name in names), None)
    if column is None:
        return
    classes = _classes(opened, column)
    for value in _values(opened, column):
        known = isinstance(value, int) and 0 <= value < len(classes)
        text = classes[value] if known and isinstance(value, int) else as_label(value)
        yield text if len(text) <= LONGEST_LABEL else ""


def _classes(opened: Any, column: str) -> list[str]:
    """Return the names of classes that Hugging Face notes in a file."""
    noted = (opened.schema_arrow.metadata or {}).get(b"huggingface", b"{}")
    try:
        found = json.loads(noted)["info"]["features"][column]["names"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    return list(found) if isinstance(found, list) and all(isinstance(n, str) for n in found) else []


class _Rows:
    """The images of a file's rows, group by group.

    Parameters
    ----------
    column
        The dotted name of the column of bytes.
    """

    def __init__(self, file: ArchiveFile, opened: Any, column: str) -> None:
        self._file = file
        self._opened = opened
        self._column = column
        self._lock = threading.Lock()
        self._groups: OrderedDict[int, Any] = OrderedDict()
        metadata = opened.metadata
        counts = [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]
        self._starts = [0, *accumulate(counts)]

    def read(self, member: Member, most: int) -> bytes:
        """Return the bytes of a row."""
        group = bisect_right(self._starts, member.position) - 1
        with self._lock:
            column = self._group(group)
            value = column[member.position - self._starts[group]]
            buffer = value.as_buffer() if value.is_valid else b""
            if len(buffer) > most:
                name = os.path.join(self._file.name, str(member.position))
                raise too_many_bytes(name, len(buffer), most)
            return bytes(buffer)

    def _group(self, number: int) -> Any:
        """Return the images of a group of rows, an array of Arrow."""
        if number in self._groups:
            self._groups.move_to_end(number)
            return self._groups[number]
        metadata = self._opened.metadata.row_group(number)
        size = sum(
            metadata.column(each).total_uncompressed_size
            for each in range(metadata.num_columns)
            if metadata.column(each).path_in_schema == self._column
        )
        if size > GROUP_BYTES:
            raise ImageError(
                self._file.name,
                f"{metadata.num_rows} rows of it lie in a group of {size / 2**20:.0f} MB",
                f"Write it anew, in groups of at most {GROUP_BYTES >> 20} MB (row_group_size=100)",
            )
        while len(self._groups) >= GROUPS:
            self._groups.popitem(last=False)
        found = self._opened.read_row_group(number, columns=[self._column], use_threads=False)
        column = found.column(0).combine_chunks()
        if "." in self._column:
            column = column.field("bytes")
        self._groups[number] = column
        return column
