"""The state of a fine-tuning after its last epoch, in one file that is replaced atomically."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Self

import torch

from engine.errors import TrainingError
from engine.heads.fitting.epochs import Training, Weights
from engine.learning.finetune.learner import BackboneLearner
from index.errors import reason_of
from index.files.atomic_file import write_atomically

FORMAT = 2


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """All that the next epoch depends on, beside images and options.

    Attributes
    ----------
    training
        The epochs so far, and the best weights of them.
    weights
        What training changes, after the last epoch.
    optimizer
        The state of AdamW and of its schedule.
    """

    training: Training
    weights: Weights
    optimizer: dict[str, Any]

    @classmethod
    def of(cls, training: Training, learner: BackboneLearner) -> Self:
        """Return the state of a learner after an epoch, to be saved before its next step."""
        return cls(training, dict(learner.weights()), learner.optimizer_state())


def require_writable(path: Path) -> None:
    """Insist that a checkpoint can be written, before an epoch is spent on it.

    Raises
    ------
    TrainingError
        It cannot.
    """
    trial = path.with_name(f"{path.name}.trial")
    with _told(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(trial, b"")
        trial.unlink()


def save_checkpoint(path: Path, run: str, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; what was there before stays until the new one is whole.

    Parameters
    ----------
    run
        What tells this run from every other: its images, options and weights.

    Raises
    ------
    TrainingError
        The file cannot be written.
    """
    training = checkpoint.training
    content = {
        "format": FORMAT,
        "run": run,
        "training": {each.name: getattr(training, each.name) for each in fields(training)},
        "weights": checkpoint.weights,
        "optimizer": checkpoint.optimizer,
    }
    # torch tells of a full disk in words of its own; writing bytes tells the reason.
    whole = io.BytesIO()
    torch.save(content, whole)
    with _told(path):
        write_atomically(path, whole.getbuffer())


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Say what it means that a checkpoint cannot be written."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            path,
            f"the checkpoint cannot be written ({reason_of(error)})",
            "Make room or give permission there; --resume then goes on after the last epoch that "
            "was saved",
        ) from None


def load_checkpoint(path: Path, run: str) -> Checkpoint | None:
    """Return what was saved, None where there is none.

    Raises
    ------
    TrainingError
        It belongs to another run, or cannot be read.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content["format"] != FORMAT:
            raise ValueError("it was written by another release")
        training = Training(**content["training"])
        checkpoint = Checkpoint(training, content["weights"], content["optimizer"])
        of = content["run"]
    except Exception as error:  # torch and zipfile raise many kinds on a broken file
        raise TrainingError(
            path,
            f"this checkpoint cannot be read ({type(error).__name__})",
            "Leave --resume out to start anew",
        ) from None
    if of != run:
        raise TrainingError(
            path,
            "this checkpoint is of other pictures, options or weights",
            "Resume with what it was started with, or leave --resume out to start anew",
        )
    return checkpoint
