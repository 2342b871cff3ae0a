"""The backbone loaded while a command still imports and opens the rest: two waits at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

from engine.config import Config
from engine.embedding.choose import choose_embedder
from engine.embedding.embedder import Embedder
from engine.errors import EngineError
from engine.progress import Reporter
from engine.runtimes.hardware import THIS_MACHINE, Hardware, runs_on_torch
from engine.runtimes.openvino import import_openvino
from index.catalog.sql.peek import peek_identity
from index.records import CatalogIdentity


class NotReadyError(Exception):
    """Something must first be fetched, exported or told: that is not for the background."""


class WarmUp:
    """A backbone that is being loaded, chosen by a peek into the catalog.

    Parameters
    ----------
    identity
        What the peek told.
    embedder
        The backbone that belongs to it.
    """

    def __init__(self, identity: CatalogIdentity, embedder: Embedder) -> None:
        self._identity = identity
        self._embedder = embedder
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="backbone")
        self._started = self._pool.submit(embedder.start)
        self._pool.shutdown(wait=False)

    def embedder(self, identity: CatalogIdentity | None) -> Embedder | None:
        """Wait for the backbone and return it, None where it is not the one or was not ready.

        Parameters
        ----------
        identity
            What the catalog says now that it is open.

        Raises
        ------
        EngineError
            What went wrong while it was loaded.
        """
        if identity != self._identity:
            return None
        try:
            self._started.result()
        except NotReadyError:
            return None
        return self._embedder

    def close(self) -> None:
        """Wait for the thread to end, whatever becomes of the backbone."""
        self._pool.shutdown(wait=True)


def start_warm_up(config: Config, hardware: Hardware = THIS_MACHINE) -> WarmUp | None:
    """Begin to load the backbone of the catalog that there is; None where a peek does not tell it.

    Compiled code does the loading and leaves the interpreter to others. Importing would not, so
    all modules are imported here, before the thread begins.
    """
    identity = peek_identity(config.store.catalog)
    if identity is None or runs_on_torch(config.runtime, hardware):
        return None
    silenced = _Silenced()
    try:
        embedder = choose_embedder(config, identity, silenced, _refuse, hardware)
    except (EngineError, NotReadyError):
        # It comes up again when the catalog is open, and is told there.
        return None
    silenced.embedder = embedder
    import_openvino()
    return WarmUp(identity, embedder)


class _Silenced(Reporter):
    """Lets nothing begin that would have to be announced, until the embedder has another reporter.

    Attributes
    ----------
    embedder
        Once it was chosen: whose files may have to be made anew later, too.
    """

    def __init__(self) -> None:
        self.embedder: Embedder | None = None

    def announce(self, text: str) -> None:
        if self.embedder is None or self.embedder.reporter is self:
            raise NotReadyError(text)
        self.embedder.reporter.announce(text)


def _refuse() -> NoReturn:
    raise NotReadyError("the network is still in the catalog alone")
