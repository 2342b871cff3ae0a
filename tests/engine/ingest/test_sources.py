"""Indexing what lies in archives and behind URLs: as folders are, and nothing opened in vain."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine, IndexReport, IngestOptions
from engine.errors import EngineError, ImageError, UsageError
from engine.pictures.sources.opened import open_archives
from engine.testing import FakeEmbedder
from index.records import Floats
from tests.support.archives import picture, write_parquet, write_tar
from tests.support.object_store import Prefix
from tests.support.shop import Shop, counts
from tests.support.web import Site


def members(*contents: int) -> dict[str, bytes]:
    """Return members by name, each with a content of its own."""
    return {f"{content}.png": picture(content) for content in contents}


def index(shop: Shop, *paths: object, label: str | None = None, **options: bool) -> IndexReport:
    """Index some roots."""
    shop.memory.opened.clear()
    roots = [str(path) for path in paths]
    return shop.engine.index(roots, label=label, options=IngestOptions(**options))


def paths(shop: Shop, root: object) -> list[str]:
    """Return the names below a root of all images that a search can find."""
    hits = shop.engine.search(picture(1), k=1000)
    return sorted(hit.path.removeprefix(f"{root}/") for hit in hits)


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    """A tar file with three pictures."""
    return write_tar(tmp_path / "t" / "x.tar", members(1, 2, 3))


def test_members_are_found_by_a_search(shop: Shop, tar: Path) -> None:
    assert counts(index(shop, tar)) == {"added": 3, "embedded": 3}
    [hit] = shop.engine.search(picture(2), min_score=0.9999)
    assert hit.path == f"{tar}/2.png" and not hit.missing


def test_an_unchanged_archive_is_not_opened(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    before = open_archives()
    open_archives.cache_clear()
    assert counts(index(shop, tar)) == {"unchanged": 3} and not shop.memory.opened
    tables = open_archives()._entries[False]
    assert before is not open_archives() and not tables


def test_an_archive_that_was_changed_is_compared_member_by_member(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    write_tar(tar, members(1, 3, 4) | {"2.png": picture(7)})
    found = counts(index(shop, tar))
    assert found == {"added": 1, "updated": 1, "unchanged": 2, "embedded": 2}


def test_a_member_that_is_gone_is_hidden_and_comes_back(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    write_tar(tar, members(1, 2))
    assert counts(index(shop, tar)) == {"unchanged": 2, "removed": 1}
    write_tar(tar, members(1, 2, 3))
    assert counts(index(shop, tar)) == {"unchanged": 2, "came_back": 1}


def test_an_archive_that_cannot_be_read_hides_nothing(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    tar.write_bytes(b"no archive" * 100)
    report = index(shop, tar)
    assert counts(report) == {} and len(report.skipped) == 1 and report.images == 3


def test_an_archive_that_lost_its_end_hides_nothing(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    tar.write_bytes(tar.read_bytes()[:1100])
    report = index(shop, tar)
    assert report.images == 3 and report.removed == 0 and report.skipped


def test_a_member_that_is_skipped_is_told_by_every_run(shop: Shop, tar: Path) -> None:
    write_tar(tar, members(1) | {"bad.png": b"\x89PNG nothing"})
    for found in ({"added": 1, "embedded": 1}, {"unchanged": 1}):
        report = index(shop, tar)
        assert counts(report) == found
        assert [skip.path for skip in report.skipped] == [f"{tar}/bad.png"]


def test_archives_of_a_folder_stay_closed_and_are_told(shop: Shop, tar: Path) -> None:
    report = index(shop, tar.parent)
    assert counts(report) == {} and f"{tar}" in report.notes[0] and "--archives" in report.notes[0]
    assert counts(index(shop, tar.parent, archives=True)) == {"added": 3, "embedded": 3}


def test_an_archive_that_was_named_is_looked_at_with_its_folder(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    assert counts(index(shop, tar.parent)) == {"unchanged": 3}
    write_tar(tar, members(1, 2))
    assert counts(index(shop, tar.parent)) == {"unchanged": 2, "removed": 1}
    tar.unlink()
    (tar.parent / "9.png").write_bytes(picture(9))
    assert counts(index(shop, tar.parent)) == {"added": 1, "removed": 2, "embedded": 1}


def test_other_patterns_open_an_archive_again(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    shop.memory.opened.clear()
    options = IngestOptions(exclude=("2.*",))
    report = shop.engine.index([tar], options=options)
    assert counts(report) == {"unchanged": 2, "removed": 1} and report.excluded == 1


def test_what_was_forgotten_is_indexed_again(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    [hit] = shop.engine.search(picture(2), k=1)
    shop.engine.images.forget([hit.id])
    assert counts(index(shop, tar)) == {"added": 1, "unchanged": 2, "embedded": 1}
    assert shop.engine.remove([f"{tar}"]).removed == 3
    assert counts(index(shop, tar)) == {"added": 3, "embedded": 3}


def test_a_part_of_an_archive_hides_nothing_of_the_rest(shop: Shop, tar: Path) -> None:
    write_tar(tar, {"a/1.png": picture(1), "b/2.png": picture(2)})
    index(shop, tar)
    assert counts(index(shop, tar / "a")) == {"unchanged": 1}
    assert paths(shop, tar) == ["a/1.png", "b/2.png"]


def test_a_picture_that_leaves_its_archive_has_moved(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    write_tar(tar, members(1, 3) | {"new/2.png": picture(2)})
    assert counts(index(shop, tar)) == {"moved": 1, "unchanged": 2}


@pytest.mark.slow
def test_a_picture_may_move_from_one_archive_to_another(shop: Shop, tmp_path: Path) -> None:
    one = write_tar(tmp_path / "t" / "1.tar", members(1, 2))
    two = write_tar(tmp_path / "t" / "2.tar", members(3))
    index(shop, one, two)
    write_tar(one, members(1))
    write_tar(two, members(2, 3))
    assert counts(index(shop, one, two)) == {"moved": 1, "unchanged": 2}
    assert counts(index(shop, one, two)) == {"unchanged": 3}
    write_tar(one, members(1, 2))
    write_tar(two, members(3))
    # An archive is compared after those before it: here the copy comes first.
    assert counts(index(shop, one, two)) == {"added": 1, "unchanged": 2, "removed": 1}
    assert paths(shop, tmp_path) == ["t/1.tar/1.png", "t/1.tar/2.png", "t/2.tar/3.png"]


def test_an_archive_beside_the_store_moves_with_it(tmp_path: Path) -> None:
    def opened(folder: Path) -> Engine:
        config = Config.at(folder / "store")
        return Engine(config, embedder=FakeEmbedder(config))

    write_tar(tmp_path / "one" / "x.tar", members(1, 2))
    with opened(tmp_path / "one") as engine:
        engine.index([tmp_path / "one" / "x.tar"])
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    shutil.rmtree(tmp_path / "one")
    with opened(tmp_path / "two") as engine:
        [hit] = engine.search(picture(1), k=1)
        assert hit.path == f"{tmp_path}/two/x.tar/1.png" and not hit.missing
        assert engine.images.thumbnail(hit.id, 128)


@pytest.mark.slow
def test_labels_are_what_an_archive_says(shop: Shop, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "x.tar", members(1, 2) | {"1.cls": b"chair", "2.json": b"{}"})
    noted = json.dumps({"info": {"features": {"label": {"names": ["bed", "chair"]}}}}).encode()
    columns = {"image": [picture(3), picture(4)], "label": [0, 1]}
    parquet = write_parquet(tmp_path / "y.parquet", columns, noted=noted)
    index(shop, tar, parquet)
    assert index(shop, tar, parquet, label="source").relabelled == 3
    found = {hit.path: hit.label for hit in shop.engine.search(picture(1), k=9)}
    assert [found[f"{tar}/{n}.png"] for n in (1, 2)] == ["chair", None]
    assert [found[f"{parquet}/{n:08d}"] for n in (0, 1)] == ["bed", "chair"]


def test_labels_come_from_folders_in_an_archive(shop: Shop, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "x.tar", {"bed/1.png": picture(1), "Chair/2.png": picture(2)})
    index(shop, tar, label="parent")
    assert {hit.label for hit in shop.engine.search(picture(1), k=9)} == {"bed", "Chair"}


def test_a_table_of_labels_names_members(shop: Shop, tar: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("path,label\nt/x.tar/1.png,bed\nshop/a.bmp,lamp\nz,q\n")
    report = index(shop, tar, shop.folder, label=str(tmp_path / "labels.csv"))
    found = {Path(hit.path).name: hit.label for hit in shop.engine.search(picture(1), k=9)}
    assert (found["1.png"], found["a.bmp"], found["2.png"]) == ("bed", "lamp", None)
    assert [row.path for row in report.unused_labels] == ["z"]


def test_a_damaged_embedding_of_a_member_is_made_again(shop: Shop, tar: Path) -> None:
    from sqlalchemy import text

    index(shop, tar)
    database = shop.engine._session.catalog().database
    with database.writing() as connection:
        connection.execute(text("UPDATE embeddings SET norm = norm + 1 WHERE image_id = 2"))
    assert counts(index(shop, tar)) == {"updated": 1, "unchanged": 2, "embedded": 1}


def test_what_moves_files_refuses_members_and_urls(shop: Shop, tar: Path) -> None:
    index(shop, tar)
    for old, new in ((f"{tar}/1.png", "/x"), ("s3://b/x", "/x"), ("/x", "s3://b/x")):
        with pytest.raises(UsageError, match="works on files of this machine"):
            shop.engine.relocate(old, new)
    for path in ("s3://b/x", f"{tar}/1.png"):
        with pytest.raises(UsageError, match="--watch works on files"):
            shop.engine.watch([path])


def test_a_copy_in_an_archive_stays_where_it_is(shop: Shop, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "x.tar", {"1.png": (shop.folder / "a.bmp").read_bytes()})
    index(shop, shop.folder, tar)
    [group] = shop.engine.duplicates()
    assert set(group.paths) == {f"{shop.folder}/a.bmp", f"{tar}/1.png"}
    assert group.removable == []
    ids = {image.path: image.id for image in group.images}
    report = shop.engine.tidying.trash([ids[f"{tar}/1.png"]], keep=[ids[f"{shop.folder}/a.bmp"]])
    assert report.moved == 0 and "only files of this machine" in report.skipped[0].reason


def test_a_list_of_urls_hides_what_it_names_and_is_gone(shop: Shop, site: Site) -> None:
    urls = [site.serve(f"/{content}.png", picture(content)) for content in (1, 2)]
    site.serve("/list.txt", b"1.png\n2.png\n")
    assert counts(index(shop, f"{site.url}/list.txt")) == {"added": 2, "embedded": 2}
    del site.pages["/2.png"]
    report = index(shop, f"{site.url}/list.txt")
    assert report.removed == 1 and [skip.path for skip in report.skipped] == [urls[1]]


def test_a_server_that_is_gone_hides_nothing(shop: Shop, site: Site) -> None:
    site.serve("/in/", b'<a href="1.png">x</a>')
    site.serve("/in/1.png", picture(1))
    index(shop, f"{site.url}/in")
    site.pages["/in/"].status = 500
    report = index(shop, f"{site.url}/in")
    assert (report.removed, report.images) == (0, 1) and len(report.skipped) == 1


def test_no_root_at_all_is_an_error(shop: Shop, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="there is nothing"):
        index(shop, tmp_path / "x.tar")


def embeddings(engine: Engine, root: str) -> dict[str, Floats]:
    """Return the embedding of each image below a root by its name."""
    catalog = engine._session.catalog()
    known = catalog.images.known([root])
    ids, vectors = catalog.embeddings.of([row.id for row in known.values()])
    by_id = dict(zip(ids.tolist(), vectors.raw, strict=True))
    return {Path(path).name: by_id[row.id] for path, row in known.items()}


@pytest.mark.slow
def test_the_same_pictures_have_the_same_embeddings_from_everywhere(
    prefix: Prefix, drawn: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for path in sorted(drawn.rglob("*.jpg"))[::12]:
        shutil.copy2(path, folder / path.name)
    data = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    rows = [{"bytes": content, "path": name} for name, content in data.items()]
    prefix.fill(folder, "in/")
    roots = [
        os.fspath(folder),
        os.fspath(write_tar(tmp_path / "x.tar", data)),
        os.fspath(write_parquet(tmp_path / "y.parquet", {"image": rows})),
        f"{prefix.url}/in",
        prefix.put("x.tar", (tmp_path / "x.tar").read_bytes()),
        prefix.put("y.parquet", (tmp_path / "y.parquet").read_bytes()),
    ]
    found = []
    for number, root in enumerate(roots):
        # A store for each: known content would not be embedded again.
        with Engine(Config.at(tmp_path / f"store-{number}", precision="fp32")) as engine:
            assert engine.index([root]).embedded == len(data)
            found.append(embeddings(engine, root))
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, embedding in other.items():
            np.testing.assert_array_equal(embedding, found[0][name])


@pytest.mark.slow
def test_objects_are_compared_by_their_versions(shop: Shop, prefix: Prefix) -> None:
    for name, data in members(1, 2, 3).items():
        prefix.put(f"in/{name}", data)
    root = f"{prefix.url}/in"
    assert counts(index(shop, root)) == {"added": 3, "embedded": 3}
    assert counts(index(shop, root)) == {"unchanged": 3} and not shop.memory.opened
    prefix.put("in/1.png", picture(7))
    prefix.delete("in/2.png")
    prefix.put("in/new/3.png", picture(3))
    prefix.delete("in/3.png")
    found = {"updated": 1, "moved": 1, "removed": 1, "embedded": 1}
    assert counts(index(shop, root)) == found
    assert paths(shop, root) == ["1.png", "new/3.png"]
    prefix.put("in/2.png", picture(2))
    assert counts(index(shop, root)) == {"unchanged": 2, "came_back": 1}


@pytest.mark.slow
def test_objects_are_shown_and_opened(shop: Shop, prefix: Prefix, tar: Path) -> None:
    index(shop, prefix.put("in/1.png", picture(1)), prefix.put("x.tar", tar.read_bytes()))
    images = shop.engine.images.page().images
    assert [image.path.rpartition("/")[2] for image in images] == ["1.png", *members(1, 2, 3)]
    for image, content in zip(images, (1, 1, 2, 3), strict=True):
        assert shop.engine.images.thumbnail(image.id, 128) and not image.missing
        with shop.engine.images.open(image.id) as file:
            assert file.read() == picture(content)
    prefix.put("in/1.png", picture(7))
    with pytest.raises(ImageError, match="something else"):
        shop.engine.images.open(images[0].id)


@pytest.mark.slow
def test_a_prefix_that_is_suddenly_empty_hides_nothing(shop: Shop, prefix: Prefix) -> None:
    prefix.put("in/1.png", picture(1))
    index(shop, f"{prefix.url}/in")
    prefix.delete("in/1.png")
    report = index(shop, f"{prefix.url}/in")
    assert report.removed == 0 and "holds no pictures any more" in " ".join(report.notes)
    assert counts(index(shop, f"{prefix.url}/in/1.png")) == {"removed": 1}


@pytest.mark.slow
def test_an_unchanged_archive_behind_a_url_is_not_copied(
    shop: Shop, prefix: Prefix, tar: Path
) -> None:
    root = prefix.put("shards/x.tar", tar.read_bytes())
    assert counts(index(shop, root)) == {"added": 3, "embedded": 3}
    assert any("copying" in text for text in shop.reporter.announced)
    shop.reporter.announced.clear()
    for each in (root, f"{prefix.url}/shards"):
        assert counts(index(shop, each)) == {"unchanged": 3} and not shop.memory.opened
    assert not any("copying" in text for text in shop.reporter.announced)
    prefix.put("shards/x.tar", write_tar(tar, members(1, 2)).read_bytes())
    assert counts(index(shop, root)) == {"unchanged": 2, "removed": 1}


def test_what_is_found_in_two_places_is_one_image(shop: Shop, tmp_path: Path) -> None:
    listed = write_parquet(tmp_path / "x.parquet", {"path": ["shop/a.bmp", "shop/b.bmp"]})
    assert counts(index(shop, shop.folder, listed)) == {"added": 3, "unchanged": 2, "embedded": 3}
    assert counts(index(shop, listed)) == {"unchanged": 2}
