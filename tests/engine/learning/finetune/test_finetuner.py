"""Fine-tuning a real backbone on drawn images: what comes out, and what it was measured on."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import Config, Engine, UsageError
from engine.backbones.finetuned import FinetunedBackbones
from engine.backbones.learned import learned_contents
from engine.backbones.networks import load_state
from engine.backbones.weights import WeightsCache
from engine.errors import TrainingError
from engine.learning.data.examples import Examples
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import DIVERGED, FinetuneReport
from index.store import Store
from tests.support.finetuning import LITE0, Finetune, Tensors, split_of

Kept = Callable[..., Tensors]

pytestmark = pytest.mark.slow


def before() -> Tensors:
    """The tensors of the backbone as it is."""
    file = WeightsCache(Path(os.environ["ENGINE_CACHE"])).find(LITE0)
    assert file is not None
    return {name: tensor.numpy() for name, tensor in load_state(LITE0, file.path).items()}


def test_the_result_is_a_backbone_of_its_own_fingerprint(mine: FinetuneReport, data: Path) -> None:
    report = mine
    row = FinetunedBackbones(data).named("mine")
    assert report.fingerprint == row.fingerprint(row.weights.sha256)
    assert report.fingerprint != LITE0.fingerprint(LITE0.weights.sha256)
    assert (report.base, report.block) == ("efficientnet_lite0", "block6")
    assert report.categories == ("bed", "chair", "lamp")
    assert len(report.history) == report.epochs + 1 == 4
    assert report.trained_parameters < 4_652_008


def test_of_each_category_some_train_some_validate_and_some_are_tested_on(
    mine: FinetuneReport,
) -> None:
    report = mine
    assert (report.images, report.validation_images, report.test_images) == (12, 3, 3)
    for accuracy in (report.validation_accuracy, report.validation_accuracy_before):
        assert 3 * accuracy == pytest.approx(round(3 * accuracy))


@pytest.mark.usefixtures("mine")
def test_what_is_below_the_block_stays_to_the_last_bit(kept: Kept) -> None:
    old, new = before(), kept()
    moved = {name for name, tensor in old.items() if not np.array_equal(tensor, new[name])}
    assert moved
    assert all(name.startswith(("blocks.6.", "conv_head.", "bn2.")) for name in moved)
    assert "blocks.6.0.conv_pw.weight" in moved
    assert not any("running" in name for name in moved)


def test_what_was_kept_is_the_epoch_with_the_least_validation_loss(mine: FinetuneReport) -> None:
    losses = [row["validation_loss"] for row in mine.history]
    assert mine.best_epoch == int(np.argmin(losses)) > 0


def test_test_images_have_no_part_in_what_is_learned(
    finetuned: Finetune, kept: Kept, examples: Examples, quick: FinetuneOptions, drawn: Path
) -> None:
    report = finetuned(name="one")
    # Something else, but no two of it alike: copies would be on one side, and the split another.
    others = sorted((drawn / "table").iterdir())
    for position, other in zip(split_of(examples, quick).test.tolist(), others, strict=False):
        shutil.copy(other, examples.paths[position])
    other = finetuned(name="other")
    one, two = kept("one"), kept("other")
    assert all(np.array_equal(one[name], two[name]) for name in one)
    for row, wanted in zip(other.history, report.history, strict=True):
        assert row["validation_loss"] == wanted["validation_loss"]
    assert other.validation_accuracy < report.validation_accuracy


def test_validation_images_choose_and_train_images_teach(
    finetuned: Finetune, examples: Examples, quick: FinetuneOptions
) -> None:
    """The twin of the test above: there, a change of any other part would have been seen."""
    report = finetuned(name="one")
    split = split_of(examples, quick)
    shutil.copy(examples.paths[split.train[0]], examples.paths[split.train[1]])
    other = finetuned(name="other")
    assert other.fingerprint != report.fingerprint


def test_copies_of_an_image_are_never_on_two_sides(finetuned: Finetune, images: Path) -> None:
    """Two different images of each category, three copies of each: one is tested on, one learned.

    Without regard to copies each category would have one image to test on, and one to validate.
    """
    for folder in images.iterdir():
        one, other, *rest = sorted(folder.iterdir())
        for source, target in ((one, rest[0]), (other, rest[1])):
            shutil.copy(source, target)
            shutil.copy(source, target.with_name(f"again-{target.name}"))
    report = finetuned()
    assert (report.images, report.validation_images, report.test_images) == (18, 0, 9)


def test_without_validation_images_the_last_epoch_is_kept(
    finetuned: Finetune, images: Path
) -> None:
    for folder in images.iterdir():
        for path in sorted(folder.iterdir())[2:]:
            path.unlink()
    report = finetuned()
    assert (report.images, report.validation_images, report.test_images) == (6, 0, 3)
    assert report.best_epoch == report.epochs == 3
    assert "validation_loss" not in report.history[-1]


@pytest.mark.usefixtures("mine")
def test_catalogs_can_be_made_with_it(tmp_path: Path, images: Path) -> None:
    with Engine.open(tmp_path / "store", backbone="mine", precision="fp32") as engine:
        assert engine.index([images], label="parent").backbone == "mine"
        query = next((images / "bed").iterdir())
        hits = engine.search(query, k=3)
        assert hits[0].path == str(query) and hits[0].score > 0.999
        assert engine.classify(query)[0].predictions
        engine.train(images, head="rooms")
    with Engine.open(tmp_path / "store") as engine:
        assert engine.status().backbone == "mine"


@pytest.mark.usefixtures("mine")
def test_it_notes_what_it_learned_from_and_not_what_it_was_tested_on(
    data: Path, tmp_path: Path, images: Path, quick: FinetuneOptions
) -> None:
    noted = learned_contents(FinetunedBackbones(data).named("mine"))
    contents = {hashlib.sha256(path.read_bytes()).hexdigest() for path in images.rglob("*.*")}
    assert noted is not None
    assert (len(noted), len(contents)) == (9, 12)
    assert noted < contents
    others = shutil.copytree(images, tmp_path / "others")
    for number, path in enumerate(sorted(others.rglob("*.*"))):
        path.write_bytes(path.read_bytes() + bytes([number]))
    with Engine.open(tmp_path / "nowhere", backbone="mine") as engine:
        engine.finetune(others, name="more", options=quick)
    again = learned_contents(FinetunedBackbones(data).named("more"))
    assert again is not None
    assert len(again) == 9 + 9
    assert noted < again


@pytest.mark.usefixtures("mine")
@pytest.mark.parametrize("indexed", [False, True])
def test_evaluating_with_it_tells_what_it_has_learned_from(
    tmp_path: Path, images: Path, indexed: bool
) -> None:
    with Engine(Config(store=Store(tmp_path / "store"), backbone="mine")) as engine:
        if indexed:
            engine.index([images])
        report = engine.evaluate(images)
        assert report.classifier.startswith("nearest neighbours")
        assert (report.images, report.learned) == (12, 9)
        assert engine.evaluate(images, head="imagenet").learned == 9


@pytest.mark.usefixtures("mine")
def test_torch_and_openvino_give_the_same_embeddings_of_it(
    tmp_path: Path, images: Path, cosines: Callable[..., Any]
) -> None:
    rows = {}
    for runtime in ("openvino", "torch"):
        store = tmp_path / runtime
        with Engine.open(store, backbone="mine", precision="fp32", runtime=runtime) as engine:
            engine.index([images])
            rows[runtime] = tmp_path / f"{runtime}.npy"
            engine.export(rows[runtime])
    assert cosines(np.load(rows["openvino"]), np.load(rows["torch"])).min() >= 0.999


def test_the_same_images_and_seed_give_the_same_backbone(
    finetuned: Finetune, quick: FinetuneOptions
) -> None:
    one, other = finetuned(name="one"), finetuned(name="other")
    seeded = finetuned(replace(quick, seed=1), name="seeded")
    assert one.fingerprint == other.fingerprint != seeded.fingerprint


def test_a_catalog_works_on_when_the_name_of_its_backbone_moves_on(
    mine: FinetuneReport,
    finetuned: Finetune,
    tmp_path: Path,
    images: Path,
    quick: FinetuneOptions,
) -> None:
    made = {"backbone": "mine", "precision": "fp32"}
    with Engine.open(tmp_path / "first", **made) as engine:
        engine.index([images])
    second = finetuned(replace(quick, seed=1))
    assert second.fingerprint != mine.fingerprint
    query = next((images / "bed").iterdir())
    with Engine.open(tmp_path / "first") as engine:
        report = engine.search(query, k=1)
        assert report[0].path == str(query) and report[0].score > 0.9999
        assert engine.index([images]).unchanged == 12
    with Engine.open(tmp_path / "second", **made) as engine:
        engine.index([images])
        moved = engine.search(query, k=12)
    with Engine.open(tmp_path / "first") as engine:
        scores = [hit.score for hit in engine.search(query, k=12)]
    assert [hit.score for hit in moved] != scores


def test_a_category_with_one_image_is_too_few(finetuned: Finetune, images: Path) -> None:
    for path in sorted((images / "bed").iterdir())[1:]:
        path.unlink()
    with pytest.raises(TrainingError, match="'bed' has 1"):
        finetuned()


def test_copies_of_one_image_are_too_few(finetuned: Finetune, images: Path) -> None:
    one, *others = sorted((images / "bed").iterdir())
    for path in others:
        shutil.copy(one, path)
    with pytest.raises(TrainingError, match="'bed' has 1"):
        finetuned()


def test_quantized_weights_cannot_be_trained(
    tmp_path: Path, images: Path, quick: FinetuneOptions
) -> None:
    engine = Engine.open(tmp_path / "nowhere", precision="int8")
    with engine, pytest.raises(UsageError, match="cannot be trained"):
        engine.finetune(images, name="mine", options=quick)


# With these weights grow a hundred times and more in every step, until float32 ends.
RUNAWAY = FinetuneOptions("top", epochs=40, batch=6, lr=10.0, weight_decay=10.0, augment=False)


def test_a_loss_that_is_nan_ends_the_training_and_keeps_the_best_epoch(
    finetuned: Finetune, kept: Kept
) -> None:
    report = finetuned(RUNAWAY)
    assert 1 <= report.epochs < RUNAWAY.epochs
    assert report.best_epoch <= report.epochs == len(report.history) - 1
    assert report.notes[-1] == DIVERGED
    assert all(np.isfinite(tensor).all() for tensor in kept().values())


def test_a_loss_that_is_nan_in_the_first_epoch_keeps_nothing(
    tmp_path: Path, drawn: Path, data: Path
) -> None:
    options = replace(RUNAWAY, epochs=1, batch=2)
    engine = Engine.open(tmp_path / "nowhere")
    with engine, pytest.raises(TrainingError, match="learning rate 10: the loss is NaN") as caught:
        engine.finetune(drawn, name="mine", options=options)
    assert "--learning-rate" in caught.value.remedy
    with pytest.raises(UsageError):
        FinetunedBackbones(data).named("mine")
