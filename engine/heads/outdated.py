"""Heads that learned the catalog's labels, and which of these labels are others by now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from engine.heads.head import Head, head_info
from engine.heads.record import FROM_LABELS, Learned
from engine.heads.results import HeadInfo
from index.catalog.catalog import Catalog
from index.names import same_name

# The labels that images of one content have now, as `same_name` compares them.
LabelsNow = Mapping[str, set[str]]


def head_infos(heads: Sequence[Head], catalog: Catalog) -> list[HeadInfo]:
    """Return what a list of heads shows of each, with how many labels it learned have changed."""
    if not any(map(_from_labels, heads)):
        return [head_info(head) for head in heads]
    labels: dict[str, set[str]] = defaultdict(set)
    for content in catalog.contents.visible():
        labels[content.content_hash].add(same_name(content.label) if content.label else "")
    return [replace(head_info(head), changed_labels=changed_labels(head, labels)) for head in heads]


def changed_labels(head: Head, labels: LabelsNow) -> int:
    """Return of how many images that a head learned from labels the label is another now.

    Images that are not in the catalog any more do not count. Where a head also learned from a
    folder, nor do images without a label: they may never have had one.
    """
    learned = _from_labels(head)
    if learned is None or head.record is None:
        return 0
    maybe_unlabelled = head.record.data != FROM_LABELS
    names = [same_name(name) for name in head.categories]
    changed = 0
    for content, position in zip(learned.hexadecimal(), learned.labels.tolist(), strict=True):
        now = labels.get(content, set())
        if maybe_unlabelled:
            now = now - {""}
        changed += bool(now) and names[position] not in now
    return changed


def _from_labels(head: Head) -> Learned | None:
    """Return what a head learned from, if the catalog's labels were the last of it."""
    record = head.record
    return record.learned if record and record.data.endswith(FROM_LABELS) else None
