"""What an answer says, before it is JSON, Collection+JSON or HTML. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Item:
    """One thing: its address, its data in order, and its hyperlinks by field name (None: it points nowhere)."""

    url: str
    data: Mapping[str, Any]
    links: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Query:
    """A search that a client may fill in."""

    href: str
    names: tuple[str, ...]


@dataclass(frozen=True)
class Document:
    """An item (`count` is None) or a page of a list. `href` is the address of the request with its query."""

    href: str
    items: tuple[Item, ...]
    count: int | None = None
    next: str | None = None
    previous: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    queries: tuple[Query, ...] = ()
    template: tuple[str, ...] = ()

    @property
    def is_list(self) -> bool:
        return self.count is not None
