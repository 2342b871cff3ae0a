"""What the epoch loop is given of a backbone: its batches, its weights, its learning rates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from engine.heads.fitting.epochs import run_epochs, validate
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split
from engine.learning.finetune.images import Draw
from engine.learning.finetune.learner import BackboneLearner
from engine.learning.finetune.options import FinetuneOptions
from tests.support.finetuning import LITE0, split_of

pytestmark = pytest.mark.slow

Learner = Callable[..., BackboneLearner]


@pytest.mark.parametrize("adapt", [False, True])
def test_batch_norms_learn_the_images_statistics_only_if_they_are_asked_to(
    learner: Learner, quick: FinetuneOptions, adapt: bool
) -> None:
    trained = learner(replace(quick, adapt_norms=adapt, epochs=1))
    before = {name: part.clone() for name, part in trained.network.backbone_state().items()}
    with torch.random.fork_rng(devices=()):
        list(run_epochs(trained, 1))
    means = [name for name in before if name.endswith("running_mean")]
    after = trained.network.backbone_state()
    moved = {name for name in means if not torch.equal(before[name], after[name])}
    above = {name for name in means if name.startswith(("blocks.6.", "bn2."))}
    assert moved == (above if adapt else set())


def test_features_below_the_block_are_cached_where_they_are_small_enough(
    learner: Learner, quick: FinetuneOptions
) -> None:
    for batches in ("batches", "validation"):
        cached, anew = learner(quick), learner(quick, cache_bytes=0)
        asked = (1,) if batches == "batches" else ()
        for one, other in zip(
            getattr(cached, batches)(*asked), getattr(anew, batches)(*asked), strict=True
        ):
            torch.testing.assert_close(one[0], other[0], rtol=1e-4, atol=1e-4)
            assert torch.equal(one[1], other[1])
            cached.step(), anew.step()
    assert validate(cached)["validation_accuracy"] == validate(anew)["validation_accuracy"]


def test_an_epoch_shows_every_train_image_once_and_no_other(
    learner: Learner, examples: Examples, quick: FinetuneOptions
) -> None:
    told: list[tuple[int, int]] = []
    options = replace(quick, batch=4)
    trained = learner(options, progress=lambda done, total: told.append((done, total)))
    train = split_of(examples, options).train
    sizes, labels = [], []
    for _, batch in trained.batches(1):
        sizes.append(len(batch))
        labels += batch.tolist()
        trained.step()
    assert sizes == [4, 2]
    assert sorted(labels) == sorted(examples.labels[train].tolist())
    assert told == [(4, 18), (6, 18)]


def test_a_single_image_left_over_is_not_learned_from(
    learner: Learner, examples: Examples, quick: FinetuneOptions
) -> None:
    split = split_of(examples, quick)
    five = Split(split.train[:5], split.validation, split.test)
    trained = learner(replace(quick, batch=4), five)
    sizes = []
    for _, batch in trained.batches(1):
        sizes.append(len(batch))
        trained.step()
    assert sizes == [4]


def test_the_learning_rate_of_each_block_is_a_share_of_the_next_ones(
    learner: Learner, quick: FinetuneOptions
) -> None:
    options = FinetuneOptions("block4", lr=0.01, layer_decay=0.5)
    rates = [group["lr"] for group in learner(quick).network.groups(options)]
    # The new layer on top, then `top` and `block6`, the only blocks that are trained here.
    assert rates == [0.1, 0.01, 0.005]


def test_the_layer_on_top_knows_the_untouched_embeddings(
    learner: Learner, quick: FinetuneOptions
) -> None:
    """Before the first epoch the network is a linear head on the backbone as it is."""
    assert learner(quick).test_accuracy() > 0.6


def test_accuracy_is_measured_on_test_images_alone(
    learner: Learner, examples: Examples, quick: FinetuneOptions
) -> None:
    split = split_of(examples, quick)
    right = learner(quick, split).test_accuracy()
    labels = examples.labels.copy()
    labels[split.test] = (labels[split.test] + 1) % 3
    wrong = learner(quick, split, replace(examples, labels=labels)).test_accuracy()
    assert right > 0.6 and right + wrong <= 1


def test_without_test_images_there_is_no_accuracy(
    learner: Learner, examples: Examples, quick: FinetuneOptions
) -> None:
    split = split_of(examples, quick)
    nothing = np.empty(0, np.int64)
    assert np.isnan(learner(quick, replace(split, test=nothing)).test_accuracy())


def test_an_image_is_shown_in_another_view_in_each_epoch() -> None:
    rng = np.random.default_rng(0)
    image = Image.fromarray(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8))
    views = [
        Draw(LITE0.preprocessing, seed, epoch)(image, number).tobytes()
        for seed in (0, 1)
        for epoch in (1, 2)
        for number in (0, 1)
    ]
    assert len(set(views)) == 8
    assert Draw(LITE0.preprocessing, 1, 2)(image, 1).tobytes() == views[-1]


def test_the_largest_seed_draws_views_like_any_other() -> None:
    image = Image.new("RGB", (300, 400), "red")
    largest = FinetuneOptions("block6", seed=2**31 - 1).seed
    assert Draw(LITE0.preprocessing, largest, 10_000)(image, 10**6).shape == (224, 224, 3)
