"""Image files at or below a URL, and in an archive, by the rules of a walk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import urljoin

from engine.config import UrlLimits
from engine.errors import EngineError, UsageError
from engine.pictures.formats import EXTENSIONS, extension_of
from engine.pictures.sources.found import Found
from engine.pictures.sources.opened import open_archives
from engine.pictures.sources.paths import (
    absolute,
    archive_parts,
    is_remote,
    relative,
    without_query,
)
from engine.pictures.sources.states import described, require_allowed, state_of
from engine.pictures.sources.store import Listing, version_number
from engine.pictures.sources.table import archive_kind, scheme_name, scheme_of, store_of
from engine.pictures.threads.memory import no_memory
from engine.pictures.walk_rules import WalkRules, without_twins
from engine.skipped import Skipped
from index.catalog.paths import is_below
from index.records import FileState


def list_url(url: str, rules: WalkRules, urls: UrlLimits, progress: Callable[[int], None]) -> Found:
    """Return what lies at or below a URL; no archive is opened.

    Parameters
    ----------
    url
        As `absolute` writes it.
    progress
        Hears how many files were found so far.
    """
    scheme = scheme_of(url)
    assert scheme is not None
    try:
        scheme.require(url)
        require_allowed(url, urls)
        archive = _archive_at(url, urls)
        if archive is not None:
            return Found(roots=[url], archives=[archive])
        listing = store_of(scheme).listing(url, urls, progress)
    except EngineError as error:
        return Found(skipped=[Skipped.of(without_query(url), error)], unseen=[url])
    found = Found(roots=listing.roots, skipped=listing.skipped, unseen=listing.unseen)
    if listing.roots != [url]:
        # A list names its images by hand, wherever they are.
        found.files = listing.files
        return found
    if not listing.files and not listing.skipped:
        reason = "there is nothing at or below it"
        found.skipped.append(Skipped(without_query(url), reason, "Check the URL"))
    _choose(found, url, listing.files, rules)
    return found


def members(
    archive: FileState,
    rules: WalkRules | None = None,
    *,
    labels: bool = False,
    urls: UrlLimits | None = None,
) -> Found:
    """Return the images of an archive, in the order in which they lie there.

    One behind a URL is copied whole, once. Where it is a list of URLs or paths, these are returned.

    Parameters
    ----------
    archive
        As a listing has it.
    rules
        What is left out; paths are held against patterns below the archive.
    labels
        Return what the archive says of its images, too.

    Returns
    -------
    Found
        `files`, `skipped`, `labels`, `unseen` where it cannot be read or is damaged, and `roots`.
    """
    rules, urls = rules or WalkRules(), urls or UrlLimits()
    found = Found(roots=[archive.path])
    try:
        table = open_archives().table(archive, urls, labels=labels)
        if table.references:
            return _referenced(archive.path, table.references, urls)
    except (EngineError, MemoryError) as error:
        failure = error if isinstance(error, EngineError) else no_memory(archive.path)
        return Found(skipped=[Skipped.of(archive.path, failure)], unseen=[archive.path])
    found.skipped += table.skipped
    if not table.whole:
        found.unseen.append(archive.path)
    version = archive.size, archive.mtime_ns, archive.inode, archive.ctime_ns
    files = [
        FileState(
            f"{archive.path}/{name}",
            member.size,
            archive.mtime_ns,
            None
            if archive.inode is None
            else version_number(*version, member.position, member.size),
            archive.ctime_ns,
        )
        for name, member in table.members.items()
    ]
    kind = archive_kind(archive.path)
    _choose(found, archive.path, files, rules, every=kind is not None and kind.every)
    # In the order of the archive: rows of a group are read together.
    order = {file.path: at for at, file in enumerate(files)}
    found.files.sort(key=lambda file: order[file.path])
    if labels:
        said = {f"{archive.path}/{name}": member.label for name, member in table.members.items()}
        found.labels = {file.path: said[file.path] for file in found.files if said[file.path]}
    return found


def _archive_at(url: str, urls: UrlLimits) -> FileState | None:
    """Return the archive that a URL names, or that what it names lies in."""
    for archive in (*(each for each, _ in archive_parts(url)), url):
        if archive_kind(archive) is not None and (state := state_of(archive, urls)) is not None:
            return state
    return None


def _choose(
    found: Found, root: str, files: Iterable[FileState], rules: WalkRules, *, every: bool = False
) -> None:
    """Add the files below a root that a walk would take, folder by folder."""
    folders: dict[str, dict[str, FileState]] = {}
    for file in files:
        if file.path == root:
            found.files.append(file)
            continue
        folder, name = os.path.split(relative(file.path, root))
        folders.setdefault(folder, {})[name] = file
    for folder, names in folders.items():
        if any(rules.folder_is_hidden(part) for part in folder.split("/") if part):
            found.left_out += sum(extension_of(name) in EXTENSIONS for name in names)
            continue
        archives = [] if every else [name for name in names if rules.is_archive(name)]
        images = [name for name in names if every or rules.is_image(name)]
        found.left_out += sum(
            name.startswith(".") and extension_of(name) in EXTENSIONS for name in names
        ) - sum(name.startswith(".") for name in images)
        wanted = without_twins(images)
        found.twins += len(images) - len(wanted)
        for name in (*wanted, *archives):
            if rules.excludes(names[name].path, root):
                found.excluded += 1
            elif rules.is_archive(name) and not every:
                (found.archives if rules.archives else found.closed).append(names[name])
            else:
                found.files.append(names[name])


def _referenced(archive: str, references: Sequence[str], urls: UrlLimits) -> Found:
    """Return the images that an archive names, each a root of its own."""
    names: dict[str, None] = {}
    found = Found()
    for text in references:
        try:
            names[absolute(_target(archive, text))] = None
        except EngineError as error:
            found.skipped.append(Skipped.of(without_query(text)[:200], error))
    listing: Listing = described(list(names), urls)
    found.files, found.roots, found.unseen = listing.files, listing.roots, listing.unseen
    found.skipped += listing.skipped
    return found


def _target(archive: str, text: str) -> str:
    """Return the name of an image that an archive refers to.

    Raises
    ------
    UsageError
        An archive behind a URL refers to this machine, or to another store than its own.
    """
    if not is_remote(archive):
        return _local_target(archive, text)
    target = text
    if not scheme_name(text):
        folder = os.path.dirname(archive)
        web = scheme_name(archive) in ("http", "https")
        target = urljoin(archive, text) if web else f"{folder}/{text}"
        if not web and (text.startswith("/") or ".." in text.split("/")):
            target = ""
    own = "/".join(archive.split("/")[:3]) + "/"
    if scheme_name(target) in ("http", "https") or target.startswith(own):
        return target
    raise UsageError(
        without_query(text),
        f"{archive} refers to it, which lies elsewhere than the archive",
        "Copy the archive to this machine if it is to be trusted",
    )


def _local_target(archive: str, text: str) -> str:
    """Return the name of an image that an archive of this machine refers to.

    Raises
    ------
    UsageError
        It is a file outside the archive's folder: whoever made the archive need not know of it.
    """
    folder = os.path.dirname(archive)
    target = absolute(text if scheme_name(text) else os.path.join(folder, text))
    if is_remote(target) or is_below(os.path.realpath(target), (os.path.realpath(folder),)):
        return target
    raise UsageError(
        text,
        f"{archive} refers to it, which lies outside its folder",
        "Put the archive into a folder above it",
    )
