"""Which category an image has: the built-in ones and those of every head, in one distribution."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from engine.errors import UnknownHeadError
from engine.heads.head import ALL, BUILT_IN, Dense, Head, find_head
from engine.heads.in_distribution import (
    CategoryLengths,
    InDistribution,
    cosine_to_category,
    directions,
)
from engine.heads.numerics import bounded, log_softmax, log_sum_exp, share_of, softmax
from engine.heads.results import Classification, Prediction
from index.catalog.vector_codec import PackedVectors
from index.names import same_name
from index.records import Floats, Ids, Named, Summary, Vectors

# Below this the best of a thousand categories is a guess; where in-distribution scores were
# measured, they tell more (docs/heads.md).
CONVINCING = 0.15
HALF = 0.5
BLOCK = 4096
# What the columns of a product are a multiple of, where they are more than a few.
COLUMNS, FEW_COLUMNS = 8, 4

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """The backbone's own last layer: ImageNet's thousand categories, and what they can speak of."""

    layer: Dense
    categories: tuple[str, ...]
    in_distribution: InDistribution | None = None

    @classmethod
    def read(cls, path: Path, in_distribution: InDistribution | None = None) -> BuiltIn:
        """Read the file that was written when the backbone was exported."""
        with safe_open(path, framework="numpy") as file:
            categories = tuple(json.loads(file.metadata()["categories"]))
            layer = Dense(file.get_tensor("weight"), file.get_tensor("bias"))
        return cls(layer, categories, in_distribution)

    def logits(self, vectors: Vectors) -> Floats:
        """Return float32 `[n, 1000]`."""
        return self.layer(vectors.raw)

    def summary(self, vectors: Vectors) -> Summary:
        """Return what a competition with heads needs of the thousand answers: best and total."""
        logits = self.logits(vectors)
        choice = logits.argmax(axis=1).astype(np.int64)
        return Summary(choice, logits.max(axis=1), log_softmax(logits).max(axis=1))

    @property
    def likely(self) -> float:
        """Least probability of the best category for an answer not to be `unknown`."""
        return CONVINCING if self.in_distribution is None else self.in_distribution.likely

    def knows(
        self, lengths: CategoryLengths, choice: Ids, logit: Floats, along: Floats, norm: Floats
    ) -> Mask:
        """Say of which images the categories can speak, bool `[n]`.

        Parameters
        ----------
        lengths
            Of these categories.
        choice, logit
            The likeliest category of each image, int64 `[n]`, and its logit, float32 `[n]`.
        along
            The unit embeddings times `directions`, float32 `[n, 2]`.
        norm
            Their lengths, float32 `[n]`.
        """
        if self.in_distribution is None:
            return np.ones(len(choice), np.bool_)
        length, bias = lengths.of(choice), self.layer.bias[choice]
        cosine = cosine_to_category(length, bias, logit, along[:, 0], norm)
        return self.in_distribution.includes(cosine, along[:, 1])


@dataclass(frozen=True, slots=True)
class Distribution:
    """Probabilities of `n` pictures over `k` categories.

    Attributes
    ----------
    names
        The categories, as `(source, name)`.
    probability
        float32 `[n, k]`, each row summing to 1.
    unknown
        bool `[n]`, true where nothing was convincing.
    """

    names: Sequence[tuple[str, str]]
    probability: Floats
    unknown: Mask

    def best(self) -> Named:
        """Return each picture's best category."""
        choice = self.probability.argmax(axis=1).astype(np.int64)
        best = np.take_along_axis(self.probability, choice[:, None], axis=1)[:, 0]
        return Named(self.names, choice, best, self.unknown)

    def ranked(self, images: Sequence[str], k: int) -> list[Classification]:
        """Return the `k` best categories of each picture.

        Of a category that several sources know the likelier answer stands; of equal ones that of
        the source which comes first, the built-in one and then heads by name.
        """
        answers = []
        for image, row, unknown in zip(images, self.probability, self.unknown, strict=True):
            best: list[Prediction] = []
            source_of: dict[str, str] = {}
            for i in np.argsort(-row, kind="stable").tolist():
                source, name = self.names[i]
                # ImageNet has two categories of its own called `crane`.
                if source_of.setdefault(same_name(name), source) == source:
                    best.append(Prediction(name, float(row[i]), source))
                if len(best) == k:
                    break
            answers.append(Classification(image, best, bool(unknown)))
        return answers


