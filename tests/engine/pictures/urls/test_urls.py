"""What counts as a URL, and where none may be fetched."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import Config, Engine, UsageError
from engine.config import UrlLimits
from engine.pictures.urls import is_url, refuse_urls
from engine.testing import FakeEmbedder

NONE = UrlLimits(allowed=False)


@pytest.mark.parametrize("text", ["http://a/b", "https://a/b", "HTTP://a/b", "HttpS://a"])
def test_a_scheme_is_written_in_any_case(text: str) -> None:
    assert is_url(text)


@pytest.mark.parametrize("text", ["a.jpg", "http:/a", "http", "ftp://a", "-", "./http://a", ""])
def test_other_texts_are_paths(text: str) -> None:
    assert not is_url(text)


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/a.jpg", "HTTPS://x/a.jpg"])
def test_where_urls_are_refused_nothing_else_is_done(tmp_path: Path, url: str) -> None:
    config = Config.at(tmp_path / "none", urls=NONE)
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        for ask in (engine.search, engine.classify):
            # There is no store either, which would be told next.
            with pytest.raises(UsageError, match="URLs are not fetched here"):
                ask(["a.jpg", url])


def test_files_and_bytes_are_no_urls() -> None:
    refuse_urls(["a.jpg", Path("b.jpg"), b"http://not/a/name", "-"], NONE)


def test_where_urls_are_allowed_none_is_refused() -> None:
    refuse_urls(["http://a/b.jpg"], UrlLimits(allowed=True))


@pytest.mark.parametrize(("value", "allowed"), [("1", False), ("yes", False), ("0", True), ("", 1)])
def test_the_environment_may_refuse_them(
    monkeypatch: pytest.MonkeyPatch, value: str, allowed: bool
) -> None:
    monkeypatch.setenv("ENGINE_NO_URLS", value)
    assert UrlLimits().allowed is bool(allowed)
