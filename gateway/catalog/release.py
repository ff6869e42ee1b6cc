"""Release: which job goes out next, and with which inputs (design 3.8).

Per compute resource at most `slots` jobs are out; users take turns. To release is to resolve the inputs and to write
the outbox row, in the transaction that moves the state. A plugin that only copies references makes no job: its rows
are copied, and it is finished, here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, func, select, union_all, update
from sqlalchemy.orm import Session, aliased

from functions.errors import Permanent
from functions.jobs import Limits, Request, Runtime
from functions.records import render_lines
from gateway import arguments
from gateway.catalog import copies, endings, inputs, outbox, paths, states, turns
from gateway.catalog.base import milliseconds, one_of, table
from gateway.catalog.engine import lock, tenant_of
from gateway.catalog.instances import ParameterValue, PluginInstance
from gateway.catalog.people import User
from gateway.catalog.plugins import ComputeResource, Plugin, PluginMeta, PluginParameter
from gateway.catalog.tree import Folder
from gateway.policy import Reader

INST, P, M, U = table(PluginInstance), table(Plugin), table(PluginMeta), table(User)
C, V, Q = table(ComputeResource), table(ParameterValue), table(PluginParameter)
OUTPUT, INPUT = aliased(table(Folder), name="output"), aliased(table(Folder), name="input")
PARENT = aliased(INST, name="parent")
STEPS = 10_000
"""More turns of `release` than this in one transaction are a fault of ours, not work."""


def release(session: Session, *, now: datetime) -> list[str]:
    """Let out all that may go out now; answers the names of the jobs. Two questions if there is nothing to do."""
    released: list[str] = []
    for _ in range(STEPS):
        chosen = choose(session)
        if not chosen:
            return released
        sent = launch(session, chosen, now=now)
        released += sent
        if len(sent) == len(chosen):  # nothing has ended, so nothing else may go
            return released
    raise RuntimeError("Release does not come to an end.")


def choose(session: Session) -> list[int]:
    """The instances that go out next. Locks the compute resources, so that two gateways never fill one slot twice."""
    lock(session, select(C.c.id).order_by(C.c.id))
    slots: dict[int, int] = {}
    out: dict[int, dict[int, int]] = defaultdict(dict)
    for row in session.execute(COUNT_OUT):
        slots[row.id] = row.slots
        out[row.id][row.owner_id] = row.jobs
    free = {resource: max(0, size - sum(out[resource].values())) for resource, size in slots.items()}
    chosen = list(session.scalars(FREELY))
    if not any(free.values()):
        return chosen
    queues: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    last: dict[int, int] = {}
    for row in session.execute(CANDIDATES, {"free": max(free.values())}):
        last[row.owner_id] = row.turn
        queues[row.compute_resource_id][row.owner_id].append(row.id)
    for resource, by_user in queues.items():
        chosen += turns.pick(free[resource], by_user, out=out[resource], turns=last)
    return chosen


def launch(session: Session, chosen: list[int], *, now: datetime) -> list[str]:
    """Send the chosen out: resolve their inputs, write the outbox, move their state. Those who cannot go, fail."""
    rows = session.execute(STILL, {"chosen": chosen}).all()
    given = _given(session, chosen)
    letters: list[tuple[str, str, bytes]] = []
    changes: list[dict[str, Any]] = []
    for row in rows:
        parameters = given.get(row.id, [])
        try:
            if row.slotless:
                copies.run(session, row, parameters, {one.name: one.value for one in parameters}, now=now)
                continue
            letters.append((outbox.REQUEST, row.job, body(session, row, parameters, now)))
        except Permanent as error:
            endings.end(session, row.id, states.FAILED, now=now, reason="inputs", sentence=str(error))
            continue
        place = row.runtime_place or row.dock_image
        changes.append({"key": row.id, "runtime_place": place})
    _move(session, changes, [row.owner_id for row in rows], now)
    outbox.post(session, letters, now=now)
    return [job for _, job, _ in letters]


def body(session: Session, row: Any, given: list[Given], now: datetime) -> bytes:
    """The NDJSON of a job's `request` record. Raises Absent if a path is gone; Permanent if there is no such target."""
    if row.compute_resource is None:
        raise Permanent("Its compute resource was removed before it could run. Run it again on another one.")
    for target in (path for one in given if one.type == "unextpath" for path in paths.listed(one.value)):
        inputs.require(session, target, reader(row))
    sources = [row.input_path] if row.type == "ds" else []
    sources += [path for one in given if one.type == "path" for path in paths.listed(one.value)]
    return render_lines(
        request(row, given, tenant_of(session), now).as_dict(), inputs.resolve(session, sources, reader(row))
    )


def request(row: Any, given: list[Given], tenant: str, now: datetime) -> Request:
    """The header of a job's `request` record."""
    program = arguments.Program(row.type, row.execshell, row.selfpath, row.selfexec)
    return Request(
        job=row.job,
        tenant=tenant,
        instance=row.id,
        feed=row.feed_id,
        plugin=row.name,
        version=row.version,
        command=arguments.command(program, given),
        runtime=Runtime(row.runtime_kind, row.runtime_place or row.dock_image),
        limits=Limits(
            cpu=row.cpu_limit,
            memory=row.memory_limit,
            gpu=row.gpu_limit,
            workers=row.number_of_workers,
            seconds=max(0, row.max_job_exec_seconds),
        ),
        environment=arguments.environment(
            instance=row.id,
            username=row.username,
            email=row.email,
            previous=row.previous_id if row.type != "fs" else None,
        ),
        compute_resource=row.compute_resource,
        created=now.isoformat(),
    )


