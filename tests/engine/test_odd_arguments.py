"""What only Python can hand in: texts and names that no file has, numbers that are none."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from engine import Engine
from engine.errors import EngineError, UnknownCategoryError, UsageError
from engine.ingest.watch import WatchLimits
from engine.pictures.urls import is_url
from index.catalog.catalog import Catalog
from index.errors import CatalogDamagedError, reason_of
from tests.support.web import Site

pytestmark = pytest.mark.slow

LONE = ["\ud800", "chair\udfff", "\udc80\ud83d", "a\udce4\udbff.jpg"]
NO_NUMBERS = ["5", None, True, 2.5, math.nan, math.inf, -1, 0, b"5", [5], np.float32(3.5)]


@pytest.fixture
def shop(fake_engine: Engine, images: Path) -> Engine:
    """An engine that knows twelve pictures."""
    fake_engine.index([images], label="parent")
    return fake_engine


def _one(images: Path) -> Path:
    return images / "bed" / "bed-0001.jpg"


@pytest.mark.parametrize("text", LONE)
@pytest.mark.parametrize("field", ["label", "category", "path", "format"])
@pytest.mark.parametrize("operator", ["=", "!=", "~"])
def test_a_condition_may_hold_surrogates(
    text: str, field: str, operator: str, shop: Engine, images: Path
) -> None:
    found = shop.search(_one(images), k=50, where=[f"{field}{operator}{text}"])
    assert len(found.results) == (12 if operator == "!=" else 0)


@pytest.mark.parametrize("text", LONE)
def test_a_category_of_surrogates_is_unknown(text: str, shop: Engine, images: Path) -> None:
    with pytest.raises(UnknownCategoryError):
        shop.search(_one(images), category=text)


@pytest.mark.parametrize("name", ["a\0b.jpg", "\0", "\ud800.jpg"])
def test_a_name_that_no_file_has_is_an_error_of_that_name(
    name: str, shop: Engine, images: Path, tmp_path: Path
) -> None:
    verbs: list[Callable[[], object]] = [
        lambda: shop.search(name),
        lambda: shop.classify(name),
        lambda: shop.index([name]),
        lambda: shop.train(name, head="own"),
        lambda: shop.evaluate(name),
        lambda: shop.export(tmp_path / f"{name}.npy"),
        lambda: shop.relocate(name, images),
        lambda: Engine.open(tmp_path / name).status(),
        lambda: Engine.open(tmp_path / name, backbone="efficientnet_lite0").index([images]),
        lambda: shop.index([images], label=name),
    ]
    for verb in verbs:
        with pytest.raises(EngineError):
            verb()
    report = shop.index([images, name])
    assert (report.unchanged, len(report.skipped)) == (12, 1)
    assert len(shop.remove([name]).not_found) == 1
    assert shop.status().images == 12


@pytest.mark.parametrize("number", NO_NUMBERS, ids=repr)
def test_a_number_that_is_none_is_refused_by_every_verb(
    number: object, shop: Engine, images: Path
) -> None:
    asked = cast(Any, number)
    verbs: list[Callable[[], object]] = [
        lambda: shop.search(_one(images), k=asked),
        lambda: shop.classify(_one(images), k=asked),
    ]
    if number not in (None, 0, 2.5, 3.5, math.inf, -1) and number is not True:
        verbs.append(lambda: shop.search(_one(images), min_score=asked))
        verbs.append(lambda: shop.duplicates(asked))
    if number != 0:
        # No number of views leaves it to be chosen.
        for name in ("min_images", "views")[: 1 if number is None else 2]:
            verbs.append(lambda name=name: shop.train(images, head="a", **{name: asked}))  # type: ignore[misc]
    if number not in (0, 2.5, 3.5):
        for name in ("quiet_seconds", "patience_seconds", "check_seconds"):
            verbs.append(lambda name=name: WatchLimits(**{name: asked}))  # type: ignore[misc]
    for verb in verbs:
        with pytest.raises(UsageError):
            verb()


@pytest.mark.parametrize("k", [2**31, 2**63, 10**30, np.int64(5), np.uint8(3)])
def test_any_whole_number_of_answers_may_be_asked_for(k: int, shop: Engine, images: Path) -> None:
    assert len(shop.search(_one(images), k=k).results) == min(12, int(k))
    assert len(shop.classify(_one(images), k=k)[0].predictions) == min(20, int(k))


@pytest.mark.parametrize(
    "image", [5, None, 2.5, {"a": 1}.items(), bytearray(b"1"), [None], [[b""]]]
)
def test_what_is_no_picture_is_refused(image: object, shop: Engine) -> None:
    for verb in (shop.search, shop.classify):
        with pytest.raises(UsageError, match="is no picture"):
            cast(Any, verb)(image)


@pytest.mark.parametrize("scheme", ["http", "HTTP", "Https", "hTTPS"])
def test_the_scheme_of_a_url_has_no_case(scheme: str) -> None:
    assert is_url(f"{scheme}://host/a.jpg")


def test_a_picture_is_fetched_whatever_the_case_of_its_scheme(
    site: Site, shop: Engine, images: Path
) -> None:
    url = site.serve("/a.jpg", _one(images).read_bytes())
    for scheme in ("HTTP", "Http"):
        found = shop.search(scheme + url.removeprefix("http"), k=1)
        assert found.results[0].path == str(_one(images))


@pytest.mark.parametrize("text", ["http:/a.jpg", "httpx://a.jpg", "./http://a.jpg", "a.jpg"])
def test_a_path_is_no_url(text: str) -> None:
    assert not is_url(text)


SETTINGS = {
    "dim": ["abc", "", "-1", "0", "1e3", "99999999999999999999", "48.0"],
    "dtype": ["abc", "float64", "", "object"],
    "generation": ["abc", "-1", "", "9" * 30, "1.5"],
    "schema": ["abc", "", "-1", "1.5"],
    "index": ["abc", "ivf"],
    "index_memory": ["abc", "-1", "1e9"],
}


@pytest.mark.parametrize(
    ("key", "value"), [(key, value) for key, values in SETTINGS.items() for value in values]
)
def test_settings_that_nobody_has_written_are_damage(
    key: str, value: str, shop: Engine, images: Path
) -> None:
    shop.close()
    catalog = Path(shop.config.store.catalog)
    with Catalog.open(catalog) as opened, opened.database.writing() as connection:
        connection.exec_driver_sql("DELETE FROM settings WHERE key = ?", (key,))
        connection.exec_driver_sql("INSERT INTO settings VALUES (?, ?)", (key, value))
    if key == "index" or key == "index_memory":
        (shop.config.store.index / "manifest.json").unlink()  # or nobody asks
    with pytest.raises(CatalogDamagedError, match=f"settings: .*{key}") as caught:
        shop.search(_one(images))
    assert "Put back a copy" in caught.value.remedy


def test_settings_that_are_gone_are_damage(shop: Engine, images: Path) -> None:
    shop.close()
    for key in ("dim", "dtype", "backbone", "precision"):
        with (
            Catalog.open(shop.config.store.catalog) as opened,
            opened.database.writing() as connection,
        ):
            before = connection.exec_driver_sql(
                "DELETE FROM settings WHERE key = ? RETURNING value", (key,)
            ).scalar_one()
        with pytest.raises(CatalogDamagedError, match=key):
            shop.search(_one(images))
        with sqlite3.connect(shop.config.store.catalog) as raw:
            raw.execute("INSERT INTO settings VALUES (?, ?)", (key, before))
        raw.close()


def test_an_error_without_words_of_the_system_says_its_own() -> None:
    assert reason_of(OSError(28, "No space left on device")) == "No space left on device"
    assert reason_of(OSError("100 requested and 0 written")) == "100 requested and 0 written"
    assert reason_of(OSError()) == "OSError"
    assert reason_of(ValueError("embedded null byte")) == "embedded null byte"


def test_to_classify_without_a_store_asks_no_network_and_to_index_does(
    site: Site, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.serve("/resnet50-11ad3fa6.pth", b"something else")
    monkeypatch.setenv("ENGINE_WEIGHTS_MIRROR", site.url)
    monkeypatch.setenv("ENGINE_BACKBONE", "auto")
    monkeypatch.chdir(tmp_path)
    with Engine.open() as engine:
        assert engine.classify(_one(images))[0].predictions
        assert engine.evaluate(images, head="imagenet").images == 12
        assert site.asked == []
        assert engine.index([images]).added == 12
        assert site.asked != []
        assert engine.search(_one(images), k=1).results