class Classifier:
    """The built-in categories and all heads of one catalog.

    Parameters
    ----------
    built_in
        The backbone's own last layer.
    heads
        Heads trained on the same backbone.
    """

    def __init__(self, built_in: BuiltIn, heads: Sequence[Head]) -> None:
        self._built_in = built_in
        self._heads = tuple(heads)
        self._directions = directions(built_in.layer.weight)
        self._lengths = CategoryLengths(built_in.layer.weight, self._directions[0])
        self._gate_bias = np.concatenate(
            [built_in.layer.bias[:0], *(head.gate.bias for head in heads)]
        )
        # One product for all: of packed embeddings unpacking takes longer than multiplying.
        rows = [*(head.gate.weight for head in heads), self._directions]
        count = sum(map(len, rows))
        # BLAS multiplies by 8 columns in half the time that it takes for 7.
        padding = -count % COLUMNS if count > FEW_COLUMNS else 0
        rows.append(np.zeros((padding, self._directions.shape[1]), np.float32))
        self._gates_and_directions = np.concatenate(rows, dtype=np.float32).T
        self.names: tuple[tuple[str, str], ...] = (
            *((BUILT_IN, name) for name in built_in.categories),
            *((head.name, name) for head in heads for name in head.categories),
        )

    def joint(self, vectors: Vectors) -> Distribution:
        """Let all categories compete.

        `unknown` is what the built-in categories do not know and no head takes for its own.
        """
        logits = self._built_in.logits(vectors)
        parts = [head.joint_logits(vectors) for head in self._heads]
        probability = softmax(np.concatenate([logits, *parts], axis=1))
        outside, known = log_sum_exp(logits), self._known(vectors, logits)
        for head, part in zip(self._heads, parts, strict=True):
            known |= _takes(head, log_sum_exp(part), outside)
        return Distribution(self.names, probability, self._unknown(probability.max(axis=1), known))

    def built_in(self, vectors: Vectors) -> Distribution:
        """Ask the built-in categories alone."""
        names = self.names[: len(self._built_in.categories)]
        logits = self._built_in.logits(vectors)
        probability = softmax(logits)
        unknown = self._unknown(probability.max(axis=1), self._known(vectors, logits))
        return Distribution(names, probability, unknown)

    def own(self, head: Head, vectors: Vectors) -> Distribution:
        """Ask one head alone. `unknown` is what does not belong to it."""
        probability = np.exp(head.log_probabilities(vectors))
        unknown = belonging(head, self._built_in, vectors) < head.accept
        return Distribution([(head.name, name) for name in head.categories], probability, unknown)

    def best(self, vectors: Vectors, block: int = BLOCK) -> Named:
        """Return the best category of many images, so many of them at a time."""
        parts = []
        for start in range(0, max(len(vectors), 1), block):
            some = vectors[start : start + block]
            summary = self._built_in.summary(some)
            parts.append(replace(self.settle(some, summary), summary=summary))
        return Named.concatenate(parts)

    def settle(self, vectors: Vectors | PackedVectors, summary: Summary) -> Named:
        """Return the best category from the embeddings and the summaries of built-in answers.

        The result is that of `joint` for a hundredth of the work: the built-in logits are not
        computed again, and a head's layers only where its gate lets it win.

        Parameters
        ----------
        summary
            Of the same images, complete.
        """
        # All logits are counted from the best built-in one: beside large ones digits would be lost.
        choice, best, total = summary.choice.copy(), 0 * summary.logit, -summary.log_probability
        # The length is multiplied in afterwards: so the embeddings need no copy.
        products, count = vectors.times(self._gates_and_directions), len(self._gate_bias)
        gates = bounded(products[:, :count] * vectors.norm[:, None] + self._gate_bias)
        along = products[:, count : count + len(self._directions)]
        known = self._built_in.knows(self._lengths, choice, summary.logit, along, vectors.norm)
        row, first, outside = 0, len(self._built_in.categories), total
        for head in self._heads:
            share = log_sum_exp(gates[:, row : row + len(head.categories)]) - summary.logit
            total = np.logaddexp(total, share)
            known |= _takes(head, share, outside)
            # A head's logits are its share times probabilities: none is above the share itself.
            able = np.flatnonzero(share > best)
            position, logit = _best_of(head, vectors[able], share[able])
            better = logit > best[able]
            choice[able[better]] = first + position[better]
            best[able[better]] = logit[better]
            row, first = row + len(head.categories), first + len(head.categories)
        probability = np.exp(best - total)
        return Named(self.names, choice, probability, self._unknown(probability, known))

    def _known(self, vectors: Vectors, logits: Floats) -> Mask:
        """Say of which images the built-in categories can speak, from their logits `[n, 1000]`."""
        along = vectors.times(self._directions.T)
        choice = logits.argmax(axis=1)
        return self._built_in.knows(self._lengths, choice, logits.max(axis=1), along, vectors.norm)

    def _unknown(self, best: Floats, known: Mask) -> Mask:
        unknown: Mask = ~known | (best < self._built_in.likely)
        return unknown