def reader(row: Any) -> Reader:
    """With whose eyes a job reads: those of the user who started it."""
    return Reader(row.owner_id, row.is_superuser)


@dataclass(frozen=True)
class Given(arguments.Given):
    """A given parameter, with its name."""

    name: str = ""


def _given(session: Session, chosen: list[int]) -> Mapping[int, list[Given]]:
    given: dict[int, list[Given]] = defaultdict(list)
    for instance, *rest in session.execute(GIVEN, {"chosen": chosen}):
        given[instance].append(Given(*rest))
    return given


def _move(session: Session, changes: list[dict[str, Any]], owners: list[int], now: datetime) -> None:
    if changes:
        session.connection().execute(MOVE, [{"released_ms": milliseconds(now), **change} for change in changes])
    turn = int(now.timestamp() * 1_000_000)
    served = [{"key": owner, "turn": turn + place} for place, owner in enumerate(dict.fromkeys(owners))]
    if served:
        session.connection().execute(TURN, served)


_OUT = (
    select(INST.c.compute_resource_id, INST.c.owner_id, func.count().label("jobs"))
    .where(one_of(INST.c.status, states.OUT), INST.c.slotless.is_(False))
    .group_by(INST.c.compute_resource_id, INST.c.owner_id)
    .subquery("busy")
)
COUNT_OUT = select(C.c.id, C.c.slots, _OUT.c.owner_id, func.coalesce(_OUT.c.jobs, 0).label("jobs")).select_from(
    C.outerjoin(_OUT, _OUT.c.compute_resource_id == C.c.id)
)
"""Every compute resource, and how many jobs each user has out on it; 0 for nobody where there are none."""

_CREATED = and_(INST.c.status == states.CREATED, INST.c.slotless.is_(False))
FREELY = union_all(
    select(INST.c.id).where(INST.c.status == states.CREATED, INST.c.slotless.is_(True)),
    select(INST.c.id).where(_CREATED, INST.c.compute_resource_id.is_(None)),
)
"""What needs no slot: a copy of rows, and what will fail since its compute resource is gone."""
_PLACE = func.row_number().over(partition_by=(INST.c.compute_resource_id, INST.c.owner_id), order_by=INST.c.id)
_QUEUE = (
    select(INST.c.id, INST.c.owner_id, INST.c.compute_resource_id, _PLACE.label("place"))
    .where(_CREATED, INST.c.compute_resource_id.is_not(None))
    .subquery("queue")
)
CANDIDATES = (
    select(_QUEUE.c.id, _QUEUE.c.owner_id, _QUEUE.c.compute_resource_id, U.c.turn)
    .join(U, U.c.id == _QUEUE.c.owner_id)
    .where(_QUEUE.c.place <= bindparam("free"))
    .order_by(_QUEUE.c.id)
)
"""The first of each user's queue on each compute resource: as many as could go if all slots were theirs."""

DETAILS = (
    *(INST.c.id, INST.c.job, INST.c.feed_id, INST.c.owner_id, INST.c.previous_id),
    *(INST.c.slotless, INST.c.cpu_limit, INST.c.memory_limit, INST.c.gpu_limit, INST.c.number_of_workers),
    *(M.c.name, M.c.type, P.c.version, P.c.execshell, P.c.selfpath, P.c.selfexec),
    *(P.c.dock_image, P.c.runtime_kind, P.c.runtime_place),
    *(U.c.username, U.c.email, U.c.is_superuser, C.c.max_job_exec_seconds, C.c.name.label("compute_resource")),
    *(OUTPUT.c.path.label("output_path"), INPUT.c.path.label("input_path")),
)
JOINED = (
    INST.join(P, P.c.id == INST.c.plugin_id)
    .join(M, M.c.id == P.c.meta_id)
    .join(U, U.c.id == INST.c.owner_id)
    .outerjoin(OUTPUT, OUTPUT.c.id == INST.c.output_folder_id)
    .outerjoin(C, C.c.id == INST.c.compute_resource_id)
    .outerjoin(PARENT, PARENT.c.id == INST.c.previous_id)
    .outerjoin(INPUT, INPUT.c.id == PARENT.c.output_folder_id)
)

STILL = (
    select(*DETAILS)
    .select_from(JOINED)
    .where(INST.c.id.in_(bindparam("chosen", expanding=True)), INST.c.status == states.CREATED)
    .order_by(INST.c.id)
    .with_for_update(of=INST, key_share=True)
)
GIVEN = (
    select(V.c.instance_id, Q.c.type, Q.c.flag, Q.c.action, V.c.value, Q.c.name)
    .join(Q, Q.c.id == V.c.parameter_id)
    .where(V.c.instance_id.in_(bindparam("chosen", expanding=True)))
    .order_by(V.c.id)
)
MOVE = update(INST).where(INST.c.id == bindparam("key")).values(status=states.COPYING)
TURN = update(U).where(U.c.id == bindparam("key"))
