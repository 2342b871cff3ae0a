"""One file of ResNet50 weights for all tools, so that nothing is downloaded.

The weights are random: no tool's speed depends on them. ResNet50's published weights would have to
be fetched, and a benchmark should not need the network.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.settings import REPOSITORY, Settings
from benchmarks.support.tools import console
from index.files.atomic_file import atomic_file

# The names under which torchvision looks for its weights V2 (the default) and V1.
NAMES = ("resnet50-11ad3fa6.pth", "resnet50-0676ba61.pth")
SEED = 0


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment for every tool: its weights come from the cache."""
    return dict(os.environ) | {
        "TORCH_HOME": str(settings.cache / "torch"),
        "ENGINE_CACHE": str(settings.cache / "engine"),
        "SENTRY_OPT_OUT": "1",
        "PYTHONPATH": str(REPOSITORY),
    }


def provide_resnet50(settings: Settings) -> None:
    """Put ResNet50's weights where torchvision and the engine look for them, once."""
    folder = settings.cache / "torch" / "hub" / "checkpoints"
    first, *others = (folder / name for name in NAMES)
    if not first.exists():
        folder.mkdir(parents=True, exist_ok=True)
        settings.say("making random ResNet50 weights (once)")
        _save_random(first)
    for other in others:
        if not other.exists():
            os.link(first, other)
    if not (settings.cache / "engine" / "weights" / "resnet50.json").exists():
        command = [*console(), "backbones", "import", "resnet50", str(first)]
        subprocess.run(command, env=environment(settings), check=True, capture_output=True)


def _save_random(path: Path) -> None:
    from engine.backbones.torchvision_import import import_torchvision

    import_torchvision()
    import torch
    from torchvision.models import resnet50

    torch.manual_seed(SEED)
    with atomic_file(path) as file:
        torch.save(resnet50(weights=None).state_dict(), file)
