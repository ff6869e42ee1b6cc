"""What all tables share: the declarative base, UTC times, keys, and text that sorts by bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Dialect,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    literal,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every index and constraint has a name, so that a migration can speak of it on any database."""


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMES)


class UtcDateTime(TypeDecorator[datetime]):
    """Times that know their zone, in UTC; SQLite keeps no zone, so it is put back when a row is read."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone was given to the catalog.")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.replace(tzinfo=UTC) if value is not None and value.tzinfo is None else value


class ExactJson(TypeDecorator[Any]):
    """A JSON value that comes back digit for digit; None is NULL.

    It is kept as text: of a column that is declared as JSON, SQLite makes a number where it can (1.0 becomes 1).
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        return None if value is None else json.loads(value)


BigId = BigInteger().with_variant(Integer(), "sqlite")
"""SQLite counts up only columns that are declared as INTEGER."""

ByteText = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that compares byte by byte on every database, so that a range of keys is a folder (see `tree.below`)."""

Key = Annotated[int, mapped_column(BigId, primary_key=True)]
Time = Annotated[datetime, mapped_column(UtcDateTime)]
Milliseconds = Annotated[int | None, mapped_column(BigInteger)]
Short = Annotated[str, mapped_column(String(100))]


def table(model: type[Base]) -> Table:
    """The table of a model, for statements that need no objects."""
    return model.metadata.tables[model.__tablename__]


def one_of(column: Column[Any], values: Iterable[Any]) -> ColumnElement[bool]:
    """`column IN (values)` for a list that never changes: compiled once, where `in_` expands its list at every turn."""
    return column.in_([literal(value) for value in values])


def milliseconds(time: datetime) -> int:
    """Milliseconds since 1970 in UTC."""
    return int(time.timestamp() * 1000)
