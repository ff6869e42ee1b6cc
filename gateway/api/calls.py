"""One request on its way through a resource: who asks, for what, in which form, with which parts of the server."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from flask import Request

from functions.objects import Store
from gateway.api import filters, paging, parsers
from gateway.api.errors import TooLarge, Unknown
from gateway.api.links import Links
from gateway.api.media import Media
from gateway.api.multipart import read_parts
from gateway.catalog.engine import Catalog, Session
from gateway.catalog.lists.rows import Filters, Window
from gateway.catalog.people import User
from gateway.policy import Reader

BODY_BYTES = 16 * 1024 * 1024
"""The most that a body without a file may hold."""


@dataclass(frozen=True)
class ApiSettings:
    """What an operator may choose. `public_url` is scheme and host of all links; "" means: as the request was sent."""

    public_url: str = ""
    sign_up: bool = True
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("America/New_York"))
    """The zone in which clients are told times."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def no_log(job: str, attempt: int) -> bytes:
    return b""


@dataclass(frozen=True)
class Hooks:
    """What the API asks of the rest of the server; one that is None is not offered (404).

    `log`: what the plugin of a job's attempt has printed so far. `install`: install a plugin from a folder or a pip
    requirement, and register it; answers its id. `dead_letters`: events that were given up (each with an `id`);
    `replay`: deliver those with these ids (None: all) again; answers how many.
    """

    now: Callable[[], datetime] = utc_now
    log: Callable[[str, int], bytes] = no_log
    install: Callable[[str], int] | None = None
    dead_letters: Callable[[], Sequence[Mapping[str, Any]]] | None = None
    replay: Callable[[Sequence[int] | None], int] | None = None


@dataclass(frozen=True)
class Server:
    """The parts of the server that resources work with."""

    catalog: Catalog
    store: Store
    settings: ApiSettings
    hooks: Hooks


@dataclass(frozen=True)
class Call:
    """A request that may go on: the form is acceptable and the caller is known, or may be unknown.

    `numbers` are the numbers in the path. `session` reads; a write opens its own `catalog.transaction()`.
    """

    server: Server
    request: Request
    links: Links
    media: Media
    numbers: tuple[int, ...]
    user: User | None
    session: Session

    @property
    def number(self) -> int:
        """The number in the path."""
        return self.numbers[0]

    @property
    def reader(self) -> Reader:
        return Reader.of(self.user)

    @property
    def somebody(self) -> User:
        """The user who has signed in. Raises Unknown."""
        if self.user is None:
            raise Unknown
        return self.user

    @property
    def window(self) -> Window:
        return paging.read_page(self.query)

    @property
    def query(self) -> list[tuple[str, str]]:
        return list(self.request.args.items(multi=True))

    @property
    def href(self) -> str:
        """The absolute address of this request, with its query."""
        query = self.request.query_string.decode("ascii", "replace")
        return f"{self.url}?{query}" if query else self.url

    @property
    def url(self) -> str:
        """The absolute address of this request, without its query."""
        return self.links.base + self.request.path

    def wanted(self, which: Filters) -> dict[str, Any]:
        """The values of a search."""
        return filters.read(self.request.args, which, self.server.settings.zone)

    @cached_property
    def data(self) -> Mapping[str, Any]:
        """What was sent, whatever its form; the bytes of files are passed over."""
        content_type = self.request.content_type or ""
        if parsers.media_type(content_type) == parsers.MULTIPART:
            return dict(part for part in read_parts(self.request.stream, content_type) if isinstance(part, tuple))
        return parsers.parse(self._body(), content_type)

    def _body(self) -> bytes:
        body = self.request.stream.read(BODY_BYTES + 1)
        if len(body) > BODY_BYTES:
            raise TooLarge(f"The request holds more than {BODY_BYTES} bytes. Send files as multipart/form-data.")
        return body
