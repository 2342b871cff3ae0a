"""What tests of fine-tuning share beside their fixtures."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from engine.backbones.table import backbone_named
from engine.learning.data.examples import Examples
from engine.learning.data.split import Split, draw_split
from engine.learning.finetune.options import FinetuneOptions
from engine.learning.results import FinetuneReport
from engine.progress import SILENT, Reporter

LITE0 = backbone_named("efficientnet_lite0")
Tensors = dict[str, np.ndarray[Any, Any]]


class Finetune(Protocol):
    """Fine-tunes the embedded backbone."""

    def __call__(
        self,
        options: FinetuneOptions = ...,
        *,
        name: str = "mine",
        resume: bool = False,
        reporter: Reporter = SILENT,
    ) -> FinetuneReport:
        """Return the engine's report."""


class Interrupting(Reporter):
    """Presses Ctrl-C once so many images of the training are done."""

    def __init__(self, after: int) -> None:
        self.after = after

    def announce(self, text: str) -> None:
        """Keep quiet."""

    def progress(self, task: str, done: int, total: int | None, unit: str) -> None:
        """Interrupt the training."""
        if task == "training" and done >= self.after:
            self.interrupt()

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        raise KeyboardInterrupt


def split_of(examples: Examples, options: FinetuneOptions) -> Split:
    """Return the split that fine-tuning draws."""
    shares = {"validation": options.validation, "test": options.test}
    return draw_split(examples.labels, examples.groups, seed=options.seed, **shares)
