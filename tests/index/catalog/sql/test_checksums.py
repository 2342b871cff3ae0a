"""A stored vector that is not the one that was stored is noticed, whatever part of it changed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from index.catalog.catalog import Catalog
from index.catalog.sql.checksums import Damage, checksum, is_sound
from index.catalog.sql.schema import Embedding, Image, View
from index.catalog.tables.images import Batch
from index.errors import EmbeddingDamagedError
from index.records import Vectors

MakeBatch = Callable[..., Batch]


def _flipped(data: bytes, bit: int) -> bytes:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_every_bit_of_a_stored_vector_counts(catalog: Catalog, make_batch: MakeBatch) -> None:
    [key] = catalog.images.store(make_batch(["/a"]))
    with catalog.database.reading() as connection:
        vector = connection.execute(select(Embedding.vector)).scalar_one()
    for bit in range(0, 8 * len(vector), 3):
        with catalog.database.writing() as connection:
            connection.execute(update(Embedding).values(vector=_flipped(vector, bit)))
        assert catalog.embeddings.damaged() == [key]
    with catalog.database.writing() as connection:
        connection.execute(update(Embedding).values(vector=vector))
    assert catalog.embeddings.damaged() == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE embeddings SET norm = norm * 1.0001 WHERE image_id = {two}",
        "UPDATE images SET content_hash = 'f' || substr(content_hash, 2) WHERE id = {two}",
        "UPDATE images SET embedding_crc32 = embedding_crc32 + 1 WHERE id = {two}",
        "UPDATE embeddings SET vector = (SELECT vector FROM embeddings WHERE image_id = {one}) "
        "WHERE image_id = {two}",
    ],
)
def test_what_belongs_to_a_vector_counts(
    catalog: Catalog, make_batch: MakeBatch, change: str
) -> None:
    one, two = catalog.images.store(make_batch(["/a", "/b"]))
    with catalog.database.writing() as connection:
        connection.execute(text(change.format(one=one, two=two)))
    assert catalog.embeddings.damaged() == [two]


def test_reading_a_damaged_embedding_is_an_error_that_names_its_image(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    one, two = catalog.images.store(make_batch(["/a", "/b"]))
    with catalog.database.writing() as connection:
        statement = update(Embedding).where(Embedding.image_id == two)
        connection.execute(statement.values(norm=1e30))
    reads: list[Callable[[], object]] = [
        lambda: catalog.embeddings.of([one, two]),
        catalog.embeddings.all,
        lambda: catalog.embeddings.in_span((one, two)),
        lambda: catalog.embeddings.in_span((one, two), visible=True),
    ]
    for read in reads:
        with pytest.raises(EmbeddingDamagedError, match=r"/b: its stored embedding is damaged\."):
            read()
    assert catalog.embeddings.of([one])[0].tolist() == [one]


def test_a_damaged_view_is_not_at_hand_and_is_replaced(catalog: Catalog) -> None:
    keys = [("a" * 64, "original"), ("a" * 64, "mirrored")]
    rows = np.eye(2, catalog.identity.dim, dtype=np.float32)
    vectors = Vectors(rows, np.ones(2, np.float32))
    catalog.views.put(keys, vectors)
    with catalog.database.writing() as connection:
        damaged = update(View).where(View.view == "mirrored")
        connection.execute(damaged.values(norm=2.0))
    assert list(catalog.views.get(["a" * 64])) == [keys[0]]
    catalog.views.put(keys, vectors)
    assert sorted(catalog.views.get(["a" * 64])) == sorted(keys)


def test_an_older_catalog_gets_checksums_of_what_is_stored(
    catalog: Catalog, make_batch: MakeBatch
) -> None:
    catalog.images.store(make_batch(["/a", "/b"]))
    catalog.views.put(
        [("a" * 64, "original")],
        Vectors(np.eye(1, catalog.identity.dim, dtype=np.float32), np.ones(1, np.float32)),
    )
    with catalog.database.reading() as connection:
        before = connection.execute(select(Image.id, Image.embedding_crc32)).all()
        view = connection.execute(select(View.crc32)).scalar_one()
    with catalog.database.writing() as connection:
        for statement in (
            "ALTER TABLE images DROP COLUMN embedding_crc32",
            "ALTER TABLE views DROP COLUMN crc32",
            "DROP TABLE judgements",
            "DROP TABLE distinct_pairs",
            "DROP TABLE shards",
            "UPDATE settings SET value = '7' WHERE key = 'schema'",
        ):
            connection.execute(text(statement))
    catalog.database.migrate()
    with catalog.database.reading() as connection:
        assert connection.execute(select(Image.id, Image.embedding_crc32)).all() == before
        assert connection.execute(select(View.crc32)).scalar_one() == view


@given(
    st.lists(
        st.tuples(
            st.binary(max_size=40),
            st.floats(width=32, allow_nan=False),
            st.text(max_size=64),
            st.sampled_from(["sound", "sound", "sound", "unknown", "wrong"]),
        ),
        max_size=8,
    )
)
def test_rows_are_judged_together_as_each_is_by_itself(drawn: list[Any]) -> None:
    rows = []
    for number, (vector, norm, key, kind) in enumerate(drawn):
        whole = zlib.crc32(vector, zlib.crc32(key.encode() + struct.pack("<f", norm)))
        assert checksum(key, norm, vector) == whole
        stored = {"sound": whole, "unknown": None, "wrong": whole ^ 1}[kind]
        rows.append((number, vector, norm, key, stored, "more"))
    damage = Damage()
    sound = [row for row in rows if is_sound(row[3], row[2], row[1], row[4])]
    columns = damage.sound(list(zip(*rows, strict=True))) if rows else []
    assert list(zip(*columns, strict=True)) == sound
    assert damage.ids == {row[0] for row in rows if row not in sound}


@pytest.mark.parametrize(
    "row",
    [
        (1, "text", 0.5, "a", 7),
        (1, None, 0.5, "a", 7),
        (1, b"v", "text", "a", 7),
        (1, b"v", 1e300, "a", 7),
        (1, b"v", 0.5, b"a", 7),
        (1, b"v", 0.5, None, 7),
    ],
)
def test_a_value_of_another_type_is_damage(row: tuple[Any, ...]) -> None:
    damage = Damage()
    assert (damage.sound([[value] for value in row]), damage.ids) == ([], {1})
