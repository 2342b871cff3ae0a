"""What searching by words is worth, as a search answers: P@10 and mAP of names as queries.

    python -m benchmarks.text [--data FOLDER] [--heads]

The names of 30 categories are searched for among their 600 photographs; a name that is not
understood finds nothing and counts as that. Then what the threshold of "not understood" was chosen
by: names of ImageNet, each searched for as if its own category were not there, which is no name of
the 30. Then the weight of what is subtracted. With `--heads`, which takes two minutes: by what
direction a trained category is searched for.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.settings import find_data
from engine import Engine
from engine.search.ranking import RANKS
from engine.search.terms import SUBTRACTED
from engine.search.text.conse import LIMITS, combination, directions
from engine.search.text.encoder import TextEncoder
from engine.search.text.name_embeddings import NamedCategories, named_categories
from engine.search.text.names import built_in_names, spoken
from index.records import Floats

TEN = 10
# A name is answered well where its own row is among so many nearest of the thousand.
WELL = 50
# Of the names that are answered well at most so many may be refused.
REFUSED = 0.05
STEPS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
# Words of which nobody has a picture, and some that are no words.
# fmt: off
NOTHING = (
    "justice", "tomorrow", "regret", "theorem", "quarterly", "inflation", "democracy",
    "grammar", "seventeen", "nevertheless", "asdfgh", "xyzzy", "qwertyuiop", "blorpt",
    "because", "jealousy", "algorithm", "subtraction", "monday", "copyright", "bankruptcy",
    "wisdom", "sincerely", "philosophy", "probability", "syntax", "legislation", "opinion",
    "yesterday", "integer", "zzzz", "foo", "lorem", "mortgage", "entropy", "although",
    "invoice", "policy", "semantics", "forgiveness",
)
# fmt: on
# Kinds that are taken for each other: what is searched for, and what is not meant.
PAIRS = (
    ("schooner", "ketch"),
    ("ketch", "schooner"),
    ("rhino", "llama"),
    ("crocodile", "platypus"),
    ("ant", "dragonfly"),
    ("beaver", "hedgehog"),
    ("mandolin", "accordion"),
    ("beaver", "platypus"),
    ("dragonfly", "butterfly"),
    ("ferry", "schooner"),
    ("ferry", "ketch"),
)


def precision(found: Sequence[str | None], name: str) -> tuple[float, float]:
    """Return P@10 and the average precision of labels in the order of an answer."""
    relevant = np.array([label == name for label in found], float)
    if not len(relevant):
        return 0.0, 0.0
    at = np.cumsum(relevant) / np.arange(1, len(relevant) + 1)
    return float(relevant[:TEN].mean()), float((at * relevant).sum() / max(1, relevant.sum()))


def table(engine: Engine, names: Sequence[str], named: NamedCategories) -> None:
    """Print P@10 and mAP of names as queries, and which names were not understood."""
    images = engine.status().images
    known = [bool(named.called(name)) for name in names]
    print("| queries | order | P@10 | mAP | not understood |\n|---|---|---:|---:|---:|")
    for order in reversed(RANKS):
        rows = []
        for name in names:
            report = engine.search(text=spoken(name), k=images, rank=order)
            figures = precision([hit.label for hit in report], name)
            rows.append((*figures, not report.understood[0].categories))
        of = np.array(rows)
        for what, some in (
            (f"{len(names)} names", np.full(len(names), True)),
            (f"{sum(known)} that are names of the thousand", np.array(known)),
            (f"{len(names) - sum(known)} that are not", ~np.array(known)),
        ):
            ten, mean, refused = of[some].mean(axis=0)
            print(f"| {what} | {order} | {ten:.3f} | {mean:.3f} | {round(refused * some.sum())} |")
    print(f"| by chance | | {1 / len(names):.3f} | | |\n")


def threshold(encoder: TextEncoder, named: NamedCategories, rows: Floats, names: list[str]) -> None:
    """Print what thresholds refuse, and the one that follows."""
    queries = encoder.embed([each.names[0] for each in named.names])
    similarities = queries @ named.embeddings.T
    np.fill_diagonal(similarities, -1)
    best, well = [], []
    for own, row in enumerate(similarities):
        found = combination(row)
        cosines = rows @ found.vector(rows)
        best.append(found.similarity)
        well.append(int((cosines > cosines[own]).sum()) < WELL)
    # Not by names that are measured below.
    chosen_by = np.full(len(best), True)
    chosen_by[[row for name in names for row in named.called(name)]] = False
    alone, good = np.array(best)[chosen_by], np.array(well)[chosen_by]
    others = (encoder.embed(NOTHING) @ named.embeddings.T).max(axis=1)
    asked = (encoder.embed([spoken(name) for name in names]) @ named.embeddings.T).max(axis=1)
    chosen = np.floor(100 * np.quantile(alone[good], REFUSED)) / 100
    print(
        f"{len(alone)} names of ImageNet without their own category, {good.mean():.2f} of them "
        f"answered well (among the {WELL} nearest rows). At most {REFUSED:.0%} of these "
        f"refused: {chosen:.2f}; in use: {LIMITS.understood}.\n\n"
        "| threshold | answered well, refused | others, refused "
        f"| the {len(names)} names, refused | words for nothing, refused |\n"
        "|---:|---:|---:|---:|---:|"
    )
    for step in sorted({*STEPS, float(chosen)}):
        shares = ((some < step).mean() for some in (alone[good], alone[~good], asked, others))
        print(f"| {step:.2f} | {' | '.join(f'{share:.3f}' for share in shares)} |")
    print()


def arithmetic(unit: Floats, labels: Sequence[str], vectors: dict[str, Floats]) -> None:
    """Print what subtracting does with different weights, and what words beside a picture do."""
    names = np.array(labels)
    print("| subtracted | times | meant, of the first 19 | not meant |\n|---|---:|---:|---:|")
    for kind in ("picture", "words"):
        for weight in (0.0, 0.25, SUBTRACTED, 0.75, 1.0):
            rows = []
            for wanted, other in PAIRS:
                if kind == "words" and other not in vectors:
                    continue
                taken = unit[names == other][:4] if kind == "picture" else vectors[other][None]
                for query in np.flatnonzero(names == wanted)[:8]:
                    for each in taken:
                        found = _nearest(unit, unit[query] - weight * each, query, names)[:19]
                        rows.append(((found == wanted).mean(), (found == other).mean()))
            meant, other_share = np.mean(rows, axis=0)
            print(f"| {kind} | {weight:.2f} | {meant:.3f} | {other_share:.3f} |")
    print("\n| picture and its name | P@10 |\n|---|---:|")
    for weight in (0.0, 0.5, 1.0, 2.0):
        tens = [
            (_nearest(unit, unit[row] + weight * vectors[name], row, names)[:TEN] == name).mean()
            for row, name in enumerate(labels)
            if name in vectors
        ]
        print(f"| name times {weight:g} | {np.mean(tens):.3f} |")
    print()


def _nearest(unit: Floats, query: Floats, own: int, names: np.ndarray) -> np.ndarray:
    """Return the labels of the images nearest to a query, the image itself left out."""
    order = np.argsort(-(unit @ query), kind="stable")
    return np.asarray(names[order[order != own]])


def halves(catalog: Path, folder: Path) -> tuple[Path, Path]:
    """Copy half of each category to one folder, and the rest to another."""
    trained, others = folder / "trained", folder / "others"
    for category in sorted(catalog.iterdir()):
        files = sorted(category.iterdir())
        for row, file in enumerate(files):
            target = (trained if row < len(files) // 2 else others) / category.name
            target.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return trained, others


def heads(trained: Path, others: Path, foreign: Path, store: Path) -> None:
    """Print P@10 of trained categories by two directions, on photographs that were not trained."""
    names = sorted(each.name for each in trained.iterdir())
    with Engine.open(store, backbone="efficientnet_lite0") as engine:
        engine.index([others], label="parent")
        engine.index([foreign])
        engine.train(trained, head="kinds")
        for what, queries in (
            ("its row of the head's gate", [{"text": name} for name in names]),
            (
                "the mean of its images",
                [{"images": sorted((trained / name).iterdir())} for name in names],
            ),
        ):
            rows = [_found(engine, *each) for each in zip(names, queries, strict=True)]
            ten, mean = np.mean(rows, axis=0)
            print(f"| {len(names)} | {what} | {ten:.3f} | {mean:.3f} |")


def _found(engine: Engine, name: str, query: dict[str, object]) -> tuple[float, float]:
    report = engine.search(k=engine.status().images, rank="plain", **query)  # type: ignore[arg-type]
    return precision([hit.label for hit in report], name)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.text", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--heads", action="store_true")
    asked = parser.parse_args(arguments)
    data = find_data(asked.data)
    if data is None:
        parser.error("photographs are needed: --data DIR; benchmarks/README.md says which")
    names = sorted(each.name for each in (data / "catalog").iterdir())
    with tempfile.TemporaryDirectory() as folder:
        with Engine.open(Path(folder) / "store", backbone="efficientnet_lite0") as engine:
            engine.index([data / "catalog"], label="parent")
            embedder, encoder = engine._session.embedder(), TextEncoder()
            built_in = embedder.built_in
            made_of = (encoder, engine.config.cache, built_in.categories, built_in_names)
            named = named_categories(*made_of, engine.reporter)
            table(engine, names, named)
            rows = directions(built_in.layer.weight, built_in.layer.weight.mean(axis=0))
            threshold(encoder, named, rows, names)
            catalog = engine._session.catalog()
            ids, vectors = catalog.embeddings.all()
            stored = catalog.images.rows(ids.tolist())
            labels = [str(stored[each].label) for each in ids.tolist()]
            tower = engine._recent_tower.of(embedder)
            texts = tower.vectors([spoken(name) for name in names], [])
        known = {
            name: each.unit
            for name, each in zip(names, texts, strict=True)
            if each.unit is not None
        }
        arithmetic(vectors.unit, labels, known)
        if asked.heads:
            print("| trained categories | by | P@10 | mAP |\n|---:|---|---:|---:|")
            parts = halves(data / "catalog", Path(folder))
            heads(*parts, data / "imagenet300", Path(folder) / "kinds")
            parts = data / "furniture" / "train", data / "furniture" / "test"
            heads(*parts, data / "imagenet300", Path(folder) / "furniture")


if __name__ == "__main__":
    main()
