"""Heads in a catalog that are damaged: named and left out, and everything else goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from engine import Config, Engine, TrainOptions
from engine.errors import HeadError, UnknownHeadError
from engine.heads.file import head_from_bytes
from engine.progress import Reporter
from engine.testing import FakeEmbedder
from index.catalog.catalog import Catalog
from index.catalog.tables.heads import put_head
from tests.support.heads import packed, tensors_and_header

pytestmark = pytest.mark.slow


class Heard(Reporter):
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def announce(self, text: str) -> None:
        """Remember a line."""
        self.lines.append(text)


def narrower(data: bytes) -> bytes:
    """Return a head for embeddings of another length."""
    tensors, header = tensors_and_header(head_from_bytes(data, "x"))
    narrow = {name: tensors[name][:, :-1] for name in ("layers.0.weight", "gate.weight")}
    return packed(tensors | narrow, header)


def with_fact(data: bytes, name: str, value: object) -> bytes:
    """Return a head with another fact in its header."""
    tensors, header = tensors_and_header(head_from_bytes(data, "x"))
    return packed(tensors, header | {name: value})


HARM: dict[str, Callable[[bytes], bytes]] = {
    "nothing": lambda data: b"",
    "garbage": lambda data: b"\xff" * 100,
    "zeros": lambda data: bytes(len(data)),
    "cut": lambda data: data[: len(data) // 2],
    "a flipped bit": lambda data: data[:-5] + bytes([data[-5] ^ 64]) + data[-4:],
    "a metric that is a text": lambda data: with_fact(data, "metrics", {"images": "abc"}),
    "a tiny temperature": lambda data: with_fact(data, "temperature", 1e-300),
    "another dim": narrower,
    "another backbone": lambda data: with_fact(data, "fingerprint", "0" * 64),
    "another name": lambda data: with_fact(data, "name", "other"),
    "a newer format": lambda data: with_fact(data, "format", 99),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Path:
    """A store with two heads; not to be changed."""
    config = Config.at(tmp_path_factory.mktemp("trained") / "store")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([drawn], label="parent")
        for name in ("good", "bad one"):
            engine.train(head=name, from_labels=True, options=TrainOptions(epochs=3))
    return config.store.folder


@pytest.fixture(params=HARM)
def harmed(request: pytest.FixtureRequest, trained: Path, tmp_path: Path) -> Path:
    """The store, one of whose heads is not in order."""
    store = Path(shutil.copytree(trained, tmp_path / "store"))
    with Catalog.open(Config.at(store).store.catalog) as catalog:
        [row] = catalog.heads.named(["bad one"])
        with catalog.database.writing() as connection:
            put_head(connection, "bad one", HARM[request.param](row.file))
    return store


@pytest.fixture
def heard() -> Heard:
    """What is announced."""
    return Heard()


def opened(store: Path, heard: Heard) -> Engine:
    """Open a store."""
    config = Config.at(store)
    return Engine(config, heard, embedder=FakeEmbedder(config))


def test_a_damaged_head_takes_nothing_down(harmed: Path, drawn: Path, heard: Heard) -> None:
    picture = drawn / "bed" / "bed-0001.jpg"
    with opened(harmed, heard) as engine:
        # What lists and what answers: all do as if that head were not there.
        assert [head.name for head in engine.heads] == ["good"]
        sources = {each.source for each in engine.classify(picture, k=100)[0].predictions}
        assert "good" in sources and "bad one" not in sources
        engine.search(picture, k=3, same_category=True)
        assert len(engine.search(picture, k=3)) == 3
        assert engine.index([drawn]).unchanged == 60
        assert engine.report("good").head == "good"
        told = [line for line in heard.lines if line.startswith("left out: head bad one: ")]
        assert len(told) == 1, "once, however often the heads are asked"
        assert "`engine heads delete 'bad one'`" in told[0]

        status = engine.status()
        assert not status.consistent
        assert [text for text in status.problems if text.startswith("head bad one: ")]
        assert [head.name for head in status.heads] == ["good"]
        assert [each.path for each in engine.heads.damaged] == ["bad one"]


def test_a_damaged_head_that_is_asked_for_says_so(
    harmed: Path, drawn: Path, tmp_path: Path, heard: Heard
) -> None:
    picture = drawn / "bed" / "bed-0001.jpg"
    with opened(harmed, heard) as engine:
        for ask in (
            lambda: engine.classify(picture, head="bad one"),
            lambda: engine.evaluate(drawn, head="bad one"),
            lambda: engine.report("bad one"),
            lambda: engine.heads["bad one"],
            lambda: engine.heads.export("bad one", tmp_path / "a.safetensors"),
            lambda: engine.train(drawn, head="bad one", extend=True),
        ):
            with pytest.raises(HeadError, match="engine heads delete"):
                ask()
        with pytest.raises(UnknownHeadError):
            engine.heads["worse"]


def test_the_remedy_for_a_damaged_head_helps(harmed: Path, heard: Heard) -> None:
    with opened(harmed, heard) as engine:
        gone = engine.heads.delete("bad one")
        assert (gone.name, list(gone.categories)) == ("bad one", [])
        status = engine.status()
        assert status.consistent and not engine.heads.damaged
        engine.train(head="bad one", from_labels=True, options=TrainOptions(epochs=3))
        assert [head.name for head in engine.heads] == ["bad one", "good"]


def test_a_damaged_head_can_be_trained_anew(harmed: Path, heard: Heard) -> None:
    with opened(harmed, heard) as engine:
        engine.train(head="bad one", from_labels=True, options=TrainOptions(epochs=3))
        assert engine.status().consistent
