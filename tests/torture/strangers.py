"""Heads and label tables that somebody else made, or that a disk has changed."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random

import numpy as np

from engine import Engine
from tests.torture.case import Result, WrongAnswerError, run
from tests.torture.pictures import mutated
from tests.torture.stores import Shop, check, make_shop

NUMBERS = [
    "NaN",
    "Infinity",
    "-1",
    "0",
    "1e308",
    "3e38",
    "1e-300",
    '"abc"',
    "null",
    "[]",
    "{}",
    "true",
]
TEXTS = ["", " ", "\ud800", "\x1b[31m", "a" * 100_000, "bed", "=1+1", "javascript:alert(1)", "\0"]


class Heads:
    """A head file with changed bytes, or a changed header or tensor, imported and asked."""

    name, goal = "heads", 200

    def __init__(self, folder: Path) -> None:
        self._shop = make_shop(folder / "heads", 30)
        self._file = folder / "furniture.safetensors"

        def export() -> None:
            with self._shop.opened() as (engine, _):
                engine.heads.export("furniture", self._file)

        made = run(export)
        assert made.outcome == "survived", made.detail

    def strike(self, rng: Random, folder: Path) -> Result:
        """Import one; it is refused and nothing changes, or every probability is a number."""
        shop = self._shop.copy(folder)
        file = folder / "stranger.safetensors"
        data = self._file.read_bytes()
        if rng.random() < 0.5:
            file.write_bytes(mutated(data, rng))
        else:
            file.write_bytes(_with_another_value(data, rng))
        return run(lambda: _judge(shop, file))


def _with_another_value(data: bytes, rng: Random) -> bytes:
    """Return a head file with a value of its header, or numbers of its tensors, exchanged."""
    size = int.from_bytes(data[:8], "little")
    header, tensors = json.loads(data[8 : 8 + size]), bytearray(data[8 + size :])
    _unsign(header["__metadata__"])
    if rng.random() < 0.4:
        at = 4 * rng.randrange(len(tensors) // 4)
        value = rng.choice([np.nan, np.inf, 3e38, -3e38, 1e30, 0.0])
        tensors[at : at + 4] = np.float32(value).tobytes()
    else:
        meta = header["__metadata__"]
        key = rng.choice(sorted(meta))
        inner = json.loads(meta[key])
        meta[key] = json.dumps(_exchanged(inner, rng))
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + bytes(tensors)


def _unsign(meta: dict[str, str]) -> None:
    """Take the checksum away: a stranger could write one that fits."""
    for key, text in meta.items():
        facts = json.loads(text)
        facts.pop("sha256", None)
        meta[key] = json.dumps(facts)


def _exchanged(value: object, rng: Random) -> object:
    """Return a JSON value with one of the values in it exchanged."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(sorted(value))
        return {**value, key: _exchanged(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        at = rng.randrange(len(value))
        return [*value[:at], _exchanged(value[at], rng), *value[at + 1 :]]
    if isinstance(value, str) or rng.random() < 0.2:
        return rng.choice(TEXTS)
    return json.loads(rng.choice(NUMBERS))


def _judge(shop: Shop, file: Path) -> str:
    from engine.errors import EngineError

    with shop.opened() as (engine, _):
        try:
            engine.heads.add(file, name="stranger")
            outcome = "survived"
        except EngineError:
            outcome = "noticed"
        _ask(engine, shop)
        engine.status()
        [head.name for head in engine.heads]
    check(shop, [3, 4])
    return outcome


def _ask(engine: Engine, shop: Shop) -> None:
    for answer in engine.classify([shop.path(3), shop.path(4)], k=5):
        for prediction in answer.predictions:
            if not 0 <= prediction.probability <= 1:
                raise WrongAnswerError(f"a probability of {prediction.probability}")


class Tables:
    """A label table with changed bytes, read for an index run."""

    name, goal = "tables", 200

    def __init__(self, folder: Path) -> None:
        self._shop = make_shop(folder / "tables", 12)

    def strike(self, rng: Random, folder: Path) -> Result:
        """Label by one; what is not a table is an error, and every picture stays."""
        shop = self._shop.copy(folder)
        rows = [f"{shop.path(content)},label {content % 3}" for content in shop.contents]
        text = "\n".join(["path,label", *rows]).encode(rng.choice(["utf-8", "utf-16", "latin-1"]))
        file = folder / "labels.csv"
        file.write_bytes(mutated(text, rng))

        def judge() -> str:
            from engine.errors import EngineError

            outcome = "survived"
            with shop.opened() as (engine, _):
                try:
                    report = engine.index([folder / "shop"], label=str(file))
                    outcome = "noticed" if report.unused_labels else outcome
                except EngineError:
                    outcome = "noticed"
            check(shop, list(shop.contents)[:3])
            return outcome

        return run(judge)
