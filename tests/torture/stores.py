"""Stores to be attacked, and whether they still tell the truth."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from engine import Config, Engine, TrainOptions
from engine.progress import Reporter
from engine.testing import FAKE, FakeEmbedder, FakeRuntime
from index.records import Floats, Vectors
from tests.support.shop import image, put
from tests.torture.case import WrongAnswerError, run

LABELS = ("bed", "chair", "lamp")
# Scores are rounded: vectors are stored in float16. Where damage is told, one may be a code's.
CLOSE, CLOSE_BY_CODES = 0.01, 0.03
# So many pictures are classified beforehand.
ASKED = 30


class Told(Reporter):
    """Notes what is announced."""

    def __init__(self) -> None:
        self.announced: list[str] = []

    def announce(self, text: str) -> None:
        """Note it."""
        self.announced.append(text)


@dataclass(frozen=True, slots=True)
class Shop:
    """A folder with pictures in `shop/`, and their store in `.engine/`.

    Attributes
    ----------
    folder
        Where both lie.
    contents
        What was drawn in them; a picture's file is named by it.
    answers
        What the head says of some of them.
    """

    folder: Path
    contents: Sequence[int]
    answers: Mapping[int, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """The store."""
        return self.folder / ".engine"

    def path(self, content: int) -> Path:
        """Return where the picture of a content lies."""
        return self.folder / "shop" / LABELS[content % len(LABELS)] / f"{content}.bmp"

    def draw(self, contents: Sequence[int]) -> None:
        """Draw more pictures."""
        for content in contents:
            put(self.path(content), content)

    def copy(self, folder: Path) -> Shop:
        """Copy it as a whole."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Shop(folder, self.contents, self.answers)

    @contextmanager
    def opened(self) -> Iterator[tuple[Engine, Told]]:
        """Open the store with the fake backbone."""
        config, told = Config.at(self.store), Told()
        with Engine(config, told, embedder=FakeEmbedder(config, told)) as engine:
            yield engine, told


def make_shop(folder: Path, count: int, *, compressed: bool = False) -> Shop:
    """Make a shop of `count` pictures, with a store that holds a head; return it."""
    shop = Shop(folder, range(1, count + 1))
    shop.draw(shop.contents)

    def fill() -> None:
        with shop.opened() as (engine, _):
            engine.index([folder / "shop"], label="parent")
            engine.train(head="furniture", from_labels=True, options=TrainOptions(fast=True))
        if compressed:
            from index.catalog.catalog import Catalog

            with Catalog.open(shop.store / "catalog.sqlite") as catalog:
                catalog.prefer("compressed", None)
            with shop.opened() as (engine, _):
                engine.index([folder / "shop"], label="parent")

    made = run(fill, 60)
    assert made.outcome == "survived", made.detail
    answers = run(lambda: json.dumps(_answers(shop, shop.contents[:ASKED])), 60)
    known = {int(content): said for content, said in json.loads(answers.outcome).items()}
    return Shop(folder, shop.contents, known)


def _answers(shop: Shop, contents: Sequence[int]) -> dict[int, str]:
    paths = [shop.path(content) for content in contents]
    with shop.opened() as (engine, _):
        said = engine.classify(paths, 1, head="furniture")
    return {
        content: each.predictions[0].category for content, each in zip(contents, said, strict=True)
    }


def embedding(content: int) -> Floats:
    """Return the unit vector of a content, float32 `[48]`."""
    pixels = FAKE.preprocessing.pixels(image(content))[None]
    return Vectors.of(FakeRuntime().embed(pixels)).unit[0]


def check(shop: Shop, probes: Sequence[int], *, may_miss: bool = False) -> str:
    """Search for some contents, and return the outcome.

    Raises
    ------
    WrongAnswerError
        A hit's score is not that of its picture, or a picture that is there is not found, and
        nothing was said of it.
    """
    outcome = "survived"
    with shop.opened() as (engine, told):
        for content in probes:
            hits = list(engine.search(shop.path(content), k=5))
            most = CLOSE_BY_CODES if told.announced else CLOSE
            _check_scores(content, [(hit.path, hit.score, hit.missing) for hit in hits], most)
            _check_answer(engine, shop, content)
            if not hits or hits[0].path != str(shop.path(content)):
                if not (told.announced or may_miss):
                    raise WrongAnswerError(f"{shop.path(content)} is not found, unsaid")
                outcome = "missed"
        if told.announced:
            return "noticed"
    return outcome


def _check_answer(engine: Engine, shop: Shop, content: int) -> None:
    if content not in shop.answers:
        return
    [said] = engine.classify(shop.path(content), 1, head="furniture")
    if said.predictions[0].category != shop.answers[content]:
        raise WrongAnswerError(f"{content} is called {said.predictions[0].category}")


def _check_scores(content: int, hits: Sequence[tuple[str, float, bool]], most: float) -> None:
    wanted = embedding(content)
    for path, score, missing in hits:
        if missing:
            # It says of itself that there is no such file.
            continue
        other = int(os.path.basename(path).removesuffix(".bmp"))
        true = float(np.dot(wanted, embedding(other)))
        if not abs(true - score) <= most:
            raise WrongAnswerError(f"{path} has a score of {score:.4f}, and not of {true:.4f}")
