"""What must be known of a plugin to run it. A registered version never changes, so it is read once and kept."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from gateway.catalog.base import table
from gateway.catalog.faults import Absent
from gateway.catalog.plugins import ComputeResource, Plugin, PluginComputeResource, PluginMeta, PluginParameter

P, M, Q = table(Plugin), table(PluginMeta), table(PluginParameter)
C, LINK = table(ComputeResource), table(PluginComputeResource)
LIMITS = ("cpu_limit", "memory_limit", "gpu_limit", "number_of_workers")
BUILTIN = "builtin"
"""The kind of plugins that make no job: they copy rows, and need no slot."""
KEPT = 500
"""How many plugins are kept in memory."""

PROGRAM = (
    select(
        P.c.id,
        M.c.name,
        M.c.type,
        P.c.runtime_kind,
        *(P.c[f"{end}_{name}"] for name in LIMITS for end in ("min", "max")),
    )
    .join(M, M.c.id == P.c.meta_id)
    .where(P.c.id == bindparam("plugin"))
)
PARAMETERS = (
    select(Q.c.id, Q.c.name, Q.c.type, Q.c.optional).where(Q.c.plugin_id == bindparam("plugin")).order_by(Q.c.id)
)
RESOURCES = (
    select(C.c.id, C.c.name)
    .join(LINK, LINK.c.compute_resource_id == C.c.id)
    .join(P, P.c.id == LINK.c.plugin_id)
    .where(LINK.c.plugin_id == bindparam("plugin"))
    .order_by(C.c.id)
)


@dataclass(frozen=True)
class Parameter:
    id: int
    name: str
    type: str
    optional: bool


@dataclass(frozen=True)
class Program:
    """A version of a plugin. `slotless`: it only copies rows. `limits`: the least and the most of each of `LIMITS`."""

    id: int
    name: str
    type: str
    slotless: bool
    limits: dict[str, tuple[int, int]]
    parameters: tuple[Parameter, ...]


@dataclass(frozen=True)
class Resource:
    id: int
    name: str


def find_program(session: Session, plugin_id: int) -> Program:
    """The plugin with this id. Raises Absent."""
    kept: dict[int, Program] = session.info["programs"]
    if plugin_id not in kept:
        if len(kept) >= KEPT:
            kept.clear()
        kept[plugin_id] = _read(session, plugin_id)
    return kept[plugin_id]


def resources_of(session: Session, plugin_id: int) -> list[Resource]:
    """The compute resources on which a plugin is registered now; none if it has been removed."""
    return [Resource(*row) for row in session.execute(RESOURCES, {"plugin": plugin_id})]


def _read(session: Session, plugin_id: int) -> Program:
    row = session.execute(PROGRAM, {"plugin": plugin_id}).one_or_none()
    if row is None:
        raise Absent("No Plugin matches the given query.")
    ends = list(row[4:])
    limits = {name: (ends[2 * place], ends[2 * place + 1]) for place, name in enumerate(LIMITS)}
    parameters = tuple(Parameter(*one) for one in session.execute(PARAMETERS, {"plugin": plugin_id}))
    return Program(row.id, row.name, row.type, row.runtime_kind == BUILTIN, limits, parameters)
