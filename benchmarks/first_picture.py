"""How soon the page shows the first picture of a catalog, in a browser over loopback.

    python -m benchmarks.first_picture [--data FOLDER] [--loads 7]

600 photographs, a Chromium without a window that knows nothing of the page, and a service that has
never made a thumbnail of them; then the same again, with thumbnails.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.serve import BACKBONE, ENGINE, running
from benchmarks.settings import find_data
from engine import Engine
from engine.config import cache_folder
from tests.support.browser import NO_BROWSER, chromium, launched

LOOKS = 3000
# When the page was asked for is the zero of a browser's clock.
WATCH = """
document.addEventListener("load", ({target}) => {
  if (target instanceof HTMLImageElement && target.closest(".tile"))
    window.shown ??= performance.now();
}, true);
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the milliseconds of each load."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.first_picture", description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--loads", type=int, default=7)
    given = parser.parse_args(arguments)
    data, program = find_data(given.data), chromium()
    if data is None or program is None:
        missing = NO_BROWSER if program is None else "needs photographs; see benchmarks/README.md"
        print(missing, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        cache, store = Path(folder) / "cache", Path(folder) / "store"
        with Engine.open(store, backbone=BACKBONE, cache=cache_folder()) as engine:
            engine.index([data / "catalog"])
        # Thumbnails lie in the cache.
        os.environ["ENGINE_CACHE"] = str(cache)
        with running([*ENGINE, "serve", "--port", "0", "--store", str(store)]) as service:
            address = f"http://localhost:{service.port}/"
            found = _shown(program, address, given.loads)
    print(f"first picture after {', '.join(f'{each:.0f}' for each in found)} ms")
    print(f"median {median(found):.0f} ms, at most {max(found):.0f} ms")
    return 0


def _shown(program: str, address: str, loads: int) -> list[float]:
    """Return after how many milliseconds each load of the page showed a picture."""
    found = []
    with launched(program) as browser:
        for _ in range(loads):
            context = browser.new_context()
            context.add_init_script(WATCH)
            page = context.new_page()
            page.goto(address)
            # The page's policy forbids what waits within the page.
            for _ in range(LOOKS):
                if shown := page.evaluate("window.shown"):
                    found.append(float(shown))
                    break
                page.wait_for_timeout(10)
            context.close()
    return found


if __name__ == "__main__":
    sys.exit(main())
