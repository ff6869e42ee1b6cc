"""Files that users bring: the bytes are in the store already, here they get their row."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from gateway.catalog import deletions, folders, paths
from gateway.catalog.base import table
from gateway.catalog.engine import insert_new
from gateway.catalog.faults import Denied, Faulty
from gateway.catalog.people import User
from gateway.catalog.tree import File, Folder
from gateway.policy import Reader, may_write_in

FILES = table(File)
LINK_SUFFIX = ".chrislink"


@dataclass(frozen=True)
class Stored:
    """Where the bytes of a file are, and what the store tells of them. `digest`: SHA-256 in hex, "" if unknown."""

    key: str
    size: int
    etag: str
    digest: str = ""


def check(path: str, *, field: str = "upload_path") -> str:
    """The cleaned path of an upload. Raises Faulty for what CUBE refuses: commas, and links."""
    path = paths.clean(path, field=field)
    if "," in path:
        raise Faulty({field: ["Invalid path: commas are not allowed in the names of files."]})
    if path.endswith(LINK_SUFFIX):
        raise Faulty({field: [f"Invalid path: {LINK_SUFFIX} files are made by the server."]})
    if "/" not in path:
        raise Faulty({field: ["Invalid path: it must lie in a folder, such as home/<username>/uploads."]})
    return path


def may_upload(session: Session, path: str, owner: User) -> bool:
    """May this user put a file at this (cleaned) path? Ask before the bytes are taken. One statement."""
    above = paths.ancestors(paths.split(path)[0])
    question = select(Folder).where(Folder.path.in_(above)).order_by(Folder.path.desc()).limit(1)
    nearest = session.scalar(question)
    return nearest is not None and may_write_in(Reader.of(owner), nearest)


def register(session: Session, path: str, owner: User, stored: Stored, *, now: datetime) -> int:
    """Put a file's row at a path, and make the folders on the way; answers the row's id.

    A file that was there is replaced: its row gets the new key, and the old object is deleted when nobody names it any
    more. Raises Faulty, or Denied if this user may not write there.
    """
    path = check(path)
    if not may_upload(session, path, owner):
        raise Denied(f"You may not write to {path!r}. Choose a path below home/{owner.username}/.")
    folder_path, name = paths.split(path)
    refuse_clash(session, path)
    folder = folders.ensure(session, [folder_path], owner_id=owner.id, now=now)[folder_path]
    row = {
        "folder_id": folder.id,
        "name": name,
        "key": stored.key,
        "size": stored.size,
        "etag": stored.etag,
        "digest": stored.digest,
        "owner_id": owner.id,
        "public": folder.public,
        "created": now,
    }
    made = session.scalar(insert_new(session, File).values(row).returning(FILES.c.id))
    return made if made is not None else _replace(session, folder.id, name, stored, now)


def _replace(session: Session, folder_id: int, name: str, stored: Stored, now: datetime) -> int:
    question = select(FILES.c.id, FILES.c.key).where(FILES.c.folder_id == folder_id, FILES.c.name == name)
    old = session.execute(question.with_for_update(key_share=True)).one()
    change = {"key": stored.key, "size": stored.size, "etag": stored.etag, "digest": stored.digest, "created": now}
    session.execute(update(FILES).where(FILES.c.id == old.id).values(change))
    if old.key != stored.key:
        deletions.queue(session, [old.key], now=now)
    return int(old.id)


def refuse_clash(session: Session, path: str, *, field: str = "upload_path") -> None:
    """A name is a file or a folder, not both."""
    if session.scalar(select(exists().where(Folder.path == path))):
        raise Faulty({field: [f"Invalid path: {path!r} is a folder."]})
    whole = Folder.path + "/" + File.name
    above = [folder for folder in paths.ancestors(paths.split(path)[0]) if folder]
    names = [paths.split(folder)[1] for folder in above]
    parents = [paths.split(folder)[0] for folder in above]
    question = select(whole).join(File.folder).where(Folder.path.in_(parents), File.name.in_(names), whole.in_(above))
    clash = session.scalar(question.limit(1))
    if clash is not None:
        raise Faulty({field: [f"Invalid path: {clash!r} is a file."]})
