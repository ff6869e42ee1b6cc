"""ts plugins join the outputs of several instances of a feed: which ones, and that it waits for all of them.

`plugininstances` lists them, the previous one among them; `filter` and `groupByInstance` say what is taken and where
it is put (`references` does so). Rules and sentences are CUBE's (plugin-contract.md section 5).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from gateway.catalog import patterns
from gateway.catalog.base import table
from gateway.catalog.engine import lock
from gateway.catalog.faults import Faults
from gateway.catalog.feeds import Feed
from gateway.catalog.instances import Join, PluginInstance
from gateway.policy import Reader, owns

JOINS, INSTANCES, FEEDS = table(Join), table(PluginInstance), table(Feed)
LIST, FILTER, GROUP = "plugininstances", "filter", "groupByInstance"
"""The parameters of ts plugins that the server itself obeys."""
BIGGEST = 2**63 - 1
WHOLE = (
    select(INSTANCES.c.id, INSTANCES.c.status, INSTANCES.c.feed_id, FEEDS.c.owner_id, FEEDS.c.public)
    .join(FEEDS, FEEDS.c.id == INSTANCES.c.feed_id)
    .where(INSTANCES.c.id.in_(bindparam("instances", expanding=True)))
)


@dataclass(frozen=True)
class Joined:
    """An instance whose outputs are joined."""

    id: int
    status: str


def words(value: Any) -> list[str]:
    """What a list of instances names, whether it is a number or not."""
    return [one.strip() for one in str(value).split(",")] if value else []


def numbers(value: Any) -> list[int]:
    """The numbers in a list of instances, in its order."""
    return [int(one) for one in words(value) if one.isascii() and one.isdigit() and int(one) <= BIGGEST]


def lock_all(session: Session, value: Any, previous: int | None) -> None:
    """Lock the rows of all parents, always in the same order: none ends while a child of it is made (design 3.3)."""
    wanted = {*numbers(value), *([] if previous is None else [previous])}
    lock(session, select(INSTANCES.c.id).where(INSTANCES.c.id.in_(wanted)).order_by(INSTANCES.c.id))


def check(
    session: Session, reader: Reader, previous: int, feed: int, given: Mapping[str, dict[str, Any]], faults: Faults
) -> list[Joined]:
    """The instances that are joined, each once, in the order given; the values in `given` are put in order.

    `given` are the rows of the parameters that were given, by name. What is wrong is told under `value`, as in CUBE.
    """
    if FILTER in given:
        try:
            given[FILTER]["value"] = patterns.check(str(given[FILTER]["value"]))
        except ValueError as error:
            faults.add("value", f"{FILTER}: {error}")
    wanted = words(given[LIST]["value"]) if LIST in given else []
    if not wanted:
        return []
    given[LIST]["value"] = ",".join(wanted)
    if str(previous) not in wanted:
        sentence = f"Previous instance id '{previous}' must be included in the '{LIST}' list for a non-empty list."
        faults.add("value", f"{LIST}: {sentence}")
    return _find(session, reader, wanted, feed, faults)


def _find(session: Session, reader: Reader, wanted: Sequence[str], feed: int, faults: Faults) -> list[Joined]:
    rows = {row.id: row for row in session.execute(WHOLE, {"instances": numbers(",".join(wanted))})}
    found = []
    for word in dict.fromkeys(wanted):
        row = next((rows[number] for number in numbers(word) if number in rows), None)
        # An instance of somebody else's is not told from one that is not there.
        if row is None or not (row.public or owns(reader, row.owner_id)):
            faults.add("value", f"{LIST}: Couldn't find any plugin instance with id '{word}'.")
        elif row.feed_id != feed:
            faults.add("value", f"{LIST}: Plugin instance with id '{word}' is not in this feed.")
        else:
            found.append(Joined(row.id, row.status))
    return found


def keep(session: Session, instance: int, joined: Iterable[Joined]) -> None:
    """Write down for whom an instance waits."""
    rows = [{"instance_id": instance, "parent_id": number} for number in dict.fromkeys(one.id for one in joined)]
    if rows:
        session.execute(JOINS.insert(), rows)
