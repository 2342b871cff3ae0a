"""`engine finetune`: the real command, killed, interrupted and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support import REPOSITORY

Run = Callable[..., subprocess.CompletedProcess[bytes]]
OPTIONS = ("--from", "block6", "--epochs", "4", "--batch", "6", "--learning-rate", "0.001")
PATIENCE = 90


@pytest.fixture
def data(tmp_path: Path, ready: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own for what is fine-tuned."""
    monkeypatch.setenv("ENGINE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def started(images: Path, name: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    command = [sys.executable, "-m", "cli.main", "finetune", str(images), "--name", name]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    return subprocess.Popen(
        [*command, *OPTIONS, "--json"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def after_an_epoch(child: subprocess.Popen[bytes], data: Path, name: str) -> None:
    """Wait until the first epoch has left its checkpoint."""
    checkpoint = data / "backbones" / f"{name}.checkpoint"
    until = time.monotonic() + PATIENCE
    while not checkpoint.exists():
        assert child.poll() is None, child.stderr and child.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.01)


def told(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def test_a_killed_run_is_resumed_to_the_very_same_backbone(
    quick: Run, images: Path, data: Path
) -> None:
    whole = told(quick("finetune", images, "--name", "whole", *OPTIONS, "--json"))
    child = started(images, "parts")
    after_an_epoch(child, data, "parts")
    child.kill()
    child.communicate()
    assert not (data / "backbones" / "parts.json").exists()
    resumed = told(quick("finetune", images, "--name", "parts", *OPTIONS, "--resume", "--json"))
    assert resumed["fingerprint"] == whole["fingerprint"]
    assert resumed["epochs"] == whole["epochs"] == 4


def test_ctrl_c_keeps_the_best_so_far_and_says_so(quick: Run, images: Path, data: Path) -> None:
    child = started(images, "mine")
    after_an_epoch(child, data, "mine")
    child.send_signal(signal.SIGINT)
    out, errors = child.communicate(timeout=PATIENCE)
    assert child.returncode == 130, errors
    report = json.loads(out)
    assert report["interrupted"] and 1 <= report["epochs"] < 4
    listed = json.loads(quick("backbones", "list", "--json").stdout)
    row = next(row for row in listed if row["name"] == "mine")
    assert row["weights"] == "fine-tuned from efficientnet_lite0"


def test_people_are_told_what_was_trained_and_what_it_brought(
    quick: Run, images: Path, data: Path
) -> None:
    done = quick("finetune", images, "--name", "mine", *OPTIONS)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.decode().splitlines()
    assert lines[0].startswith("backbone mine: efficientnet_lite0, trained from block6 on")
    assert lines[1].startswith("accuracy ") and "on 3 test images, before" in lines[1]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--from", "block9", "--name", "mine"), "block9: efficientnet_lite0 has no such block"),
        (("--from", "block6", "--name", "resnet50"), "resnet50: this name belongs to the engine"),
        (("--from", "block6", "--name", "a b"), "a b: this is no name for a backbone"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    quick: Run, images: Path, data: Path, arguments: tuple[str, ...], line: str
) -> None:
    done = quick("finetune", images, *arguments)
    assert done.returncode == 2
    assert line in done.stderr.decode()
    assert not (data / "backbones").exists()
