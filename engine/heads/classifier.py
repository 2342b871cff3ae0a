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
from engine.heads.numerics import log_softmax, log_sum_exp, softmax
from engine.results import Classification, Prediction
from index.catalog.tables.vector_codec import PackedVectors
from index.names import same_name
from index.records import Floats, Ids, Named, Summary, Vectors

# Below this the best of a thousand categories is a guess; on ImageNet's own pictures about one in
# a hundred correct answers is weaker (docs/heads.md).
CONVINCING = 0.15
BLOCK = 4096


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """The backbone's own last layer: ImageNet's thousand categories."""

    layer: Dense
    categories: tuple[str, ...]

    @classmethod
    def read(cls, path: Path) -> BuiltIn:
        """Read the file that was written when the backbone was exported."""
        with safe_open(path, framework="numpy") as file:
            categories = tuple(json.loads(file.metadata()["categories"]))
            layer = Dense(file.get_tensor("weight"), file.get_tensor("bias"))
        return cls(layer, categories)

    def logits(self, vectors: Vectors) -> Floats:
        """Return float32 `[n, 1000]`."""
        return self.layer(vectors.raw)

    def summary(self, vectors: Vectors) -> Summary:
        """Return what a competition with heads needs of the thousand answers: best and total."""
        logits = self.logits(vectors)
        choice = logits.argmax(axis=1).astype(np.int64)
        return Summary(choice, logits.max(axis=1), log_softmax(logits).max(axis=1))


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
    unknown: npt.NDArray[np.bool_]

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
        self._gates = Dense(
            np.concatenate([built_in.layer.weight[:0], *(head.gate.weight for head in heads)]),
            np.concatenate([built_in.layer.bias[:0], *(head.gate.bias for head in heads)]),
        )
        self.names: tuple[tuple[str, str], ...] = (
            *((BUILT_IN, name) for name in built_in.categories),
            *((head.name, name) for head in heads for name in head.categories),
        )

    def joint(self, vectors: Vectors) -> Distribution:
        """Let all categories compete."""
        parts = [self._built_in.logits(vectors)]
        parts += [head.joint_logits(vectors) for head in self._heads]
        probability = softmax(np.concatenate(parts, axis=1))
        return Distribution(self.names, probability, probability.max(axis=1) < CONVINCING)

    def built_in(self, vectors: Vectors) -> Distribution:
        """Ask the built-in categories alone."""
        names = self.names[: len(self._built_in.categories)]
        probability = softmax(self._built_in.logits(vectors))
        return Distribution(names, probability, probability.max(axis=1) < CONVINCING)

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
        gates = vectors.times(self._gates.weight.T) * vectors.norm[:, None] + self._gates.bias
        row, first = 0, len(self._built_in.categories)
        for head in self._heads:
            share = log_sum_exp(gates[:, row : row + len(head.categories)]) - summary.logit
            total = np.logaddexp(total, share)
            # A head's logits are its share times probabilities: none is above the share itself.
            able = np.flatnonzero(share > best)
            position, logit = _best_of(head, vectors[able], share[able])
            better = logit > best[able]
            choice[able[better]] = first + position[better]
            best[able[better]] = logit[better]
            row, first = row + len(head.categories), first + len(head.categories)
        probability = np.exp(best - total)
        return Named(self.names, choice, probability, probability < CONVINCING)


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
    inside = head.belonging(vectors)
    outside = log_sum_exp(built_in.logits(vectors))
    share: Floats = 1.0 / (1.0 + np.exp(np.clip(outside - inside, -60, 60)))
    return share.astype(np.float32)
