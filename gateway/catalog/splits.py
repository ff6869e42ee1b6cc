"""Splits: the outputs of an instance, parted by filters into instances of the built-in `pl-topologicalcopy`."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from gateway.catalog import joins, patterns, registration
from gateway.catalog.base import table
from gateway.catalog.faults import Faulty
from gateway.catalog.instances import Split
from gateway.catalog.people import User
from gateway.catalog.submission import Order, submit

SPLITS = table(Split)
COPY = "pl-topologicalcopy"
LONGEST = 600


def split(
    session: Session, user: User, instance: int, *, filters: str, compute_resource: str | None, now: datetime
) -> int:
    """Make one instance for each of the comma-separated filters (one that takes all, if there is none).

    Answers the id of the split. Raises Faulty by field, or Denied if the feed is not this user's.
    """
    plugin = registration.find_plugin(session, COPY)
    if plugin is None:
        raise Faulty({"non_field_errors": [f"Could not find plugin '{COPY}'. Please contact your administrator."]})
    if len(filters) > LONGEST:
        raise Faulty({"filter": [f"Ensure this field has no more than {LONGEST} characters."]})
    try:
        clean = patterns.check(filters)
    except ValueError as error:
        raise Faulty({"filter": [str(error)]}) from error
    made = []
    for one in patterns.listed(clean) or [""]:
        parameters = {joins.LIST: str(instance)} | ({joins.FILTER: one} if one else {})
        order = Order(plugin.id, parameters, previous_id=instance, compute_resource_name=compute_resource)
        made.append(submit(session, user, order, now=now))
    row = {"instance_id": instance, "filter": clean, "created": now, "created_ids": ",".join(map(str, made))}
    return int(session.execute(SPLITS.insert().values(row).returning(SPLITS.c.id)).scalar_one())
