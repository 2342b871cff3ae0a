"""The images of the catalog over HTTP: in pages, small, as files; labelled and forgotten."""

from __future__ import annotations

import gc
import io
import os
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.testclient import TestClient

from engine import Config, Engine
from engine.export.plain import plain
from engine.testing import FakeEmbedder
from server.app import create_app
from server.options import ServerLimits, ServerOptions
from server.routes.images import CHUNK
from server.security.headers import HEADERS
from tests.server.conftest import NewClient
from tests.support.archives import write_tar
from tests.support.slow import slow_jpeg, until

# What this process has open, on Linux.
OPEN_FILES = Path("/proc/self/fd")
SHARED = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_pages_follow_each_other(client: TestClient, indexed: Engine) -> None:
    first = client.get("/v1/images", params={"limit": 7}).json()
    rest = client.get("/v1/images", params={"limit": 7, "cursor": first["cursor"]}).json()
    every = plain(indexed.images.page(limit=100).images)
    assert first["images"] + rest["images"] == every
    assert rest["cursor"] is None


def test_a_page_may_be_empty(reader: TestClient) -> None:
    answer = reader.get("/v1/images", params={"where": "label=piano"})
    assert (answer.status_code, answer.json()) == (200, {"images": [], "cursor": None})


def test_a_label_is_set_and_taken_away(client: TestClient, indexed: Engine) -> None:
    answer = client.patch("/v1/images/3", json={"label": "sofa"})
    assert answer.json() == plain(indexed.images[3])
    assert answer.json()["label"] == "sofa"
    assert client.patch("/v1/images/3", json={"label": None}).json()["label"] is None


@pytest.mark.parametrize(
    "body", [{}, {"label": 3}, {"label": ["a"]}, {"label": "a", "path": "b"}, [], None, 7]
)
def test_what_is_no_label_is_refused(reader: TestClient, body: object) -> None:
    answer = reader.patch("/v1/images/3", json=body)
    assert (answer.status_code, answer.json()["type"]) == (400, "BodyError")


def test_a_forgotten_image_is_gone_and_its_file_is_not(client: TestClient, indexed: Engine) -> None:
    path = Path(indexed.images[3].path)
    assert client.delete("/v1/images/3").status_code == 204
    assert client.get("/v1/images/3").status_code == 404
    assert client.delete("/v1/images/3").status_code == 404
    assert path.exists()


def test_a_service_for_reading_changes_nothing(new_client: NewClient, indexed: Engine) -> None:
    client = new_client(ServerOptions(read_only=True))
    before = indexed.images[3]
    assert client.patch("/v1/images/3", json={"label": "x"}).status_code == 403
    assert client.delete("/v1/images/3").status_code == 403
    assert client.delete("/v1/heads/rooms").status_code == 403
    assert indexed.images[3] == before


@pytest.mark.parametrize("side", [128, 256, 512])
def test_a_thumbnail_is_small_and_upright(client: TestClient, indexed: Engine, side: int) -> None:
    answer = client.get("/v1/images/3/thumbnail", params={"size": side})
    image = Image.open(io.BytesIO(answer.content))
    whole = indexed.images[3]
    assert (image.format, max(image.size)) == ("WEBP", min(side, max(whole.width, whole.height)))


def test_a_thumbnail_that_a_browser_has_is_not_sent_again(reader: TestClient) -> None:
    tag = reader.get("/v1/images/3/thumbnail").headers["etag"]
    again = reader.get("/v1/images/3/thumbnail", headers={"if-none-match": tag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_an_address_of_the_content_is_cached_for_ever(client: TestClient, indexed: Engine) -> None:
    content = indexed.images[3].content_hash
    for version, for_ever in (
        (content, True),
        (content[:8], True),
        (content[:7], False),
        ("0" * 16, False),
        ("", False),
    ):
        answer = client.get("/v1/images/3/thumbnail", params={"v": version})
        assert answer.status_code == 200
        assert ("immutable" in answer.headers["cache-control"]) is for_ever
        assert "private" in answer.headers["cache-control"]
    assert client.get("/v1/images/3/thumbnail", params={"v": "0" * 65}).status_code == 400


def test_thumbnails_outlive_a_service(new_client: NewClient, indexed: Engine) -> None:
    first = new_client(ServerOptions()).get("/v1/images/3/thumbnail").content
    # Not even the file is needed any more: the content is what it is called by.
    Path(indexed.images[3].path).unlink()
    again = new_client(ServerOptions()).get("/v1/images/3/thumbnail")
    assert (again.status_code, again.content) == (200, first)
    uncached = ServerOptions(limits=ServerLimits(thumbnail_bytes=0, thumbnail_disk_bytes=0))
    assert new_client(uncached).get("/v1/images/3/thumbnail").status_code == 422


def test_nothing_is_left_of_a_forgotten_image(client: TestClient, indexed: Engine) -> None:
    content = indexed.images[3].content_hash
    client.get("/v1/images/3/thumbnail")
    # Those of other stores lie elsewhere in the same cache.
    cached = indexed.config.cache / "thumbnails"
    before = set(cached.rglob(f"{content}-*"))
    client.delete("/v1/images/3")
    [gone] = before - set(cached.rglob(f"{content}-*"))
    assert gone.name == f"{content}-256"


@pytest.mark.parametrize("size", ["0", "100", "99999999", "-1", "x"])
def test_thumbnails_have_few_sizes(reader: TestClient, size: str) -> None:
    assert reader.get("/v1/images/3/thumbnail", params={"size": size}).status_code == 400


def test_a_file_is_saved_and_not_shown(client: TestClient, indexed: Engine) -> None:
    answer = client.get("/v1/images/3/file")
    assert answer.content == Path(indexed.images[3].path).read_bytes()
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment;")


def test_names_of_any_bytes_are_sent_as_they_are(
    fake_engine: Engine, images: Path, tmp_path: Path
) -> None:
    name = os.fsdecode(b'a"\r\nSet-Cookie: x=\xff\xf0\x9f\x9b\x8b.jpg')
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / name).write_bytes(next(images.rglob("*.jpg")).read_bytes())
    fake_engine.index([tmp_path / "odd"])
    with TestClient(create_app(fake_engine), base_url="http://localhost") as client:
        sent = client.get("/v1/images/1/file")
        told = client.get("/v1/images/1").json()["path"]
    assert "set-cookie" not in sent.headers
    assert sent.headers["content-disposition"].endswith(quote(os.fsencode(name)))
    assert os.path.basename(told) == name


def test_a_file_that_is_gone_is_named(client: TestClient, indexed: Engine) -> None:
    Path(indexed.images[3].path).unlink()
    for part in ("file", "thumbnail"):
        answer = client.get(f"/v1/images/3/{part}")
        assert (answer.status_code, answer.json()["type"]) == (422, "ImageError")


@SHARED
@given(st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40))
@example("../../../../etc/passwd")
@example("..%2f..%2fetc%2fpasswd")
@example("%2e%2e/%2e%2e/etc/passwd")
@example("%00")
@example("1/../../etc/passwd")
@example("9" * 400)
@example("-1")
@example("1e3")
@example("0x1")
@example("1#")
@example("1?")
def test_no_address_leads_to_another_file(client: TestClient, indexed: Engine, text: str) -> None:
    for address in (f"/v1/images/{text}", f"/v1/images/{text}/file", f"/v1/images/{quote(text)}"):
        answer = client.get(address.replace("\\", "/"), follow_redirects=False)
        assert answer.status_code in (200, 307, 400, 404, 405)
        # What comes after a # or ? is no part of what was asked for.
        if answer.status_code == 200 and answer.url.path.endswith("/file"):
            assert answer.content in {
                Path(image.path).read_bytes() for image in indexed.images.page().images
            }
        assert all(answer.headers[name] == value for name, value in HEADERS.items())


