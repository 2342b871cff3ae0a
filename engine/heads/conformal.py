"""Sets of categories that hold the right one with a promised probability.

Split conformal prediction with the least ambiguous sets (LAC; Sadinle, Lei & Wasserman 2019, "Least
ambiguous set-valued classifiers with bounded error levels"): what counts is the probability that a
picture's own category gets. Among pictures that the answering layers had not seen, all but a share
of `1 - coverage` get a certain probability or a larger one; every category with as much is in the
set. The rank of that probability is corrected for how few pictures it was measured on, so the
promise holds on average for any number of them, for pictures like those.

The probabilities are those of `Record.label_probability`: of trials, on the test pictures that
each had not seen (for heads of few pictures, cross-conformal prediction: Vovk 2015,
"Cross-conformal predictors"). The head that answers has learned from more than any of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.errors import HeadError, UsageError
from engine.heads.classifier import Distribution
from engine.heads.head import ALL, BUILT_IN, Head
from engine.heads.results import Classification

# What may be promised. A set that is always right, or always wrong, needs no picture.
LEAST, MOST = 0.01, 0.9999
# Digits of a rank that a share written in decimals is exact to: 0.9 * 10 is 9, not a little more.
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Promise:
    """Which categories belong in a set.

    Attributes
    ----------
    coverage
        Share of the sets that hold the right category.
    least
        Probability from which on a category is in the set; 0 where all are.
    images
        So many pictures it was measured on.
    """

    coverage: float
    least: float
    images: int

    @property
    def fewest(self) -> int:
        """So many pictures it takes to leave any category out."""
        return math.ceil(round(self.coverage / (1 - self.coverage), _DIGITS))

    @property
    def shortage(self) -> str | None:
        """Why every category is in every set, None where that is not so."""
        if self.images >= self.fewest:
            return None
        return (
            f"a coverage of {self.coverage:g} takes {self.fewest:,} held-out pictures, and the "
            f"head was calibrated by {self.images:,}: every category is in each set"
        )


def require_one_head(name: str | None) -> str:
    """Insist on a head of its own, which alone has calibration pictures.

    Raises
    ------
    UsageError
        All compete, or the built-in categories are asked alone.
    """
    if name is None or name == ALL:
        reason = "a promise is measured on pictures of one head, and here all categories compete"
    elif name == BUILT_IN:
        reason = "no labelled pictures of the built-in categories are there to measure a promise on"
    else:
        return name
    raise UsageError("coverage", reason, "Name a head with --head NAME")


def promise(head: Head, coverage: float) -> Promise:
    """Return which categories belong in a set that holds the right one with this probability.

    Raises
    ------
    HeadError
        The head is of a release that kept no probabilities of held-out pictures.
    """
    known = head.record.label_probability if head.record else None
    if known is None:
        raise HeadError(
            head.name,
            "it was trained by a release that kept nothing to measure a coverage by",
            "Train it again",
        )
    # The smallest probabilities are those that a set does without.
    left_out = len(known) + 1 - math.ceil(round((len(known) + 1) * coverage, _DIGITS))
    least = float(known[left_out - 1]) if left_out > 0 else 0.0
    return Promise(coverage, least, len(known))


def with_sets(
    answers: Sequence[Classification], distribution: Distribution, promised: Promise
) -> list[Classification]:
    """Return answers with the set of each, likeliest first.

    A set is empty where no category is likely enough.
    """
    names = [name for _, name in distribution.names]
    found = []
    for answer, row in zip(answers, distribution.probability, strict=True):
        order = np.argsort(-row, kind="stable")
        chosen = tuple(names[at] for at in order[row[order] >= promised.least].tolist())
        found.append(replace(answer, set=chosen, coverage=promised.coverage))
    return found
