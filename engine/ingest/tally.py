"""What a run of indexing counts and notes while it goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.embedding.embedder import Embedder
from engine.ingest.labels.labels import Labels
from engine.ingest.results import Count, IndexReport, Outcome
from engine.pictures.sources.found import Found
from engine.skipped import Skipped
from index.catalog.tables.folders import KnownArchive
from index.records import KnownImage

TWINS = "left out {count} raw files with a JPEG of the same name beside them"


@dataclass(slots=True)
class Tally:
    """Counts of one run, those included that others have made for it.

    Attributes
    ----------
    counts
        How many files were added, updated, ...; the names are those of `IndexReport`.
    embedded, removed
        For how many the backbone ran, and how many images are gone: as others have counted.
    gone
        Images by id whose files are not at their paths any more, and that were not found elsewhere.
    remarks
        What is to be said of images, and of which paths.
    """

    counts: Counter[Count] = field(default_factory=Counter)
    embedded: int = 0
    removed: int = 0
    left_out: int = 0
    excluded: int = 0
    gone: dict[int, KnownImage] = field(default_factory=dict)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    remarks: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, skipped: Skipped) -> None:
        """Count what could not be used."""
        self.skipped.append(skipped)

    def remark(self, note: str, path: str) -> None:
        """Note something of an image."""
        self.remarks.setdefault(note, []).append(path)

    def found(self, found: Found) -> None:
        """Count what a walk has left out."""
        self.skipped += found.skipped
        self.left_out += found.left_out
        self.excluded += found.excluded
        if found.twins:
            self.notes.append(TWINS.format(count=found.twins))

    def new_content(self, known: KnownImage | None, label: str | None) -> None:
        """Count an image that is new, or has new content and perhaps another label."""
        self.counts["updated" if known else "added"] += 1
        self.counts["relabelled"] += known is not None and known.label != label

    def add(self, outcome: Outcome) -> None:
        """Count in what became of files that another one has taken."""
        self.counts.update(outcome.counts)
        self.skipped += outcome.skipped
        self.embedded += outcome.embedded
        self.removed += outcome.removed
        self.left_out += outcome.left_out
        self.excluded += outcome.excluded
        self.notes += outcome.notes
        for note, paths in outcome.remarks.items():
            self.remarks.setdefault(note, []).extend(paths)

    def outcome(
        self, embedded: int, archives: Mapping[str, KnownArchive], labels: Labels
    ) -> Outcome:
        """Return what became of the files that were taken.

        Parameters
        ----------
        embedded
            For how many the backbone ran.
        archives
            Those of which all images are in the catalog, by path.
        """
        # Of all other rules' labels whoever hears of all files will say the same.
        spelled = labels.notes() if labels.from_archives else []
        return Outcome(
            self.counts,
            embedded,
            self.skipped,
            self.remarks,
            archives,
            removed=len(self.gone),
            left_out=self.left_out,
            excluded=self.excluded,
            notes=[*self.notes, *spelled],
        )

    def report(
        self, embedded: int, images: int, embedder: Embedder, labels: Labels, seconds: float
    ) -> IndexReport:
        """Return what the run did, in so many seconds.

        Parameters
        ----------
        embedded
            For how many the backbone ran here.
        images
            How many the catalog shows now.
        """
        embedded += self.embedded
        return IndexReport(
            added=self.counts["added"],
            updated=self.counts["updated"],
            moved=self.counts["moved"],
            unchanged=self.counts["unchanged"],
            removed=len(self.gone) + self.removed,
            came_back=self.counts["came_back"],
            relabelled=self.counts["relabelled"],
            skipped=sorted(self.skipped, key=lambda skip: skip.path),
            images=images,
            embedded=embedded,
            backbone=embedder.backbone.name,
            precision=embedder.precision,
            seconds=seconds,
            images_per_second=embedded / seconds if seconds else 0.0,
            left_out=self.left_out,
            excluded=self.excluded,
            notes=[*self.notes, *labels.notes(), *_said(self.remarks)],
            unused_labels=labels.unused(),
        )


def _said(remarks: Mapping[str, Sequence[str]]) -> list[str]:
    """Return what is said of the images of which the same is to be said."""
    said = []
    for note, noted in remarks.items():
        # Of images in archives it is noted twice.
        paths = list(dict.fromkeys(noted))
        others = f" (and {len(paths) - 1} more)" if len(paths) > 1 else ""
        said.append(f"{paths[0]}: {note}{others}")
    return said
