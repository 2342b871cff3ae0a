"""The web: pages that list pictures, lists of URLs, and the pictures behind them.

A URL that ends in `.txt` or `.lst` holds one URL a line. Any other that names no picture and no
archive, and has no query, is a page: its links to pictures below it count, and pages below it are
looked at in turn, as fsspec does. All is fetched as a picture is that somebody names by a URL: by
`engine.pictures.urls`, within its limits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from email.utils import parsedate_to_datetime
from html.parser import HTMLParser
from urllib.parse import urldefrag, urljoin, urlsplit

from engine.config import UrlLimits
from engine.errors import EngineError, FetchError, ImageError
from engine.pictures.formats import EXTENSIONS, extension_of
from engine.pictures.sources.paths import absolute, without_query
from engine.pictures.sources.states import described
from engine.pictures.sources.store import UNKNOWN_TIME, Listing, version_number
from engine.pictures.sources.table import archive_kind, scheme_name
from engine.pictures.threads.memory import Reserve
from engine.pictures.urls.fetch import Answer, fetch
from engine.skipped import Skipped
from index.records import FileState

LISTS = ("txt", "lst")
# Of one page or list; how many pages wait at once, and how many URLs there may be.
LISTING_BYTES, MOST_PAGES, MOST_URLS = 256 << 20, 10_000, 5_000_000
# An archive is fetched whole: the limits of one picture are none for it.
ARCHIVE_BYTES, ARCHIVE_SECONDS = 1 << 40, 24 * 3600.0
_GONE = (404, 410)
_NO_HEAD = (400, 403, 405, 501)


class WebStore:
    """What lists and reads `http:` and `https:` URLs."""

    def listing(self, url: str, urls: UrlLimits, progress: Callable[[int], None]) -> Listing:
        """Return the pictures that a URL names or lists; see `SourceStore`."""
        extension = extension_of(urlsplit(url).path)
        if extension in LISTS:
            names, skipped = _listed(url, urls)
            listing = described(names, urls, progress)
            listing.skipped += skipped
            return listing
        if urlsplit(url).query or _is_wanted(url):
            state = self.state(url, urls)
            return Listing([state] if state else [], [url], [], [])
        found = _linked(url, urls)
        listing = described(sorted(found.files), urls, progress)
        listing.roots = [url]
        listing.skipped += found.skipped
        listing.unseen += found.unseen
        return listing

    def state(self, url: str, urls: UrlLimits) -> FileState | None:
        """Return what the server says of a file; see `SourceStore`."""
        try:
            return _state(url, fetch(url, replace(urls, bytes=ARCHIVE_BYTES), _silent))
        except FetchError as error:
            if error.status in _GONE:
                return None
            if error.status in _NO_HEAD:
                return FileState(url, 0, UNKNOWN_TIME)
            raise

    def read(
        self, url: str, urls: UrlLimits, max_bytes: int, size: int | None, reserve: Reserve | None
    ) -> bytes:
        """Return the bytes of a file; see `SourceStore`."""
        parts: list[bytes] = []

        def begin(answer: Answer) -> None:
            if reserve is not None:
                reserve(limits.bytes if answer.length is None else answer.length)

        limits = replace(urls, bytes=max(1, min(urls.bytes, max_bytes)))
        fetch(url, limits, _silent, parts.append, begin=begin)
        return b"".join(parts)

    def copy(self, url: str, urls: UrlLimits, write: Callable[[bytes], object]) -> None:
        """Hand over the bytes of a file piece by piece; see `SourceStore`."""
        fetch(url, _archive_limits(urls), _silent, write)


def _listed(url: str, urls: UrlLimits) -> tuple[list[str], list[Skipped]]:
    """Return the URLs of a list, and what cannot be one."""
    _, data = _page(url, urls)
    good: dict[str, None] = {}
    skipped: list[Skipped] = []
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), start=1):
        if not (text := line.strip()) or text.startswith("#"):
            continue
        named = urljoin(url, text)
        # A list is a stranger's: it leads to no file of this machine, and into no bucket.
        if scheme_name(named) not in ("http", "https"):
            reason = f"line {number} of {without_query(url)}: it is no http or https URL"
            skipped.append(Skipped(without_query(text)[:200], reason, "Take it out of the list"))
            continue
        try:
            good[absolute(named)] = None
        except EngineError as error:
            skipped.append(Skipped.of(without_query(named), error))
        if len(good) > MOST_URLS:
            raise ImageError(url, f"it lists more than {MOST_URLS:,} URLs", "Divide it")
    return list(good), skipped


class _Links(HTMLParser):
    """The targets of a page's links."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the target of a link."""
        if tag == "a":
            self.found += [value for name, value in attrs if name == "href" and value]


class _Pages:
    """Pictures and archives that pages at or below a URL link to."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self.skipped: list[Skipped] = []
        self.unseen: list[str] = []


def _linked(url: str, urls: UrlLimits) -> _Pages:
    found, top = _Pages(), f"{url}/"
    pages, seen = [top], {top}
    while pages:
        page = pages.pop()
        try:
            at, data = _page(page, urls)
        except ImageError as error:
            if page == top:
                raise
            found.skipped.append(Skipped.of(page, error))
            found.unseen.append(page.rstrip("/"))
            continue
        links = _Links()
        links.feed(data.decode("utf-8", "replace"))
        for link in links.found:
            target = _target(at, link)
            # Below the page, and not the page again in another order of its columns.
            if target is None or not target.startswith(top) or "?" in target or target in seen:
                continue
            seen.add(target)
            if target.endswith("/"):
                pages.append(target)
            elif _is_wanted(target):
                found.files[absolute(target)] = None
        if len(seen) > MOST_URLS or len(pages) > MOST_PAGES:
            raise ImageError(url, "there are too many pages below it", "Name one of them")
    return found


def _target(page: str, link: str) -> str | None:
    try:
        target = urldefrag(urljoin(page, link)).url
        return target if scheme_name(target) in ("http", "https") else None
    except ValueError:
        return None


def _is_wanted(url: str) -> bool:
    path = urlsplit(url).path
    return extension_of(path) in EXTENSIONS or archive_kind(path) is not None


def _page(url: str, urls: UrlLimits) -> tuple[str, bytes]:
    """Return where a page lies, to which a server may have led, and what is on it."""
    parts: list[bytes] = []
    limits = replace(urls, bytes=LISTING_BYTES, seconds=max(urls.seconds, 600.0))
    answer = fetch(url, limits, _silent, parts.append)
    return answer.url, b"".join(parts)


def _state(url: str, answer: Answer) -> FileState:
    tag, changed = answer.headers.get("etag"), answer.headers.get("last-modified")
    modified = _nanoseconds(changed)
    size = answer.length or 0
    if tag:
        return FileState(url, size, modified or 0, version_number(tag))
    if modified is None:
        return FileState(url, size, UNKNOWN_TIME)
    # Whole seconds: a file changed shortly before it was asked for is looked at again.
    return FileState(url, size, modified, version_number(changed), modified)


def _nanoseconds(changed: str | None) -> int | None:
    try:
        return int(parsedate_to_datetime(changed or "").timestamp()) * 1_000_000_000
    except (ValueError, TypeError, OverflowError):
        return None


def _archive_limits(urls: UrlLimits) -> UrlLimits:
    seconds = max(urls.seconds, ARCHIVE_SECONDS)
    return replace(urls, bytes=max(urls.bytes, ARCHIVE_BYTES), seconds=seconds)


def _silent(text: str) -> None:
    """Hear nothing: who names a server knows where it is."""
