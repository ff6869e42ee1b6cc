"""What users change of things that are there: names, publicity, files that are thrown away."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, exists, select, update
from sqlalchemy.orm import Session

from gateway.catalog import accounts, deletions, folders, paths, uploads
from gateway.catalog.base import table
from gateway.catalog.faults import Faulty
from gateway.catalog.feeds import Feed
from gateway.catalog.instances import PluginInstance
from gateway.catalog.people import User
from gateway.catalog.tree import File, Folder

FEEDS, FILES, INSTANCES, USERS = table(Feed), table(File), table(PluginInstance), table(User)


def change_feed(
    session: Session, feed_id: int, *, now: datetime, name: str | None = None, public: bool | None = None
) -> None:
    """Rename a feed, or open or close it to everybody. What lies in a public feed is public by that (see `policy`)."""
    given = {"name": name, "public": public}
    values = {field: value for field, value in given.items() if value is not None}
    session.execute(update(FEEDS).where(FEEDS.c.id == feed_id).values(modified=now, **values))


def name_instance(session: Session, instance_id: int, title: str) -> None:
    session.execute(update(INSTANCES).where(INSTANCES.c.id == instance_id).values(title=title))


def change_user(session: Session, user_id: int, *, email: str, password: str) -> None:
    """A new address and password. Raises Faulty if somebody else has the address, or the password is no good."""
    taken = exists().where(USERS.c.email == email, USERS.c.id != user_id)
    if session.scalar(select(taken)):
        raise Faulty({"email": ["This field must be unique."]})
    accounts.set_password(session, user_id, password)
    session.execute(update(USERS).where(USERS.c.id == user_id).values(email=email))


def remove_file(session: Session, file_id: int, *, now: datetime) -> None:
    """Take a file out of the tree; its bytes go when nobody names them any more. Safe to repeat."""
    keys = session.scalars(delete(FILES).where(FILES.c.id == file_id).returning(FILES.c.key)).all()
    deletions.queue(session, keys, now=now)


def make_folder(session: Session, path: str, owner: User, *, now: datetime) -> int:
    """Make a folder below `home/`, with those above it that are missing; answers its id. Raises Faulty."""
    path = uploads.check(path, field="path")
    if not path.startswith("home/"):
        raise Faulty({"path": ["Invalid path. Path must start with 'home/'."]})
    if session.scalar(select(exists().where(Folder.path == path))):
        raise Faulty({"path": [f"Folder with path '{path}' already exists."]})
    if not uploads.may_upload(session, path, owner):
        above = paths.split(path)[0]
        raise Faulty({"path": [f"Invalid path. User do not have write permission under the folder '{above}'."]})
    uploads.refuse_clash(session, f"{path}/", field="path")
    return folders.ensure(session, [path], owner_id=owner.id, now=now)[path].id
