"""Tar archives, as webdataset writes them: members side by side, read by offset."""

from __future__ import annotations

import json
import os
import tarfile

from engine.errors import ImageError
from engine.pictures.formats import EXTENSIONS, extension_of
from engine.pictures.sources.archive import ArchiveFile, Member, Table
from engine.skipped import Skipped

# Of one header, with the long names and attributes that may stand in it.
HEADER_BYTES = 1 << 20
# Files beside an image that say what it shows, by their endings, the one that counts first.
SIDECARS = ("cls", "json", "txt")
SIDECAR_BYTES, LONGEST_LABEL = 1 << 16, 200
KEYS = ("label", "cls")


def read_tar(file: ArchiveFile, *, labels: bool) -> Table:
    """Return the members of a tar archive that are named like images; see `ReadTable`."""
    table = Table(read=lambda member, most: file.read(member.size, member.position))
    sidecars: dict[str, dict[str, Member]] = {}
    try:
        with tarfile.open(fileobj=file.stream(HEADER_BYTES), mode="r:") as archive:
            for info in archive:
                # What it has seen is no use: a list of millions.
                archive.members = []  # type: ignore[attr-defined]
                _take(table, sidecars if labels else None, info, file)
            table.whole = not any(file.read(tarfile.BLOCKSIZE, archive.offset))
    except (tarfile.TarError, OSError, ValueError, EOFError, RecursionError) as error:
        if not table.members:
            raise ImageError(
                file.name,
                f"it is no tar archive ({error})",
                "Archives are read uncompressed: write it again with tar cf",
            ) from None
        table.whole = False
    if not table.whole:
        reason = f"it is damaged behind its first {len(table.members)} images"
        table.skipped.append(Skipped(file.name, reason, "Copy or download it again"))
    if sidecars:
        _label(table, sidecars, file)
    return table


def _take(
    table: Table,
    sidecars: dict[str, dict[str, Member]] | None,
    info: tarfile.TarInfo,
    file: ArchiveFile,
) -> None:
    name = info.name.removeprefix("./")
    extension = extension_of(name)
    is_sidecar = sidecars is not None and extension in SIDECARS
    if info.isdir() or not (is_sidecar or extension in EXTENSIONS):
        return
    member = Member(info.offset_data, info.size)
    # Links lead to where their maker likes; sparse files are no bytes side by side.
    if not info.isreg() or info.issparse():
        reason = "it is a link or no ordinary file"
        table.skipped.append(Skipped(f"{file.name}/{name}", reason, "Put the file itself there"))
    elif info.size < 0 or info.offset_data + info.size > file.size:
        table.whole = False
        reason = "the archive ends before it does"
        table.skipped.append(Skipped(f"{file.name}/{name}", reason, "Copy or download it again"))
    elif is_sidecar and sidecars is not None:
        if info.size <= SIDECAR_BYTES:
            sidecars.setdefault(_key(name), {})[extension] = member
    else:
        table.take(name, member, file.name)


def _key(name: str) -> str:
    """Return what the files of one sample share: the path up to the first dot of the name."""
    folder, base = os.path.split(name)
    return os.path.join(folder, base.partition(".")[0])


def _label(table: Table, sidecars: dict[str, dict[str, Member]], file: ArchiveFile) -> None:
    for name, member in table.members.items():
        beside = sidecars.get(_key(name), {})
        texts = (
            _text(extension, file.read(beside[extension].size, beside[extension].position))
            for extension in SIDECARS
            if extension in beside
        )
        label = next((text for text in texts if text), "")
        if label:
            table.members[name] = Member(member.position, member.size, label)


def _text(extension: str, data: bytes) -> str:
    """Return the label that a sidecar holds; nothing where it holds none."""
    text = data.decode("utf-8", "replace").strip()
    if extension == "json":
        try:
            found = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        found = found if isinstance(found, dict) else {}
        text = next((as_label(found[key]) for key in KEYS if key in found), "")
    return text if len(text) <= LONGEST_LABEL and "\n" not in text else ""


def as_label(value: object) -> str:
    """Return a value as the label that it is, a text or a whole number; else nothing."""
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""
