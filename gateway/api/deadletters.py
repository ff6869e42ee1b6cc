"""Events that were given up: for staff to look at, and to deliver again."""

from __future__ import annotations

from typing import Any

from flask import Response

from gateway.api import paging, renderers
from gateway.api.calls import Call
from gateway.api.errors import Invalid, NotFound
from gateway.api.media import JSON
from gateway.api.resources import Access, Resource

NONE_HERE = "The dead letters of this server are kept by its broker: ask there."


def show(call: Call) -> Response:
    """A page of them, oldest first."""
    if call.server.hooks.dead_letters is None:
        raise NotFound(NONE_HERE)
    letters = call.server.hooks.dead_letters()
    window = call.window
    after, before = paging.neighbours(call.url, call.query, window, len(letters))
    page = [dict(letter) for letter in letters[window.offset : window.offset + window.limit]]
    return answer({"count": len(letters), "next": after, "previous": before, "results": page})


def replay(call: Call) -> Response:
    """Deliver those with the given ids again; all, if none are given."""
    if call.server.hooks.replay is None:
        raise NotFound(NONE_HERE)
    return answer({"replayed": call.server.hooks.replay(read_ids(call.data.get("ids")))})


def read_ids(value: Any) -> list[int] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(type(number) is int for number in value):
        raise Invalid(ids="Give a list of numbers.")
    return value


def answer(value: dict[str, Any]) -> Response:
    return Response(renderers.dump(value), content_type=JSON.type)


RESOURCES = (
    Resource("dead-letters", "deadletters/", get=show, reading=Access.STAFF, forms=(JSON,)),
    Resource("dead-letters-replay", "deadletters/replay/", post=replay, writing=Access.STAFF, forms=(JSON,)),
)
