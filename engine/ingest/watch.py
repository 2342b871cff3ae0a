"""Following folders: a run of indexing whenever files below them have changed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from threading import Event

from engine.config import require_number
from engine.errors import EngineError, StoreLockedError, UsageError
from engine.ingest.results import IndexReport
from engine.pictures.walk_rules import WalkRules
from index.catalog.paths import is_below

Announce = Callable[[str], None]
# A watch is known to have begun when it has waited for so long in vain.
BEGIN_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """When a change is acted upon.

    Attributes
    ----------
    quiet_seconds
        Nothing has changed for so long: files that were being copied are whole.
    patience_seconds
        So long at most, while other files go on changing.
    check_seconds
        How often it is looked whether the folders are the same still, and how long is waited for
        one that is not there, or for another writer.
    """

    quiet_seconds: float = 2.0
    patience_seconds: float = 30.0
    check_seconds: float = 5.0

    def __post_init__(self) -> None:
        for each in fields(self):
            require_number(each.name, getattr(self, each.name), 0)


@dataclass(frozen=True, slots=True)
class Watch:
    """What is followed.

    Attributes
    ----------
    folders
        Absolute paths.
    store
        The store's folder, whose own changes do not count.
    rules
        Which files and folders are left out.
    limits
        When a change is acted upon.
    stopped
        Ends it when set.
    """

    folders: Sequence[str]
    store: str
    rules: WalkRules
    limits: WatchLimits
    stopped: Event


def follow(
    watch: Watch, index: Callable[[], IndexReport], announce: Announce
) -> Iterator[IndexReport]:
    """Yield the report of a first run, and of one after each change, until `watch` is stopped.

    After the first run nothing ends it but that and an interrupt: what fails is announced, and
    tried again after the next change.

    Raises
    ------
    EngineError
        The first run cannot be done.
    UsageError
        The package that watches folders is not installed.
    """
    changed = changes(watch)
    if not any(map(os.path.exists, watch.folders)):
        yield index()
    # A watch goes on once when it has begun: no change falls between it and the first run.
    next(changed)
    yield index()
    for _ in changed:
        try:
            yield _patiently(index, watch)
        except EngineError as error:
            announce(f"not indexed: {error}")


def _patiently(index: Callable[[], IndexReport], watch: Watch) -> IndexReport:
    """Run, after other writers have ended."""
    while True:
        try:
            return index()
        except StoreLockedError:
            if watch.stopped.wait(watch.limits.check_seconds):
                raise


def changes(watch: Watch) -> Iterator[None]:
    """Return an iterator that goes on when a watch has begun, and at changes that are over.

    Raises
    ------
    UsageError
        The package that watches folders is not installed.
    """
    try:
        import watchfiles  # noqa: F401
    except ImportError:
        raise UsageError(
            "--watch",
            "the package that watches folders is not installed",
            "Run pip install 'image-engine[watch]'",
        ) from None
    return _changes(watch)


def _changes(watch: Watch) -> Iterator[None]:
    while not watch.stopped.is_set():
        before = _identities(watch.folders)
        present = [folder for folder in watch.folders if before[folder] is not None]
        if not present:
            watch.stopped.wait(watch.limits.check_seconds)
            continue
        try:
            yield from _until_replaced(watch, present, before)
        except FileNotFoundError:
            continue


def _until_replaced(
    watch: Watch, present: Sequence[str], before: dict[str, tuple[int, int] | None]
) -> Iterator[None]:
    """Yield at changes, until a folder comes, goes, or is another one: a drive was mounted."""
    from watchfiles import watch as watched

    limits, begun = watch.limits, False
    for found in watched(
        *present,
        watch_filter=lambda change, path: _counts(watch, path),
        debounce=round(limits.patience_seconds * 1000),
        step=round(limits.quiet_seconds * 1000),
        rust_timeout=round(min(BEGIN_SECONDS, limits.check_seconds) * 1000),
        yield_on_timeout=True,
        stop_event=watch.stopped,
        ignore_permission_denied=True,
    ):
        replaced = _identities(watch.folders) != before
        if found or replaced or not begun:
            begun = True
            yield
        if replaced:
            return


def _counts(watch: Watch, path: str) -> bool:
    """Say whether a change at a path may be one of images: of a file, or a folder of them."""
    if is_below(path, (watch.store,)):
        return False
    name = os.path.basename(path)
    known = watch.rules.is_image(name) or watch.rules.is_archive(name)
    return known or not os.path.splitext(name)[1]


def _identities(folders: Sequence[str]) -> dict[str, tuple[int, int] | None]:
    found: dict[str, tuple[int, int] | None] = {}
    for folder in folders:
        try:
            state = os.stat(folder)
            found[folder] = (state.st_dev, state.st_ino)
        except OSError:
            found[folder] = None
    return found
