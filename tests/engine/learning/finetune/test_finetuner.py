"""Fine-tuning a real backbone on drawn pictures: what comes out, and what happens in between."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from engine import Engine, UsageError
from engine.backbones.finetuned import TunedBackbones
from engine.backbones.networks import load_state
from engine.backbones.table import Tuned, backbone_named
from engine.backbones.weights import WeightsCache
from engine.errors import TrainingError
from engine.learning.finetune.images import Draw
from engine.learning.finetune.loop import Loop
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import FinetuneReport
from engine.progress import Reporter

LITE0 = backbone_named("efficientnet_lite0")
QUICK = FinetuneOptions("block6", epochs=3, batch=6, lr=1e-3, label_smoothing=0.0, augment=False)

pytestmark = pytest.mark.slow


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder of the test's own for what is fine-tuned."""
    monkeypatch.setenv("ENGINE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def finetuned(
    tmp_path: Path,
    images: Path,
    options: FinetuneOptions = QUICK,
    *,
    name: str = "mine",
    resume: bool = False,
    reporter: Reporter | None = None,
) -> FinetuneReport:
    """Fine-tune the embedded backbone."""
    more: dict[str, Any] = {"reporter": reporter} if reporter else {}
    with Engine.open(tmp_path / "nowhere", **more) as engine:
        return engine.finetune(images, name=name, options=options, resume=resume)


def weights(data: Path, name: str = "mine") -> dict[str, np.ndarray[Any, Any]]:
    """The tensors of a fine-tuned backbone."""
    row = TunedBackbones(data).named(name)
    assert isinstance(row.weights, Tuned)
    return load_file(row.weights.path)


FALLING = [{"validation_loss": loss, "validation_accuracy": 0.5} for loss in (1, 2, 3, 4)]


