"""The installation itself: one thing, with the number 1."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime

from gateway.api.calls import Call
from gateway.api.errors import NotFound
from gateway.api.resources import Access, Answer, Resource, item
from gateway.api.shapes import Shape, attribute, attributes, constant
from gateway.arguments import JOB_PREFIX
from gateway.catalog.lists import people


@dataclass(frozen=True)
class Installation:
    """`uuid` is drawn from the tenant and the moment at which its first user was made, so it stays the same."""

    id: int
    uuid: str
    created: datetime


SHAPE = Shape(
    "ChrisInstance",
    "chrisinstance",
    {
        **attributes("id"),
        "creation_date": attribute("created"),
        "name": constant("ChRIS instance"),
        "uuid": attribute("uuid"),
        "job_id_prefix": constant(JOB_PREFIX),
        "description": constant("Chrysalis"),
    },
)


def show(call: Call) -> Answer:
    """CUBE answers its one instance under every number."""
    created = people.first_created(call.session)
    if created is None:
        raise NotFound.of(SHAPE.noun)
    name = f"{call.server.catalog.tenant} {created.isoformat()}"
    return item(call, SHAPE, Installation(1, str(uuid.uuid5(uuid.NAMESPACE_OID, name)), created))


RESOURCES = (Resource("chrisinstance", "chrisinstance/{}/", get=show, reading=Access.SIGNED_IN),)
