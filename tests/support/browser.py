"""A browser for tests and for the pictures of the docs: Chromium, where there is one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support import REPOSITORY

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NO_BROWSER = "no Chromium was found (apt install chromium)"
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)


def chromium() -> str | None:
    """Return the program, None where there is none: its own download is never made."""
    found = map(shutil.which, NAMES)
    return next((program for program in found if program), None)


@contextmanager
def launched(program: str) -> Iterator[Browser]:
    """Run a browser for the length of a `with` block."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def serving(store: Path, *arguments: str | Path) -> Iterator[str]:
    """Run `engine serve` on a free port; the address it prints ends with a slash or a token."""
    command = [sys.executable, "-m", "cli.main", "serve", "--port", "0", "--store", str(store)]
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    assert process.stderr is not None
    try:
        told = []
        for line in process.stderr:
            told.append(line.decode(errors="replace"))
            if found := re.search(rb"https?://\S+", line):
                yield found[0].decode()
                break
        else:
            raise RuntimeError(f"the service never listened: {''.join(told)}")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
