"""Every byte of a small store's derived and checked files, flipped one after the other.

    python -m tests.torture.every_byte [--step 16]

Of each flip it is told whether it was noticed, or had no meaning: the answers, or the values read,
are to the last bit those of the untouched file. Anything else is a wrong answer. Files are flipped
in chunks, each in a process of its own, so that a crash is counted too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import text

from engine.heads.file import head_from_bytes, head_to_bytes
from engine.runtimes.compiled_cache import CompiledCache
from engine.runtimes.model_cache import is_complete, is_sound, write_folder
from engine.search.ranking import fused_ranking
from engine.search.verify import verified
from index.catalog.catalog import Catalog
from index.errors import EngineError, IndexDamagedError
from index.sync import open_index, vectors_of
from tests.torture.case import Result, WrongAnswerError, run
from tests.torture.stores import Shop, embedding, make_shop

CHUNK = 64
# An index is built anew for one in so many positions.
HEALED = 97
Count = Counter[str]
Check = Callable[[], str]


def flipped(file: Path, positions: Sequence[int]) -> Iterator[int]:
    """Flip one bit at each position in turn, and put it back before the next."""
    good = file.read_bytes()
    for position in positions:
        file.write_bytes(flip(good, position))
        yield position
    file.write_bytes(good)


def flip(data: bytes, position: int) -> bytes:
    """Return the bytes with one bit flipped, another one at every position."""
    changed = bytearray(data)
    changed[position] ^= 1 << position % 8
    return bytes(changed)


def in_chunks(size: int, step: int, work: Callable[[Sequence[int]], Count]) -> Count:
    """Do work on positions of a file, some in a process; return what came of each.

    Raises
    ------
    WrongAnswerError
        One gave a wrong answer, crashed or hung; the message says which.
    """
    total: Count = Counter()
    positions = range(0, size, step)
    for start in range(0, len(positions), CHUNK):
        some = positions[start : start + CHUNK]

        def counted(some: Sequence[int] = some) -> str:
            counts = work(some)
            # A result carries one text: the counts go in it.
            return json.dumps(counts)

        result: Result = run(counted, 60)
        if not result.outcome.startswith("{"):
            raise WrongAnswerError(f"{some}: {result.outcome}: {result.detail}")
        total.update(json.loads(result.outcome))
    return total


def index_files(shop: Shop, step: int) -> dict[str, Count]:
    """Flip the manifest and every vector file of an index."""
    wanted = [embedding(content) for content in shop.contents]
    found = {}
    for file in sorted((shop.store / "index").iterdir()):

        def work(positions: Sequence[int], file: Path = file) -> Count:
            counts: Count = Counter()
            before, status = file.read_bytes(), file.stat()
            with Catalog.open(shop.store / "catalog.sqlite") as catalog:
                paths = catalog.images.rows(range(1, len(wanted) + 1))
                for position in positions:
                    file.write_bytes(flip(before, position))
                    _untouched(file, status)
                    healed = position % HEALED == 0
                    counts[_answered(catalog, shop, wanted, paths, healed=healed)] += 1
                file.write_bytes(before)
                _untouched(file, status)
            return counts

        found[file.name.split("-")[0]] = in_chunks(file.stat().st_size, step, work)
    return found


def _untouched(file: Path, status: Any) -> None:
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _answered(
    catalog: Catalog, shop: Shop, wanted: Sequence[Any], rows: Any, *, healed: bool
) -> str:
    """Ask for every content; return whether the damage was noticed or had no meaning.

    Parameters
    ----------
    healed
        Build anew, and ask, what is noticed at opening; it takes a second where there are lists.
    """
    if not healed and not vectors_of(catalog, shop.store / "index").open():
        return "noticed"
    vectors = vectors_of(catalog, shop.store / "index")
    opened = open_index(catalog, vectors)
    outcome = "without meaning" if opened.origin == "current" else "noticed and healed"
    for content, query in zip(shop.contents, wanted, strict=True):
        ranked = fused_ranking(opened.vectors, query, 3)
        try:
            ranked, _ = verified(catalog, opened.vectors, query, ranked)
        except IndexDamagedError:
            return "noticed"
        first = rows[int(ranked.ids[0])].path
        if first != str(shop.path(content)) or not ranked.scores[0] > 0.999:
            raise WrongAnswerError(f"{content} is answered by {first}")
    vectors.close()
    return outcome


def stored_vectors(shop: Shop, step: int) -> Count:
    """Flip every byte of every stored vector in the catalog."""
    size = 48 * 2

    def work(positions: Sequence[int]) -> Count:
        counts: Count = Counter()
        with Catalog.open(shop.store / "catalog.sqlite") as catalog:
            for position in positions:
                key, at = 1 + position // size, position % size
                query = text("SELECT vector FROM embeddings WHERE image_id = :key")
                change = text("UPDATE embeddings SET vector = :vector WHERE image_id = :key")
                with catalog.database.reading() as connection:
                    good = connection.execute(query, {"key": key}).scalar_one()
                with catalog.database.writing() as connection:
                    connection.execute(change, {"key": key, "vector": flip(good, at)})
                if catalog.embeddings.damaged() != [key]:
                    raise WrongAnswerError(f"byte {at} of vector {key} is not noticed")
                with catalog.database.writing() as connection:
                    connection.execute(change, {"key": key, "vector": good})
                counts["noticed"] += 1
        return counts

    return in_chunks(size * len(shop.contents), step, work)


def head_files(shop: Shop, step: int) -> Count:
    """Flip every byte of a head's file."""
    file = shop.folder / "furniture.safetensors"

    def export() -> None:
        with shop.opened() as (engine, _):
            engine.heads.export("furniture", file)

    made = run(export, 60)
    assert made.outcome == "survived", made.detail
    data = file.read_bytes()

    def work(positions: Sequence[int]) -> Count:
        counts: Count = Counter()
        whole = head_to_bytes(head_from_bytes(data, "head"))
        for position in positions:
            try:
                read = head_from_bytes(flip(data, position), "head")
            except EngineError:
                counts["noticed"] += 1
                continue
            if head_to_bytes(read) != whole:
                raise WrongAnswerError(f"byte {position} of a head makes another one")
            counts["without meaning"] += 1
        return counts

    return in_chunks(len(data), step, work)


