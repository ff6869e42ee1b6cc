"""A job has its `result`: its outputs are registered, and in one transaction they become visible and the row is final.

The catalog copies the record, never the event's word. All of it may be repeated: a second call changes nothing, and a
long registration that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from functions import jobs
from functions.errors import Temporary
from functions.records import Output
from gateway.catalog import endings, folders, paths, references, states
from gateway.catalog.base import table
from gateway.catalog.engine import Catalog
from gateway.catalog.folders import FOLDERS, Place
from gateway.catalog.instances import PluginInstance
from gateway.catalog.release import release
from gateway.catalog.tree import File

INSTANCES, FILES = table(PluginInstance), table(File)
ADD_FILES = FILES.insert()
ADVANCE = update(INSTANCES).where(INSTANCES.c.id == bindparam("instance"))
SHOW = (
    update(FOLDERS)
    .where(FOLDERS.c.instance_id == bindparam("instance"), FOLDERS.c.complete.is_(False))
    .values(visible=True, complete=True)
)
FIND = (
    select(INSTANCES.c.id, INSTANCES.c.status, INSTANCES.c.registered, INSTANCES.c.size, INSTANCES.c.owner_id)
    .add_columns(references.ARE_ASKED.label("referring"))
    .add_columns(*(column.label(f"folder_{column.name}") for column in folders.PLACE))
    .select_from(INSTANCES.outerjoin(FOLDERS, FOLDERS.c.id == INSTANCES.c.output_folder_id))
    .where(INSTANCES.c.job == bindparam("name"))
    .with_for_update(of=INSTANCES, key_share=True)
)
BATCH = 2000
"""How many files are registered in one transaction."""
NOTHING = "The plugin finished with exit 0 and no output. Its log may tell why."
"""What a user is told of a success that may be none."""
LOG_CHARACTERS = 1800
"""How much of a log CUBE shows in `summary`."""


@dataclass(frozen=True)
class Progress:
    """The row of a job while it is settled, locked.

    `registered`: how many outputs are in. `referring`: what others made is added to them (see `references`).
    """

    id: int
    status: str
    registered: int
    size: int
    owner_id: int
    referring: bool
    place: Place | None


class Lines:
    """The lines of a manifest, taken in batches from a position on."""

    def __init__(self, outputs: Iterable[Output]) -> None:
        self._outputs = iter(outputs)
        self._position = 0
        self._ahead: list[Output] = []

    def take(self, position: int) -> tuple[list[Output], bool]:
        """The next batch from `position` on, which never goes back, and whether it is the last one."""
        skip = position - self._position - len(self._ahead)
        if skip > 0:
            next(islice(self._outputs, skip - 1, None), None)
        self._ahead = self._ahead[position - self._position :]
        self._ahead += islice(self._outputs, BATCH + 1 - len(self._ahead))
        self._position = position
        return self._ahead[:BATCH], len(self._ahead) <= BATCH


def settle(
    catalog: Catalog,
    job: str,
    result: Mapping[str, Any],
    outputs: Iterable[Output],
    *,
    now: datetime,
    log_tail: str = "",
) -> bool:
    """Bring a job's `result` record into the catalog; True if this call made the row final.

    `outputs` are the lines of the manifests that the result names, always in the same order; a cancelled job has none.
    Up to 2,000 take one transaction; more are registered in batches that nobody sees, and shown by one switch.
    Raises Temporary if somebody changed the output folder at the same time.
    """
    lines = Lines(() if result["verdict"] == jobs.CANCELLED else outputs)
    position = 0
    while True:
        batch, last = lines.take(position)
        with _explained(), catalog.transaction() as session:
            progress = find(session, job)
            if progress is None or states.is_final(progress.status):
                return False
            if progress.registered != position:  # an earlier or another call has come further
                position = progress.registered
                continue
            progress = register(session, progress, batch, now=now)
            if last:
                return _finish(session, progress, result, now, log_tail)
            position = progress.registered
            _advance(session, progress)


def find(session: Session, job: str) -> Progress | None:
    """The row of a job, locked; None if the catalog does not know it."""
    row = session.execute(FIND, {"name": job}).one_or_none()
    if row is None:
        return None
    place = Place(*row[6:]) if row.folder_id is not None else None
    return Progress(row.id, row.status, row.registered, row.size, row.owner_id, row.referring, place)


def register(session: Session, progress: Progress, batch: list[Output], *, now: datetime) -> Progress:
    """Insert rows for these outputs, and for the folders that they lie in.

    New folders are not visible, and the output folder is not complete: nobody is shown any of it yet. If the output
    folder has been deleted meanwhile, there is nowhere to put them.
    """
    if progress.place is not None and batch:
        base = progress.place.path
        wanted = {paths.join(base, folder) for folder in (paths.split(one.path)[0] for one in batch) if folder}
        found = {base: progress.place}
        if wanted:
            marks = {"visible": False, "complete": False, "instance_id": progress.id}
            found |= folders.ensure(session, wanted, owner_id=progress.owner_id, now=now, **marks)
        session.execute(ADD_FILES, [_row(one, found, base, progress, now) for one in batch])
    size = progress.size + sum(one.size for one in batch)
    return replace(progress, registered=progress.registered + len(batch), size=size)


def _advance(session: Session, progress: Progress) -> None:
    reached = {"instance": progress.id, "registered": progress.registered, "size": progress.size}
    session.connection().execute(ADVANCE, reached)


def _row(one: Output, found: Mapping[str, Place], base: str, progress: Progress, now: datetime) -> dict[str, Any]:
    folder, name = paths.split(one.path)
    place = found[paths.join(base, folder) if folder else base]
    return {
        "folder_id": place.id,
        "name": name,
        "key": one.key,
        "size": one.size,
        "etag": one.etag,
        "digest": one.digest,
        "owner_id": progress.owner_id,
        "public": place.public,
        "created": now,
    }


def _finish(session: Session, progress: Progress, result: Mapping[str, Any], now: datetime, log_tail: str) -> bool:
    """The one switch: what was registered is shown, the row is final, children are woken, the next job goes out."""
    added = references.Added()
    if progress.place is not None and progress.referring and result["verdict"] == jobs.FINISHED:
        added = references.after_run(session, progress.id, progress.place, now=now)
    session.connection().execute(SHOW, {"instance": progress.id})
    count = progress.registered + added.count
    flag = NOTHING if result["verdict"] == jobs.FINISHED and not count else ""
    fields = {
        "size": progress.size + added.size,
        "registered": count,
        "attempt": result.get("attempt") or 0,
        "exit_code": result.get("exit_code"),
        "reason": result.get("reason") or "",
        "sentence": " ".join(text for text in (result.get("sentence"), added.sentence, flag) if text),
        "usage": result.get("usage"),
        "log_tail": log_tail[-LOG_CHARACTERS:],
    }
    ended = endings.end(session, progress.id, states.VERDICTS[result["verdict"]], now=now, **fields)
    release(session, now=now)
    return ended


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except IntegrityError as error:
        raise Temporary("The output folder of the job was changed while its files were registered.") from error
