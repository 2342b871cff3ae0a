"""Teaching a category by asking: what each way to choose the pictures comes to.

    python -m benchmarks.teaching [--data DIR] [--seeds N] [--category NAME]

In each run 600 photographs of all kinds are put aside, and a category is taught on the others, from
three that show it and three that do not, twelve more at a time, answered by the name of the folder.
The figure is the average precision on those put aside. `asked, from nothing` begins without an
answer. The settings were chosen on the other kinds of furniture, with seeds from 100 on; those
reported begin with 0. The last rows are of `Engine.train(from_judgements=True)`: its probability
of the category beside the built-in thousand.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.few import Photographs, embedded
from benchmarks.settings import find_data
from engine import Engine, Lesson
from engine.heads.classifier import Classifier
from engine.learning.teaching.scorer import Answered, ScorerOptions
from index.records import Floats, Ids

ANSWERS = (6, 18, 30, 54)
ASIDE, EACH, FIRST = 600, 12, 3
TRAINED = 30
METHODS = ("at random", "the most certain", "asked", "asked, from nothing")


@dataclass(frozen=True, slots=True)
class Run:
    """A store without the photographs put aside, and what all photographs show."""

    engine: Engine
    photographs: Photographs
    shown: Ids
    aside: Ids
    inside: Ids
    rng: np.random.Generator

    def row(self, image_id: int) -> int:
        """Return the row of an image among all photographs."""
        return self.photographs.rows[self.engine.images[image_id].path]


def main(arguments: Sequence[str]) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--category", default="bed")
    asked = parser.parse_args(arguments)
    data = find_data(asked.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    figures: dict[str, list[dict[int, float]]] = {}
    seeds = range(asked.first, asked.first + asked.seeds)
    with embedded(data) as photographs:
        for seed in seeds:
            for method in METHODS:
                for name, found in taught(photographs, asked.category, seed, method).items():
                    figures.setdefault(name, []).append(found)
    print(f"| {asked.category}, {asked.seeds} runs | " + " | ".join(map(str, ANSWERS)) + " |")
    print("|---|" + "---:|" * len(ANSWERS))
    for name, rows in figures.items():
        cells = []
        for answers in ANSWERS:
            values = [row[answers] for row in rows if answers in row]
            least = min(values, default=0)
            cells.append(f"{np.mean(values):.3f} (least {least:.3f})" if values else "")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    return 0


def taught(
    photographs: Photographs, category: str, seed: int, method: str
) -> dict[str, dict[int, float]]:
    """Return the average precision of a way to ask, after each number of answers."""
    shown = np.zeros(len(photographs.rows), np.int64)
    shown[[photographs.rows[path] for path in photographs.by_category[f"furniture/{category}"]]] = 1
    rng = np.random.default_rng(seed)
    aside = put_aside(photographs, rng)
    by_row = {row: path for path, row in photographs.rows.items()}
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        shutil.copytree(photographs.store, store)
        with Engine.open(store) as engine:
            engine.remove([by_row[row] for row in aside.tolist()])
            ids = engine._session.catalog().embeddings.all()[0]
            run = Run(engine, photographs, shown, aside, ids, rng)
            return answered(run, category, method)


def put_aside(photographs: Photographs, rng: np.random.Generator) -> Ids:
    """Return the rows of 600 photographs, the same share of each kind."""
    kinds = [*photographs.by_category.values(), photographs.foreign]
    share = ASIDE / len(photographs.rows)
    chosen = [
        photographs.rows[kind[at]]
        for kind in kinds
        for at in rng.permutation(len(kind))[: round(share * len(kind))].tolist()
    ]
    return np.array(sorted(chosen), np.int64)


def answered(run: Run, category: str, method: str) -> dict[str, dict[int, float]]:
    """Teach by one of `METHODS`, and return what each scorer, or head, comes to."""
    # A name that neither a label nor a category has: nothing is known from it.
    name = f"{category} to teach"
    yes: list[int] = []
    no: list[int] = []
    found: dict[str, dict[int, float]] = {method: {}}
    rows = {image_id: run.row(image_id) for image_id in run.inside.tolist()}
    if method != METHODS[-1]:
        order = run.rng.permutation(run.inside).tolist()
        yes = [each for each in order if run.shown[rows[each]]][:FIRST]
        no = [each for each in order if not run.shown[rows[each]]][:FIRST]
    while len(yes) + len(no) <= max(ANSWERS):
        count = len(yes) + len(no)
        if count in ANSWERS and yes and no:
            score = scores(run, [rows[each] for each in yes], [rows[each] for each in no])
            found[method][count] = precision(score, run.shown[run.aside])
        if method.startswith("asked") and count == TRAINED:
            head = f"{method}: the head that is trained"
            found[head] = {count: trained(run, name, yes, no)}
        left = max(ANSWERS) - count
        wanted = 6 if method == METHODS[-1] and not count else EACH
        if not left:
            break
        lesson = run.engine.teach(name, yes, no, min(wanted, left))
        for image_id in _chosen(run, method, lesson, {*yes, *no}, min(wanted, left)):
            (yes if run.shown[rows[image_id]] else no).append(image_id)
    return found


def _chosen(run: Run, method: str, lesson: Lesson, known: set[int], count: int) -> list[int]:
    at_random = [each for each in run.rng.permutation(run.inside).tolist() if each not in known]
    if method == "at random":
        return at_random[:count]
    if method == "the most certain":
        certain = [each.id for each in lesson.found]
        return [*certain, *(each for each in at_random if each not in certain)][:count]
    return [each.id for each in lesson.ask]


def scores(run: Run, yes: Sequence[int], no: Sequence[int]) -> Floats:
    """Return the scores of the photographs put aside, as a lesson scores its pictures."""
    unit = run.photographs.vectors.unit
    judged = np.array([*yes, *no], np.int64)
    others = np.setdiff1d(np.arange(len(unit)), np.concatenate([run.aside, judged]))
    how = ScorerOptions()
    drawn = np.random.default_rng(len(others)).permutation(others)[: how.background]
    rows = np.concatenate([judged, drawn])
    weight, bias = Answered(unit[rows], np.arange(len(judged)) < len(yes), how).direction()
    return (unit[run.aside] @ weight + np.float32(bias)).astype(np.float32)


def trained(run: Run, name: str, yes: Sequence[int], no: Sequence[int]) -> float:
    """Return the average precision of a head that learned the answers."""
    run.engine.save_lesson(name, yes, no, head="taught")
    session = run.engine._session
    (head,) = session.heads()
    joint = Classifier(session.embedder().built_in, [head]).joint(
        run.photographs.vectors[run.aside]
    )
    return precision(joint.probability[:, -1], run.shown[run.aside])


def precision(score: Floats, shown: Ids) -> float:
    """Return the average precision of an order by falling score."""
    right = shown[np.argsort(-score, kind="stable")]
    at = np.cumsum(right) / np.arange(1, len(right) + 1)
    return float(at[right == 1].mean())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
