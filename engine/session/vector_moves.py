"""Keeping the vectors of a store somewhere else."""

from __future__ import annotations

from pathlib import Path

from engine.progress import Reporter
from index.catalog.catalog import Catalog
from index.errors import StoreError
from index.sync import vectors_of
from index.vector_address import VectorAddress


def require_address(address: VectorAddress) -> None:
    """Insist that vectors can be kept at an address; nothing is made there but an empty file.

    Raises
    ------
    VectorStoreError
        They cannot.
    """
    # Files of the store are where the store is.
    if address.uri:
        from index.vectors.milvus.connection import Connection

        connection = Connection(address)
        with connection.client():
            connection.close()


def move_vectors(
    catalog: Catalog, folder: Path, to: VectorAddress, reporter: Reporter, wait_seconds: float
) -> None:
    """Remember where vectors are kept from now on, and remove those that were kept elsewhere.

    Where that cannot be done, it is announced. For who holds the writer's lock.

    Parameters
    ----------
    folder
        Of what is derived of the catalog.
    wait_seconds
        How long to wait for a process that brings the old vectors in step.
    """
    before = catalog.vectors()
    catalog.keep_vectors_in(to)
    old = vectors_of(catalog, folder, before)
    try:
        with catalog.database.vectors_lock(wait_seconds=wait_seconds):
            old.discard()
    except (StoreError, OSError) as error:
        reporter.announce(f"the vectors in {before.name} were left there: {error}")
    finally:
        old.close()
