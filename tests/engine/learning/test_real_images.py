"""How good the embedded backbone and its heads are on real photographs, where there are some.

Every picture is embedded once for all tests: `Remembering` keeps what the backbone said.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest

from engine import Config, Engine, TrainOptions
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.heads.classifier import BUILT_IN
from engine.pictures.preprocess import Pixels
from engine.progress import SILENT
from index.records import Vectors
from index.store import Store

# The default of training, which compares for up to 15 s, is tried beside the first alone.
CATALOGS = ("empty", "other things", "unlabelled furniture")
NewEngine = Callable[[str], AbstractContextManager[Engine]]

pytestmark = pytest.mark.slow


class Remembering(Embedder):
    """The embedded backbone, asked about each picture once."""

    known: dict[bytes, Vectors]

    def embed(self, inputs: Sequence[Pixels]) -> Vectors:
        """Return the embeddings of pictures, one row each."""
        keys = [hashlib.sha256(pixels.tobytes()).digest() for pixels in inputs]
        new = {key: place for place, key in enumerate(keys) if key not in self.known}
        if new:
            vectors = super().embed([inputs[place] for place in new.values()])
            for row, key in enumerate(new):
                self.known[key] = vectors[row : row + 1]
        rows = [self.known[key] for key in keys]
        return Vectors.concatenate(rows) if rows else super().embed(inputs)


@pytest.fixture(scope="module")
def new_engine(real_images: Path, tmp_path_factory: pytest.TempPathFactory) -> NewEngine:
    """A function that opens an engine on a new store with the given catalog in it."""
    chosen = choose_embedder(Config.at("none", backbone="efficientnet_lite0"), None, SILENT)
    known: dict[bytes, Vectors] = {}

    @contextmanager
    def made(catalog: str) -> Iterator[Engine]:
        config = Config(store=Store(tmp_path_factory.mktemp("real") / "store"))
        prepare = lambda: chosen.exported  # noqa: E731
        embedder = Remembering(config, chosen.backbone, chosen.fingerprint, prepare, "fp32", SILENT)
        embedder.known = known
        with Engine(config, embedder=embedder) as engine:
            if catalog != "empty":
                engine.index([real_images / "catalog"], label="parent")
            if catalog == "unlabelled furniture":
                engine.index([real_images / "furniture" / "test"], label="none")
            yield engine

    return made


@pytest.fixture(scope="module")
def bed_and_sofa(real_images: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The photographs of beds and sofas alone."""
    folder = tmp_path_factory.mktemp("two")
    for part in ("train", "test"):
        (folder / part).mkdir()
        for category in ("bed", "sofa"):
            source = real_images / "furniture" / part / category
            (folder / part / category).symlink_to(source, target_is_directory=True)
    return folder


@pytest.fixture(scope="module")
def by_default(new_engine: NewEngine, real_images: Path) -> Iterator[Engine]:
    """An engine that learned five kinds of furniture as training does by default."""
    with new_engine(CATALOGS[0]) as engine:
        engine.train(
            real_images / "furniture" / "train",
            head="furniture",
            options=options_beside(CATALOGS[0]),
        )
        yield engine


@pytest.fixture(scope="module", params=CATALOGS)
def trained(
    request: pytest.FixtureRequest, new_engine: NewEngine, real_images: Path
) -> Iterator[Engine]:
    """An engine that learned five kinds of furniture beside one of the catalogs."""
    if request.param == CATALOGS[0]:
        yield request.getfixturevalue("by_default")
        return
    with new_engine(request.param) as engine:
        options = options_beside(request.param)
        engine.train(real_images / "furniture" / "train", head="furniture", options=options)
        yield engine


def options_beside(catalog: str) -> TrainOptions:
    """Return the default beside the first catalog, and what takes a moment beside another."""
    return TrainOptions(fast=catalog != CATALOGS[0])


def imagenet_right(engine: Engine, folder: Path, head: str | None) -> float:
    """Return the share of ImageNet's pictures whose best answer is the right one."""
    categories = engine._session.embedder().built_in.categories
    paths = sorted(folder.iterdir())
    answers = engine.classify(paths, k=1, head=head)
    right = [
        (each.predictions[0].source, each.predictions[0].category)
        == (BUILT_IN, categories[int(path.name[:4])])
        for path, each in zip(paths, answers, strict=True)
    ]
    return float(np.mean(right))


def test_searching_a_catalog_finds_its_own_kind(new_engine: NewEngine, real_images: Path) -> None:
    with new_engine("other things") as engine:
        report = engine.evaluate(real_images / "catalog")
    assert report.images == 600
    assert report.precision_at_1 >= 0.90
    assert report.precision_at_10 >= 0.82


def test_five_kinds_of_furniture_are_told_apart(trained: Engine, real_images: Path) -> None:
    report = trained.evaluate(real_images / "furniture" / "test", head="furniture")
    assert report.accuracy >= 0.93


