"""URLs of databases: taken as people write them, and told without what is secret."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.catalog.sql.urls import database_url, name_of
from index.errors import CatalogError


@pytest.mark.parametrize("driver", ["postgres", "postgresql", "postgresql+psycopg"])
def test_the_driver_goes_without_saying(driver: str) -> None:
    url = database_url(f"{driver}://me@host:5433/shop")
    assert url.drivername == "postgresql+psycopg"
    assert name_of(url) == "postgresql://me@host:5433/shop"


@pytest.mark.parametrize("driver", ["psycopg2", "asyncpg", "psycopg_async", "nothing"])
def test_another_driver_is_refused_by_name(driver: str) -> None:
    with pytest.raises(CatalogError, match=f"the driver {driver} is not used"):
        database_url(f"postgresql+{driver}://host/shop")


@pytest.mark.parametrize(
    "text", ["postgresql:///shop?host=/run/pg", "postgresql://%2Frun%2Fpg/shop"]
)
def test_a_socket_may_stand_in_either_place(text: str) -> None:
    url = database_url(text)
    assert (url.host, url.query["host"], url.database) == (None, "/run/pg", "shop")
    assert name_of(url) == "postgresql:///shop?host=/run/pg"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://me:secret@host/shop",
        "postgresql://me@host/shop?password=secret",
        "postgresql://me@host/shop?sslpassword=secret",
        "postgresql://me:s%40ecret@host/shop",
        "postgresql://me@host/shop?PASSWORD=secret",
        "postgresql://me@host/shop?passwd=secret",
    ],
)
def test_what_is_secret_is_not_told(text: str) -> None:
    assert name_of(database_url(text)) == "postgresql://me@host/shop"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "secret",
        "postgresql://me:secret@host:port/shop",
        "://",
        os.fsdecode(b"postgresql://me:secret@host/\xff"),
    ],
    ids=["empty", "word", "port", "scheme", "bytes"],
)
def test_what_is_no_url_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(CatalogError, match="postgresql://user@host/name") as caught:
        database_url(text)
    assert "secret" not in str(caught.value)


def test_a_password_that_holds_an_at_sign_is_no_host() -> None:
    with pytest.raises(CatalogError, match="%40") as caught:
        database_url("postgresql://me:pa@secret@host/shop")
    assert "secret" not in str(caught.value)


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=8)


@given(user=NAMES, database=NAMES, options=NAMES)
def test_a_name_means_the_same_database(user: str, database: str, options: str) -> None:
    url = database_url("postgresql://host").set(
        username=user, database=database, query={"options": options}
    )
    assert database_url(name_of(url)) == url