def check_known(heads: Sequence[Head], name: str | None) -> None:
    """Refuse a name that no head has.

    Raises
    ------
    UnknownHeadError
        There is no such head.
    """
    if name in (None, ALL, BUILT_IN):
        return
    try:
        find_head(heads, str(name))
    except UnknownHeadError as error:
        others = f"; beside heads, {BUILT_IN} and {ALL} can be asked"
        raise UnknownHeadError(error.thing, error.reason, error.remedy + others) from None


def asked_heads(heads: Sequence[Head], name: str | None) -> list[Head]:
    """Return the heads that have a part in `distribution`.

    Raises
    ------
    UnknownHeadError
        There is no such head.
    """
    if name is None or name == ALL:
        return list(heads)
    return [] if name == BUILT_IN else [find_head(heads, name)]


def distribution(
    built_in: BuiltIn, heads: Sequence[Head], name: str | None, vectors: Vectors
) -> Distribution:
    """Return the answers of one head, of the built-in categories, or of all in competition.

    Parameters
    ----------
    name
        A head's, `BUILT_IN`, or None or `ALL` for all.

    Raises
    ------
    UnknownHeadError
        There is no such head.
    """
    classifier = Classifier(built_in, heads)
    if name is None or name == ALL:
        return classifier.joint(vectors)
    if name == BUILT_IN:
        return classifier.built_in(vectors)
    return classifier.own(find_head(heads, name), vectors)


def _best_of(head: Head, vectors: Vectors | PackedVectors, share: Floats) -> tuple[Ids, Floats]:
    """Return which of a head's categories is best, and its logit beside the built-in ones."""
    logits = head.log_probabilities(vectors)
    position = logits.argmax(axis=1)
    return position, share + logits.max(axis=1)


def belonging(head: Head, built_in: BuiltIn, vectors: Vectors) -> Floats:
    """Return the share of each picture that falls to `head` beside the built-in ones, `[n]`."""
    return share_of(head.belonging(vectors), log_sum_exp(built_in.logits(vectors)))


def _takes(head: Head, inside: Floats, outside: Floats) -> Mask:
    """Say which images a head takes for its own among all categories, bool `[n]`.

    Less than half is not enough here: of few images a head learns to accept with a small share.
    """
    return np.asarray(share_of(inside, outside) >= max(HALF, head.accept))
