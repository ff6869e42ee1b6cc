"""Folders: made on the way, found by path, listed by page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session, contains_eager

from gateway.catalog import paths
from gateway.catalog.base import table
from gateway.catalog.engine import insert_new
from gateway.catalog.tree import File, Folder
from gateway.policy import Reader, readable_files, readable_folders

FOLDERS = table(Folder)
CHUNK = 500
"""How many values go into one IN list: SQLite and PostgreSQL take thousands, but compile them anew for each count."""


@dataclass(frozen=True)
class Place:
    """What is needed of a folder to put something into it."""

    id: int
    path: str
    feed_id: int | None = None
    instance_id: int | None = None
    public: bool = False


ADD = FOLDERS.insert().returning(FOLDERS.c.id)
PLACE = (FOLDERS.c.id, FOLDERS.c.path, FOLDERS.c.feed_id, FOLDERS.c.instance_id, FOLDERS.c.public)


def within(path: str) -> ColumnElement[bool]:
    """On `folders`: the folder at `path` and all below it."""
    if not path:
        return FOLDERS.c.path >= ""
    below = and_(FOLDERS.c.path >= f"{path}/", FOLDERS.c.path < paths.after_descendants(path))
    return or_(FOLDERS.c.path == path, below)


def places(session: Session, wanted: Sequence[str]) -> dict[str, Place]:
    """The folders among these paths that exist, by path."""
    found: dict[str, Place] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = session.execute(select(*PLACE).where(FOLDERS.c.path.in_(wanted[start : start + CHUNK])))
        found |= {row.path: Place(*row) for row in rows}
    return found


def add(session: Session, parent: Place | None, path: str, *, owner_id: int, now: datetime, **marks: Any) -> Place:
    """Insert a folder that is known not to exist; it inherits feed, instance and publicity from its parent."""
    row = _row(parent, path, owner_id, now) | marks
    made = session.execute(ADD, row).scalar_one()
    return Place(made, path, row["feed_id"], row["instance_id"], row["public"])


def ensure(session: Session, wanted: Iterable[str], *, owner_id: int, now: datetime, **marks: Any) -> dict[str, Place]:
    """The folders at these paths, made where they are missing, with all folders above them, by path.

    One statement finds them and one per level makes them. If somebody else makes the same folder at the same moment,
    the row that is there is taken.
    """
    every = sorted({above for path in wanted for above in paths.ancestors(path)}, key=_depth)
    found = places(session, every)
    missing = [path for path in every if path not in found]
    for _, level in groupby(missing, key=_depth):
        names = list(level)
        rows = [_row(found[paths.split(name)[0]] if name else None, name, owner_id, now) | marks for name in names]
        made = session.execute(insert_new(session, Folder).returning(*PLACE), rows)
        found |= {row.path: Place(*row) for row in made}
        found |= places(session, [name for name in names if name not in found])
    return found


def find(session: Session, path: str, reader: Reader) -> Folder | None:
    """The folder at a path, if there is one that this reader is shown."""
    return session.scalar(select(Folder).where(Folder.path == path, readable_folders(reader)))


def find_file(session: Session, path: str, reader: Reader) -> File | None:
    """The file at a path, if there is one that this reader is shown; its folder is loaded."""
    folder, name = paths.split(path)
    question = select(File).join(File.folder).where(Folder.path == folder, File.name == name, readable_files(reader))
    return session.scalar(question.options(contains_eager(File.folder)))


def children(session: Session, folder: Folder, reader: Reader, *, limit: int, offset: int = 0) -> list[Folder]:
    """A page of the folders in a folder, by path."""
    question = select(Folder).where(Folder.parent_id == folder.id, readable_folders(reader))
    return list(session.scalars(question.order_by(Folder.path).limit(limit).offset(offset)))


def files(session: Session, folder: Folder, reader: Reader, *, limit: int, offset: int = 0) -> list[File]:
    """A page of the files in a folder, by name; their folder is loaded."""
    question = select(File).join(File.folder).where(File.folder_id == folder.id, readable_files(reader))
    page = question.options(contains_eager(File.folder)).order_by(File.name).limit(limit).offset(offset)
    return list(session.scalars(page))


def count(session: Session, folder: Folder, reader: Reader) -> tuple[int, int]:
    """How many folders and files of a folder this reader is shown."""
    of_folders = select(func.count()).select_from(Folder).where(Folder.parent_id == folder.id, readable_folders(reader))
    of_files = select(func.count()).select_from(File).join(File.folder)
    of_files = of_files.where(File.folder_id == folder.id, readable_files(reader))
    return session.scalar(of_folders) or 0, session.scalar(of_files) or 0


def walk(session: Session, path: str, reader: Reader) -> Iterator[tuple[str, File]]:
    """All files below a folder that this reader is shown, with their paths relative to it, in the order of paths."""
    question = select(File).join(File.folder).where(within(path), readable_files(reader))
    ordered = question.options(contains_eager(File.folder)).order_by(Folder.path, File.name)
    for file in session.scalars(ordered.execution_options(yield_per=1000)):
        yield file.path[len(path) :].lstrip("/"), file


def _depth(path: str) -> int:
    return path.count("/") + 1 if path else 0


def _row(parent: Place | None, path: str, owner_id: int, now: datetime) -> dict[str, Any]:
    return {
        "parent_id": parent.id if parent else None,
        "path": path,
        "owner_id": owner_id,
        "public": parent.public if parent else False,
        "feed_id": parent.feed_id if parent else None,
        "instance_id": parent.instance_id if parent else None,
        "created": now,
    }
