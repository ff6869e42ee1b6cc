"""What a job reads: paths and the output of its parent, resolved to keys when it is released (design 3.5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from functions.records import Input
from gateway.catalog import paths
from gateway.catalog.base import table
from gateway.catalog.faults import Absent
from gateway.catalog.folders import FOLDERS, within
from gateway.catalog.tree import File, Folder
from gateway.policy import Reader, readable_files, readable_folders

FILES = table(File)
ROWS = (FOLDERS.c.path, FILES.c.name, FILES.c.key, FILES.c.size, FILES.c.etag, FILES.c.digest)


def resolve(session: Session, sources: Sequence[str], reader: Reader) -> list[Input]:
    """The files of all these folders (or single files) that the reader may read, merged into one root.

    What lies in a folder keeps its path relative to it; where two have the same, the later source wins, as when one
    folder is copied over another. Raises Absent, naming the path, if there is nothing there for this reader.
    """
    merged: dict[str, Input] = {}
    for source in sources:
        found = list(in_folder(session, source, reader)) or list(single(session, source, reader))
        if not found and not is_folder(session, source, reader):
            raise _absent(source)
        merged |= {one.path: one for one in found}
    return list(merged.values())


def in_folder(session: Session, folder: str, reader: Reader) -> Iterator[Input]:
    """All files below a folder, with paths relative to it."""
    question = select(*ROWS).join(FOLDERS, FOLDERS.c.id == FILES.c.folder_id)
    start = len(folder) + 1
    for row in session.execute(question.where(within(folder), readable_files(reader)).order_by(*ROWS[:2])):
        yield Input(
            path=paths.join(row.path[start:], row.name), key=row.key, size=row.size, etag=row.etag, digest=row.digest
        )


def single(session: Session, path: str, reader: Reader) -> Iterator[Input]:
    """A file that was named itself: it lies in the root."""
    folder, name = paths.split(path)
    question = select(*ROWS).join(FOLDERS, FOLDERS.c.id == FILES.c.folder_id)
    for row in session.execute(question.where(FOLDERS.c.path == folder, FILES.c.name == name, readable_files(reader))):
        yield Input(path=row.name, key=row.key, size=row.size, etag=row.etag, digest=row.digest)


def is_folder(session: Session, path: str, reader: Reader) -> bool:
    return bool(session.scalar(select(exists().where(Folder.path == path, readable_folders(reader)))))


def is_there(session: Session, path: str, reader: Reader) -> bool:
    """Is there a folder or a file at this path that the reader may read?"""
    return is_folder(session, path, reader) or any(single(session, path, reader))


def require(session: Session, path: str, reader: Reader) -> None:
    """Raises Absent if there is nothing at this path for this reader."""
    if not is_there(session, path, reader):
        raise _absent(path)


def _absent(path: str) -> Absent:
    return Absent(f"There is no file or folder {path!r} any more, or you may not read it.")
