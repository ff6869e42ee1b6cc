"""A user runs a plugin: the instance, its feed and its output folder are made, and it is released if it may go."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from functions.errors import Permanent
from gateway.arguments import PATHS
from gateway.catalog import endings, folders, inputs, joins, limits, paths, states, values
from gateway.catalog.base import milliseconds, table
from gateway.catalog.faults import Denied, Faults, Faulty
from gateway.catalog.feeds import Feed
from gateway.catalog.folders import FOLDERS, PLACE, Place
from gateway.catalog.instances import ParameterValue, PluginInstance
from gateway.catalog.people import User
from gateway.catalog.programs import Parameter, Program, Resource, find_program, resources_of
from gateway.catalog.release import release
from gateway.policy import Reader, may_add_to_feed

INSTANCES, FEEDS, VALUES = table(PluginInstance), table(Feed), table(ParameterValue)
ADD_INSTANCE, ADD_FEED = INSTANCES.insert().returning(INSTANCES.c.id), FEEDS.insert().returning(FEEDS.c.id)
ADD_VALUES = VALUES.insert()
NAME_INSTANCE = update(INSTANCES).where(INSTANCES.c.id == bindparam("instance"))
PLACE_FEED = update(FEEDS).where(FEEDS.c.id == bindparam("feed"))
PARENT = (
    select(INSTANCES.c.id, INSTANCES.c.status, INSTANCES.c.feed_id, FEEDS.c.owner_id, *PLACE)
    .join(FEEDS, FEEDS.c.id == INSTANCES.c.feed_id)
    .join(FOLDERS, FOLDERS.c.id == INSTANCES.c.output_folder_id)
    .where(INSTANCES.c.id == bindparam("instance"))
    .with_for_update(of=INSTANCES, key_share=True)
)
LIMITS: dict[str, Callable[[Any], int]] = {
    "cpu_limit": limits.cpu,
    "memory_limit": limits.memory,
    "gpu_limit": limits.whole,
    "number_of_workers": limits.whole,
}


@dataclass(frozen=True)
class Order:
    """What a user asks for. `parameters`: only those that were given. A limit that is None: the plugin's least."""

    plugin_id: int
    parameters: Mapping[str, Any] = field(default_factory=dict)
    previous_id: int | None = None
    title: str = ""
    compute_resource_name: str | None = None
    cpu_limit: int | str | None = None
    memory_limit: int | str | None = None
    gpu_limit: int | str | None = None
    number_of_workers: int | str | None = None


@dataclass(frozen=True)
class Parent:
    """The instance that a new one follows."""

    id: int
    status: str
    feed_id: int
    place: Place


def submit(session: Session, user: User, order: Order, *, now: datetime) -> int:
    """Make a plugin instance; answers its id. Raises Faulty with all faults, Denied, or Absent (no such plugin).

    The parent's row is locked, so that none waits for a parent that has just ended (design 3.3).
    """
    plugin = find_program(session, order.plugin_id)
    if plugin.type == "ts":
        joins.lock_all(session, order.parameters.get(joins.LIST), order.previous_id)
    parent = None if plugin.type == "fs" else find_parent(session, user, order.previous_id)
    given, allowed, resource, joined = check(session, user, plugin, order, parent)
    parents = [*([joins.Joined(parent.id, parent.status)] if parent else []), *joined]
    state = states.after_parents(one.status for one in parents)
    feed_id = parent.feed_id if parent else _add_feed(session, user, order.title or plugin.name, now)
    row = {
        "title": order.title,
        "plugin_id": plugin.id,
        "owner_id": user.id,
        "feed_id": feed_id,
        "previous_id": parent.id if parent else None,
        "compute_resource_id": resource.id,
        "status": state,
        "slotless": plugin.slotless,
        "start_date": now,
        "end_date": now,
        "queued_ms": milliseconds(now) if state == states.CREATED else None,
        **allowed,
    }
    if state == states.CANCELLED:
        row |= endings.in_vain(next(one.id for one in parents if states.after_parent(one.status) == state), now)
    instance = session.execute(ADD_INSTANCE, row).scalar_one()
    above = parent.place if parent else _add_feed_folder(session, user, feed_id, now)
    folder = _add_output_folder(session, above, f"{plugin.name}_{instance}", instance, user, now)
    job = f"{instance}-{secrets.token_hex(4)}"
    session.connection().execute(NAME_INSTANCE, {"instance": instance, "job": job, "output_folder_id": folder.id})
    if given:
        session.execute(ADD_VALUES, [{"instance_id": instance, **one} for one in given])
    joins.keep(session, instance, joined)
    if state == states.CREATED:
        release(session, now=now)
    return int(instance)


