"""Who may read and write what: the only place that decides (design section 4).

An owner and a superuser may do everything with a thing; what is public, or lies in a public feed, may be read by all,
signed in or not. A rule comes in two shapes: a question about one loaded thing, and an SQL condition for lists.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, or_, select, true

from gateway.catalog.feeds import Feed
from gateway.catalog.instances import PluginInstance
from gateway.catalog.tree import File, Folder

if TYPE_CHECKING:
    from gateway.catalog.people import User

ROOMS = ("home", "PUBLIC", "SHARED", "SERVICES", "SERVICES/PACS", "PIPELINES")
"""The folders that everybody sees, though what lies in them is its owner's."""


@dataclass(frozen=True)
class Reader:
    """Who asks. `id` is None for somebody who has not signed in."""

    id: int | None = None
    superuser: bool = False

    @classmethod
    def of(cls, user: User | None) -> Reader:
        return cls(user.id, user.is_superuser) if user is not None else cls()


ANYBODY = Reader()


def owns(reader: Reader, owner_id: int) -> bool:
    """The owner or a superuser: may change, share, run and delete."""
    return reader.superuser or (reader.id is not None and reader.id == owner_id)


def may_read_feed(reader: Reader, feed: Feed) -> bool:
    return feed.public or owns(reader, feed.owner_id)


def readable_feeds(reader: Reader) -> ColumnElement[bool]:
    """On `feeds`."""
    return true() if reader.superuser else or_(Feed.public, Feed.owner_id == (reader.id or 0))


def readable_instances(reader: Reader) -> ColumnElement[bool]:
    """On `plugin_instances`: an instance is read by whoever may read its feed."""
    if reader.superuser:
        return true()
    return or_(
        PluginInstance.owner_id == (reader.id or 0),
        PluginInstance.feed_id.in_(select(Feed.id).where(readable_feeds(reader))),
    )


def readable_folders(reader: Reader) -> ColumnElement[bool]:
    """On `folders`: what this reader is shown."""
    if reader.superuser:
        return Folder.visible.is_(True)
    return and_(
        Folder.visible,
        or_(
            Folder.owner_id == (reader.id or 0),
            Folder.public,
            Folder.path.in_(("", *ROOMS)),
            Folder.feed_id.in_(select(Feed.id).where(Feed.public)),
        ),
    )


def readable_files(reader: Reader) -> ColumnElement[bool]:
    """On `files` joined to `folders`: what this reader is shown. Outputs that are still being registered are not."""
    if reader.superuser:
        return Folder.complete.is_(True)
    return and_(
        Folder.complete,
        or_(
            File.owner_id == (reader.id or 0),
            File.public,
            Folder.public,
            Folder.owner_id == (reader.id or 0),
            Folder.feed_id.in_(select(Feed.id).where(Feed.public)),
        ),
    )


def may_write_in(reader: Reader, folder: Folder) -> bool:
    """May this user put files and folders into the folder? Rooms and the root belong to the system.

    The output folder of an instance that has not ended takes nothing from users: its job will fill it.
    """
    return folder.path not in ("", *ROOMS) and folder.complete and owns(reader, folder.owner_id)


def may_add_to_feed(reader: Reader, feed_owner_id: int) -> bool:
    """May this user run plugins in the feed?"""
    return owns(reader, feed_owner_id)
