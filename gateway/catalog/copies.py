"""Plugins that only copy references: new rows that name the same keys, and no byte is moved (design 3.4, 3.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import exists, func, literal, select
from sqlalchemy.orm import Session, aliased

from functions.errors import Permanent
from gateway.arguments import PATHS, Given
from gateway.catalog import endings, folders, inputs, paths, references, states
from gateway.catalog.base import milliseconds, table
from gateway.catalog.faults import Absent
from gateway.catalog.folders import FOLDERS, within
from gateway.catalog.tree import File
from gateway.policy import Reader, readable_files, readable_folders

FILES = table(File)
OLD, NEW, TAKEN = FOLDERS, aliased(FOLDERS, name="new"), aliased(FILES, name="taken")
COPYING = ("pl-dircopy", "pl-tsdircopy", "pl-topologicalcopy")
"""The plugins whose whole work is done here."""


def run(session: Session, row: Any, given: Sequence[Given], values: Mapping[str, Any], *, now: datetime) -> None:
    """Do what the plugin says by copying rows, and finish the instance. `values`: what was given, by name.

    Raises Absent if a path is gone.
    """
    if row.output_path is None:
        raise Permanent("Its output folder was removed before it could run.")
    if row.name not in COPYING:
        raise Permanent(f"{row.name} is not built into this version of Chrysalis.")
    reader = Reader(row.owner_id, row.is_superuser)
    sources = [path for one in given if one.type in PATHS for path in paths.listed(one.value)]
    for source in reversed(sources):  # the later source wins: what is there already is left alone
        copy(session, source, row.output_path, reader, owner_id=row.owner_id, now=now)
    if row.type == "ts":
        place = folders.places(session, [row.output_path])[row.output_path]
        found = list(references.joined(session, values, reader))
        references.put(session, found, place, instance=row.id, owner_id=row.owner_id, now=now)
    session.execute(FOLDERS.update().where(FOLDERS.c.instance_id == row.id).values(visible=True, complete=True))
    below = FOLDERS.join(FILES, FILES.c.folder_id == FOLDERS.c.id)
    total = select(func.coalesce(func.sum(FILES.c.size), 0), func.count()).select_from(below)
    size, count = session.execute(total.where(FOLDERS.c.instance_id == row.id)).one()
    stamp = milliseconds(now)
    endings.end(
        session, row.id, states.FINISHED, now=now, size=int(size), registered=count, released_ms=stamp, started_ms=stamp
    )


def copy(session: Session, source: str, target: str, reader: Reader, *, owner_id: int, now: datetime) -> None:
    """Copy what lies in the folder `source` (or the file `source`) into the folder `target`.

    A name that is taken in the target keeps what it has. One statement copies all files.
    """
    shown = select(OLD.c.path).where(within(source), readable_folders(reader))
    found = list(session.scalars(shown))
    if not found:
        _copy_file(session, source, target, reader, owner_id=owner_id, now=now)
        return
    folders.ensure(session, [target + path[len(source) :] for path in found], owner_id=owner_id, now=now)
    columns = ("folder_id", "name", "key", "size", "etag", "digest", "owner_id", "public", "created")
    taken = exists().where(TAKEN.c.folder_id == NEW.c.id, TAKEN.c.name == FILES.c.name)
    rows = (
        select(
            NEW.c.id,
            FILES.c.name,
            FILES.c.key,
            FILES.c.size,
            FILES.c.etag,
            FILES.c.digest,
            literal(owner_id),
            NEW.c.public,
            literal(now, type_=FILES.c.created.type),
        )
        .select_from(FILES)
        .join(OLD, OLD.c.id == FILES.c.folder_id)
        .join(NEW, NEW.c.path == target + func.substr(OLD.c.path, len(source) + 1))
        .where(within(source), readable_files(reader), ~taken)
    )
    session.execute(FILES.insert().from_select(columns, rows))


def _copy_file(session: Session, source: str, target: str, reader: Reader, *, owner_id: int, now: datetime) -> None:
    place = folders.places(session, [target])[target]
    for one in inputs.single(session, source, reader):
        taken = select(exists().where(FILES.c.folder_id == place.id, FILES.c.name == one.path))
        if not session.scalar(taken):
            row = {"key": one.key, "size": one.size, "etag": one.etag, "digest": one.digest, "public": place.public}
            row |= {"folder_id": place.id, "name": one.path, "owner_id": owner_id, "created": now}
            session.execute(FILES.insert().values(row))
        return
    raise Absent(f"There is no file or folder {source!r} any more, or you may not read it.")
