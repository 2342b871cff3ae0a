"""How long a person who teaches a category waits for the next pictures to judge.

    python -m benchmarks.lessons [--data FOLDER] [--images 10000]

Over HTTP, beside nothing else, from two seconds after the service listens: photographs and images
made up around them, of which a tenth shows the category. It begins without an answer; each lesson
asks about twelve more, until 120 were judged.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from urllib.request import Request, urlopen

import numpy as np

from benchmarks.serve import BACKBONE, ENGINE, running
from benchmarks.settings import find_data
from benchmarks.support.filled_store import FilledStore, fill_store
from engine.config import cache_folder
from index.records import Floats

PHOTOGRAPHS, JUDGED, EACH, SHARE = 300, 120, 12, 0.1
# As long as it takes a person to come to the first question.
PATIENCE_SECONDS = 2.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each lesson."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lessons", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=10_000)
    given = parser.parse_args(arguments)
    data = find_data(given.data)
    if data is None:
        print("needs photographs; benchmarks/README.md says which", file=sys.stderr)
        return 1
    photographs = sorted((data / "catalog").rglob("*.*"))[::2][:PHOTOGRAPHS]
    with tempfile.TemporaryDirectory() as folder:
        filled = fill_store(Path(folder), photographs, given.images, BACKBONE, cache_folder())
        print(f"| {given.images:,} images, judged before | ms until the next {EACH} |\n|---:|---:|")
        found = []
        for judged, milliseconds in _lessons(filled):
            found.append(milliseconds)
            print(f"| {judged} | {milliseconds:.0f} |", flush=True)
    print(f"\nmedian {median(found):.0f} ms, at most {max(found):.0f} ms")
    return 0


def _lessons(filled: FilledStore) -> Iterator[tuple[int, float]]:
    """Yield how many were judged before each lesson, and how long it took."""
    unit = np.load(filled.vectors)
    shows = _near_the_first(unit)
    yes, no = list[int](), list[int]()
    command = [*ENGINE, "serve", "--port", "0", "--store", str(filled.store)]
    with running(command) as service:
        time.sleep(PATIENCE_SECONDS)
        address = f"http://localhost:{service.port}/v1/teach"
        while len(yes) + len(no) < JUDGED:
            body = json.dumps({"category": "taught", "yes": yes, "no": no, "k": EACH}).encode()
            question = Request(address, body, {"Content-Type": "application/json"})
            began = time.perf_counter()
            with urlopen(question) as answer:
                lesson = json.load(answer)
            yield len(yes) + len(no), 1e3 * (time.perf_counter() - began)
            for asked in lesson["ask"]:
                (yes if shows[asked["id"] - 1] else no).append(asked["id"])


def _near_the_first(unit: Floats) -> list[bool]:
    """Say of each image whether it is of the tenth nearest to the first; ids follow each other."""
    cosines = unit @ unit[0]
    nearest: list[bool] = (cosines >= np.quantile(cosines, 1 - SHARE)).tolist()
    return nearest


if __name__ == "__main__":
    sys.exit(main())
