"""A real service, and a browser that looks at its page; whatever a page does wrong fails its test.

The fixtures are our own, and a browser lasts for a file of tests: while Playwright runs, so does an
event loop, and other rooms' tests of this process run loops, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    expect,
)

from engine import Config, Engine, TrainOptions
from tests.support.browser import NO_BROWSER, chromium, launched, serving

PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
# Told on the console: Chromium tells of a policy that is broken there, too, but not always.
WATCH = """
addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`));
window.shifted = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({ type: "layout-shift", buffered: true });
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave all of this folder to `make test`."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def program() -> str:
    """The browser's program."""
    found = chromium()
    if found is None:
        pytest.skip(NO_BROWSER)
    return found


@pytest.fixture(scope="module")
def browser(program: str) -> Iterator[Browser]:
    """A browser for the tests of a file."""
    with launched(program) as running:
        yield running


@pytest.fixture(scope="session")
def stocked(program: str, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 60 drawn pictures, their store and the head `furniture`; not to be changed."""
    folder = tmp_path_factory.mktemp("stocked")
    shutil.copytree(drawn, folder / "pictures")
    with Engine(Config.at(folder / "store")) as made:
        made.index([folder / "pictures"], label="parent")
        made.train(head="furniture", from_labels=True, options=TrainOptions(fast=True))
    return folder


@dataclass
class Served:
    """A service that runs.

    Attributes
    ----------
    address
        Of its page, with a slash at the end.
    folder
        Where its pictures and its store are.
    """

    address: str
    folder: Path

    @property
    def images(self) -> Path:
        """The folder of pictures."""
        return self.folder / "pictures"

    def image(self, category: str, number: int = 0) -> Path:
        """Return a picture of the catalog."""
        return sorted((self.images / category).iterdir())[number]


@pytest.fixture(scope="module")
def served(stocked: Path) -> Iterator[Served]:
    """A service that tests of a file share: they leave the store as it was."""
    with serving(stocked / "store") as address:
        yield Served(address, stocked)


@pytest.fixture
def own_service(stocked: Path, tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """A function that starts a service on a store of a test's own."""
    with ExitStack() as running:

        def start(*arguments: str | Path, change: Callable[[Path], object] | None = None) -> Served:
            # The paths in a store are relative to it: it moves with its pictures.
            folder = Path(shutil.copytree(stocked, tmp_path / "own"))
            if change is not None:
                change(folder)
            return Served(running.enter_context(serving(folder / "store", *arguments)), folder)

        yield start


@dataclass
class Watched:
    """What a page has done.

    Attributes
    ----------
    requests
        Addresses that it asked for.
    failures
        Statuses of 400 and more, with what was asked for.
    complaints
        What the console and the page's errors say.
    expected
        Statuses that a test provokes.
    """

    requests: list[str] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    expected: set[int] = field(default_factory=set)

    def watch(self, page: Page) -> None:
        """Note what a page does."""

        def asked(request: Request) -> None:
            self.requests.append(request.url)

        def answered(response: Response) -> None:
            if response.status >= 400:
                self.failures.append((response.status, response.url))

        def told(message: ConsoleMessage) -> None:
            # What was refused is noted above.
            if message.type in ("error", "warning") and "Failed to load" not in message.text:
                self.complaints.append(message.text)

        page.on("request", asked)
        page.on("response", answered)
        page.on("console", told)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def check(self) -> None:
        """Insist on a page that asked this service alone, for what there is, and broke nothing."""
        hosts = {urlsplit(url).hostname for url in self.requests if not url.startswith("blob:")}
        assert hosts <= {"localhost", "127.0.0.1"}
        assert not self.complaints
        assert not [each for each in self.failures if each[0] not in self.expected]


@pytest.fixture
def watched() -> Watched:
    """What the pages of a test do."""
    return Watched()


NewPage = Callable[..., Page]


@pytest.fixture
def new_page(browser: Browser, watched: Watched) -> Iterator[NewPage]:
    """A function that opens an empty page; keywords are those of `Browser.new_context`."""
    opened: list[BrowserContext] = []

    def made(**settings: Any) -> Page:
        context = browser.new_context(viewport=settings.pop("viewport", SIZE), **settings)
        opened.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(WATCH)
        page = context.new_page()
        watched.watch(page)
        return page

    yield made
    for context in opened:
        context.close()
    watched.check()


SIZE = {"width": 1280, "height": 860}


@pytest.fixture
def page(new_page: NewPage) -> Page:
    """An empty page."""
    return new_page()


def faults(page: Page) -> list[str]:
    """Return what axe finds wrong for people who cannot see, hear or point well."""
    found = Axe().run(page).response["violations"]
    return [f"{each['id']}: {[node['target'] for node in each['nodes']][:3]}" for each in found]


TRANSITIONS_ENDED = """async () => {
  await new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)));
  const ending = document.getAnimations().filter(
    (each) => each.effect.getComputedTiming().endTime !== Infinity);
  await Promise.allSettled(ending.map((each) => each.finished));
}"""


def faults_in_all_looks(page: Page) -> list[str]:
    """Return what `faults` finds, and what is too wide, in both schemes and on a telephone, too."""
    found = []
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme, width in product(schemes, (1280, 360)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": width, "height": 800})
        # Colours pass over into those of the other scheme.
        page.evaluate(TRANSITIONS_ENDED)
        found += [f"{scheme}, {width} px: {each}" for each in faults(page)]
        if overflow(page) > 0:
            found.append(f"{scheme}, {width} px: it is wider than its window")
    return found


def shifted(page: Page) -> float:
    """Return by how much what is seen has moved by itself, as browsers measure it."""
    return float(page.evaluate("window.shifted"))


def overflow(page: Page) -> int:
    """Return by how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))
