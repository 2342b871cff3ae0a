"""URLs of databases: as people write them, as SQLAlchemy takes them, and as they may be told."""

from __future__ import annotations

import re
from urllib.parse import unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from index.errors import CatalogError

# The driver that the extra `postgres` installs.
SCHEMES, DRIVER = ("postgresql", "postgres"), "psycopg"
# Options of a URL that nobody else is to read; `passfile` is the name of a file.
SECRET = re.compile(r"passw|pwd|secret|token", re.IGNORECASE)
WRITE = "Write for example postgresql://user@host/name"


def database_url(text: str) -> URL:
    """Return a URL as SQLAlchemy takes it.

    Beside SQLAlchemy's own URLs, those of libpq are taken: without a driver, and with the folder
    of a socket in the place of a host (`postgresql://%2Frun%2Fpostgresql/shop`).

    Raises
    ------
    CatalogError
        It is no URL, or one of another driver. The message does not repeat it: it may hold a
        password.
    """
    try:
        text.encode("utf-8")
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _refused("this is no URL that can be read", WRITE) from None
    if "@" in (url.host or ""):
        raise _refused("its password holds an @ that could end it", "Write %40 for each @ of it")
    scheme, _, driver = url.drivername.lower().partition("+")
    if scheme not in SCHEMES:
        return url
    if driver not in ("", DRIVER):
        raise _refused(f"the driver {driver} is not used here", WRITE)
    url = url.set(drivername=f"postgresql+{DRIVER}")
    if not (socket := unquote(url.host or "")).startswith("/"):
        return url
    query = {**url.query, "host": socket}
    account = url.username, url.password
    return URL.create(url.drivername, *account, None, url.port, url.database, query)


def _refused(reason: str, remedy: str) -> CatalogError:
    return CatalogError("the URL of the database", reason, remedy)


def name_of(url: URL) -> str:
    """Return a URL without its secrets and without a driver that goes without saying."""
    query = {key: value for key, value in url.query.items() if not SECRET.search(key)}
    scheme = url.drivername.removesuffix(f"+{DRIVER}")
    shown = URL.create(scheme, url.username, None, url.host, url.port, url.database, query)
    database, mark, rest = shown.render_as_string().partition("?")
    # A path of a socket is read as one, and means the same.
    return database + mark + rest.replace("%2F", "/")
