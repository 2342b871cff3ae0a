"""The store: the folder that holds catalog, index and lock, found as git finds `.git`.

Or a database that is named instead of a folder: what is derived of it lies in the user's data.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from index.errors import ReadOnlyError, StoreError, StoreNotFoundError, reason_of
from index.files.regular_file import require_folder

FOLDER = ".engine"
# A store may be named by a URL of these.
DATABASES = ("postgresql", "postgres")
# A scheme of two letters or more, and not a drive; as a path a URL has one slash less. What begins
# like the URL of a database is none of a file, slash or not.
_URL = re.compile(r"\s*(?:([a-z][a-z0-9+._-]+):/|(postgres(?:ql)?(?:\+\w+)?):)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Store:
    """Where everything of one catalog lies.

    Attributes
    ----------
    folder
        The store itself.
    catalog_url
        A SQLAlchemy URL where the catalog is kept elsewhere (PostgreSQL), else None.
    named_by
        What named it, an option or an environment variable; empty where it was only found.
    database
        The URL that named it instead of a folder, without its password; else empty. The folder
        then holds what is derived, on this machine.
    """

    folder: Path
    catalog_url: str | None = field(default=None, repr=False)  # it may hold a password
    named_by: str = ""
    database: str = ""

    @property
    def name(self) -> str:
        """What names the store again, after --store."""
        return self.database or str(self.folder)

    def is_named(self, text: str) -> bool:
        """Say whether this is the store that a name, told at another time, means."""
        if self.database:
            return text == self.database
        return os.path.realpath(text) == os.path.realpath(self.folder)

    @property
    def catalog(self) -> str | Path:
        """The database: the URL given, else an SQLite file in the store."""
        return self.catalog_url or self.folder / "catalog.sqlite"

    @property
    def index(self) -> Path:
        """The folder of the index's files."""
        return self.folder / "index"

    def exists(self) -> bool:
        """Say whether there is a catalog to open."""
        return self.catalog_url is not None or os.path.lexists(self.folder / "catalog.sqlite")

    def require(self) -> None:
        """Insist that there is a catalog.

        Raises
        ------
        StoreNotFoundError
            There is none.
        StoreError
            Its folder of the index is a link.
        """
        require_folder(self.index)
        if not self.exists():
            make = "engine index FOLDER"
            other = f"check {self.named_by}" if self.named_by else "name one with --store"
            if self.named_by == "--store":
                import shlex

                make += f" --store {shlex.quote(self.name)}"
            remedy = f"Make one with `{make}`, or {other}"
            raise StoreNotFoundError(self.folder, "there is no catalog here", remedy)

    def require_writable(self) -> None:
        """Insist that the store may be written, as far as can be seen without writing.

        Raises
        ------
        ReadOnlyError
            Its folder or its catalog may be read alone.
        """
        if self.catalog_url is not None:
            return
        for path in (self.folder, self.folder / "catalog.sqlite"):
            if os.path.exists(path) and not os.access(path, os.W_OK):
                raise ReadOnlyError(
                    self.folder, "the store may only be read", "Check its permissions"
                )

    def make(self) -> None:
        """Make the folder.

        Raises
        ------
        StoreError
            It cannot be made, or its folder of the index is a link.
        """
        require_folder(self.index)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except (OSError, ValueError) as error:
            raise StoreError(
                self.folder,
                f"the store cannot be made ({reason_of(error)})",
                # What a machine has of a database lies where its user's data do.
                f"Name another folder with {'ENGINE_DATA' if self.database else '--store'}",
            ) from None

    @contextmanager
    def writer_lock(self, *, wait_seconds: float = 0.0) -> Iterator[None]:
        """Be the only writer of the store and its catalog; see `Database.writer_lock`."""
        # Imported here: what needs no lock is told of a store without SQLAlchemy.
        from index.catalog.sql.database import Database

        database = Database(self.catalog)
        try:
            with database.writer_lock(wait_seconds=wait_seconds):
                yield
        finally:
            database.close()


