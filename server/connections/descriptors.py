"""Descriptors of open files and sockets, of which a process may have so many."""

from __future__ import annotations

from contextlib import suppress

# Beside connections: files of the store, of pictures, of a database.
OTHERS = 512


def allow_connections(connections: int) -> None:
    """Raise this process's own limit of descriptors, as far as it may, for so many connections."""
    try:
        import resource
    except ImportError:
        # Windows has no such limit.
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + OTHERS
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # Where it is refused, what is beyond is not accepted.
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
