"""URLs of databases: as people write them, as SQLAlchemy takes them, and as they may be told."""

from __future__ import annotations

from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from index.errors import CatalogError

# The driver that the extra `postgres` installs is taken where a URL names none.
DRIVERS = dict.fromkeys(("postgres", "postgresql"), "postgresql+psycopg")
# What a URL may say that nobody else is to read.
SECRETS = ("password", "sslpassword", "oauth_client_secret")


def database_url(text: str) -> URL:
    """Return a URL as SQLAlchemy takes it.

    Beside SQLAlchemy's own URLs, those of libpq are taken: without a driver, and with the folder
    of a socket in the place of a host (`postgresql://%2Frun%2Fpostgresql/shop`).

    Raises
    ------
    CatalogError
        It is no URL. The message does not repeat it: it may hold a password.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise CatalogError(
            "the URL of the database",
            "this is no URL that can be read",
            "Write for example postgresql://user@host/name",
        ) from None
    if (socket := unquote(url.host or "")).startswith("/"):
        url = URL.create(
            url.drivername,
            url.username,
            url.password,
            None,
            url.port,
            url.database,
            {**url.query, "host": socket},
        )
    driver = url.drivername.lower()
    return url.set(drivername=DRIVERS.get(driver, driver))


def name_of(url: URL) -> str:
    """Return a URL without its secrets and without a driver that goes without saying."""
    query = {key: value for key, value in url.query.items() if key not in SECRETS}
    driver = "postgresql" if url.drivername in DRIVERS.values() else url.drivername
    shown = URL.create(driver, url.username, None, url.host, url.port, url.database, query)
    database, mark, rest = shown.render_as_string().partition("?")
    # A path of a socket is read as one, and means the same.
    return database + mark + rest.replace("%2F", "/")
