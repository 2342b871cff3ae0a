"""The state of a fine-tuning after its last pass, in one file that is replaced whole."""

from __future__ import annotations

import contextlib
import io
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch

from engine.errors import TrainingError
from engine.learning.finetune.loop import State

FORMAT = 1


def require_writable(path: Path) -> None:
    """Insist that a checkpoint can be written, before a pass is spent on it.

    Raises
    ------
    TrainingError
        It cannot.
    """
    _replace(path, None)


def save_checkpoint(path: Path, run: str, state: State) -> None:
    """Write a state; what was there before stays until the new one is whole.

    Parameters
    ----------
    run
        What tells this run from every other: its pictures, options and weights.

    Raises
    ------
    TrainingError
        The file cannot be written.
    """
    content: dict[str, Any] = {each.name: getattr(state, each.name) for each in fields(state)}
    # torch tells of a full disk in words of its own; writing bytes tells the reason.
    whole = io.BytesIO()
    torch.save({"format": FORMAT, "run": run, **content}, whole)
    _replace(path, whole.getbuffer())


def _replace(path: Path, content: memoryview | None) -> None:
    """Write a checkpoint in the place of the one before; without content only try to."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content or b"")
            file.flush()
            os.fsync(file.fileno())
        if content is not None:
            temporary.replace(path)
        else:
            temporary.unlink()
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise TrainingError(
            path,
            f"the checkpoint cannot be written ({error.strerror})",
            "Make room or give permission there; with --resume it goes on after the last pass "
            "that was kept",
        ) from None


def load_checkpoint(path: Path, run: str) -> State | None:
    """Return the state that was saved, None where there is none.

    Raises
    ------
    TrainingError
        It belongs to another run, or cannot be read.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        if content.pop("format") != FORMAT:
            raise ValueError("it was written by another release")
        of = content.pop("run")
        state = State(**content)
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
    return state
