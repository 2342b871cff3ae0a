"""How a head came to be: what it learned from, how, and what it said of pictures held out.

All that `engine report` shows is kept in the head itself, so that the report can be made years
later, and where the pictures are gone. What was learned from is kept as content hashes: by them
a later training finds the embeddings again, and needs no picture.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.heads.numerics import softmax
from index.records import Floats, Ids

# Told in full: so many of the most confident mistakes, and so many pictures beside their bars.
MISTAKES, SHOWN, TOP = 24, 6, 5
UNKNOWN = -1
HASH_BYTES = 32
# Of more pictures no places are kept: a head is read whole whenever something is classified.
MOST_PATHS = 5000


@dataclass(frozen=True, slots=True)
class ShownImage:
    """A picture that was held out, and what the trial made of it.

    Attributes
    ----------
    path
        Where it was.
    label
        What it shows.
    top
        The likeliest categories with their probabilities, best first.
    """

    path: str
    label: str
    top: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a trial that had not seen them said of `n` pictures.

    Attributes
    ----------
    labels
        int64 `[n]`, numbers of categories.
    answers
        int64 `[n]`, numbers of categories; -1 where the picture was taken for unknown.
    confidence
        float32 `[n]`, probability of the likeliest category, after the temperature.
    raw_confidence
        float32 `[n]`, the same without the temperature.
    mistakes
        The most confident wrong answers, the surest first.
    shown
        A few pictures as they come.
    """

    labels: Ids
    answers: Ids
    confidence: Floats
    raw_confidence: Floats
    mistakes: tuple[ShownImage, ...] = ()
    shown: tuple[ShownImage, ...] = ()


@dataclass(frozen=True, slots=True)
class Learned:
    """Which pictures a head learned from, by content.

    Attributes
    ----------
    hashes
        SHA-256 of each picture's bytes, uint8 `[n, 32]`.
    labels
        int64 `[n]`, numbers of categories.
    views
        Names of the views that were learned from.
    paths
        Where each picture was; none where there were very many.
    """

    hashes: np.ndarray[tuple[int, int], np.dtype[np.uint8]]
    labels: Ids
    views: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        hashes: Sequence[str],
        labels: Ids,
        views: Sequence[str] = (),
        paths: Sequence[str] = (),
    ) -> Learned:
        """Return it from hexadecimal hashes."""
        joined = np.frombuffer(bytes.fromhex("".join(hashes)), np.uint8)
        kept = tuple(paths) if len(paths) <= MOST_PATHS else ()
        numbers = np.asarray(labels, np.int64)
        return cls(joined.reshape(-1, HASH_BYTES), numbers, tuple(views), kept)

    def hexadecimal(self) -> list[str]:
        """Return the hashes as the catalog writes them."""
        return [bytes(row).hex() for row in self.hashes]


@dataclass(frozen=True, slots=True)
class Record:
    """How a head came to be.

    Attributes
    ----------
    data
        The folder of pictures, or `labels of the catalog`.
    settings
        Every option of the training by name, and why it was chosen where it was tuned.
    versions
        Of the engine and what it stands on.
    seconds
        Of embedding and of training.
    held_out
        None where nothing was held out.
    learned
        None in heads of older releases.
    """

    data: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    held_out: HeldOut | None = None
    learned: Learned | None = None


def held_out_record(
    categories: Sequence[str],
    log_probability: Floats,
    temperature: float,
    rejected: np.ndarray[tuple[int], np.dtype[np.bool_]],
    labels: Ids,
    paths: Sequence[str],
) -> HeldOut:
    """Return what is worth keeping of a trial's answers.

    Parameters
    ----------
    log_probability
        float32 `[n, k]`, without the temperature.
    rejected
        bool `[n]`, what is too unlike what was learned.
    paths
        Of the same pictures; none, or an empty one, where they are not known: such pictures
        count, but are not told in full.
    """
    probability = softmax(log_probability / np.float32(temperature))
    answers = np.where(rejected, UNKNOWN, probability.argmax(axis=1)).astype(np.int64)
    confidence = probability.max(axis=1)

    def shown(place: int) -> ShownImage:
        order = np.argsort(-probability[place], kind="stable")[:TOP]
        top = tuple((categories[one], float(probability[place, one])) for one in order)
        return ShownImage(paths[place], categories[int(labels[place])], top)

    known = np.array([bool(path) for path in paths] or [False] * len(labels))
    wrong = np.flatnonzero((probability.argmax(axis=1) != labels) & ~rejected & known)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    there = np.flatnonzero(known)
    steps = np.linspace(0, len(there) - 1, min(SHOWN, len(there)))
    evenly = there[steps.round().astype(np.int64)]
    return HeldOut(
        labels,
        answers,
        confidence.astype(np.float32),
        np.exp(log_probability).max(axis=1).astype(np.float32),
        tuple(map(shown, wrong.tolist())),
        tuple(map(shown, evenly.tolist())),
    )


def versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    found = {"python": platform.python_version()}
    for name in ("image-engine", "torch", "openvino", "numpy", "scipy", "faiss-cpu"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
