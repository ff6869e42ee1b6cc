"""Plugins and compute resources come into the catalog."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from gateway.catalog import descriptors
from gateway.catalog.base import table
from gateway.catalog.engine import insert_new
from gateway.catalog.faults import Faults, Faulty
from gateway.catalog.plugins import ComputeResource, Plugin, PluginComputeResource, PluginMeta, PluginParameter

METAS, PLUGINS, PARAMETERS, RESOURCES = (
    table(model) for model in (PluginMeta, Plugin, PluginParameter, ComputeResource)
)
OF_META = ("title", "public_repo", "license", "icon", "category", "authors", "documentation")
OF_VERSION = ("version", "dock_image", "description", "execshell", "selfpath", "selfexec")


def add_compute_resource(
    session: Session, name: str, *, slots: int, now: datetime, description: str = "", seconds: int = -1
) -> int:
    """The id of the compute resource of this name, made if it is not there; `seconds`: its longest job (-1: any)."""
    row = {"name": name, "slots": slots, "description": description, "max_job_exec_seconds": seconds}
    session.execute(insert_new(session, ComputeResource).values(created=now, modified=now, **row))
    return int(session.execute(select(RESOURCES.c.id).where(RESOURCES.c.name == name)).scalar_one())


def set_slots(session: Session, name: str, slots: int) -> None:
    """How many unfinished jobs may be out at once on a compute resource."""
    session.execute(update(RESOURCES).where(RESOURCES.c.name == name).values(slots=slots))


def register_plugin(
    session: Session,
    descriptor: Mapping[str, Any],
    *,
    compute_resources: Sequence[str],
    runtime_kind: str,
    runtime_place: str = "",
    now: datetime,
) -> int:
    """Register one version of a plugin from its descriptor; answers its id. Raises Faulty with all that is wrong.

    `runtime_kind` and `runtime_place`: see `Plugin`.
    """
    known = _resource_ids(session, compute_resources)
    checked = descriptors.parse(descriptor)
    meta_id = _ensure_meta(session, checked, now)
    _refuse_double(session, meta_id, checked)
    row: dict[str, Any] = {name: checked.texts[name] for name in OF_VERSION} | checked.limits
    row |= {"meta_id": meta_id, "runtime_kind": runtime_kind, "runtime_place": runtime_place, "created": now}
    plugin_id = int(session.execute(PLUGINS.insert().values(row).returning(PLUGINS.c.id)).scalar_one())
    parameters = [{"plugin_id": plugin_id, **asdict(one)} for one in checked.parameters]
    if parameters:
        session.execute(PARAMETERS.insert(), parameters)
    links = [{"plugin_id": plugin_id, "compute_resource_id": resource} for resource in known]
    session.execute(table(PluginComputeResource).insert(), links)
    return plugin_id


def find_plugin(session: Session, name: str, version: str = "") -> Plugin | None:
    """A plugin by name; without a version, the one that was registered last."""
    question = select(Plugin).join(Plugin.meta).where(PluginMeta.name == name)
    if version:
        question = question.where(Plugin.version == version)
    return session.scalar(question.order_by(Plugin.id.desc()).limit(1))


def move_runtime(session: Session, plugin_id: int, *, kind: str, place: str) -> None:
    """A plugin's program lies somewhere else now: from the next job on it is started there."""
    session.execute(update(PLUGINS).where(PLUGINS.c.id == plugin_id).values(runtime_kind=kind, runtime_place=place))


def _resource_ids(session: Session, names: Sequence[str]) -> list[int]:
    found = {row.name: row.id for row in session.execute(select(RESOURCES.c.id, RESOURCES.c.name))}
    faults = Faults()
    for name in names:
        if name not in found:
            faults.add("compute_names", f"There is no compute resource {name!r}.")
    if not names:
        faults.add("compute_names", "A plugin needs at least one compute resource.")
    faults.close()
    return [found[name] for name in dict.fromkeys(names)]


def _ensure_meta(session: Session, checked: descriptors.Descriptor, now: datetime) -> int:
    """The meta of this name, brought up to what its newest version says of it."""
    texts = {name: checked.texts[name] for name in OF_META}
    row = {"name": checked.name, "type": checked.type, "created": now, "modified": now, **texts}
    made = session.execute(insert_new(session, PluginMeta).values(row).returning(METAS.c.id)).scalar()
    if made is not None:
        return int(made)
    found = session.execute(
        select(METAS.c.id, METAS.c.type).where(METAS.c.name == checked.name).with_for_update(key_share=True)
    ).one()
    if found.type != checked.type:
        raise Faulty({"type": [f"{checked.name} is of type {found.type} in its other versions."]})
    session.execute(update(METAS).where(METAS.c.id == found.id).values(modified=now, **texts))
    return int(found.id)


def _refuse_double(session: Session, meta_id: int, checked: descriptors.Descriptor) -> None:
    faults = Faults()
    for field in ("version", "dock_image"):
        same = exists().where(PLUGINS.c.meta_id == meta_id, PLUGINS.c[field] == checked.texts[field])
        if session.scalar(select(same)):
            faults.add(field, f"{checked.name} is registered with {field} {checked.texts[field]!r} already.")
    faults.close()
