"""How many instances of feeds are in which state: one statement for a whole page of feeds."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gateway.catalog.base import table
from gateway.catalog.instances import PluginInstance

INSTANCES = table(PluginInstance)


def by_feed(session: Session, feed_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """For each of these feeds: how many instances are in each state; states without any are left out."""
    counts: dict[int, dict[str, int]] = {feed: {} for feed in feed_ids}
    columns = (INSTANCES.c.feed_id, INSTANCES.c.status, func.count().label("instances"))
    question = select(*columns).where(INSTANCES.c.feed_id.in_(feed_ids)).group_by(*columns[:2])
    for row in session.execute(question):
        counts[row.feed_id][row.status] = row.instances
    return counts
