"""A window of a list, its rows, and the filters of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

Row = TypeVar("Row")
Kind = str | tuple[str, ...]
"""`text`, `number`, `date`, `boolean`, or the values to choose from."""


@dataclass(frozen=True)
class Window:
    """Which rows are asked for."""

    limit: int = 10
    offset: int = 0


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """The rows of a window, and how many there are in all."""

    rows: Sequence[Row]
    count: int


@dataclass(frozen=True)
class Filter:
    """What a search may ask for: the kind of value, and the condition that it puts on the rows."""

    kind: Kind
    condition: Callable[[Any], ColumnElement[bool]]


Filters = Mapping[str, Filter]
Wanted = Mapping[str, Any]
"""The values that a search gives, by the name of the filter."""


def narrowed(statement: Select[Any], filters: Filters, wanted: Wanted) -> Select[Any]:
    """The statement with the conditions of the filters that were given."""
    return statement.where(*(filters[name].condition(value) for name, value in wanted.items()))


def window_of(session: Session, statement: Select[Any], window: Window, *order: Any) -> Rows[Any]:
    """The rows of a window, in two statements (one, if the first page holds them all)."""
    page = statement.order_by(*order).limit(window.limit).offset(window.offset)
    rows = session.scalars(page).all()
    if len(rows) < window.limit and (rows or not window.offset):
        return Rows(rows, window.offset + len(rows))
    plain = statement.with_only_columns(func.count(), maintain_column_froms=True).order_by(None)
    return Rows(rows, session.scalar(plain) or 0)


def exists_in(statement: Select[Any]) -> Any:
    """`statement` (of one column) as the right side of IN."""
    return select(statement.subquery())


def equal(column: Any, kind: Kind = "text") -> Filter:
    return Filter(kind, lambda value: column == value)


def containing(*columns: Any) -> Filter:
    """The text stands in one of the columns, whatever the case of its letters."""

    def condition(value: str) -> ColumnElement[bool]:
        found: ColumnElement[bool] = columns[0].icontains(value, autoescape=True)
        for column in columns[1:]:
            found = found | column.icontains(value, autoescape=True)
        return found

    return Filter("text", condition)


def beginning(column: Any) -> Filter:
    return Filter("text", lambda value: column.startswith(value, autoescape=True))


def at_least(column: InstrumentedAttribute[Any], kind: Kind) -> Filter:
    return Filter(kind, lambda value: column >= value)


def at_most(column: InstrumentedAttribute[Any], kind: Kind) -> Filter:
    return Filter(kind, lambda value: column <= value)
