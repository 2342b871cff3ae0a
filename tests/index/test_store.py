"""The store is found as git finds `.git`."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from index.errors import StoreError, StoreNotFoundError
from index.store import Store, find_store
from tests.support.permissions import as_user


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENGINE_STORE", raising=False)
    monkeypatch.delenv("ENGINE_CATALOG_URL", raising=False)
    monkeypatch.delenv("SUDO_UID", raising=False)


def _fill(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "catalog.sqlite").touch()
    return folder


def test_the_argument_comes_before_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path / ".engine")
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "variable"))
    assert find_store(tmp_path / "named", start=tmp_path).folder == tmp_path / "named"


@pytest.mark.parametrize(
    "url", ["mysql://me:secret@host/name", "s3://bucket/x", "HTTP://x", "my_sql://me:secret@host/x"]
)
@pytest.mark.parametrize("named", [str, Path])
def test_a_url_does_not_become_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str, named: type[str] | type[Path]
) -> None:
    with pytest.raises(StoreError, match="postgresql://user@host/name") as caught:
        find_store(named(url), data=tmp_path)
    assert caught.value.thing == f"--store {url.partition(':')[0].lower()}://..."
    assert "secret" not in str(caught.value)
    monkeypatch.setenv("ENGINE_STORE", url)
    with pytest.raises(StoreError, match=r"ENGINE_STORE \w+://\.\.\."):
        find_store(data=tmp_path)


@pytest.mark.parametrize("named_by", ["--store", "ENGINE_STORE"])
@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "PostgreSQL", "postgresql+psycopg"])
def test_a_database_is_a_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str, named_by: str
) -> None:
    monkeypatch.setenv("ENGINE_CATALOG_URL", "postgresql://elsewhere/other")
    url = f"{scheme}://me:secret@host/shop"
    if named_by == "--store":
        store = find_store(url, data=tmp_path)
    else:
        monkeypatch.setenv("ENGINE_STORE", url)
        store = find_store(data=tmp_path)
    assert store.catalog == "postgresql+psycopg://me:secret@host/shop"
    assert (store.name, store.named_by) == ("postgresql://me@host/shop", named_by)
    assert store.exists()
    assert store.folder.parent == tmp_path / "stores"


def test_what_is_derived_of_a_database_lies_in_one_folder_whoever_asks(tmp_path: Path) -> None:
    one, same, other = (
        find_store(f"postgresql://{rest}", data=tmp_path).folder
        for rest in ("me:old@host/shop", "me:new@host/shop", "me@host/shop2")
    )
    assert one == same != other


@pytest.mark.parametrize(
    "url",
    [
        "postgresql:me:secret@host/shop",
        " postgresql+psycopg_async://me:secret@host/shop",
        "postgresql://me:pa@secret@host/shop",
    ],
)
def test_what_is_nearly_the_url_of_a_database_is_no_folder(tmp_path: Path, url: str) -> None:
    with pytest.raises(StoreError) as caught:
        find_store(url, data=tmp_path)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("named", "remedy"), [("postgresql://host/shop", "ENGINE_DATA"), (None, "--store")]
)
def test_a_folder_that_cannot_be_made_is_named_another_way(
    tmp_path: Path, named: str | None, remedy: str
) -> None:
    (tmp_path / "file").touch()
    store = find_store(named or tmp_path / "file" / "store", data=tmp_path / "file")
    with pytest.raises(StoreError, match=f"Name another folder with {remedy}$"):
        store.make()


def test_a_store_is_shown_without_its_password(tmp_path: Path) -> None:
    store = find_store("postgresql://me:secret@host/shop", data=tmp_path)
    assert "secret" not in repr(store)


def test_a_path_that_was_a_url_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="loses a slash"):
        find_store(Path("postgresql://me:secret@host/shop"), data=tmp_path)


def test_an_empty_name_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="names nothing"):
        find_store("", start=tmp_path)


def test_a_store_is_known_by_its_name(tmp_path: Path) -> None:
    folder = Store(tmp_path / "shop")
    (tmp_path / "link").symlink_to(tmp_path)
    assert folder.is_named(folder.name)
    assert folder.is_named(str(tmp_path / "link" / "shop"))
    assert not folder.is_named(str(tmp_path))
    database = find_store("postgresql://me@host/shop", data=tmp_path)
    assert database.is_named(database.name)
    assert not database.is_named(str(database.folder))


@pytest.mark.parametrize("name", ["C:/pictures", "a folder: of mine/store", "c:", "://"])
def test_other_names_with_colons_are_folders(name: str) -> None:
    assert find_store(name).folder == Path(name).absolute()


def test_a_folder_that_is_there_may_have_any_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s3:" / "x").mkdir(parents=True)
    assert find_store("s3:/x").folder == tmp_path / "s3:" / "x"


def test_the_variable_comes_before_the_nearest_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill(tmp_path / ".engine")
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "variable"))
    assert find_store(start=tmp_path).folder == tmp_path / "variable"


def test_an_empty_variable_is_no_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENGINE_STORE", "")
    assert find_store(start=tmp_path).folder == tmp_path / ".engine"


def test_the_nearest_store_upward_is_found(tmp_path: Path) -> None:
    _fill(tmp_path / ".engine")
    near = _fill(tmp_path / "a" / ".engine")
    deep = tmp_path / "a" / "b" / "c"
    deep.mkdir(parents=True)
    assert find_store(start=deep).folder == near


def test_a_folder_without_a_catalog_is_passed_by(tmp_path: Path) -> None:
    far = _fill(tmp_path / ".engine")
    (tmp_path / "a" / ".engine").mkdir(parents=True)
    assert find_store(start=tmp_path / "a").folder == far


def test_a_store_below_is_not_found(tmp_path: Path) -> None:
    _fill(tmp_path / "below" / ".engine")
    assert find_store(start=tmp_path).folder == tmp_path / ".engine"


def test_where_there_is_none_it_is_to_be_made_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = find_store()
    assert store.folder == tmp_path / ".engine"
    assert not store.folder.exists(), "finding makes nothing"


def test_a_relative_argument_is_taken_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_store("shop").folder == tmp_path / "shop"


def test_a_catalog_elsewhere_is_reached_by_its_url(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_CATALOG_URL", "postgresql+psycopg://host/pictures")
    store = find_store(tmp_path)
    assert store.catalog == "postgresql+psycopg://host/pictures"
    assert store.index == tmp_path / "index"
    assert store.exists()


def test_a_store_without_a_catalog_is_no_store(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert not store.exists()
    with pytest.raises(StoreNotFoundError, match="engine index FOLDER"):
        store.require()


def test_a_store_with_a_catalog_is_one(tmp_path: Path) -> None:
    store = Store(_fill(tmp_path / "shop"))
    assert store.exists()
    store.require()
    assert store.catalog == tmp_path / "shop" / "catalog.sqlite"


def test_making_a_store_twice_is_fine(tmp_path: Path) -> None:
    store = Store(tmp_path / "a" / "b")
    store.make()
    store.make()
    assert store.folder.is_dir()


def test_a_store_cannot_be_made_where_a_file_lies(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="--store"):
        Store(tmp_path / "file" / ".engine").make()


# Two users who are not root; there need not be accounts of them.
ANNA, BEN = 61_001, 61_002


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A store that belongs to another user, in a folder where this one works."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only root can give a folder to another user")
    folder = _fill(tmp_path / ".engine")
    for path in (folder, folder / "catalog.sqlite"):
        os.chown(path, ANNA, ANNA)
    return folder


def test_a_store_of_another_user_is_refused_where_it_was_only_found(theirs: Path) -> None:
    deep = theirs.parent / "a" / "b"
    deep.mkdir(parents=True)
    for start in (theirs.parent, deep):
        with pytest.raises(StoreError) as caught:
            find_store(start=start)
        assert caught.value.thing == str(theirs)
        assert f"another user (uid {ANNA})" in caught.value.reason
        assert f"--store {theirs}" in caught.value.remedy
        assert f"ENGINE_STORE={theirs}" in caught.value.remedy


def test_the_owner_of_a_refused_store_is_told_by_name(theirs: Path) -> None:
    import pwd

    someone = next((each for each in pwd.getpwall() if each.pw_uid), None)
    if someone is None:
        pytest.skip("this system has no user but root")
    os.chown(theirs, someone.pw_uid, -1)
    with pytest.raises(StoreError, match=rf"another user \({someone.pw_name}\)"):
        find_store(start=theirs.parent)


def test_a_store_of_another_user_is_used_where_it_is_named(
    theirs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_store(theirs, start=theirs.parent).folder == theirs
    monkeypatch.setenv("ENGINE_STORE", str(theirs))
    assert find_store(start=theirs.parent).folder == theirs


def test_a_folder_of_another_user_is_refused_before_a_store_is_made_in_it(theirs: Path) -> None:
    (theirs / "catalog.sqlite").unlink()
    with pytest.raises(StoreError, match="another user"):
        find_store(start=theirs.parent)


def test_a_link_that_another_user_made_is_refused_wherever_it_leads(
    theirs: Path, tmp_path: Path
) -> None:
    own = _fill(tmp_path / "own")
    link = tmp_path / "work" / ".engine"
    link.parent.mkdir()
    link.symlink_to(own)
    assert find_store(start=link.parent).folder == link
    os.chown(link, ANNA, ANNA, follow_symlinks=False)
    with pytest.raises(StoreError, match="another user"):
        find_store(start=link.parent)


def test_what_lies_above_the_nearest_store_does_not_matter(theirs: Path) -> None:
    near = _fill(theirs.parent / "a" / ".engine")
    assert find_store(start=near.parent).folder == near


@pytest.mark.parametrize(
    ("caller", "trusted"), [(str(ANNA), True), (str(BEN), False), ("", False), ("-1", False)]
)
def test_under_sudo_root_finds_the_stores_of_its_caller(
    theirs: Path, monkeypatch: pytest.MonkeyPatch, caller: str, trusted: bool
) -> None:
    monkeypatch.setenv("SUDO_UID", caller)
    if trusted:
        assert find_store(start=theirs.parent).folder == theirs
    else:
        with pytest.raises(StoreError, match="another user"):
            find_store(start=theirs.parent)


def test_under_sudo_root_still_finds_its_own_stores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = _fill(tmp_path / ".engine")
    monkeypatch.setenv("SUDO_UID", str(ANNA))
    assert find_store(start=tmp_path).folder == own


@pytest.mark.parametrize(("user", "trusted"), [(ANNA, True), (BEN, False)])
def test_users_find_their_own_stores_and_no_others(
    theirs: Path, open_folder: Path, monkeypatch: pytest.MonkeyPatch, user: int, trusted: bool
) -> None:
    # Who is not root has no use for what sudo says.
    monkeypatch.setenv("SUDO_UID", str(ANNA))
    store = open_folder / ".engine"
    theirs.rename(store)
    with as_user(user):
        if trusted:
            assert find_store(start=open_folder).folder == store
        else:
            with pytest.raises(StoreError, match="another user"):
                find_store(start=open_folder)


def test_a_store_says_what_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert find_store(start=tmp_path).named_by == ""
    assert find_store(tmp_path / "shop").named_by == "--store"
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "shop"))
    assert find_store(start=tmp_path).named_by == "ENGINE_STORE"
    monkeypatch.setenv("ENGINE_CATALOG_URL", "postgresql+psycopg://host/pictures")
    assert find_store(start=tmp_path).named_by == "ENGINE_CATALOG_URL"


def test_a_name_that_leads_nowhere_is_to_be_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENGINE_STORE", str(tmp_path / "shop"))
    with pytest.raises(StoreNotFoundError, match="check ENGINE_STORE"):
        find_store().require()


def test_a_link_of_ones_own_to_a_store_of_another_user_is_refused(
    theirs: Path, tmp_path: Path
) -> None:
    link = tmp_path / "work" / ".engine"
    link.parent.mkdir()
    link.symlink_to(theirs)
    with pytest.raises(StoreError, match=f"another user \\(uid {ANNA}\\)"):
        find_store(start=link.parent)
    assert find_store(link).folder == link, "it was named"
