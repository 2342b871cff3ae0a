"""Backbones and networks from scratch, each on one split: nothing is chosen by test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine import Config
from engine.learning.compare.backbones import Embedded, embed, finetuned_method, frozen_method
from engine.learning.compare.method import Method
from engine.learning.compare.scratch import scratch_methods
from engine.learning.data.split import Split, draw_split
from engine.learning.finetune.options import FinetuneOptions
from engine.progress import SILENT

pytestmark = pytest.mark.slow

TOP = FinetuneOptions("top", epochs=2, augment=False)
METHODS: Mapping[str, Callable[[Embedded], Method]] = {
    "frozen": frozen_method,
    "fine-tuned": lambda embedded: finetuned_method(embedded, TOP),
    "scratch": lambda embedded: scratch_methods(
        embedded.examples, 2, embedded.embedder.config, SILENT
    )[1],
}
EACH = pytest.mark.parametrize("kind", METHODS)
FOREVER = float("inf")


@pytest.fixture(scope="module")
def embedded(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Embedded:
    """60 drawn images and their mirror images."""
    config = Config.at(tmp_path_factory.mktemp("nowhere") / "store")
    return embed(str(drawn), "efficientnet_lite0", config, SILENT)


@pytest.fixture(scope="module")
def split(embedded: Embedded) -> Split:
    """A quarter to test on, a fifth of the others to validate on."""
    examples = embedded.examples
    return draw_split(examples.labels, examples.groups, validation=0.2, test=0.25, seed=0)


def relabelled(embedded: Embedded, part: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Embedded:
    """Return the same with wrong labels for some images."""
    labels = embedded.examples.labels.copy()
    labels[part] = (labels[part] + 1) % 5
    return replace(embedded, examples=replace(embedded.examples, labels=labels))


@EACH
def test_what_test_images_show_changes_nothing_but_the_accuracy(
    kind: str, embedded: Embedded, split: Split
) -> None:
    right = METHODS[kind](embedded).learn(split, 0, FOREVER)
    wrong = METHODS[kind](relabelled(embedded, split.test)).learn(split, 0, FOREVER)
    assert wrong.history == right.history
    assert wrong.accuracy + right.accuracy <= 1
    # After two epochs the network from scratch knows nothing yet.
    assert wrong.accuracy < right.accuracy or kind == "scratch"


@EACH
def test_the_history_validates_on_validation_images(
    kind: str, embedded: Embedded, split: Split
) -> None:
    right = METHODS[kind](embedded).learn(split, 0, FOREVER).history
    wrong = METHODS[kind](relabelled(embedded, split.validation)).learn(split, 0, FOREVER).history
    assert right and all(0 <= row["validation_accuracy"] <= 1 for row in right)
    for one, other in zip(right, wrong, strict=False):
        assert one["validation_loss"] != other["validation_loss"]


@EACH
def test_the_same_seed_gives_the_same_accuracy(kind: str, embedded: Embedded, split: Split) -> None:
    one, other = (METHODS[kind](embedded).learn(split, 3, FOREVER) for _ in range(2))
    assert (one.accuracy, one.history) == (other.accuracy, other.history)


@EACH
def test_a_method_says_what_it_is_and_what_it_trained(
    kind: str, embedded: Embedded, split: Split
) -> None:
    method = METHODS[kind](embedded)
    learned = method.learn(split, 0, 0.0)
    assert (method.kind, method.embed_seconds > 0) == (kind, kind != "scratch")
    assert learned.parameters >= 5 * 1281 and learned.seconds > 0


def test_without_validation_images_a_frozen_backbone_is_still_learned(
    embedded: Embedded, split: Split
) -> None:
    everything = np.sort(np.concatenate([split.train, split.validation]))
    whole = replace(split, train=everything, validation=everything[:0])
    learned = frozen_method(embedded).learn(whole, 0, FOREVER)
    assert learned.accuracy > 0.8
    assert "validation_loss" not in learned.history[-1]
