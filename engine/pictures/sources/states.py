"""What is there, asked of each file by its name: of servers many at once."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from engine.config import UrlLimits
from engine.errors import ImageError
from engine.pictures.sources.paths import without_query
from engine.pictures.sources.store import Listing
from engine.pictures.sources.table import scheme_of, store_of
from engine.skipped import Skipped
from index.errors import reason_of
from index.records import FileState

# What a database takes: 64 bits with a sign. File systems know larger inodes, and times whose
# nanoseconds since 1970 take more.
SMALLEST, LARGEST = -(2**63), 2**63 - 1
ASKED_AT_ONCE = 8


def described(
    names: Sequence[str], urls: UrlLimits, progress: Callable[[int], None] = lambda files: None
) -> Listing:
    """Return what there is under names as `absolute` gives them, each a root of its own."""
    listing = Listing([], list(names), [], [])

    def asked(name: str) -> FileState | ImageError | None:
        try:
            return state_of(name, urls)
        except ImageError as error:
            return error

    with ThreadPoolExecutor(ASKED_AT_ONCE, thread_name_prefix="list") as threads:
        for name, answer in zip(names, threads.map(asked, names), strict=True):
            if isinstance(answer, FileState):
                listing.files.append(answer)
                progress(len(listing.files))
            elif answer is None:
                remedy = "Check the page or the list that names it"
                listing.skipped.append(Skipped(without_query(name), "it is not there", remedy))
            else:
                listing.skipped.append(Skipped.of(without_query(name), answer))
                listing.unseen.append(name)
    return listing


def state_of(name: str, urls: UrlLimits) -> FileState | None:
    """Return what an object or an ordinary file is like, None where there is none.

    Raises
    ------
    ImageError
        That cannot be found out, or no URL may be asked.
    """
    scheme = scheme_of(name)
    if scheme is not None:
        require_allowed(name, urls)
        return store_of(scheme).state(name, urls)
    try:
        state = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise ImageError(name, f"it cannot be looked at ({reason_of(error)})", "Check it") from None
    return file_state(name, state) if stat.S_ISREG(state.st_mode) else None


def require_allowed(url: str, urls: UrlLimits) -> None:
    """Insist that URLs may be read here.

    Raises
    ------
    ImageError
        They may not.
    """
    if not urls.allowed:
        raise ImageError(
            without_query(url),
            "URLs are not read here (--no-urls, ENGINE_NO_URLS or UrlLimits)",
            "Name a folder of this machine, or allow them",
        )


def file_state(path: str, state: os.stat_result) -> FileState:
    """Return what is remembered of a file's state, in whole numbers that a database takes.

    A time before 1677 or after 2262, whose nanoseconds take more than 64 bits, becomes the first or
    the last that they hold. A file of the future is younger than its scan: every run opens it.
    """
    size, modified, changed = map(_stored, (state.st_size, state.st_mtime_ns, state.st_ctime_ns))
    return FileState(path, size, modified, inode_of(state), changed)


def _stored(number: int) -> int:
    return max(SMALLEST, min(number, LARGEST))


def inode_of(state: os.stat_result) -> int:
    """Return a file's inode, as far as a database takes it."""
    return state.st_ino & LARGEST
