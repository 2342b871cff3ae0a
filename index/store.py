"""The store: the folder that holds catalog, index and lock, found as git finds `.git`."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from index.errors import ReadOnlyError, StoreError, StoreNotFoundError, reason_of
from index.files.regular_file import require_folder

FOLDER = ".engine"
# A scheme of two letters or more, and not a drive; as a path a URL has one slash less.
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/", re.IGNORECASE)


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
    """

    folder: Path
    catalog_url: str | None = None
    named_by: str = ""

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

                make += f" --store {shlex.quote(str(self.folder))}"
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
                "Name another folder with --store",
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


def find_store(folder: str | Path | None = None, *, start: Path | None = None) -> Store:
    """Return the store to use: `folder`, else ENGINE_STORE, else the nearest `.engine/` upward.

    Where there is none, the answer is the `.engine/` that `engine index` would make in `start`
    (the current folder).

    Raises
    ------
    StoreError
        The one named is a URL; or the one found upward belongs to another user, who was not named
        and need not be trusted.
    """
    url = os.environ.get("ENGINE_CATALOG_URL") or None
    named_by = "ENGINE_CATALOG_URL" if url else ""
    if named := folder or os.environ.get("ENGINE_STORE"):
        _require_no_url(named, "--store" if folder else "ENGINE_STORE")
        named_by = named_by or ("--store" if folder else "ENGINE_STORE")
        return Store(Path(named).absolute(), url, named_by)
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


def _require_no_url(named: str | Path, named_by: str) -> None:
    """Refuse what would silently become a folder of such a name.

    Raises
    ------
    StoreError
        It is a URL, and no folder that is there.
    """
    found = _URL.match(os.fspath(named))
    if found and not os.path.isdir(named):
        # The rest may hold a password.
        raise StoreError(
            f"{named_by} {found[1]}://...",
            "a store is a folder of this machine, and this is a URL",
            "Name a folder; the database of its catalog is named by ENGINE_CATALOG_URL",
        )