class Interrupting(Reporter):
    """Presses Ctrl-C once so many pictures of the training are done."""

    def __init__(self, after: int) -> None:
        self._after = after

    def announce(self, text: str) -> None:
        """Keep quiet."""

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Interrupt the training."""
        if task == "training" and done >= self._after:
            raise KeyboardInterrupt


def test_the_result_is_a_backbone_of_its_own_fingerprint(
    tmp_path: Path, images: Path, data: Path
) -> None:
    report = finetuned(tmp_path, images)
    row = TunedBackbones(data).named("mine")
    assert report.fingerprint == row.fingerprint(row.weights.sha256)
    assert report.fingerprint != LITE0.fingerprint(LITE0.weights.sha256)
    assert (report.base, report.block) == ("efficientnet_lite0", "block6")
    assert report.categories == ("bed", "chair", "lamp")
    assert (report.images, report.validation_images) == (12, 3)
    assert len(report.history) == report.epochs + 1 == 4
    assert report.trained_parameters < 4_652_008


def test_what_is_below_the_block_stays_to_the_last_bit_and_what_is_above_moves(
    tmp_path: Path, images: Path, data: Path
) -> None:
    finetuned(tmp_path, images)
    file = WeightsCache(Path(os.environ["ENGINE_CACHE"])).find(LITE0)
    assert file is not None
    before, after = load_state(LITE0, file.path), weights(data)
    moved = {name for name, tensor in before.items() if not np.array_equal(tensor, after[name])}
    assert moved
    assert all(name.startswith(("blocks.6.", "conv_head.", "bn2.")) for name in moved)
    assert "blocks.6.0.conv_pw.weight" in moved
    assert not any("running" in name for name in moved)


def test_what_was_learned_is_the_best_pass_by_the_held_out_loss(
    tmp_path: Path, images: Path, data: Path
) -> None:
    report = finetuned(tmp_path, images)
    losses = [row["validation_loss"] for row in report.history]
    assert report.best_epoch == int(np.argmin(losses)) > 0


def test_batch_norms_learn_the_images_statistics_only_if_they_are_asked_to(
    tmp_path: Path, images: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The last pass is kept, whatever it is worth.
    monkeypatch.setattr("engine.learning.finetune.loop.Loop.validate", lambda loop: FALLING.pop())
    finetuned(tmp_path, images, replace(QUICK, adapt_norms=True))
    file = WeightsCache(Path(os.environ["ENGINE_CACHE"])).find(LITE0)
    assert file is not None
    before, after = load_state(LITE0, file.path), weights(data)
    means = [name for name in before if name.endswith("running_mean")]
    moved = {name for name in means if not np.array_equal(before[name], after[name])}
    assert moved == {name for name in means if name.startswith(("blocks.6.", "bn2."))}


def test_catalogs_can_be_made_with_it(tmp_path: Path, images: Path, data: Path) -> None:
    finetuned(tmp_path, images)
    with Engine.open(tmp_path / "store", backbone="mine", precision="fp32") as engine:
        assert engine.index([images], label="parent").backbone == "mine"
        query = next((images / "bed").iterdir())
        hits = engine.search(query, k=3)
        assert hits[0].path == str(query) and hits[0].score > 0.999
        assert engine.classify(query)[0].predictions
        engine.train(images, head="rooms")
    with Engine.open(tmp_path / "store") as engine:
        assert engine.status().backbone == "mine"


def test_torch_and_openvino_give_the_same_embeddings_of_it(
    tmp_path: Path, images: Path, data: Path, cosines: Callable[..., Any]
) -> None:
    finetuned(tmp_path, images)
    rows = {}
    for runtime in ("openvino", "torch"):
        store = tmp_path / runtime
        with Engine.open(store, backbone="mine", precision="fp32", runtime=runtime) as engine:
            engine.index([images])
            rows[runtime] = tmp_path / f"{runtime}.npy"
            engine.export(rows[runtime])
    assert cosines(np.load(rows["openvino"]), np.load(rows["torch"])).min() >= 0.999


@pytest.mark.parametrize("augment", [False, True])
def test_a_resumed_run_ends_bit_for_bit_where_an_uninterrupted_one_does(
    tmp_path: Path, images: Path, data: Path, augment: bool
) -> None:
    options = replace(QUICK, augment=augment)
    whole = finetuned(tmp_path, images, options, name="whole")
    first = finetuned(tmp_path, images, options, name="parts", reporter=Interrupting(13))
    assert (first.epochs, first.interrupted) == (1, True)
    checkpoint = TunedBackbones(data).checkpoint("parts")
    assert not checkpoint.exists()
    # As after `kill -9`: the checkpoint of the first pass is there, and nothing else.
    saved = _checkpoint_after(tmp_path, images, options, data)
    shutil.copy(saved, checkpoint)
    again = finetuned(tmp_path, images, options, name="parts", resume=True)
    one, other = weights(data, "whole"), weights(data, "parts")
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert again.fingerprint == whole.fingerprint
    for row, wanted in zip(again.history, whole.history, strict=True):
        assert {k: v for k, v in row.items() if k != "seconds"} == {
            k: v for k, v in wanted.items() if k != "seconds"
        }


def _checkpoint_after(tmp_path: Path, images: Path, options: FinetuneOptions, data: Path) -> Path:
    """Return a copy of the checkpoint that a run leaves after its first pass."""
    copy = tmp_path / "copy"
    original = TunedBackbones(data).checkpoint("third")

    class Copying(Interrupting):
        def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
            if task == "training" and done >= self._after:
                shutil.copy(original, copy)
                raise KeyboardInterrupt

    finetuned(tmp_path, images, options, name="third", reporter=Copying(13))
    return copy


def test_the_same_images_and_seed_give_the_same_backbone(
    tmp_path: Path, images: Path, data: Path
) -> None:
    one = finetuned(tmp_path, images, name="one")
    other = finetuned(tmp_path, images, name="other")
    seeded = finetuned(tmp_path, images, replace(QUICK, seed=1), name="seeded")
    assert one.fingerprint == other.fingerprint != seeded.fingerprint


def test_ctrl_c_before_anything_is_learned_keeps_nothing(
    tmp_path: Path, images: Path, data: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        finetuned(tmp_path, images, reporter=Interrupting(1))
    with pytest.raises(UsageError):
        TunedBackbones(data).named("mine")


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path, images: Path, data: Path) -> None:
    saved = _checkpoint_after(tmp_path, images, QUICK, data)
    shutil.copy(saved, TunedBackbones(data).checkpoint("mine"))
    with pytest.raises(TrainingError, match="of other pictures, options or weights"):
        finetuned(tmp_path, images, replace(QUICK, lr=5e-4), resume=True)


def test_a_damaged_checkpoint_is_refused_and_not_needed(
    tmp_path: Path, images: Path, data: Path
) -> None:
    (data / "backbones").mkdir(parents=True)
    TunedBackbones(data).checkpoint("mine").write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="cannot be read"):
        finetuned(tmp_path, images, resume=True)
    assert finetuned(tmp_path, images).epochs == 3


def test_without_a_checkpoint_a_resumed_run_begins_anew(
    tmp_path: Path, images: Path, data: Path
) -> None:
    assert finetuned(tmp_path, images, resume=True).epochs == 3


def test_without_augmentation_what_is_below_is_computed_once(
    tmp_path: Path, images: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = finetuned(tmp_path, images, name="kept")
    monkeypatch.setattr("engine.learning.finetune.loop.MOST_KEPT", 0)
    anew = finetuned(tmp_path, images, name="anew")
    assert kept.validation_accuracy == anew.validation_accuracy
    one, other = weights(data, "kept"), weights(data, "anew")
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-3)


def test_a_image_is_shown_in_another_view_in_each_pass_always_the_same_one() -> None:
    from PIL import Image

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


def test_a_category_with_one_image_is_too_few(tmp_path: Path, images: Path, data: Path) -> None:
    for path in sorted((images / "bed").iterdir())[1:]:
        path.unlink()
    with pytest.raises(TrainingError, match="'bed' has 1"):
        finetuned(tmp_path, images)


def test_quantized_weights_cannot_be_trained(tmp_path: Path, images: Path, data: Path) -> None:
    engine = Engine.open(tmp_path / "nowhere", precision="int8")
    with engine, pytest.raises(UsageError, match="cannot be trained"):
        engine.finetune(images, name="mine", options=QUICK)


@pytest.mark.parametrize(
    "wrong",
    [
        {"epochs": 0},
        {"batch": 1},
        {"lr": 0.0},
        {"layer_decay": 0.0},
        {"validation": 0.0},
        {"seed": -1},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
def test_options_out_of_their_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="out of range"):
        FinetuneOptions("block6", **wrong)


def test_a_loss_that_is_no_number_ends_the_training_and_keeps_the_best_pass(
    tmp_path: Path, images: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = finetuned(tmp_path, images, replace(QUICK, epochs=3), name="three")
    learn = Loop._learn

    def poisoned(loop: Loop, epoch: int, progress: Any) -> dict[str, float]:
        row = learn(loop, epoch, progress)
        if epoch == 2:
            with torch.no_grad():
                loop._network.top.weight.fill_(float("nan"))
        return row

    monkeypatch.setattr(Loop, "_learn", poisoned)
    report = finetuned(tmp_path, images, QUICK)

    assert report.epochs == 1
    assert "the loss was no number any more" in report.notes[0]
    assert report.history[1]["loss"] == kept.history[1]["loss"]
    assert all(np.isfinite(tensor).all() for tensor in weights(data).values())


def test_a_loss_that_is_no_number_from_the_start_keeps_nothing_and_says_what_helps(
    tmp_path: Path, images: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loop, "_learn", lambda *_: {"loss": float("nan"), "accuracy": 0.0})
    with pytest.raises(TrainingError, match="no number after one pass") as caught:
        finetuned(tmp_path, images)
    assert "--learning-rate" in caught.value.remedy
    with pytest.raises(UsageError):
        TunedBackbones(data).named("mine")


def test_a_disk_that_is_full_at_a_checkpoint_loses_no_earlier_pass(
    tmp_path: Path, images: Path, data: Path
) -> None:
    whole = finetuned(tmp_path, images, name="whole")
    saved = _checkpoint_after(tmp_path, images, QUICK, data)
    checkpoint = TunedBackbones(data).checkpoint("mine")
    shutil.copy(saved, checkpoint)
    before = checkpoint.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(TrainingError, match="the checkpoint cannot be written") as caught:
            finetuned(tmp_path, images, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "--resume" in caught.value.remedy
    assert checkpoint.read_bytes() == before
    assert not list(checkpoint.parent.glob("*.tmp"))
    assert finetuned(tmp_path, images, resume=True).fingerprint == whole.fingerprint


def test_a_place_that_cannot_be_written_is_told_before_the_first_pass(
    tmp_path: Path, images: Path, data: Path
) -> None:
    data.write_text("a file where the folder would be")
    with pytest.raises(TrainingError, match="the checkpoint cannot be written"):
        # Sooner than any picture of the training.
        finetuned(tmp_path, images, reporter=Interrupting(0))
