"""The heads of one store: looked at, exported, added from files, deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.heads.results import HeadInfo
from engine.skipped import Skipped

if TYPE_CHECKING:
    from engine.heads.head import Head
    from engine.session.session import Session


class HeadCollection:
    """The heads of one store, in order of their names; iterating gives a `HeadInfo` of each.

    Parameters
    ----------
    session
        What the engine holds open.

    Examples
    --------
    for head in engine.heads:
        print(head.name, head.categories)
    engine.heads.export("furniture", "furniture.safetensors")
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __iter__(self) -> Iterator[HeadInfo]:
        """Yield all heads; a store that nobody named and that is not there has none.

        Raises
        ------
        StoreNotFoundError
            A store was named, and there is none.
        """
        if self._session.config.store.named_by:
            self._session.catalog()
        return iter(self._infos(self._session.heads()))

    def __getitem__(self, name: str) -> HeadInfo:
        """Return one head.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        HeadError
            It is damaged.
        """
        from engine.heads.head import find_head

        self._session.config.store.require()
        return self._infos([find_head(self._session.heads(name), name)])[0]

    @property
    def damaged(self) -> list[Skipped]:
        """Heads of the store that cannot be used, why, and what to do about each."""
        found = self._session.damaged_heads()
        return [Skipped.of(name, error) for name, error in found.items()]

    def _infos(self, heads: Sequence[Head]) -> list[HeadInfo]:
        if not heads:
            return []
        from engine.heads.outdated import head_infos

        return head_infos(heads, self._session.catalog())

    def export(self, name: str, file: str | Path, *, force: bool = False) -> HeadInfo:
        """Write a head to a file, without paths of pictures.

        Parameters
        ----------
        force
            Write over a file that exists.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        UsageError
            The file exists.
        HeadError
            The file cannot be written.
        """
        from engine.export.new_files import require_new
        from engine.heads.exchange import write_head
        from engine.heads.head import find_head, head_info

        self._session.config.store.require()
        head = find_head(self._session.heads(name), name)
        require_new(file, force=force)
        write_head(head, Path(file))
        return head_info(head)

    def add(self, file: str | Path, *, name: str | None = None) -> HeadInfo:
        """Add a head from a file, under its own name or another.

        The file may come from anywhere: how much it may hold is bounded, and paths that it names
        are dropped.

        Raises
        ------
        HeadFormatError
            It is no head file, a newer release's, or holds what no head can hold.
        HeadMismatchError
            It was trained on another backbone.
        StoreNotFoundError
            There is no store.
        """
        from engine.heads.exchange import read_head
        from engine.heads.head import head_info
        from engine.ingest.reclassify import adopt_heads

        self._session.config.store.require()
        head = read_head(Path(file), name)
        with self._session.writing(create=False) as catalog:
            identity = catalog.identity
            head.require(identity.backbone, identity.fingerprint, identity.dim)
            others = [each for each in self._session.heads() if each.name != head.name]
            adopt_heads(catalog, self._session.embedder(), [*others, head], put=head)
        return head_info(head)

    def delete(self, name: str) -> HeadInfo:
        """Forget a head; the catalog's images are classified anew without it.

        Of a damaged head nothing but its name is returned.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        """
        from engine.heads.head import find_head, head_info
        from engine.ingest.reclassify import adopt_heads

        with self._session.writing(create=False) as catalog:
            heads = self._session.heads()
            if name in self._session.damaged_heads():
                info = HeadInfo(name, (), (), 0, float("nan"), "", catalog.identity.backbone)
            else:
                info = head_info(find_head(heads, name))
            others = [each for each in heads if each.name != name]
            adopt_heads(catalog, self._session.embedder(), others, delete=name)
        return info