def model_cache(folder: Path, step: int) -> Count:
    """Flip every byte of a small folder of the model cache, and of a compiled model."""
    rng, names = np.random.default_rng(0), ("model.xml", "model.bin", "classifier.safetensors")

    def write(target: Path) -> None:
        for name in names:
            (target / name).write_bytes(rng.bytes(3000))

    write_folder(folder / "model", names, write)
    compiled = CompiledCache(folder / "compiled")
    assert compiled.is_usable
    (folder / "compiled" / "1.blob").write_bytes(rng.bytes(5000))
    compiled.note()
    total: Count = Counter()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        good = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

        def work(
            positions: Sequence[int], file: Path = file, good: dict[Path, bytes] = good
        ) -> Count:
            counts: Count = Counter()
            for _ in flipped(file, positions):
                whole = is_complete(folder / "model", names) and is_sound(folder / "model", names)
                counts["noticed" if not (whole and _is_filled(folder)) else "without meaning"] += 1
                for path, data in good.items():
                    if path != file:
                        path.write_bytes(data)
            return counts

        total += in_chunks(file.stat().st_size, step, work)
    return total


def _is_filled(folder: Path) -> bool:
    return CompiledCache(folder / "compiled").is_filled


def every_byte(step: int, say: Callable[[str], None]) -> None:
    """Flip them all, and say what came of it."""
    with tempfile.TemporaryDirectory(prefix="every-byte-") as name:
        folder = Path(name).resolve()
        exact = make_shop(folder / "exact", 20)
        compressed = make_shop(folder / "compressed", 150, compressed=True)
        for kind, shop in (("exact", exact), ("compressed", compressed)):
            for file, counts in index_files(shop, step).items():
                say(f"{kind} index, {file}: {_told(counts)}")
        say(f"stored vectors: {_told(stored_vectors(exact, step))}")
        say(f"head: {_told(head_files(exact, step))}")
        (folder / "cache").mkdir()
        say(f"model cache: {_told(model_cache(folder / 'cache', step))}")
        shutil.rmtree(folder, ignore_errors=True)


def _told(counts: Count) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.torture.every_byte")
    parser.add_argument("--step", type=int, default=1, help="every so manieth byte")
    asked = parser.parse_args(arguments)
    every_byte(asked.step, lambda line: print(line, flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
