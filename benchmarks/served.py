"""How soon the page of `make serve` is up, and what takes how long: on nothing, and again.

    python -m benchmarks.served

A cache and a folder of its own: as on a fresh clone after the installation.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

PATIENCE = 300.0


def main() -> None:
    """Print the seconds until each step."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("on nothing", "again"):
            print(name)
            for step, seconds in _steps(Path(folder)):
                print(f"  {step:<50}{seconds:6.2f} s")


def _steps(folder: Path) -> list[tuple[str, float]]:
    command = [sys.executable, "-m", "cli.main", "demo", "--serve", "--port", "0"]
    variables = os.environ | {"ENGINE_CACHE": str(folder / "cache")}
    began = time.monotonic()
    process = subprocess.Popen(
        [*command, "--folder", folder / "demo"], env=variables, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    try:
        address = _address(process)
        steps = [("it listens", time.monotonic() - began)]

        def until(step: str, done: Callable[[], object]) -> None:
            while not done():
                if time.monotonic() - began > PATIENCE:
                    raise TimeoutError(step)
                time.sleep(0.01)
            steps.append((step, time.monotonic() - began))

        until("the first answer", lambda: _ask(address, "v1/images?limit=1"))
        until("the backbone has started", lambda: _ask(address, "readyz"))
        until("the first picture is in the catalog", lambda: _ids(address))
        image = _ask(address, f"v1/images/{_ids(address)[0]}/file")
        asked = time.monotonic()
        _ask(address, "v1/search?k=5", image)
        steps.append(("  a first search by a picture takes", time.monotonic() - asked))
        until("all 120 are", lambda: len(_ids(address)) == 120)
        until("the head is trained", lambda: b"furniture" in _ask(address, "v1/heads"))
        return steps
    finally:
        process.terminate()
        process.communicate()


def _address(process: subprocess.Popen[bytes]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if found := re.search(rb"https?://\S+", line):
            return found[0].decode()
    raise RuntimeError("it never listened")


def _ask(address: str, path: str, content: bytes | None = None) -> bytes:
    headers = {"content-type": "image/jpeg"} if content else {}
    try:
        with urlopen(Request(address + path, content, headers), timeout=PATIENCE) as answer:
            return bytes(answer.read())
    except URLError:
        return b""


def _ids(address: str) -> list[int]:
    return [int(each) for each in re.findall(rb'"id":(\d+)', _ask(address, "v1/images?limit=1000"))]


if __name__ == "__main__":
    main()
