"""How an instance ends, whatever ends it: its row becomes final once, and its children are woken or cancelled."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Select, bindparam, exists, select, union_all, update
from sqlalchemy.orm import Session, aliased

from gateway.catalog import states
from gateway.catalog.base import milliseconds, one_of, table
from gateway.catalog.instances import Join, PluginInstance

INSTANCES, JOINS, OTHER = table(PluginInstance), table(Join), aliased(table(PluginInstance), name="other")
ERROR_CODES = {"deadline": "CODE13", "inputs": "CODE17", "staging": "CODE18", "stuck": "CODE18"}
"""CUBE's codes (cube-api.md section 2) for the reasons that have one."""


def _who_waits() -> Select[int]:
    """All who wait for `parent`, directly or not: children, and ts plugins that join it."""
    waits = INSTANCES.c.status == states.WAITING
    edges = union_all(
        select(INSTANCES.c.previous_id.label("parent"), INSTANCES.c.id.label("child")).where(waits),
        select(JOINS.c.parent_id, JOINS.c.instance_id)
        .join(INSTANCES, INSTANCES.c.id == JOINS.c.instance_id)
        .where(waits),
    ).subquery("edges")
    tree = select(edges.c.child).where(edges.c.parent == bindparam("parent")).cte("tree", recursive=True)
    return select(tree.union(select(edges.c.child).join(tree, edges.c.parent == tree.c.child)).c.child)


END = update(INSTANCES).where(INSTANCES.c.id == bindparam("instance"), one_of(INSTANCES.c.status, states.ORDER))
UNFINISHED = (
    exists()
    .where(JOINS.c.instance_id == INSTANCES.c.id, OTHER.c.id == JOINS.c.parent_id, OTHER.c.status != states.FINISHED)
    .correlate(INSTANCES)
)
READY = update(INSTANCES).where(INSTANCES.c.status == states.WAITING, ~UNFINISHED).values(status=states.CREATED)
WAKE = READY.where(INSTANCES.c.previous_id == bindparam("parent"))
WAKE_JOINING = READY.where(INSTANCES.c.id.in_(bindparam("joining", expanding=True)))
JOINING = (
    select(INSTANCES.c.id)
    .join(JOINS, JOINS.c.instance_id == INSTANCES.c.id)
    .where(JOINS.c.parent_id == bindparam("parent"), INSTANCES.c.status == states.WAITING)
    .order_by(INSTANCES.c.id)
    .with_for_update(of=INSTANCES, key_share=True)
)
WHO_WAITS = _who_waits()


def end(session: Session, instance_id: int, state: str, *, now: datetime, **fields: Any) -> bool:
    """Make a row final; its waiting children may then run, or are cancelled with all who wait for them.

    Compare-and-set: False, and nothing has changed, if the row was final already.
    """
    values = {"status": state, "end_date": now, "finished_ms": milliseconds(now), **fields}
    if state == states.FAILED:
        values.setdefault("error_code", ERROR_CODES.get(fields.get("reason", ""), ""))
    if not session.connection().execute(END, {"instance": instance_id, **values}).rowcount:
        return False
    if state == states.FINISHED:
        wake_children(session, instance_id, now=now)
    else:
        cancel_waiting(session, instance_id, now=now)
    return True


def wake_children(session: Session, parent_id: int, *, now: datetime) -> None:
    """The children that waited for this parent may run, if there is nobody else for whom they wait.

    Who joins several parents is locked first: of two that end at once, the second sees that the first has ended.
    """
    stamp = {"queued_ms": milliseconds(now)}
    session.connection().execute(WAKE, {"parent": parent_id, **stamp})
    joining = list(session.scalars(JOINING, {"parent": parent_id}))
    if joining:
        session.connection().execute(WAKE_JOINING, {"joining": joining, **stamp})


def cancel_waiting(session: Session, parent_id: int, *, now: datetime) -> None:
    """Cancel all who wait for this parent, and those who wait for them (two statements, however deep the tree)."""
    ids = list(session.scalars(WHO_WAITS, {"parent": parent_id}))
    if ids:
        waiting = update(INSTANCES).where(INSTANCES.c.id.in_(ids), INSTANCES.c.status == states.WAITING)
        session.execute(waiting.values(in_vain(parent_id, now)))


def in_vain(parent_id: int, now: datetime) -> dict[str, Any]:
    """The fields of an instance whose parent did not finish: it ends before it began."""
    sentence = f"It needs what instance {parent_id} makes, which did not finish."
    return {"status": states.CANCELLED, "end_date": now, "finished_ms": milliseconds(now), "sentence": sentence}
