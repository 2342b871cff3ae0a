"""`--where` clauses: what a person types, and the SQL it becomes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_

from index.catalog.schema import Category, Image, Prediction
from index.errors import FilterError

_TEXT: dict[str, Any] = {
    "label": Image.label,
    "category": Category.name,
    "path": Image.path,
    "format": Image.format,
}
_NUMBER: dict[str, Any] = {
    "width": Image.width,
    "height": Image.height,
    "size": Image.size,
    "probability": Prediction.probability,
}
_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "!=": lambda column, value: or_(column != value, column.is_(None)),
    "<=": lambda column, value: column <= value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    ">": lambda column, value: column > value,
    "~": lambda column, value: column.like(_like(value), escape="\\"),
}
_CLAUSE = re.compile(r"\s*([A-Za-z_]+)\s*(<=|>=|!=|=|<|>|~)(.*)", re.DOTALL)
FIELDS = (*_TEXT, *_NUMBER)


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition on an image: `label=chair`, `width>=800`, `path~*/2024/*`."""

    field: str
    operator: str
    value: str | float


@dataclass(frozen=True, slots=True)
class Filter:
    """Conditions that an image must meet all at once; none at all lets every image through."""

    clauses: tuple[Clause, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)

    def __and__(self, other: Filter) -> Filter:
        return Filter(self.clauses + other.clauses)

    @classmethod
    def category(cls, name: str) -> Filter:
        """Images whose predicted category is `name`."""
        return cls((Clause("category", "=", name),))

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Filter:
        """Read `--where` clauses.

        Raises
        ------
        FilterError
            A clause that is not FIELD OPERATOR VALUE, an unknown field, not a number.
        """
        return cls(tuple(_parse(text) for text in texts))

    def sql(self) -> ColumnElement[bool]:
        """Return the condition over `images`, `predictions` and `categories`."""
        parts = [_sql(clause) for clause in self.clauses]
        return and_(Image.missing_since.is_(None), *parts)


def _parse(text: str) -> Clause:
    match = _CLAUSE.fullmatch(text)
    if match is None:
        raise FilterError(
            f"--where {text}",
            "this is not FIELD OPERATOR VALUE",
            "Write for example --where label=chair or --where 'width>=800'",
        )
    field, operator, value = match[1].lower(), match[2], match[3].strip()
    if field in _TEXT:
        if operator not in ("=", "!=", "~"):
            raise FilterError(f"--where {text}", f"{field} is a text", "Use =, != or ~ (a glob)")
        return Clause(field, operator, value)
    if field not in _NUMBER:
        raise FilterError(
            f"--where {text}", f"there is no field {field}", f"Fields are {', '.join(FIELDS)}"
        )
    if operator == "~":
        raise FilterError(f"--where {text}", f"{field} is a number", "Use =, !=, <, <=, > or >=")
    try:
        number = float(value)
        if not math.isfinite(number):
            raise ValueError
        return Clause(field, operator, number)
    except ValueError:
        raise FilterError(
            f"--where {text}", f"{value!r} is not a number", f"{field} takes a number"
        ) from None


def _sql(clause: Clause) -> ColumnElement[bool]:
    column = _TEXT.get(clause.field, _NUMBER.get(clause.field))
    return _OPERATORS[clause.operator](column, clause.value)


def _like(glob: str) -> str:
    escaped = glob.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")
    return escaped.replace("*", "%").replace("?", "_")
