"""The manifest: one small file that says which vector files are current, and what they show.

    .engine/index/manifest.json            which state of which catalog, and which files
    .engine/index/delta-<key>.faiss        vectors compared one by one; all of them in a small index
    .engine/index/segment-<key>.faiss      the others, in IVF lists; mapped, not read
    .engine/index/graph-<key>.bin          the nearest neighbours of each image

Vector files are named by 128 random bits and never changed. To save is to write new ones and then
the manifest, each under a temporary name, flushed to the disk, and renamed. So whenever a process
is killed, the manifest names whole files of one state; files that it does not name are left over.

What is checked, and when: the manifest and the delta to the last bit at every opening, before
FAISS sees them. Of the segment all but its largest array: the codes that candidates are reranked
by, whose damage can keep an image from being found but not make a wrong answer, because the scores
of answers come from the catalog. These are checked by size and time of modification:
where these are other than noted, as in a store that was copied, the file is read whole and compared
once, and the time is set to what was noted. What a disk changes by itself `engine status` finds.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from index.files.atomic_file import write_atomically
from index.files.regular_file import open_regular
from index.state import CatalogState
from index.vectors.file_entry import FileEntry
from index.vectors.index import IndexStatus, WasIn
from index.vectors.ivf.autotune import Autotuned

MANIFEST = "manifest.json"
# How often a status is begun anew because a writer was faster.
STATUS_ATTEMPTS = 10
FORMAT = 1
VECTOR_FILE = re.compile(r"(delta|segment)-[0-9a-f]{32}\.faiss|graph-[0-9a-f]{32}\.bin")
# What the release before wrote, beside the folder.
EARLIER = ("index.faiss", "index.main.faiss")


@dataclass(frozen=True, slots=True)
class DeltaEntry:
    """The file of vectors that are compared one by one.

    Attributes
    ----------
    hidden
        How many positions of the segment are hidden: int64, behind the vectors.
    forgotten
        How many images the graph is to forget: their ids, int64, at the file's end.
    """

    file: FileEntry
    hidden: int
    forgotten: int = 0


@dataclass(frozen=True, slots=True)
class SegmentEntry:
    """The file of a segment, and how to search it.

    Attributes
    ----------
    state
        What it shows by itself, None where images lay beside it when it was written.
    total, hidden
        How many positions there are, and how many of them were hidden by then.
    arrays_at
        Where FAISS's own bytes end and the arrays begin.
    """

    file: FileEntry
    state: CatalogState | None
    total: int
    hidden: int
    arrays_at: int
    trained_on: int
    autotuned: Autotuned


@dataclass(frozen=True, slots=True)
class GraphEntry:
    """The file of the nearest neighbours.

    Attributes
    ----------
    count
        Of how many images.
    state
        The state of the catalog in which it was made.
    """

    file: FileEntry
    count: int
    state: CatalogState


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an index shows, and the files that hold it.

    Attributes
    ----------
    state
        The state of the catalog.
    count
        How many images can be found.
    kind, recall
        As in `IndexStatus`.
    """

    state: CatalogState
    count: int
    kind: str
    recall: float
    delta: DeltaEntry
    segment: SegmentEntry | None = None
    graph: GraphEntry | None = None

    @property
    def files(self) -> list[FileEntry]:
        """The files that it names."""
        others = [entry.file for entry in (self.segment, self.graph) if entry is not None]
        return [self.delta.file, *others]

    def shows(self, state: CatalogState, folder: Path) -> bool:
        """Say whether it shows a state, by files that are whole when they are read."""
        return self.state == state and all(file.is_whole(folder) for file in self.files)


