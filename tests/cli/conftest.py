"""What tests of the command line share: the command in a child process, and in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from cli.main import exit_code

Run = Callable[..., subprocess.CompletedProcess[bytes]]
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def engine(own_cache: Path) -> Run:
    """Run the real command in a child process; keyword arguments are those of `subprocess.run`."""

    def run(
        *arguments: str | bytes | Path, env: dict[str, str] | None = None, **settings: Any
    ) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "cli.main", *arguments]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | (env or {})
        settings = {"capture_output": True, "timeout": 120} | settings
        finished: Any = subprocess.run(command, env=environment, **settings)
        return cast("subprocess.CompletedProcess[bytes]", finished)

    return run


@pytest.fixture
def quick(capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run the command in this process, where a process of its own is not the point."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        capfdbinary.readouterr()
        code = exit_code([os.fspath(argument) for argument in arguments])
        stdout, stderr = capfdbinary.readouterr()
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    return run
