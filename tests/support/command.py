"""Fixtures that run the command: in a child process, and in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from cli.main import exit_code
from tests.support import REPOSITORY

Run = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="session")
def engine(own_cache: Path) -> Run:
    """Run the real command in a child process; keyword arguments are those of `subprocess.run`.

    `first` is Python code that the child runs before the command.
    """

    def run(
        *arguments: str | bytes | Path,
        first: str = "",
        env: dict[str, str] | None = None,
        **settings: Any,
    ) -> subprocess.CompletedProcess[bytes]:
        start = ["-c", f"{first}\nfrom cli.main import run\nrun()"] if first else ["-m", "cli.main"]
        environment = os.environ | {"PYTHONPATH": str(REPOSITORY)} | (env or {})
        settings = {"capture_output": True, "timeout": 120} | settings
        command = [sys.executable, *start, *arguments]
        finished: Any = subprocess.run(command, env=environment, **settings)
        return cast("subprocess.CompletedProcess[bytes]", finished)

    return run


@pytest.fixture
def quick(own_cache: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Run:
    """Run the command in this process, where a process of its own is not the point."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[bytes]:
        capfdbinary.readouterr()
        code = exit_code([os.fspath(argument) for argument in arguments])
        stdout, stderr = capfdbinary.readouterr()
        return subprocess.CompletedProcess(arguments, code, stdout, stderr)

    return run
