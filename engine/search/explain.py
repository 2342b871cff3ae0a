"""Why a search found nothing: which condition let no image through, and what would."""

from __future__ import annotations

from engine.errors import UnknownCategoryError
from index.catalog.catalog import Catalog
from index.catalog.tables.filters import Clause, Filter
from index.names import FEW, composed, decoded, nearest_names, suggestion

# Fields whose values people choose among.
_NAMES = {"label": "labels", "category": "categories", "format": "formats"}


def require_category(catalog: Catalog, name: str) -> None:
    """Insist that a category is one that a head of the catalog knows.

    Raises
    ------
    UnknownCategoryError
        None does; the message has those that come nearest.
    """
    known = catalog.predictions.names()
    # Nothing was ever classified in a catalog without images: then nobody can say.
    if known and composed(decoded(name)) not in map(composed, known):
        remedy = suggestion(name, known, "The catalog knows", "categories")
        raise UnknownCategoryError(name, "no image has this category and no head knows it", remedy)


def why_empty(
    catalog: Catalog, condition: Filter, nearest: float | None, min_score: float | None
) -> str:
    """Return what kept every image out, in a few words.

    Parameters
    ----------
    condition
        What images had to fit.
    nearest
        Score of the most similar image that does; None where there is none.
    min_score
        Least score that was asked for.
    """
    if not catalog.image_count():
        return "the catalog shows no images"
    emptied = _emptied(catalog, condition)
    if emptied is not None or nearest is None or min_score is None:
        return emptied or "the index has no image that fits"
    fitting = " that fits" if condition else ""
    return (
        f"the most similar image{fitting} has a score of {nearest:.3f}, "
        f"less than the least score {min_score:g}"
    )


def _emptied(catalog: Catalog, condition: Filter) -> str | None:
    """Return which clause no image fits, or none of those that fit the ones before it."""
    for clause in condition.clauses:
        if not len(catalog.images.matching(Filter((clause,)))):
            return _nobody(catalog, clause)
    fitting = 0
    for end, clause in enumerate(condition.clauses, start=1):
        found = len(catalog.images.matching(Filter(condition.clauses[:end])))
        if not found:
            before = " and ".join(map(str, condition.clauses[: end - 1]))
            images = "1 image fits" if fitting == 1 else f"{fitting} images fit"
            return f"{images} {before}, none of them {clause}"
        fitting = found
    return None


def _nobody(catalog: Catalog, clause: Clause) -> str:
    """Return that no image fits a clause, and what images have instead."""
    if clause.operator == "!=":
        return f"every image has {clause.field}={clause.value}"
    begin, name = f"no image has {clause}", _NAMES.get(clause.field)
    if isinstance(clause.value, float):
        found = catalog.values.range(clause.field)
        there = " to ".join(dict.fromkeys(map(_short, found or ())))
        return f"{begin}; they have {there}" if found else begin
    if name is None or clause.operator != "=":
        return begin
    values = catalog.values.of(clause.field)
    if not values:
        return f"no image has a {clause.field}"
    nearest = nearest_names(clause.value, values)
    if nearest:
        return f"{begin}; the nearest {'is' if len(nearest) == 1 else 'are'} {', '.join(nearest)}"
    return f"{begin}; the {name} are {', '.join(values)}" if len(values) <= FEW else begin


def _short(number: float) -> str:
    return f"{round(number, 3):.15g}"
