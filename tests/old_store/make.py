"""Make the stores in `data/`, with the code of the release that they stand for.

Run it in a checkout of the commit b9cf4aa, the last one whose stores these are:

    PYTHONPATH=. python <this folder>/make.py

    data/exact.zip        pictures with labels, predictions, a head, views, one gone, one removed
    data/compressed.zip   an index of two files, with vectors in no list yet and with hidden ones
    data/finetuned.zip    made with a fine-tuned backbone named `shop`; and that backbone's note
    data/answers.json     what that release answered

Pictures and weights are not kept: `drawing.py` makes them again, byte for byte.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import drawing  # beside this file
from engine.architectures import load_state
from engine.tuned import TunedBackbones
from engine.weights import WeightsCache

from engine import Config, Engine, TrainOptions
from engine.backbones import backbone_named
from engine.testing import FakeEmbedder

DATA = Path(__file__).parent / "data"
OPTIONS = TrainOptions(epochs=20)
QUERIES = (("bed", 0), ("bed", 1), ("chair", 3), ("lamp", 5), ("chair", 900), ("lamp", 901))
STATUS = (
    *("backbone", "fingerprint", "dim", "precision", "dtype"),
    *("images", "missing", "labelled", "embeddings", "views", "categories"),
    *("index", "index_state", "consistent"),
)


class Recorder:
    """Asks an engine what the tests will ask again, with paths relative to the pictures."""

    def __init__(self, engine: Engine, pictures: Path) -> None:
        self._engine = engine
        self._pictures = pictures

    def answers(self) -> dict[str, Any]:
        """Return all answers."""
        status = asdict(self._engine.status())
        return {
            "pictures": str(self._pictures),
            "status": {name: status[name] for name in STATUS},
            "heads": [asdict(head) for head in self._engine.heads()],
            "searches": [self._search(*query) for query in QUERIES],
            "filtered": [self._search(*query, where=["label=chair"]) for query in QUERIES],
            "classified": [self._classify(*query) for query in QUERIES],
            "duplicates": [
                [group.kind, group.score, [self._relative(path) for path in group.paths]]
                for group in self._engine.duplicates(min_score=0.99)
            ],
        }

    def _relative(self, path: str) -> str:
        return os.path.relpath(path, self._pictures)

    def _search(self, category: str, number: int, **narrowed: Any) -> dict[str, Any]:
        report = self._engine.search(drawing.picture(category, number), k=8, **narrowed)
        hits = [[self._relative(hit.path), hit.score, hit.label, hit.category] for hit in report]
        return {"query": [category, number], "hits": hits}

    def _classify(self, category: str, number: int) -> dict[str, Any]:
        [answer] = self._engine.classify(drawing.picture(category, number), k=3)
        said = [[each.category, each.probability, each.source] for each in answer.predictions]
        return {"query": [category, number], "unknown": answer.unknown, "predictions": said}


def exact(work: Path) -> dict[str, Any]:
    """A store of 38 pictures that are compared whole."""
    pictures, lessons = work / "pictures", work / "lessons"
    drawing.draw(pictures, range(12))
    drawing.draw_copies(pictures)
    gone = drawing.write(pictures / "lamp" / "gone.bmp", drawing.picture("lamp", 500))
    removed = drawing.write(pictures / "lamp" / "removed.bmp", drawing.picture("lamp", 501))
    config = Config.at(work / "exact")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([pictures], label="parent")
        gone.unlink()
        engine.remove([removed])
        removed.unlink()
        engine.index([pictures])
        drawing.draw(lessons, range(12), [*drawing.CATEGORIES, "sofa"])
        engine.train(lessons, head="furniture", options=OPTIONS, views=1, mirror_indexed=True)
        return Recorder(engine, pictures).answers()


def compressed(work: Path) -> dict[str, Any]:
    """A store of 180 pictures in lists, 6 more beside them, and 4 hidden ones."""
    pictures = work / "pictures"
    drawing.draw(pictures, range(60))
    config = Config.at(work / "compressed", index="compressed")
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        engine.index([pictures], label="parent")
        drawing.draw(pictures, range(60, 62))
        engine.index([pictures], label="parent")
        for number in (20, 21, 22, 23):
            hidden = pictures / "lamp" / f"lamp-{number:04}.bmp"
            engine.remove([hidden])
            hidden.unlink()
        return Recorder(engine, pictures).answers()


def finetuned(work: Path) -> dict[str, Any]:
    """A store of 12 pictures made with a fine-tuned backbone."""
    pictures, data = work / "pictures", work / "data"
    drawing.draw(pictures, range(4))
    base = backbone_named("efficientnet_lite0")
    untouched = WeightsCache(work / "cache").find(base)
    assert untouched is not None
    weights = drawing.finetuned_weights(load_state(base, untouched.path), 1.25)
    sha256 = hashlib.sha256(weights).hexdigest()
    facts = {"created_at": "2026-01-01T00:00:00+00:00", "dataset": "photos", "images": 12}
    TunedBackbones(data).keep("shop", base, weights, sha256, facts)
    config = Config.at(
        work / "finetuned",
        backbone="shop",
        data=data,
        cache=work / "cache",
        precision="fp32",
        runtime="openvino",
    )
    with Engine(config) as engine:
        engine.index([pictures], label="parent")
        engine.train(pictures, head="furniture", options=OPTIONS)
        answers = Recorder(engine, pictures).answers()
    shutil.copy(data / "backbones" / "shop.json", work / "finetuned")
    return answers


def _pack(store: Path, target: Path) -> None:
    """Write the files of a store into one archive; they are mostly empty pages."""
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(store.iterdir()):
            if path.name != "writer.lock":
                archive.writestr(
                    zipfile.ZipInfo(path.name), path.read_bytes(), zipfile.ZIP_DEFLATED
                )


def main() -> None:
    """Replace what is in `data/`."""
    answers = []
    for make in (exact, compressed, finetuned):
        with tempfile.TemporaryDirectory() as folder:
            work = Path(folder).resolve()
            answers.append(f'"{make.__name__}": {json.dumps(make(work))}')
            _pack(work / make.__name__, DATA / f"{make.__name__}.zip")
    text = "{\n" + ",\n".join(answers) + "\n}\n"
    (DATA / "answers.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
