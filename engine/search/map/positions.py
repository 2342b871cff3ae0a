"""Positions in a plane, and the file that they are remembered in."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import EngineError
from index.errors import reason_of
from index.files.atomic_file import write_atomically
from index.files.regular_file import open_regular
from index.records import Floats, Ids
from index.state import CatalogState

KIND, VERSION = "engine map", 1
# Of the first line of a file, and of all of it: that is a hundred million images.
LINE_BYTES, FILE_BYTES = 1 << 12, 2 << 30
# An id and two coordinates.
ROW_BYTES = 16


@dataclass(frozen=True, slots=True)
class Positions:
    """Where images lie.

    Attributes
    ----------
    ids
        Ascending, int64 `[n]`.
    xy
        0 to 1, float32 `[n, 2]`.
    state
        That of the catalog for which they were found.
    """

    ids: Ids
    xy: Floats
    state: CatalogState


class DamagedMapError(Exception):
    """A file holds no positions that can be believed; the message says why."""


def fitted(xy: Floats) -> Floats:
    """Return positions between 0 and 1, both axes in one scale, in the middle of the square."""
    if not len(xy):
        return xy.reshape(0, 2).astype(np.float32)
    # In float64 a distance of the smallest numbers of float32 has a half, too.
    wide = xy.astype(np.float64)
    least, most = wide.min(axis=0), wide.max(axis=0)
    scale = float((most - least).max())
    if not scale > 0:
        return np.full((len(xy), 2), 0.5, np.float32)
    centred: Floats = ((wide - (least + most) / 2) / scale + 0.5).astype(np.float32)
    return centred.clip(0, 1)


def write_positions(path: Path, positions: Positions) -> None:
    """Write positions to a file, whole or not at all.

    Raises
    ------
    EngineError
        It cannot be written; what was there stays.
    """
    body = positions.ids.astype("<i8").tobytes() + positions.xy.astype("<f4").tobytes()
    header = {
        "kind": KIND,
        "version": VERSION,
        "images": len(positions.ids),
        "state": asdict(positions.state),
        "sha256": hashlib.sha256(body).hexdigest(),
    }
    try:
        write_atomically(path, json.dumps(header).encode("ascii") + b"\n" + body)
    except OSError as error:
        reason = f"the map cannot be written ({reason_of(error)})"
        raise EngineError(path, reason, "Free some space, or allow it") from None


def read_positions(path: Path) -> Positions | None:
    """Return the positions in a file, None where there is none.

    Raises
    ------
    DamagedMapError
        It is damaged, of a newer release, or something else.
    """
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > FILE_BYTES:
                raise DamagedMapError("it is too large")
            line, body = file.readline(LINE_BYTES), file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DamagedMapError(reason_of(error)) from None
    try:
        header = json.loads(line)
        count, state, digest = _checked(header)
    except (ValueError, RecursionError) as error:
        raise DamagedMapError(str(error)) from None
    if len(body) != count * ROW_BYTES or hashlib.sha256(body).hexdigest() != digest:
        raise DamagedMapError("it is not as it was written")
    ids = np.frombuffer(body, "<i8", count).astype(np.int64)
    xy = np.frombuffer(body, "<f4", 2 * count, 8 * count).astype(np.float32).reshape(-1, 2)
    if (np.diff(ids) <= 0).any() or not ((xy >= 0) & (xy <= 1)).all():
        raise DamagedMapError("a position is none")
    return Positions(ids, xy, state)


def _checked(header: Any) -> tuple[int, CatalogState, str]:
    """Return what the first line of a file says.

    Raises
    ------
    ValueError
        It says nothing that can be.
    """
    if not isinstance(header, dict) or header.get("kind") != KIND:
        raise ValueError("it is no map")
    if header.get("version") != VERSION:
        raise ValueError("it is of another version")
    count, state, digest = header.get("images"), header.get("state"), header.get("sha256")
    if type(count) is not int or count < 0 or not isinstance(digest, str):
        raise ValueError("it does not say how many images it is of")
    names = {"catalog": str, "generation": int, "token": str}
    if not isinstance(state, dict) or {name: type(each) for name, each in state.items()} != names:
        raise ValueError("it does not say which catalog it is of")
    return count, CatalogState(**state), digest