def read_manifest(folder: Path) -> Manifest | None:
    """Return the manifest of a folder, None where it is missing, damaged or of another format."""
    try:
        with open_regular(folder / MANIFEST) as file:
            outer = json.loads(file.read())
        if outer["format"] != FORMAT or outer["crc32"] != _checksum(outer["manifest"]):
            return None
        manifest = _decoded(outer["manifest"])
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None
    named = all(VECTOR_FILE.fullmatch(file.name) for file in manifest.files)
    return manifest if named else None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Make a manifest the current one.

    Raises
    ------
    OSError
        It cannot be written; the one before stays.
    """
    inner = json.loads(json.dumps(asdict(manifest)))
    outer = {"format": FORMAT, "crc32": _checksum(inner), "manifest": inner}
    write_atomically(folder / MANIFEST, json.dumps(outer, indent=1).encode())


def may_replace(
    current: Manifest | None, opened: Manifest | None, state: CatalogState, was_in: WasIn
) -> bool:
    """Say whether the manifest on the disk may give way to one of another state.

    Only for the holder of the writer's lock.

    Parameters
    ----------
    current
        What lies on the disk, None where that is no manifest.
    opened
        What the one who saves started from. It may replace nothing that was saved since: that is
        newer, or was made with more care.
    state
        What it shows. The catalog may have left it, where a copy was put back.
    was_in
        The catalog's history as it is now.
    """
    if not was_in(state):
        return False
    if current is None or not was_in(current.state):
        return True
    return current == opened and current.state.generation <= state.generation


def saved_status(folder: Path) -> IndexStatus:
    """Read everything that is saved in a folder, whole, and say what it is.

    A writer may put another manifest there meanwhile, and remove what this one named: only what the
    current manifest names and is not whole is damaged.
    """
    for _ in range(STATUS_ATTEMPTS):
        manifest = read_manifest(folder)
        status = _status_of(folder, manifest)
        if not status.damaged or read_manifest(folder) == manifest:
            break
    return status


def _status_of(folder: Path, manifest: Manifest | None) -> IndexStatus:
    path = folder / MANIFEST
    if manifest is None:
        if os.path.lexists(path):
            return IndexStatus(None, "damaged", damaged=(str(path),))
        earlier = any(_earlier_files(folder))
        return IndexStatus(None, "made by an earlier release" if earlier else "missing")
    files = manifest.files
    damaged = tuple(str(folder / file.name) for file in files if not file.is_whole(folder))
    return IndexStatus(
        manifest.state,
        "damaged" if damaged else "",
        manifest.count,
        manifest.kind,
        manifest.recall,
        sum(file.size for file in files),
        damaged,
    )


def tidy(folder: Path, manifest: Manifest | None) -> None:
    """Remove vector files that the manifest does not name, and what killed writers left.

    Only for the holder of the writer's lock. A reader that has such a file mapped keeps it on
    POSIX; Windows refuses to remove it, and the next call will. A reader that has read the
    manifest before and does not find the file any more reads the manifest again.
    """
    named = {file.name for file in manifest.files} if manifest else set()
    with suppress(OSError):
        for path in list(folder.iterdir()):
            is_vectors = VECTOR_FILE.fullmatch(path.name) and path.name not in named
            if is_vectors or path.suffix == ".tmp":
                _remove(path)
    for path in _earlier_files(folder) if manifest else ():
        _remove(path)


def _earlier_files(folder: Path) -> list[Path]:
    """Return the files of an index that the release before wrote beside this folder.

    They do not say from which history they are, so they are not read: the catalog has it all.
    """
    beside = folder.parent
    found = [beside / name for name in EARLIER if (beside / name).exists()]
    return found + [path for name in EARLIER for path in beside.glob(f"{name}.*.tmp")]


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def _checksum(inner: object) -> int:
    return zlib.crc32(json.dumps(inner, sort_keys=True, separators=(",", ":")).encode())


def _decoded(inner: Mapping[str, Any]) -> Manifest:
    segment = inner["segment"]
    return Manifest(
        CatalogState(**inner["state"]),
        inner["count"],
        inner["kind"],
        inner["recall"],
        DeltaEntry(**{**inner["delta"], "file": _decoded_file(inner["delta"]["file"])}),
        None if segment is None else _decoded_segment(segment),
        # A release before made no graph.
        None if inner.get("graph") is None else decoded_graph(inner["graph"]),
    )


def decoded_graph(graph: Mapping[str, Any]) -> GraphEntry:
    """Return the entry of a graph's file from what its JSON says."""
    return GraphEntry(
        _decoded_file(graph["file"]), int(graph["count"]), CatalogState(**graph["state"])
    )


def _decoded_file(file: Mapping[str, Any]) -> FileEntry:
    codes = file.get("codes")
    return FileEntry(**{**file, "codes": tuple(map(int, codes)) if codes else None})


def _decoded_segment(segment: Mapping[str, Any]) -> SegmentEntry:
    measured = segment["autotuned"]
    margins = tuple((int(depth), float(margin)) for depth, margin in measured["margins"])
    return SegmentEntry(
        **{
            **segment,
            "file": _decoded_file(segment["file"]),
            "state": CatalogState(**segment["state"]) if segment["state"] else None,
            "autotuned": Autotuned(measured["recall"], measured["candidates"], margins),
        }
    )