def test_the_built_in_categories_lose_at_most_a_point(trained: Engine, real_images: Path) -> None:
    before = imagenet_right(trained, real_images / "imagenet300", BUILT_IN)
    after = imagenet_right(trained, real_images / "imagenet300", None)
    assert before >= 0.84
    assert after >= before - 0.01


def test_beds_and_sofas_win_against_all_other_categories(
    trained: Engine, bed_and_sofa: Path
) -> None:
    report = trained.evaluate(bed_and_sofa / "test", head="all")
    assert report.images == 120
    assert report.accuracy >= 0.94


@pytest.mark.parametrize("catalog", CATALOGS)
def test_beds_and_sofas_alone_can_be_learned(
    new_engine: NewEngine, bed_and_sofa: Path, real_images: Path, catalog: str
) -> None:
    with new_engine(catalog) as engine:
        engine.train(bed_and_sofa / "train", head="two", options=options_beside(catalog))
        assert engine.evaluate(bed_and_sofa / "test", head="two").accuracy >= 0.96
        assert engine.evaluate(bed_and_sofa / "test", head="all").accuracy >= 0.94
        before = imagenet_right(engine, real_images / "imagenet300", BUILT_IN)
        after = imagenet_right(engine, real_images / "imagenet300", None)
        assert after >= before - 0.01


@pytest.mark.parametrize("catalog", CATALOGS)
def test_a_bed_alone_can_be_added_to_the_thousand(
    new_engine: NewEngine, bed_and_sofa: Path, real_images: Path, tmp_path: Path, catalog: str
) -> None:
    shutil.copytree(bed_and_sofa / "train" / "bed", tmp_path / "alone" / "bed")
    shutil.copytree(bed_and_sofa / "test" / "bed", tmp_path / "test" / "bed")
    with new_engine(catalog) as engine:
        engine.train(tmp_path / "alone", head="bed")
        assert engine.evaluate(tmp_path / "test", head="all").accuracy >= 0.9
        before = imagenet_right(engine, real_images / "imagenet300", BUILT_IN)
        after = imagenet_right(engine, real_images / "imagenet300", None)
        assert after >= before - 0.01


def test_a_category_added_later_leaves_the_earlier_ones_as_they_were(
    new_engine: NewEngine, bed_and_sofa: Path, tmp_path: Path
) -> None:
    for kind in ("bed", "sofa"):
        shutil.copytree(bed_and_sofa / "train" / kind, tmp_path / kind / kind)
    with new_engine(CATALOGS[0]) as engine:
        engine.train(tmp_path / "bed", head="shop")
        engine.train(tmp_path / "sofa", head="shop", extend=True)
        assert engine.evaluate(bed_and_sofa / "test", head="shop").accuracy >= 0.96
        assert engine.evaluate(bed_and_sofa / "test", head="all").accuracy >= 0.94


def test_exchanged_labels_of_photographs_are_doubted_before_others(
    new_engine: NewEngine, real_images: Path, tmp_path: Path
) -> None:
    precisions = []
    with new_engine(CATALOGS[0]) as engine:
        for seed in range(3):
            rng = np.random.default_rng(seed)
            folder = tmp_path / str(seed)
            shutil.copytree(real_images / "furniture" / "train", folder)
            names = sorted(each.name for each in folder.iterdir())
            photographs = sorted(folder.rglob("*.jpg"))
            wrong = set()
            # Five in a hundred.
            for at in rng.choice(len(photographs), len(photographs) // 20, replace=False).tolist():
                photograph = photographs[at]
                others = [name for name in names if name != photograph.parent.name]
                moved = folder / str(rng.choice(others)) / f"exchanged-{at}.jpg"
                photograph.rename(moved)
                wrong.add(str(moved))
            listed = [each.path for each in engine.suspects(folder, k=len(wrong), doubted=False)]
            precisions.append(len(wrong.intersection(listed)) / len(wrong))
    # 0.87 to 0.89 as a mean (`python -m benchmarks.suspects`); photographs that were labelled
    # wrongly before count against it.
    assert np.mean(precisions) >= 0.8


def test_sets_hold_the_right_category_of_photographs_that_took_no_part(
    by_default: Engine, new_engine: NewEngine, real_images: Path
) -> None:
    photographs = sorted((real_images / "furniture" / "test").rglob("*.jpg"))
    found = []
    with new_engine(CATALOGS[0]) as other:
        for engine, seed in ((by_default, 0), (other, 1), (other, 2)):
            if seed:
                options = TrainOptions(seed=seed, fast=True)
                engine.train(real_images / "furniture" / "train", head="furniture", options=options)
            answers = engine.classify(photographs, head="furniture", coverage=0.95)
            for photograph, answer in zip(photographs, answers, strict=True):
                sets = answer.set or ()
                found.append((photograph.parent.name in sets, len(sets)))
    right, size = np.mean(found, axis=0)
    # Of 300 photographs 0.95 is hit within 0.04; all five categories would be no answer.
    assert right >= 0.91
    assert size <= 1.5
