"""Who says what a picture is: the built-in categories and every head's, in one distribution."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import safe_open

from engine.heads.head import Dense, Head
from engine.heads.numerics import log_sum_exp, softmax
from engine.results import Classification, Prediction
from index.records import Floats, Named, Vectors

BUILT_IN = "imagenet"
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
        """Read the file that was made when the backbone was converted."""
        with safe_open(path, framework="numpy") as file:
            categories = tuple(json.loads(file.metadata()["categories"]))
            layer = Dense(file.get_tensor("weight"), file.get_tensor("bias"))
        return cls(layer, categories)

    def logits(self, vectors: Vectors) -> Floats:
        """Return float32 `[n, 1000]`."""
        return self.layer(vectors.raw)


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
        """Return the `k` best categories of each picture."""
        answers = []
        for image, row, unknown in zip(images, self.probability, self.unknown, strict=True):
            order = np.argsort(-row, kind="stable")[:k]
            predictions = [
                Prediction(self.names[i][1], float(row[i]), self.names[i][0]) for i in order
            ]
            answers.append(Classification(image, predictions, bool(unknown)))
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

    def best(self, vectors: Vectors) -> Named:
        """Return the best category of many pictures, in bounded memory."""
        parts = [
            self.joint(vectors[start : start + BLOCK]).best()
            for start in range(0, max(len(vectors), 1), BLOCK)
        ]
        return Named(
            self.names,
            np.concatenate([part.choice for part in parts]),
            np.concatenate([part.probability for part in parts]),
            np.concatenate([part.unknown for part in parts]),
        )


def belonging(head: Head, built_in: BuiltIn, vectors: Vectors) -> Floats:
    """Return the share of each picture that falls to `head` beside the built-in ones, `[n]`."""
    inside = head.belonging(vectors)
    outside = log_sum_exp(built_in.logits(vectors))
    share: Floats = 1.0 / (1.0 + np.exp(np.clip(outside - inside, -60, 60)))
    return share.astype(np.float32)