def find_store(
    named: str | Path | None = None,
    *,
    start: Path | None = None,
    data: Path | None = None,
) -> Store:
    """Return the store to use: `named`, else ENGINE_STORE, else the nearest `.engine/` upward.

    Where there is none, the answer is the `.engine/` that `engine index` would make in `start`
    (the current folder).

    Parameters
    ----------
    named
        A folder, or the URL of a PostgreSQL database.
    data
        The user's folder of data; without it no database can be named.

    Raises
    ------
    StoreError
        The one named is another URL, or none that can be read; or the one found upward belongs to
        another user, who was not named and need not be trusted.
    """
    url = os.environ.get("ENGINE_CATALOG_URL") or None
    named_by = "ENGINE_CATALOG_URL" if url else ""
    by = "ENGINE_STORE" if named is None else "--store"
    if named is not None and not os.fspath(named):
        # As of a variable of a script that was never set: another store may lie here.
        raise StoreError(by, "it names nothing", "Name a folder, or leave it out")
    if named := named or os.environ.get("ENGINE_STORE"):
        scheme = _scheme(named)
        if data is not None and isinstance(named, str) and _is_database(scheme):
            return _in_database(named, by, data)
        if scheme:
            raise _no_store(by, scheme, isinstance(named, Path))
        return Store(Path(named).absolute(), url, named_by or by)
    start = (start or Path.cwd()).absolute()
    for parent in (start, *start.parents):
        store = Store(parent / FOLDER, url, named_by)
        if store.folder.is_dir() and store.exists():
            break
    else:
        store = Store(start / FOLDER, url, named_by)
    _require_own(store.folder)
    return store


def _require_own(folder: Path) -> None:
    """Refuse a folder of another user, or a link that is one's or leads to one.

    The rule is git's for repositories (`safe.directory`), for the same reason: in a folder that
    many may write to, one of them could leave a store for the others to find. Root may use what
    belongs to root and, under sudo, to the user who called it.
    """
    if not hasattr(os, "geteuid") or not os.path.lexists(folder):
        return
    owners = {folder.lstat().st_uid}
    if folder.exists():
        owners.add(folder.stat().st_uid)
    for owner in sorted(owners):
        if owner == _trusted_user(os.geteuid(), owner, os.environ):
            continue
        raise StoreError(
            folder,
            f"this store was not named but found, and it belongs to another user "
            f"({_user_name(owner)})",
            f"If you trust it, name it: --store {folder}, or ENGINE_STORE={folder}",
        )


def _trusted_user(user: int, owner: int, environment: Mapping[str, str]) -> int:
    """Return whose stores this user may find."""
    caller = environment.get("SUDO_UID", "")
    if user == 0 and owner != 0 and caller.isascii() and caller.isdigit():
        return int(caller)
    return user


def _user_name(user: int) -> str:
    import pwd

    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"uid {user}"


def _scheme(named: str | Path) -> str:
    """Return the scheme of a URL in lower case; empty for a path and a folder that is there."""
    found = _URL.match(os.fspath(named))
    return (found[1] or found[2]).lower() if found and not os.path.isdir(named) else ""


def _is_database(scheme: str) -> bool:
    """Say whether a URL names a database; it may name a driver, too."""
    return scheme.partition("+")[0] in DATABASES


def _in_database(url: str, named_by: str, data: Path) -> Store:
    # Imported here: nearly every store is a folder.
    from hashlib import sha256

    from index.catalog.sql.urls import database_url, name_of

    parsed = database_url(url)
    name = name_of(parsed)
    folder = data / "stores" / sha256(name.encode()).hexdigest()[:16]
    return Store(folder, parsed.render_as_string(hide_password=False), named_by, name)


def _no_store(named_by: str, scheme: str, is_path: bool) -> StoreError:
    """Return what refuses what would silently become a folder of such a name."""
    # The rest may hold a password.
    thing = f"{named_by} {scheme}://..."
    if _is_database(scheme) and is_path:
        return StoreError(
            thing, "this is a path made of a URL, which loses a slash by that", "Give it as a text"
        )
    return StoreError(
        thing,
        "a store is a folder of this machine or a PostgreSQL database, and this is neither",
        "Name a folder, or a database as postgresql://user@host/name",
    )
