"""What five published projects did by hand, redone with one command each, beside their results.

    python -m benchmarks.articles [--data DIR] [--only NAME]

Their pictures are not at hand, so the method is redone on others: furniture photographs in place
of the shop's, and of flowers and foods; Caltech's categories in place of 102 flowers. Plots for
docs/transfer-learning.md are written to docs/images/.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.plots import line_chart
from benchmarks.settings import find_data
from benchmarks.support.tools import console

BACKBONE = "efficientnet_lite0"
DRAWS = 5
CALTECH_DRAWS, CALTECH_TRAIN = 3, 10
FURNITURE = ("bed", "chair", "sofa", "swivelchair", "table")
# Images of each kind, and the share of them that is tested on. The others are learned from, a fifth
# of them for validation.
SIZES = ((25, 0.6), (50, 0.6), (100, 0.6), (150, 0.4))
# Folder, categories, pictures of each to learn from and to test on, seed.
Draw = tuple[Path, Sequence[str], int, int, int]
IMAGES = Path(__file__).parents[1] / "docs" / "images"


@dataclass(frozen=True, slots=True)
class Row:
    """A project's result beside ours."""

    project: str
    theirs: str
    method: str
    ours: str
    bound: str = ""


def main(arguments: Sequence[str]) -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--only", choices=[each.__name__ for each in MEASURES], default=None)
    chosen = parser.parse_args(arguments)
    data = find_data(chosen.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    print("| project | its result | ours: how | ours | bound |\n|---|---|---|---|---|")
    for measure in MEASURES:
        for row in measure(data) if chosen.only in (None, measure.__name__) else ():
            cells = (row.project, row.theirs, row.method, row.ours, row.bound)
            print(f"| {' | '.join(cells)} |", flush=True)
    return 0


def furniture_shop(data: Path) -> Iterator[Row]:
    """Bed against sofa, 100 pictures of each to learn from and 60 to test on, in five draws."""
    draws = [(data / "furniture", ("bed", "sofa"), 100, 60, seed) for seed in range(DRAWS)]
    accuracies, seconds = heads_on(draws, "--tune", "--views", "8")
    yield Row(
        "furniture shop: ResNet50 frozen, dense layers, bed against sofa",
        "97 % of 200 pictures, 30 s",
        "`engine train --tune --views 8`, 200 pictures, five draws",
        f"{percent(mean(accuracies))} of 120 pictures ({spread(accuracies)}), "
        f"{mean(seconds):.1f} s the whole command",
        "97 %, 15 s",
    )


def default_training(data: Path) -> Iterator[Row]:
    """The same draws without any option, and as fast as can be."""
    draws = [(data / "furniture", ("bed", "sofa"), 100, 60, seed) for seed in range(DRAWS)]
    for options, bound in (((), "96.8 %, 15 s"), (("--fast",), "")):
        accuracies, seconds = heads_on(draws, *options)
        yield Row(
            "the furniture shop's pictures, without a word about training",
            "",
            f"`{' '.join(('engine train', *options))}`, 200 pictures, five draws",
            f"{percent(mean(accuracies))} of 120 pictures ({spread(accuracies)}), "
            f"{mean(seconds):.1f} s the whole command, {max(seconds):.1f} s at most",
            bound,
        )


def many_categories(data: Path) -> Iterator[Row]:
    """30 categories of Caltech, 10 pictures of each to learn from and 10 to test on."""
    folders = sorted(folder.name for folder in (data / "catalog").iterdir() if folder.is_dir())
    count = CALTECH_TRAIN
    draws = [(data / "catalog", folders, count, count, seed) for seed in range(CALTECH_DRAWS)]
    accuracies, seconds = heads_on(draws, "--views", "4")
    yield Row(
        "102 flowers: DenseNet121 frozen, a hidden layer, augmented",
        "91.4 %, 62 minutes",
        f"`engine train --views 4`, {len(folders)} categories of {count} pictures, three draws",
        f"{percent(mean(accuracies))} ({spread(accuracies)}), {mean(seconds):.1f} s",
        "94.5 %",
    )


def heads_on(draws: Sequence[Draw], *options: str) -> tuple[list[float], list[float]]:
    """Return how often the head of each draw is right, and the seconds of its whole training."""
    accuracies, seconds = [], []
    for draw in draws:
        seed = draw[-1]
        with drawn(*draw) as (train, test):
            started = time.monotonic()
            run(train.parent, "train", str(train), "--head", "mine", "--seed", str(seed), *options)
            seconds.append(time.monotonic() - started)
            answer = run(train.parent, "evaluate", str(test), "--head", "mine")
            accuracies.append(float(answer["accuracy"]))
    return accuracies, seconds


def scratch_or_frozen(data: Path) -> Iterator[Row]:
    """Five kinds of furniture, by a CNN from scratch and by frozen backbones."""
    answer = run(
        None,
        "compare",
        str(data / "furniture" / "train"),
        "--backbones",
        BACKBONE,
        "--finetune-from",
        "block6",
    )
    methods = {method["kind"]: method for method in answer["methods"]}
    frozen, scratch = methods["frozen"], answer["methods"][-2:]
    best = max(scratch, key=lambda method: float(method["accuracy"]))
    whole = float(frozen["train_seconds"]) + float(frozen["embed_seconds"])
    gain = 100 * (float(frozen["accuracy"]) - float(best["accuracy"]))
    yield Row(
        "dogs and faces: CNN from scratch against frozen VGG16 and VGG19",
        "17 x less training time, 4.5 to 8 x the accuracy",
        "`engine compare`, five kinds of furniture, three splits",
        f"frozen {percent(frozen['accuracy'])}, scratch {percent(best['accuracy'])}: "
        f"{gain:.0f} points more, {float(best['train_seconds']) / whole:.0f} x less time, "
        "embedding included",
        "25 points, 17 x",
    )
    for kind in ("fine-tuned", "scratch"):
        each = methods[kind] if kind == "fine-tuned" else best
        yield Row(
            "seven foods: CNN, MobileNetV2 frozen, trained from block 15 on",
            "48 %, 88 %, a little more",
            f"the same comparison: {each['name']}",
            f"{percent(each['accuracy'])} ± {100 * float(each['spread']):.1f}, "
            f"{float(each['train_seconds']):.0f} s",
        )


def few_or_many(data: Path) -> Iterator[Row]:
    """The same comparison with few pictures of each category, and with more."""
    points: dict[str, list[tuple[float, float]]] = {}
    for count, test in SIZES:
        with drawn(data / "furniture", FURNITURE, count, 0, 0) as (folder, _):
            answer = run(
                None, "compare", str(folder), "--backbones", BACKBONE, "--repeats", "2",
                "--test", str(test),
            )  # fmt: skip
        learned = round(count * (1 - test))
        for method in answer["methods"]:
            name = str(method["name"])
            points.setdefault(name, []).append((learned, 100 * float(method["accuracy"])))
    labels = ("pictures of each category to learn from", "accuracy on other pictures, %")
    line_chart(
        IMAGES / "transfer-few-or-many.png",
        "Five kinds of furniture: frozen backbone or a network from scratch",
        labels,
        points,
        log="x",
    )
    frozen = next(series for name, series in points.items() if name.startswith("frozen"))
    others = [series for name, series in points.items() if not name.startswith("frozen")]
    for number, (learned, accuracy) in enumerate(frozen):
        best = max(series[number][1] for series in others)
        yield Row(
            "dogs and faces, with fewer pictures or more",
            "",
            f"`engine compare`, {learned:.0f} pictures of each kind",
            f"frozen {accuracy:.1f} %, scratch {best:.1f} %: {accuracy - best:.0f} points more",
        )


def head_then_blocks(data: Path) -> Iterator[Row]:
    """Bed against sofa, the backbone's last blocks trained, too."""
    accuracies, seconds = [], []
    for seed in range(DRAWS):
        with drawn(data / "furniture", ("bed", "sofa"), 100, 60, seed) as (train, test):
            started = time.monotonic()
            run(None, "finetune", str(train), "--from", "block5", "--name", "articles",
                "--epochs", "6", "--backbone", BACKBONE, "--seed", str(seed))  # fmt: skip
            tuned = ("--head", "shop", "--backbone", "articles")
            run(train.parent, "train", str(train), *tuned, "--tune", "--views", "8")
            seconds.append(time.monotonic() - started)
            answer = run(train.parent, "evaluate", str(test), *tuned)
            accuracies.append(float(answer["accuracy"]))
    yield Row(
        "five flowers: ResNet18, head, then the whole network, 3 epochs",
        "100 % of 250 pictures, under a minute on a GPU",
        "`engine finetune --from block5`, bed against sofa, five draws",
        f"{percent(mean(accuracies))} ({spread(accuracies)}), {mean(seconds):.0f} s on two cores",
        "98 %",
    )


@contextmanager
def drawn(
    source: Path, categories: Sequence[str], train: int, test: int, seed: int
) -> Iterator[tuple[Path, Path]]:
    """Make folders of copies of images drawn from all that a category has, in any part."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as folder:
        parts = (Path(folder) / "train", Path(folder) / "test")
        for category in categories:
            found = sorted(
                path
                for root in source.glob(f"**/{category}")
                for path in root.iterdir()
                if path.is_file()
            )
            order = rng.permutation(len(found)).tolist()
            chosen = (order[:train], order[train : train + test])
            for part, numbers in zip(parts, chosen, strict=True):
                (part / category).mkdir(parents=True)
                for number in numbers:
                    # A copy: a link would be followed to a path that another draw has, too.
                    name = f"{number:04d}{found[number].suffix}"
                    shutil.copy2(found[number], part / category / name)
        yield parts


def run(folder: Path | None, verb: str, *arguments: str) -> Mapping[str, Any]:
    """Run the engine in a folder, whose store it finds or makes there, and return its JSON."""
    variables = os.environ | {"ENGINE_BACKBONE": BACKBONE}
    variables.pop("ENGINE_STORE", None)
    done = subprocess.run(
        [*console(), verb, *arguments, "--json"], env=variables, capture_output=True, cwd=folder
    )
    if done.returncode:
        raise RuntimeError(f"{verb} failed: {done.stderr.decode()[-800:]}")
    answer: Mapping[str, Any] = json.loads(done.stdout)
    return answer


def percent(share: float) -> str:
    """Return a share for people."""
    return f"{100 * float(share):.1f} %"


def spread(accuracies: Sequence[float]) -> str:
    """Return the least and the most of several draws."""
    return f"{percent(min(accuracies))} to {percent(max(accuracies))}"


MEASURES = (
    furniture_shop,
    default_training,
    many_categories,
    scratch_or_frozen,
    few_or_many,
    head_then_blocks,
)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
