"""Folders and files, as this reader may see them."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session, contains_eager, joinedload

from gateway.catalog.lists.rows import (
    Filter,
    Filters,
    Rows,
    Wanted,
    Window,
    at_least,
    at_most,
    beginning,
    containing,
    equal,
    narrowed,
    window_of,
)
from gateway.catalog.people import User
from gateway.catalog.tree import File, Folder
from gateway.policy import Reader, readable_files, readable_folders

PATH = Folder.path + "/" + File.name
"""The whole path of a file (no file lies in the root)."""


def holding(words: str) -> ColumnElement[bool]:
    """The path holds every word."""
    return and_(*(PATH.icontains(word, autoescape=True) for word in words.split()))


def with_slashes(text: str) -> ColumnElement[bool]:
    """The path has so many slashes; with `u` behind the number: and is the first of its folder."""
    alone = text[-1:] in "uU"
    number = text[:-1] if alone else text
    wanted = int(number) if number.isascii() and number.isdecimal() and len(number) < 5 else -1
    right = func.length(PATH) - func.length(func.replace(PATH, "/", "")) == wanted
    if not alone:
        return right
    return and_(right, File.id.in_(select(func.min(File.id)).group_by(File.folder_id)))


FILTERS: Filters = {
    "id": equal(File.id, "number"),
    "min_creation_date": at_least(File.created, "date"),
    "max_creation_date": at_most(File.created, "date"),
    "fname": beginning(PATH),
    "fname_exact": equal(PATH),
    "fname_icontains": containing(PATH),
    "fname_nslashes": Filter("text", with_slashes),
    "owner_username": equal(User.username),
    "fname_icontains_multiple": Filter("text", holding),
}


def user_files(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[File]:
    """The reader's files below `home/`; a superuser's list holds everybody's."""
    mine = [] if reader.superuser else [File.owner_id == (reader.id or 0)]
    home = Folder.path.startswith("home/")
    statement = narrowed(_files().where(Folder.complete, home, *mine), FILTERS, wanted)
    return window_of(session, statement, window, Folder.path.desc(), File.name.desc())


def files_in(session: Session, reader: Reader, folder: int, window: Window) -> Rows[File]:
    """What this reader may read in a folder."""
    statement = _files().where(File.folder_id == folder, readable_files(reader))
    return window_of(session, statement, window, File.name.desc())


def find_file(session: Session, number: int) -> File | None:
    """A file that is complete: outputs that are still being registered are not there yet."""
    return session.scalar(_files().where(File.id == number, Folder.complete))


def may_read_file(session: Session, reader: Reader, file: File) -> bool:
    found = select(File.id).join(File.folder).where(File.id == file.id, readable_files(reader))
    return session.scalar(found) is not None


def root(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[Folder]:
    """The folder in which all others lie."""
    return window_of(session, _folders().where(Folder.path == "", Folder.visible), window, Folder.id)


def folder_at(session: Session, reader: Reader, *, path: str | None, number: int | None) -> Rows[Folder]:
    """The folder with this number or path, if there is one that this reader may see: a list of one or none."""
    which = Folder.path == (path or "").strip("/") if number is None else Folder.id == number
    return window_of(session, _folders().where(which, readable_folders(reader)), Window(1), Folder.id)


def find_folder(session: Session, number: int) -> Folder | None:
    return session.scalar(_folders().where(Folder.id == number, Folder.visible))


def may_read_folder(session: Session, reader: Reader, folder: Folder) -> bool:
    return session.scalar(select(Folder.id).where(Folder.id == folder.id, readable_folders(reader))) is not None


def children(session: Session, reader: Reader, folder: int, window: Window) -> Rows[Folder]:
    """The folders in a folder that this reader may see."""
    statement = _folders().where(Folder.parent_id == folder, readable_folders(reader))
    return window_of(session, statement, window, Folder.path.desc())


def _files() -> Select[File]:
    return (
        select(File)
        .join(File.folder)
        .join(User, User.id == File.owner_id)
        .options(contains_eager(File.folder).joinedload(Folder.feed), contains_eager(File.owner))
    )


def _folders() -> Select[Folder]:
    return select(Folder).options(joinedload(Folder.owner), joinedload(Folder.feed))
