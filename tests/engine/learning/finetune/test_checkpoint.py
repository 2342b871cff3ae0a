"""Interrupted, killed, out of disk: a resumed run ends where an uninterrupted one does."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from engine import UsageError
from engine.backbones.finetuned import FinetunedBackbones
from engine.errors import TrainingError
from engine.learning.finetune.options import FinetuneOptions
from tests.support.finetuning import Finetune, Interrupting, Tensors

pytestmark = pytest.mark.slow

# Six images are learned from in each epoch: this is in the second one.
SECOND_EPOCH = 7
FirstCheckpoint = Callable[[FinetuneOptions], Path]


@pytest.fixture
def first_checkpoint(finetuned: Finetune, tmp_path: Path, data: Path) -> FirstCheckpoint:
    """A function that returns a copy of the checkpoint that a run leaves after its first epoch.

    That is what is there after `kill -9`.
    """

    def copied(options: FinetuneOptions) -> Path:
        original, copy = FinetunedBackbones(data).checkpoint("killed"), tmp_path / "copy"

        class Copying(Interrupting):
            def interrupt(self) -> None:
                """Keep the checkpoint, and press Ctrl-C."""
                shutil.copy(original, copy)
                super().interrupt()

        finetuned(options, name="killed", reporter=Copying(SECOND_EPOCH))
        return copy

    return copied


@pytest.mark.parametrize("augment", [False, True])
def test_a_resumed_run_ends_bit_for_bit_where_an_uninterrupted_one_does(
    finetuned: Finetune,
    kept: Callable[..., Tensors],
    first_checkpoint: FirstCheckpoint,
    data: Path,
    quick: FinetuneOptions,
    augment: bool,
) -> None:
    options = replace(quick, augment=augment)
    whole = finetuned(options, name="whole")
    shutil.copy(first_checkpoint(options), FinetunedBackbones(data).checkpoint("parts"))
    again = finetuned(options, name="parts", resume=True)
    one, other = kept("whole"), kept("parts")
    assert all(np.array_equal(one[name], other[name]) for name in one)
    assert again.fingerprint == whole.fingerprint
    for row, wanted in zip(again.history, whole.history, strict=True):
        assert row | {"seconds": 0} == wanted | {"seconds": 0}
    assert again.validation_accuracy_before == whole.validation_accuracy_before


def test_ctrl_c_keeps_the_best_so_far_and_no_checkpoint(finetuned: Finetune, data: Path) -> None:
    report = finetuned(reporter=Interrupting(SECOND_EPOCH))
    assert (report.epochs, report.interrupted) == (1, True)
    assert not FinetunedBackbones(data).checkpoint("mine").exists()
    assert FinetunedBackbones(data).named("mine").name == "mine"


def test_ctrl_c_before_anything_is_learned_keeps_nothing(finetuned: Finetune, data: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        finetuned(reporter=Interrupting(1))
    with pytest.raises(UsageError):
        FinetunedBackbones(data).named("mine")


def test_a_checkpoint_of_another_run_is_refused(
    finetuned: Finetune, first_checkpoint: FirstCheckpoint, data: Path, quick: FinetuneOptions
) -> None:
    shutil.copy(first_checkpoint(quick), FinetunedBackbones(data).checkpoint("mine"))
    with pytest.raises(TrainingError, match="of other pictures, options or weights"):
        finetuned(replace(quick, lr=5e-4), resume=True)


def test_a_damaged_checkpoint_is_refused_and_not_needed(finetuned: Finetune, data: Path) -> None:
    (data / "backbones").mkdir(parents=True)
    FinetunedBackbones(data).checkpoint("mine").write_bytes(b"no checkpoint")
    with pytest.raises(TrainingError, match="cannot be read"):
        finetuned(resume=True)
    assert finetuned().epochs == 3


def test_a_checkpoint_of_another_release_is_refused(finetuned: Finetune, data: Path) -> None:
    (data / "backbones").mkdir(parents=True)
    older = {"format": 1, "run": "", "epoch": 1, "tensors": {}, "optimizer": {}, "history": []}
    torch.save(older, FinetunedBackbones(data).checkpoint("mine"))
    with pytest.raises(TrainingError, match="cannot be read") as caught:
        finetuned(resume=True)
    assert "Leave --resume out" in caught.value.remedy


def test_without_a_checkpoint_a_resumed_run_begins_anew(finetuned: Finetune) -> None:
    assert finetuned(resume=True).epochs == 3


def test_a_disk_that_is_full_at_a_checkpoint_loses_no_earlier_epoch(
    finetuned: Finetune, first_checkpoint: FirstCheckpoint, data: Path, quick: FinetuneOptions
) -> None:
    whole = finetuned(name="whole")
    checkpoint = FinetunedBackbones(data).checkpoint("mine")
    shutil.copy(first_checkpoint(quick), checkpoint)
    before = checkpoint.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(TrainingError, match="the checkpoint cannot be written") as caught:
            finetuned(resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)

    assert "--resume" in caught.value.remedy
    assert checkpoint.read_bytes() == before
    names = {path.name for path in checkpoint.parent.iterdir() if path.name.startswith("mine")}
    assert names == {"mine.checkpoint"}
    assert finetuned(resume=True).fingerprint == whole.fingerprint


def test_a_place_that_cannot_be_written_is_told_before_the_first_epoch(
    finetuned: Finetune, data: Path
) -> None:
    data.write_text("a file where the folder would be")
    with pytest.raises(TrainingError, match="the checkpoint cannot be written"):
        # Sooner than any image of the training.
        finetuned(reporter=Interrupting(0))
