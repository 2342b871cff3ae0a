"""Archives as people make them: tar and Parquet files of pictures."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.shop import LONG_AGO, image


def picture(content: int) -> bytes:
    """Return a picture that no other number gives, as a file."""
    data = io.BytesIO()
    image(content).save(data, "PNG")
    return data.getvalue()


def write_tar(path: Path, members: Mapping[str, bytes], links: Sequence[str] = ()) -> Path:
    """Write a tar file that looks long untouched; `links` are links to /etc/passwd."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in links:
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(link)
        for name, data in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def write_parquet(
    path: Path,
    columns: Mapping[str, Sequence[Any]],
    *,
    group: int = 2,
    noted: bytes | None = None,
) -> Path:
    """Write a Parquet file that looks long untouched.

    Parameters
    ----------
    group
        Rows in a group.
    noted
        What Hugging Face notes in it, as JSON.
    """
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.table(dict(columns))
    if noted is not None:
        table = table.replace_schema_metadata({b"huggingface": noted})
    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(table, path, row_group_size=group)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path
