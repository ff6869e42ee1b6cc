"""Plugin instances and the parameters that they were given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Select, literal, select
from sqlalchemy.orm import Session, aliased, contains_eager, joinedload

from gateway.catalog import states
from gateway.catalog.instances import ParameterValue, PluginInstance
from gateway.catalog.lists.rows import (
    Filter,
    Filters,
    Rows,
    Wanted,
    Window,
    at_least,
    at_most,
    containing,
    equal,
    narrowed,
    window_of,
)
from gateway.catalog.people import User
from gateway.catalog.plugins import Plugin, PluginMeta
from gateway.policy import Reader, readable_instances


def family(number: int) -> Any:
    """An instance and all its descendants: a common table of `id` and `depth`."""
    root = select(PluginInstance.id, literal(0).label("depth")).where(PluginInstance.id == number)
    tree = root.cte("family", recursive=True)
    child = aliased(PluginInstance)
    return tree.union_all(select(child.id, tree.c.depth + 1).where(child.previous_id == tree.c.id))


def descends_from(number: int) -> ColumnElement[bool]:
    return PluginInstance.id.in_(select(family(number).c.id))


def is_active(active: bool) -> ColumnElement[bool]:
    return PluginInstance.status.in_(states.ORDER if active else states.FINAL)


FILTERS: Filters = {
    "id": equal(PluginInstance.id, "number"),
    "min_start_date": at_least(PluginInstance.start_date, "date"),
    "max_start_date": at_most(PluginInstance.start_date, "date"),
    "min_end_date": at_least(PluginInstance.end_date, "date"),
    "max_end_date": at_most(PluginInstance.end_date, "date"),
    "root_id": Filter("number", descends_from),
    "previous_id": equal(PluginInstance.previous_id, "number"),
    "title": containing(PluginInstance.title),
    "status": equal(PluginInstance.status, states.ALL),
    "active": Filter("boolean", is_active),
    "owner_username": equal(User.username),
    "feed_id": equal(PluginInstance.feed_id, "number"),
    "plugin_id": equal(PluginInstance.plugin_id, "number"),
    "plugin_name": containing(PluginMeta.name),
    "plugin_name_exact": equal(PluginMeta.name),
    "plugin_version": equal(Plugin.version),
    "plugin_type": equal(PluginMeta.type),
    "workflow_id": equal(PluginInstance.workflow_id, "number"),
    "deletion_status": equal(PluginInstance.deletion_status, ("none", "pending", "deleting", "failed")),
}
NEWEST = PluginInstance.id.desc()


def readable(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[PluginInstance]:
    """The instances of all feeds that this reader may read, newest first."""
    return window_of(session, narrowed(_loaded().where(readable_instances(reader)), FILTERS, wanted), window, NEWEST)


def of_plugin(session: Session, reader: Reader, plugin: int, window: Window) -> Rows[PluginInstance]:
    """The reader's own instances of a plugin."""
    statement = _loaded().where(PluginInstance.plugin_id == plugin, PluginInstance.owner_id == (reader.id or 0))
    return window_of(session, statement, window, NEWEST)


def of_feed(session: Session, feed: int, window: Window) -> Rows[PluginInstance]:
    return window_of(session, _loaded().where(PluginInstance.feed_id == feed), window, NEWEST)


def descendants(session: Session, instance: int, window: Window) -> Rows[PluginInstance]:
    """The instance itself, then its children, then theirs."""
    tree = family(instance)
    statement = _loaded().join(tree, tree.c.id == PluginInstance.id)
    return window_of(session, statement, window, tree.c.depth, PluginInstance.id)


def find(session: Session, number: int) -> PluginInstance | None:
    return session.scalar(_loaded().where(PluginInstance.id == number))


def values(session: Session, instance: int, window: Window) -> Rows[ParameterValue]:
    """The parameters that were given, in the order of the plugin's own."""
    statement = _values().where(ParameterValue.instance_id == instance)
    return window_of(session, statement, window, ParameterValue.id)


def find_value(session: Session, type_: str, number: int) -> ParameterValue | None:
    return session.scalar(_values().where(ParameterValue.id == number, ParameterValue.type == type_))


def _loaded() -> Select[PluginInstance]:
    return (
        select(PluginInstance)
        .join(PluginInstance.plugin)
        .join(Plugin.meta)
        .join(PluginInstance.owner)
        .join(PluginInstance.feed)
        .options(
            contains_eager(PluginInstance.plugin).contains_eager(Plugin.meta),
            contains_eager(PluginInstance.owner),
            contains_eager(PluginInstance.feed),
            joinedload(PluginInstance.compute_resource),
            joinedload(PluginInstance.output_folder),
        )
    )


def _values() -> Select[ParameterValue]:
    return select(ParameterValue).options(
        joinedload(ParameterValue.parameter),
        joinedload(ParameterValue.instance).joinedload(PluginInstance.feed),
    )
