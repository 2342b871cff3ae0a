"""The verbs of `Engine` that deal with heads."""

from __future__ import annotations

from pathlib import Path

from engine.learning.results import HeadReport
from engine.results import HeadInfo
from engine.session import Session


class HeadVerbs:
    """Listing, reporting on, exporting, importing and deleting the heads of one store."""

    _session: Session

    def heads(self) -> list[HeadInfo]:
        """Return the heads of the catalog."""
        from engine.heads.registry import head_info

        return [head_info(head) for head in self._session.heads()]

    def head(self, name: str) -> HeadInfo:
        """Return one head of the catalog.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        """
        from engine.heads.registry import find_head, head_info

        self._session.config.store.require()
        return head_info(find_head(self._session.heads(), name))

    def report(self, name: str) -> HeadReport:
        """Return all that a head holds about how it came to be and how good it is.

        Neither the pictures nor the backbone are needed for it.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        """
        from engine.heads.registry import find_head
        from engine.learning.report import head_report

        self._session.config.store.require()
        return head_report(find_head(self._session.heads(), name))

    def export_head(self, name: str, file: str | Path) -> HeadInfo:
        """Write a head to a file.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        """
        from engine.heads.registry import find_head, head_info, write_head

        self._session.config.store.require()
        head = find_head(self._session.heads(), name)
        write_head(head, Path(file))
        return head_info(head)

    def import_head(self, file: str | Path, *, name: str | None = None) -> HeadInfo:
        """Add a head from a file, under its own name or another.

        Raises
        ------
        HeadFormatError
            It is no head file, or a newer release's.
        HeadMismatchError
            It was trained on another backbone.
        """
        from engine.heads.registry import head_info, read_head
        from engine.ingest.reclassify import adopt_heads

        head = read_head(Path(file), name)
        with self._session.writing(create=False) as catalog:
            head.require(catalog.identity.backbone, catalog.identity.fingerprint)
            others = [each for each in self._session.heads() if each.name != head.name]
            adopt_heads(catalog, self._session.embedder(), [*others, head], put=head)
        return head_info(head)

    def delete_head(self, name: str) -> HeadInfo:
        """Forget a head; the catalog's images are classified anew without it.

        Raises
        ------
        UnknownHeadError
            There is no such head.
        """
        from engine.heads.registry import find_head, head_info
        from engine.ingest.reclassify import adopt_heads

        with self._session.writing(create=False) as catalog:
            head = find_head(self._session.heads(), name)
            others = [each for each in self._session.heads() if each.name != name]
            adopt_heads(catalog, self._session.embedder(), others, delete=name)
        return head_info(head)
