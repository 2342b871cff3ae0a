"""What the command does where a head of the store is damaged."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from index.catalog.catalog import Catalog
from index.catalog.tables.heads import put_head
from index.store import Store

Run = Callable[..., subprocess.CompletedProcess[bytes]]


def damage(shop: Path) -> None:
    with Catalog.open(Store(shop).catalog) as catalog:
        [row] = catalog.heads.named(["furniture"])
        flipped = row.file[:-1] + bytes([row.file[-1] ^ 1])
        with catalog.database.writing() as connection:
            put_head(connection, "furniture", flipped)


def test_a_damaged_head_is_named_and_all_else_is_answered(
    quick: Run, shop: Path, drawn: Path
) -> None:
    damage(shop)
    picture = drawn / "chair" / "chair-0001.jpg"
    for code, *asked in (
        (1, "status"),
        (3, "heads", "list"),
        (3, "classify", picture),
        (3, "search", picture, "--same-category"),
        (0, "search", picture),
    ):
        done = quick(*asked, "--store", shop)
        assert done.returncode == code, asked
        named = b"head furniture: the head is damaged" in done.stderr
        assert named == (code != 0), asked
    done = quick("heads", "list", "--json", "--store", shop)
    assert json.loads(done.stdout) == []
    assert quick("heads", "show", "furniture", "--store", shop).returncode == 1
    assert quick("heads", "delete", "furniture", "--store", shop).returncode == 0
    assert quick("status", "--store", shop).returncode == 0
