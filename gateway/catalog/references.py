"""What lies in the outputs of an instance by reference: rows that name keys of others, no byte is copied (design 3.4).

The targets of `unextpath` parameters, of which a plugin sees nothing, in a folder each that is named like the target's
path; and the outputs that a ts plugin joins. They are added when the plugin has ended well, with the rights that its
user has then. Names that clash are kept apart (see `clashes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, bindparam, exists, or_, select
from sqlalchemy.orm import Session

from functions.errors import Permanent
from functions.records import Input
from gateway.catalog import folders, inputs, joins, paths, patterns
from gateway.catalog.base import table
from gateway.catalog.clashes import Names
from gateway.catalog.folders import FOLDERS, Place, within
from gateway.catalog.instances import ParameterValue, PluginInstance
from gateway.catalog.people import User
from gateway.catalog.plugins import Plugin, PluginMeta, PluginParameter
from gateway.catalog.tree import File
from gateway.policy import Reader

FILES, INST, U = table(File), table(PluginInstance), table(User)
P, M, V, Q = table(Plugin), table(PluginMeta), table(ParameterValue), table(PluginParameter)
ASKS = or_(Q.c.type == "unextpath", and_(M.c.type == "ts", Q.c.name.in_([joins.LIST, joins.FILTER, joins.GROUP])))
"""Which parameters ask for references."""
VALUES = V.join(Q, Q.c.id == V.c.parameter_id).join(P, P.c.id == Q.c.plugin_id).join(M, M.c.id == P.c.meta_id)
ARE_ASKED = exists().select_from(VALUES).where(ASKS, V.c.instance_id == INST.c.id).correlate(INST)
"""On `plugin_instances`: are there any references to be added after the run?"""
GIVEN = (
    select(Q.c.name, Q.c.type, V.c.value, U.c.id, U.c.is_superuser)
    .select_from(VALUES.join(INST, INST.c.id == V.c.instance_id).join(U, U.c.id == INST.c.owner_id))
    .where(ASKS, V.c.instance_id == bindparam("instance"))
    .order_by(V.c.id)
)
"""The parameters of an instance that ask for references, each with its user."""
OUTPUTS = (
    select(INST.c.id, FOLDERS.c.path)
    .join(FOLDERS, FOLDERS.c.id == INST.c.output_folder_id)
    .where(INST.c.id.in_(bindparam("instances", expanding=True)))
)


@dataclass(frozen=True)
class Reference:
    """A file that is to be put into the outputs at `path`, relative to them; `mark`: see `clashes`."""

    path: str
    file: Input
    mark: str = ""


@dataclass(frozen=True)
class Added:
    """How many files were added, of how many bytes, and a sentence on what could not be."""

    count: int = 0
    size: int = 0
    sentence: str = ""


def after_run(session: Session, instance: int, place: Place, *, now: datetime) -> Added:
    """Add to the outputs of an instance, whose plugin has ended well, what its parameters ask for by reference."""
    given = session.execute(GIVEN, {"instance": instance}).all()
    if not given:
        return Added()
    reader = Reader(given[0].id, given[0].is_superuser)
    values = {row.name: row.value for row in given if row.type != "unextpath"}
    found: list[Reference] = []
    sentences = []
    targets = [path for row in given if row.type == "unextpath" for path in paths.listed(row.value)]
    for source in [*(_target(session, path, reader) for path in targets), joined(session, values, reader)]:
        try:
            found += source
        except Permanent as error:
            sentences.append(str(error))
    added = put(session, found, place, instance=instance, owner_id=given[0].id, now=now)
    return Added(added.count, added.size, " ".join(sentences))


def _target(session: Session, path: str, reader: Reader) -> Iterator[Reference]:
    """The files of an unextpath: of a folder all, else the file that was named."""
    files = inputs.resolve(session, [path], reader)
    folder = path if inputs.is_folder(session, path, reader) else paths.split(path)[0]
    for file in files:
        yield Reference(paths.join(folder.replace("/", "_"), file.path), file)


def joined(session: Session, values: Mapping[str, Any], reader: Reader) -> Iterator[Reference]:
    """What a ts plugin joins, by its parameters. Raises Permanent if outputs are gone or a filter takes too long."""
    numbers = joins.numbers(values.get(joins.LIST))
    filters = patterns.Filters(patterns.listed(values.get(joins.FILTER) or ""))
    outputs = {row.id: row.path for row in session.execute(OUTPUTS, {"instances": numbers})} if numbers else {}
    for place, number in enumerate(numbers):
        if number not in outputs:
            raise Permanent(f"The outputs of instance {number}, which were to be joined, have been removed.")
        for file in inputs.in_folder(session, outputs[number], reader):
            if filters.keeps(place, paths.join(outputs[number], file.path)):
                path = f"{number}/{file.path}" if values.get(joins.GROUP) else file.path
                yield Reference(path, file, str(number))


def put(
    session: Session, found: Sequence[Reference], place: Place, *, instance: int, owner_id: int, now: datetime
) -> Added:
    """Insert rows for these files below `place`, and for the folders they lie in; nobody is shown any of it yet."""
    if not found:
        return Added()
    names = taken(session, place)
    files = {path: one.file for one in found if (path := names.take(one.path, one.file.key, one.mark)) is not None}
    wanted = {paths.join(place.path, paths.split(path)[0]) for path in files if "/" in path}
    marks = {"visible": False, "complete": False, "instance_id": instance}
    known = {place.path: place}
    if wanted:
        known |= folders.ensure(session, wanted, owner_id=owner_id, now=now, **marks)
    rows = []
    for path, file in files.items():
        folder, name = paths.split(paths.join(place.path, path))
        row = {"folder_id": known[folder].id, "name": name, "key": file.key, "size": file.size, "etag": file.etag}
        rows.append(row | {"digest": file.digest, "owner_id": owner_id, "public": place.public, "created": now})
    if rows:
        session.execute(FILES.insert(), rows)
    return Added(len(rows), sum(file.size for file in files.values()))


def taken(session: Session, place: Place) -> Names:
    """What lies below `place` now, shown or not."""
    start = len(place.path) + 1
    held = select(FOLDERS.c.path, FILES.c.name, FILES.c.key).join(FILES, FILES.c.folder_id == FOLDERS.c.id)
    files = [
        (paths.join(row.path[start:], row.name), row.key) for row in session.execute(held.where(within(place.path)))
    ]
    below = session.scalars(select(FOLDERS.c.path).where(within(place.path)))
    return Names(files, [path[start:] for path in below])
