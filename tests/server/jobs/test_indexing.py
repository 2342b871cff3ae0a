"""Which folders clients may have indexed: those that were, and nothing else of the machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import Engine
from engine.pictures.walk_rules import TRASH
from server.jobs.indexing import indexing
from server.responses.problems import RefusedError
from tests.support.archives import picture, write_parquet, write_tar
from tests.support.web import Site


def test_all_known_folders_are_indexed_by_default(indexed: Engine, images: Path) -> None:
    work = indexing({}, indexed.images.folders)
    assert (work.kind, work.writes, str(images) in work.title) == ("index", True, True)
    assert indexed.images.folders == [str(images)]
    (images / "bed" / "new.jpg").write_bytes(next(images.rglob("*.jpg")).read_bytes())
    work.do(indexed)
    assert indexed.status().images == 13


def test_labels_come_from_folders_where_that_is_wished(indexed: Engine, images: Path) -> None:
    indexed.images.relabel(1, "x")
    indexing({"label": "parent", "paths": [f"{images}/bed/.."]}, [str(images)]).do(indexed)
    assert indexed.images[1].label != "x"


def test_what_is_excluded_is_left_out(indexed: Engine, images: Path) -> None:
    for name in ("bed/draft-1.jpg", "lamp/new.jpg"):
        (images / name).write_bytes(next(images.rglob("*.jpg")).read_bytes())
    work = indexing({"exclude": ["draft-*", "chair"]}, [str(images)])
    assert work.title.endswith("without 2 patterns")
    work.do(indexed)
    shown = {Path(each.path).name for each in indexed.images.page(limit=100).images}
    assert "new.jpg" in shown and "draft-1.jpg" not in shown
    assert not any(name.startswith("chair") for name in shown)


def test_what_lies_elsewhere_is_refused_alike(images: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (images / "link").symlink_to(other)
    reasons = set()
    for path in (
        other,
        tmp_path / "nothing",
        tmp_path,
        "/",
        "/etc",
        f"{images}/../other",
        f"{images}x",
        images / "link",
        images / "link" / "below",
    ):
        with pytest.raises(RefusedError) as refused:
            indexing({"paths": [str(path)]}, [str(images)])
        reasons.add((refused.value.status, refused.value.kind, refused.value.reason))
    assert reasons == {(403, "FolderError", "it lies in no folder that was indexed")}


def test_what_a_walk_leaves_out_is_refused_and_a_root_of_such_a_name_is_not(images: Path) -> None:
    hidden = images / ".private"
    hidden.mkdir()
    (images / "shown").symlink_to(hidden)
    for path in (TRASH, f"{TRASH}/a.jpg", ".private", "bed/.private/x", "node_modules", "shown"):
        with pytest.raises(RefusedError, match="no folder that was indexed"):
            indexing({"paths": [str(images / path)]}, [str(images)])
    work = indexing({"paths": [str(hidden), f"{hidden}/x"]}, [str(hidden)])
    assert work.title == f"Index {hidden} and 1 more"


def test_archives_are_not_opened_for_clients(images: Path) -> None:
    write_tar(images / "x.tar", {"a.png": b"1"})
    (images / "y.tar").mkdir()
    for path in ("x.tar", "x.tar/a.png", "x.tar/sub", "nothing.parquet"):
        with pytest.raises(RefusedError, match="archives are not opened for clients"):
            indexing({"paths": [str(images / path)]}, [str(images)])
    assert indexing({"paths": [str(images / "y.tar")]}, [str(images)]).kind == "index"


@pytest.mark.parametrize("url", ["s3://b/x", "http://host/x.txt", "file:///etc", "az://b/x.tar"])
def test_no_url_is_listed_for_clients(images: Path, url: str) -> None:
    for path in (url, f"{images}/{url}"):
        try:
            title = indexing({"paths": [path]}, [str(images)]).title
        except RefusedError:
            continue
        # What a path of this machine makes of it.
        assert title == f"Index {os.path.normpath(path)}" and title.startswith(f"Index {images}/")


def test_what_was_indexed_from_urls_is_no_folder(fake_engine: Engine, site: Site) -> None:
    site.serve("/in/", b'<a href="1.png">x</a>')
    site.serve("/in/1.png", picture(1))
    assert fake_engine.index([f"{site.url}/in"]).added == 1
    assert fake_engine.images.folders == []
    with pytest.raises(RefusedError, match="no folder was indexed"):
        indexing({}, fake_engine.images.folders)


def test_a_table_of_urls_in_a_folder_is_not_followed(fake_engine: Engine, site: Site) -> None:
    folder = fake_engine.config.store.folder.parent / "pictures"
    site.serve("/1.png", picture(1))
    write_parquet(folder / "x.parquet", {"url": [f"{site.url}/1.png"]})
    (folder / "2.png").write_bytes(picture(2))
    assert fake_engine.index([folder / "x.parquet"]).added == 1
    site.asked.clear()
    indexing({"paths": [str(folder)]}, [str(folder)]).do(fake_engine)
    assert fake_engine.status().images == 2 and site.asked == []


@given(st.lists(st.sampled_from(["..", ".", "a", "%2e%2e", "~", "", "\ud800", "bed"]), max_size=6))
def test_no_path_leads_out_of_a_folder(parts: list[str]) -> None:
    path = os.path.join("/srv/pictures", *parts)
    try:
        title = indexing({"paths": [path]}, ["/srv/pictures"]).title
    except RefusedError:
        return
    allowed = title.removeprefix("Index ")
    assert allowed == "/srv/pictures" or allowed.startswith("/srv/pictures/")
    assert ".." not in allowed.split("/")


@pytest.mark.parametrize(
    "body",
    [
        None,
        [],
        {"folder": "/"},
        {"paths": []},
        {"paths": "/srv"},
        {"paths": ["relative"]},
        {"paths": [7]},
        {"paths": ["/a\0b"]},
        {"paths": ["/" + "a" * 5000]},
        {"paths": ["/a"] * 101},
        {"label": "/etc/passwd"},
        {"label": ["parent"]},
        {"exclude": "*.tmp"},
        {"exclude": [7]},
        {"exclude": ["a\0"]},
        {"exclude": ["a" * 257]},
        {"exclude": ["a"] * 101},
        {"include_hidden": True},
    ],
)
def test_what_is_no_wish_is_refused(body: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        indexing(body, ["/srv"])
    assert refused.value.status == 400


def test_without_a_folder_there_is_nothing_to_index() -> None:
    with pytest.raises(RefusedError, match="no folder was indexed"):
        indexing({}, [])
