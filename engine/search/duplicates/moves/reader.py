"""Reading the manifest of a move, which may be anybody's: every line is checked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, BinaryIO, NoReturn, TypeVar

from engine.errors import EngineError
from engine.search.duplicates.moves.records import (
    KIND,
    VERSION,
    Header,
    MadeFolder,
    Move,
    is_inside,
    problem_of,
)
from engine.search.duplicates.moves.writer import lock
from index.errors import reason_of
from index.files.regular_file import open_regular

REMEDY = "Name a file that `engine duplicates --move-to` has made, as it made it"
Record = TypeVar("Record", Header, Move, MadeFolder)


@dataclass(frozen=True, slots=True)
class ManifestLimits:
    """How much of a manifest is read.

    Attributes
    ----------
    line_bytes
        Two paths of 4,096 bytes, each of which takes six characters, are shorter.
    file_bytes
        About a million files.
    """

    line_bytes: int = 1 << 18
    file_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that was read.

    Attributes
    ----------
    path
        Its absolute path; the folder it lies in is a real path.
    header
        None where its making was cut short: nothing was moved.
    moves, folders
        What was to be moved and made, in this order.
    """

    path: str
    header: Header | None
    moves: Sequence[Move]
    folders: Sequence[MadeFolder]

    @property
    def folder(self) -> str:
        """The folder that the destinations lie in."""
        return os.path.dirname(self.path)


def open_manifest(path: str) -> BinaryIO:
    """Open a manifest to read it, and lock it.

    Raises
    ------
    EngineError
        It cannot be read, or another process works with it.
    """
    try:
        file = open_regular(path)
    except (OSError, ValueError) as error:
        raise EngineError(path, f"it cannot be read ({reason_of(error)})", REMEDY) from None
    try:
        lock(file, path)
    except BaseException:
        file.close()
        raise
    return file


def read_manifest(file: BinaryIO, path: str, limits: ManifestLimits = ManifestLimits()) -> Manifest:
    """Return what a manifest says, all of which was checked.

    Raises
    ------
    EngineError
        It is none, of a newer release, or damaged.
    """
    header: Header | None = None
    moves: dict[str, Move] = {}
    folders: list[MadeFolder] = []
    for number, line in enumerate(_lines(file, path, limits), start=1):
        refuse = _Refusal(path, number)
        if header is None:
            header = _header(line, refuse)
        elif "made" in line:
            folders.append(_made(line, refuse))
        else:
            move = _move(line, refuse)
            moves.pop(move.source, None)
            moves[move.source] = move
    return Manifest(path, header, list(moves.values()), folders)


def _lines(file: BinaryIO, path: str, limits: ManifestLimits) -> Iterator[dict[str, Any]]:
    """Yield the lines; a last one that was cut short is left out."""
    if os.fstat(file.fileno()).st_size > limits.file_bytes:
        raise EngineError(path, f"it is larger than {limits.file_bytes} bytes", REMEDY)
    number = 0
    while data := file.readline(limits.line_bytes + 1):
        number += 1
        refuse = _Refusal(path, number)
        if len(data) > limits.line_bytes:
            refuse("it is longer than any that is written")
        try:
            line = json.loads(data.decode("ascii"))
        except (ValueError, RecursionError):
            if data.endswith(b"\n") or (number == 1 and not _may_be_header(data)):
                refuse("it is no JSON")
            return
        if not isinstance(line, dict):
            refuse("it is no object")
        yield line


def _may_be_header(data: bytes) -> bool:
    begin = json.dumps({"manifest": KIND}).encode("ascii")[:-1]
    return data.startswith(begin) or begin.startswith(data)


class _Refusal:
    """Raises the error that a line of a manifest cannot be believed."""

    def __init__(self, path: str, number: int) -> None:
        self._path = path
        self._number = number

    def __call__(self, reason: str, remedy: str = REMEDY) -> NoReturn:
        raise EngineError(self._path, f"line {self._number}: {reason}", remedy)


def _header(line: dict[str, Any], refuse: _Refusal) -> Header:
    if line.get("manifest") != KIND:
        refuse("this is no manifest of files that were moved")
    version = line.get("version")
    if type(version) is not int or version < 1:
        refuse("it has no version")
    if version > VERSION:
        refuse(f"version {version} was written by a newer release", "Update the engine")
    return _record(Header, line, refuse)


def _record(kind: type[Record], line: dict[str, Any], refuse: _Refusal) -> Record:
    """Return a record of a line that has all its fields, each of its type."""
    values: dict[str, Any] = {}
    for field in fields(kind):
        value, wanted = line.get(field.name), int if field.type == "int" else str
        if type(value) is not wanted:
            refuse(f"{field.name} is missing, or is not of its type")
        if kind is not Header and isinstance(value, str) and not _is_name(value):
            refuse(f"{field.name} is a text that no path can be")
        values[field.name] = value
    return kind(**values)


def _is_name(text: str) -> bool:
    try:
        return b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _made(line: dict[str, Any], refuse: _Refusal) -> MadeFolder:
    folder = _record(MadeFolder, line, refuse)
    if not is_inside(folder.made):
        refuse("a folder lies outside that of the manifest")
    return folder


def _move(line: dict[str, Any], refuse: _Refusal) -> Move:
    move = _record(Move, line, refuse)
    if (problem := problem_of(move)) is not None:
        refuse(problem)
    return move