@pytest.mark.parametrize("part", ["file", "thumbnail"])
@pytest.mark.parametrize("by_link", [False, True])
def test_what_took_a_picture_s_path_is_not_served(
    client: TestClient, indexed: Engine, tmp_path: Path, part: str, by_link: bool
) -> None:
    secret = tmp_path / "secret.bmp"
    Image.new("RGB", (40, 40), "red").save(secret)
    path = Path(indexed.images[3].path)
    path.unlink()
    if by_link:
        path.symlink_to(secret)
    else:
        path.write_bytes(secret.read_bytes())
    answer = client.get(f"/v1/images/3/{part}")
    assert (answer.status_code, answer.json()["type"]) == (422, "ImageError")
    assert "something else" in answer.json()["reason"]


@pytest.mark.slow
def test_a_thumbnail_takes_no_longer_than_any_picture(images: Path, tmp_path: Path) -> None:
    slow_jpeg(images / "slow.jpg", 4000)
    config = Config.at(tmp_path / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        assert engine.index([images]).added == 13
        [slow] = engine.images.page(["path~*/slow.jpg"]).images
    impatient = Config.at(tmp_path / "store", decode_seconds=0.2)
    embedder = FakeEmbedder(impatient)
    with (
        Engine(impatient, embedder=embedder) as engine,
        TestClient(create_app(engine), base_url="http://localhost") as client,
    ):
        answer = client.get(f"/v1/images/{slow.id}/thumbnail")
        assert (answer.status_code, answer.json()["type"]) == (422, "ImageError")
        assert "longer than 0.2 s" in answer.json()["reason"]
        assert client.get(f"/v1/images/{slow.id - 1}/thumbnail").status_code == 200
        until(lambda: embedder.memory.late == 0)


@pytest.mark.slow
def test_a_large_file_is_sent_piece_by_piece(images: Path, fake_engine: Engine) -> None:
    # What follows a JPEG's end is content, and no part of the picture.
    large = images / "large.jpg"
    content = next(images.rglob("*.jpg")).read_bytes() + bytes(5 * CHUNK)
    large.write_bytes(content)
    fake_engine.index([large])
    with TestClient(create_app(fake_engine), base_url="http://localhost") as client:
        with client.stream("GET", "/v1/images/1/file") as answer:
            assert int(answer.headers["content-length"]) == len(content)
            assert b"".join(answer.iter_bytes()) == content
        with client.stream("GET", "/v1/images/1/file") as answer:
            next(answer.iter_bytes(10))
    gc.collect()
    assert str(large) not in map(_target, OPEN_FILES.iterdir() if OPEN_FILES.is_dir() else ())


def _target(link: Path) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def test_an_image_in_an_archive_is_shown_and_sent(
    client: TestClient, indexed: Engine, images: Path
) -> None:
    data = (images / "bed" / "bed-0001.jpg").read_bytes()
    archive = write_tar(images.parent / "x.tar", {"in/ü.jpg": data})
    indexed.index([archive])
    [image] = indexed.images.page([f"path~{archive}*"]).images
    assert image.path == f"{archive}/in/ü.jpg" and not image.missing
    answer = client.get(f"/v1/images/{image.id}/file")
    assert answer.content == data and answer.headers["content-length"] == str(len(data))
    assert "%C3%BC.jpg" in answer.headers["content-disposition"]
    assert client.get(f"/v1/images/{image.id}/thumbnail").status_code == 200
    archive.unlink()
    assert client.get(f"/v1/images/{image.id}/file").status_code == 422
    assert client.get(f"/v1/images/{image.id}").json()["missing"] is True
