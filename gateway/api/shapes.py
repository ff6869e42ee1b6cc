"""How a row of the catalog looks to a client: its fields and hyperlinks, declared once for each noun.

A shape knows nothing of HTTP or SQL: it turns a row into a `documents.Item`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from gateway.api.documents import Item
from gateway.api.links import Links

Getter = Callable[[Any], Any]


@dataclass(frozen=True)
class To:
    """A hyperlink to the resource `name`, filled with `part` of the row (None there: it points nowhere)."""

    name: str
    part: Getter = lambda row: row.id

    def url(self, row: Any, links: Links) -> str | None:
        return links.maybe(self.name, self.part(row))


@dataclass(frozen=True)
class ToFile:
    """The hyperlink to the bytes of a file: it ends in the file's name."""

    name: str

    def url(self, row: Any, links: Links) -> str | None:
        return links.file(self.name, row.id, row.name)


@dataclass(frozen=True)
class Shape:
    """`noun` is what CUBE calls it in "No Feed matches the given query."; `item` is the name of its own resource.

    `fields` maps a field's name to how it is read from a row. `omitted`: these fields are left out when null;
    `private`: these are left out for people who have not signed in.
    """

    noun: str
    item: str
    fields: Mapping[str, Getter]
    links: Mapping[str, To | ToFile] = field(default_factory=dict)
    omitted: frozenset[str] = frozenset()
    private: frozenset[str] = frozenset()

    def render(self, row: Any, links: Links, zone: ZoneInfo, *, known: bool) -> Item:
        """The item for somebody who is `known` (has signed in) or not."""
        data = {name: wire(get(row), zone) for name, get in self.fields.items()}
        for name in self.omitted:
            if data.get(name) is None:
                data.pop(name, None)
        for name in () if known else self.private:
            del data[name]
        urls = {name: target.url(row, links) for name, target in self.links.items()}
        return Item(self.address(row, links), data, urls)

    def address(self, row: Any, links: Links) -> str:
        return links.to(self.item, row.id)


def attributes(*names: str) -> dict[str, Getter]:
    """Fields that are read from the attribute of the same name."""
    return {name: attribute(name) for name in names}


def attribute(name: str) -> Getter:
    return lambda row: getattr(row, name)


def constant(value: Any) -> Getter:
    return lambda row: value


def wire(value: Any, zone: ZoneInfo) -> Any:
    """Times as ISO 8601 in the server's zone; everything else is JSON already."""
    return value.astimezone(zone).isoformat() if isinstance(value, datetime) else value