def find_parent(session: Session, user: User, previous_id: int | None) -> Parent:
    """The parent, its row locked. Raises Faulty if there is none, Denied if its feed is not this user's."""
    if previous_id is None:
        raise Faulty({"previous_id": ["This field is required."]})
    row = session.execute(PARENT, {"instance": previous_id}).one_or_none()
    if row is None:
        raise Faulty({"previous_id": [f"Couldn't find any 'previous' plugin instance with id {previous_id}."]})
    parent, status, feed_id, owner_id, *place = row
    if not may_add_to_feed(Reader.of(user), owner_id):
        raise Denied("You may only run plugins in your own feeds.")
    return Parent(parent, status, feed_id, Place(*place))


def check(
    session: Session, user: User, plugin: Program, order: Order, parent: Parent | None
) -> tuple[list[dict[str, Any]], dict[str, int], Resource, list[joins.Joined]]:
    """The parameter values, limits, compute resource and joined instances of an order.

    Raises Faulty with all that is wrong.
    """
    faults = Faults()
    given = check_parameters(session, user, plugin.parameters, order.parameters, faults)
    joined: list[joins.Joined] = []
    if parent is not None and plugin.type == "ts":
        names = {parameter.id: parameter.name for parameter in plugin.parameters}
        by_name = {names[row["parameter_id"]]: row for row in given}
        joined = joins.check(session, Reader.of(user), parent.id, parent.feed_id, by_name, faults)
    allowed = check_limits(plugin, order, faults)
    resource = check_resource(session, plugin, order.compute_resource_name, faults)
    if len(order.title) > 100:
        faults.add("title", "Ensure this field has no more than 100 characters.")
    faults.close()
    assert resource is not None
    return given, allowed, resource, joined


def check_parameters(
    session: Session, user: User, known: Sequence[Parameter], given: Mapping[str, Any], faults: Faults
) -> list[dict[str, Any]]:
    """A row for each parameter that was given; names that the plugin does not know are passed over, as CUBE does."""
    rows = []
    for parameter in known:
        if given.get(parameter.name) is None:
            if not parameter.optional:
                faults.add(parameter.name, "This field is required.")
            continue
        try:
            value = values.parse(parameter.type, given[parameter.name])
            if parameter.type in PATHS:
                check_paths(session, user, str(value))
        except ValueError as error:
            faults.add("value", f"{parameter.name}: {error}")
        except Permanent as error:
            faults.add("value", f"{parameter.name}: {error}")
        else:
            rows.append({"parameter_id": parameter.id, "type": parameter.type, "value": value})
    return rows


def check_paths(session: Session, user: User, value: str) -> None:
    """Raises ValueError if one of the paths is not there for this user."""
    for path in paths.listed(value):
        if not inputs.is_there(session, path, Reader.of(user)):
            raise ValueError(f"There is no file or folder {path!r}, or you may not read it.")


def check_limits(plugin: Program, order: Order, faults: Faults) -> dict[str, int]:
    """The limits of the instance: what was asked for, within what the plugin allows; else the plugin's least."""
    allowed: dict[str, int] = {}
    for name, parse in LIMITS.items():
        asked, (least, most) = getattr(order, name), plugin.limits[name]
        try:
            allowed[name] = least if asked in (None, "") else parse(asked)
        except ValueError as error:
            faults.add(name, str(error))
            continue
        if not least <= allowed[name] <= most:
            faults.add(name, f"This field value is out of range: it must lie between {least} and {most}.")
    return allowed


def check_resource(session: Session, plugin: Program, name: str | None, faults: Faults) -> Resource | None:
    """The compute resource that was named, or the first on which the plugin is registered."""
    for resource in resources_of(session, plugin.id):
        if not name or resource.name == name:
            return resource
    sentence = f"Plugin {plugin.name} is not registered on a compute resource"
    faults.add("compute_resource_name", f"{sentence} {name!r}." if name else f"{sentence}.")
    return None


def _add_feed(session: Session, user: User, name: str, now: datetime) -> int:
    row = {"name": name, "owner_id": user.id, "created": now, "modified": now}
    return int(session.execute(ADD_FEED, row).scalar_one())


def _add_feed_folder(session: Session, user: User, feed_id: int, now: datetime) -> Place:
    room = f"home/{user.username}/feeds"
    above = folders.places(session, [room]) or folders.ensure(session, [room], owner_id=user.id, now=now)
    folder = folders.add(session, above[room], f"{room}/feed_{feed_id}", owner_id=user.id, now=now, feed_id=feed_id)
    session.connection().execute(PLACE_FEED, {"feed": feed_id, "folder_id": folder.id})
    return folder


def _add_output_folder(session: Session, above: Place, name: str, instance: int, user: User, now: datetime) -> Place:
    """`above` is the feed's folder, or the parent's `data`, beside which the new folder lies."""
    base = paths.split(above.path)[0] if above.instance_id is not None else above.path
    parent = above if above.instance_id is None else folders.places(session, [base])[base]
    place = folders.add(session, parent, f"{base}/{name}", owner_id=user.id, now=now)
    marks = {"instance_id": instance, "complete": False}
    return folders.add(session, place, f"{place.path}/data", owner_id=user.id, now=now, **marks)
