"""Fixtures that make file permissions count even where the tests are run by root.

There are two, because a process can be made to obey permissions in two ways, and neither serves
for both. This process must get root's rights back afterwards: it becomes another user for a while,
one who reaches `open_folder` but not pytest's own folders. A child process needs this user's
interpreter, cache and folders: it stays root and loses what lets root past permissions.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

NOBODY = 65534
PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """An empty folder that every user of the machine can enter, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as name:
        folder = Path(name).resolve()
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


@contextmanager
def as_user(user: int) -> Iterator[None]:
    """Be another user inside a `with` block; for root alone. There need not be such an account."""
    try:
        _become(user)
    except OSError as error:
        pytest.skip(f"root's rights cannot be given up here ({error.strerror})")
    try:
        yield
    finally:
        _become(0)


def _become(user: int) -> None:
    if hasattr(os, "setresuid"):
        # The real user counts too: it is the one that os.access asks about.
        os.setresuid(user, user, 0)
    else:
        os.seteuid(user)


@pytest.fixture
def as_nobody() -> Callable[[], AbstractContextManager[None]]:
    """A context in which permissions count for this process."""
    if not hasattr(os, "geteuid"):
        pytest.skip("this system has no users to become")
    return (lambda: as_user(NOBODY)) if os.geteuid() == 0 else nullcontext


@pytest.fixture(scope="session")
def powerless() -> Callable[[], None]:
    """What a child process does before it starts (`preexec_fn`), so that permissions count."""
    if sys.platform != "linux":
        pytest.skip("only on Linux can a process give up root's way past permissions")
    libc = ctypes.CDLL(None, use_errno=True)
    prctl = libc.prctl

    def drop() -> None:
        if os.geteuid() == 0:
            for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
                if prctl(PR_CAPBSET_DROP, capability, 0, 0, 0):
                    raise OSError(ctypes.get_errno(), "the power cannot be dropped")

    attempt = [sys.executable, "-c", "import os; os.listdir('/')"]
    try:
        subprocess.run(attempt, preexec_fn=drop, check=True)
    except (subprocess.SubprocessError, OSError):
        pytest.skip("this process may not give up root's way past permissions")
    return drop
