"""Where vectors are kept: what may be written, what is remembered, and what is refused."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import UsageError
from index.vector_address import FAISS, LITE, MILVUS, VectorAddress


@pytest.mark.parametrize(
    ("text", "kind", "name", "uri", "database"),
    [
        ("faiss", FAISS, "faiss", "", ""),
        ("milvus://host", MILVUS, "milvus://host:19530", "http://host:19530", ""),
        ("milvus://host:1/", MILVUS, "milvus://host:1", "http://host:1", ""),
        ("MILVUS://host/shop", MILVUS, "milvus://host:19530/shop", "http://host:19530", "shop"),
        ("milvus+tls://h:443", MILVUS, "milvus+tls://h:443", "https://h:443", ""),
        ("milvus://[::1]:5", MILVUS, "milvus://[::1]:5", "http://[::1]:5", ""),
        ("milvus://a:b%40c@h", MILVUS, "milvus://a@h:19530", "http://h:19530", ""),
        ("/data/v.db", LITE, "/data/v.db", "/data/v.db", ""),
    ],
)
def test_what_is_named_is_remembered(
    text: str, kind: str, name: str, uri: str, database: str
) -> None:
    address = VectorAddress.parse(text)
    assert (address.kind, address.name, address.uri, address.database) == (
        kind,
        name,
        uri,
        database,
    )
    again = VectorAddress.parse(address.name)
    assert (again.name, again.uri, again.database) == (name, uri, database)


def test_a_path_is_remembered_whole() -> None:
    assert VectorAddress.parse("v.db").name == os.path.abspath("v.db")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "FAISS",
        "milvus",
        ".db",
        "folder/.db",
        "vectors.sqlite",
        "http://host",
        "milvus://",
        "milvus://:19530",
        "milvus://host:port",
        "milvus://host:99999",
        "milvus://host/a/b",
        "milvus://host/a-b",
        "milvus://host?password=secret",
        "milvus://[host",
        "a\0.db",
    ],
)
def test_what_is_no_address_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        VectorAddress.parse(text)
    assert "milvus://host:19530/database" in str(caught.value)
    assert "secret" not in str(caught.value)


@given(st.text(max_size=30))
def test_whatever_is_written_is_an_address_or_refused(text: str) -> None:
    for each in (text, f"milvus://{text}", f"milvus://user:{text}@host", f"{text}.db"):
        try:
            address = VectorAddress.parse(each)
        except UsageError as error:
            assert "\n" not in error.reason
        else:
            assert VectorAddress.parse(address.name).name == address.name


def test_a_password_is_told_to_nobody() -> None:
    address = VectorAddress.parse("milvus://ann:secret-word@host")
    assert (address.user, address.password) == ("ann", "secret-word")
    assert "secret-word" not in repr(address) + address.name
    remembered = VectorAddress.parse(address.name)
    assert (remembered.password, remembered.with_account(address).password) == ("", "secret-word")
    elsewhere = VectorAddress.parse("milvus://other")
    assert elsewhere.with_account(address) == elsewhere
    assert elsewhere.with_account(None) == elsewhere
