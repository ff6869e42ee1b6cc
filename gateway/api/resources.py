"""What a resource is: a path, who may come in, and a handler for each method. The nouns declare theirs with it.

Most handlers are made here from a shape and a query: `shows` one thing, `lists` a list, `searches` one by filters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from flask import Response

from gateway.api import paging
from gateway.api.calls import Call
from gateway.api.documents import Document, Item, Query
from gateway.api.errors import Forbidden, NotFound, Unknown
from gateway.api.media import FORMS, Media
from gateway.api.shapes import Shape
from gateway.catalog.engine import Session
from gateway.catalog.lists.rows import Filters, Rows, Wanted, Window
from gateway.policy import Reader


class Access(Enum):
    """Who may come in; what one may do inside is decided by `gateway.policy`."""

    ANYBODY = "anybody"
    SIGNED_IN = "signed in"
    STAFF = "staff"


@dataclass(frozen=True)
class Answer:
    """What a handler answers: a document, or nothing (204)."""

    document: Document | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Call], Answer | Response]
Select = Callable[[Session, Reader, Wanted, Window], Rows[Any]]
Find = Callable[[Session, int], Any]
May = Callable[[Call, Any], bool]

API = "/api/v1/"


@dataclass(frozen=True)
class Resource:
    """`path` is relative to `root`; each `{}` in it is a number; a download ends in `{}` for a name.

    `reading` and `writing` say who may come in with GET, and with the other methods. `as_text`: errors are plain
    sentences, since the resource answers bytes.
    """

    name: str
    path: str
    get: Handler | None = None
    post: Handler | None = None
    put: Handler | None = None
    delete: Handler | None = None
    reading: Access = Access.ANYBODY
    writing: Access = Access.SIGNED_IN
    forms: tuple[Media, ...] = FORMS
    as_text: bool = False
    root: str = API

    def handler(self, method: str) -> Handler | None:
        return {"GET": self.get, "POST": self.post, "PUT": self.put, "DELETE": self.delete}.get(method)

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods in the order in which clients see them in `Allow`."""
        return tuple(method for method in ("GET", "POST", "PUT", "DELETE") if self.handler(method))

    @property
    def template(self) -> str:
        """The path for `Links`."""
        return self.root + self.path


def load(call: Call, shape: Shape, find: Find, may: May | None = None, number: int | None = None) -> Any:
    """A row by its number. Raises NotFound, or what `refuse` raises if it is not for this caller."""
    row = find(call.session, call.number if number is None else number)
    if row is None:
        raise NotFound.of(shape.noun)
    if may is not None and not may(call, row):
        refuse(call)
    return row


def refuse(call: Call) -> None:
    """Raises what somebody hears who may not do this."""
    raise Forbidden if call.user is not None else Unknown


def shows(shape: Shape, find: Find, may: May | None = None, *, template: tuple[str, ...] = ()) -> Handler:
    """GET of one thing."""
    return lambda call: item(call, shape, load(call, shape, find, may), template=template)


def lists(
    shape: Shape,
    select: Select,
    *,
    links: Mapping[str, str] | None = None,
    search: tuple[str, Filters] | None = None,
    template: tuple[str, ...] = (),
) -> Handler:
    """GET of a list without filters. `links` maps relations to names of resources; `search` names its search."""

    def handler(call: Call) -> Answer:
        rows = select(call.session, call.reader, {}, call.window)
        urls = {relation: call.links.to(name) for relation, name in (links or {}).items()}
        return listing(call, shape, rows, links=urls, search=search, template=template)

    return handler


def searches(shape: Shape, select: Select, which: Filters) -> Handler:
    """GET of a search: a bare list."""
    return lambda call: listing(call, shape, select(call.session, call.reader, call.wanted(which), call.window))


def listing(
    call: Call,
    shape: Shape,
    rows: Rows[Any],
    *,
    links: Mapping[str, str] | None = None,
    search: tuple[str, Filters] | None = None,
    template: tuple[str, ...] = (),
) -> Answer:
    """A page of a list."""
    after, before = paging.neighbours(call.url, call.query, call.window, rows.count)
    queries = () if search is None else (Query(call.links.to(search[0]), tuple(search[1])),)
    items = tuple(render(call, shape, row) for row in rows.rows)
    return Answer(Document(call.href, items, rows.count, after, before, links or {}, queries, template))


def item(call: Call, shape: Shape, row: Any, *, status: int = 200, template: tuple[str, ...] = ()) -> Answer:
    """One thing."""
    return Answer(Document(call.href, (render(call, shape, row),), template=template), status)


def render(call: Call, shape: Shape, row: Any) -> Item:
    return shape.render(row, call.links, call.server.settings.zone, known=call.user is not None)


def created(call: Call, shape: Shape, row: Any) -> Answer:
    """One new thing, and where it is."""
    new = render(call, shape, row)
    return Answer(Document(call.href, (new,)), 201, {"Location": new.url})


def gone() -> Answer:
    return Answer(None, 204)
