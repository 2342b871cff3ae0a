"""What fails because a catalog is damaged says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from index.errors import EngineError

if TYPE_CHECKING:
    from index.catalog.catalog import Catalog


@contextmanager
def diagnosed(catalog: Catalog) -> Iterator[None]:
    """Raise what fails in a `with` block, as damage of the catalog where that is what it is."""
    try:
        yield
    except EngineError:
        raise
    except Exception:
        from index.catalog.diagnosis import diagnosed as found

        with found(catalog):
            raise
