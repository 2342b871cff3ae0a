"""What all tests share: caches of their own, drawn pictures, and the real ones where there are."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from demo.catalog import draw_catalog
from engine import Config, Engine
from engine.testing import FakeEmbedder
from index.store import Store
from tests.support import REPOSITORY
from tests.support.browser import NO_BROWSER
from tests.support.images import copied_images

pytest_plugins = (
    "tests.support.command",
    "tests.support.file_systems",
    "tests.support.hostile_web",
    "tests.support.object_store",
    "tests.support.permissions",
    "tests.support.postgres",
    "tests.support.web",
)
# How long an example takes says how busy the machine is, not whether the code is right.
settings.register_profile("untimed", deadline=None)
# The same examples each time: whether a change passes is not for chance to say.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.load_profile("untimed")
REAL_IMAGES = Path(os.environ.get("ENGINE_TEST_DATA", REPOSITORY.parent / "shared" / "data"))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take long: workers side by side then end at the same time."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    torture = REPOSITORY / "tests" / "torture"
    items.sort(key=lambda item: (torture not in item.path.parents, item.path not in slow))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Search for garbage seldom, and not among the tests: else that is an eighth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter,
) -> Iterator[None]:
    """Say last how much of the page nobody has looked at."""
    yield
    skipped = terminalreporter.stats.get("skipped", [])
    if count := sum(NO_BROWSER in str(report.longrepr) for report in skipped):
        terminalreporter.write_line(f"{count} tests of the page did not run: {NO_BROWSER}")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep weights and compiled models of all tests in one folder, away from the user's."""
    folder = tmp_path_factory.mktemp("cache")
    before = {name: value for name, value in os.environ.items() if _is_setting(name)}
    for name in before:
        del os.environ[name]
    os.environ["ENGINE_CACHE"] = str(folder)
    os.environ["ENGINE_DATA"] = str(tmp_path_factory.mktemp("data"))
    os.environ["ENGINE_BACKBONE"] = "efficientnet_lite0"
    yield folder
    for name in ("ENGINE_CACHE", "ENGINE_DATA", "ENGINE_BACKBONE"):
        del os.environ[name]
    os.environ.update(before)


def _is_setting(name: str) -> bool:
    return name.startswith("ENGINE_") and not name.startswith("ENGINE_TEST_")


@pytest.fixture(scope="session", autouse=True)
def interruptible() -> None:
    """Let Ctrl-C through, even where the tests run in the background of a script.

    There the shell has it ignored, and child processes would inherit that.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of drawn furniture, 12 renders in each of 5 categories; not to be changed."""
    folder = tmp_path_factory.mktemp("drawn")
    draw_catalog(folder, per_category=12, seed=7)
    return folder


@pytest.fixture
def images(drawn: Path, tmp_path: Path) -> Path:
    """A folder of a test's own with four renders in each of three categories."""
    return copied_images(drawn, tmp_path / "pictures")


@pytest.fixture
def fake_engine(tmp_path: Path) -> Iterator[Engine]:
    """An engine with the fake backbone on a store that nobody named and that is not there yet."""
    config = Config(store=Store(tmp_path / "store"))
    with Engine(config, embedder=FakeEmbedder(config)) as engine:
        yield engine


@pytest.fixture(scope="session")
def real_images() -> Path:
    """The folder of real photographs, where there is one."""
    if not (REAL_IMAGES / "catalog").is_dir():
        pytest.skip(f"no real photographs at {REAL_IMAGES} (set ENGINE_TEST_DATA)")
    return REAL_IMAGES
