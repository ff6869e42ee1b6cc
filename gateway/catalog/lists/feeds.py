"""Feeds with the number of their jobs in each state."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, false, select
from sqlalchemy.orm import Session, joinedload

from gateway.catalog import counts
from gateway.catalog.feeds import Feed
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
from gateway.catalog.tree import File, Folder
from gateway.policy import Reader


@dataclass(frozen=True)
class FeedRow:
    """A feed, and how many of its instances are in each state."""

    feed: Feed
    jobs: Mapping[str, int]

    @property
    def id(self) -> int:
        return self.feed.id


def holds_files(words: str) -> ColumnElement[bool]:
    """The feed has files whose path holds every word."""
    path = Folder.path + "/" + File.name
    found = [path.icontains(word, autoescape=True) for word in words.split()]
    files = select(Folder.feed_id).join(File, File.folder_id == Folder.id)
    return Feed.id.in_(files.where(Folder.complete, Folder.feed_id.is_not(None), *found))


FILTERS: Filters = {
    "id": equal(Feed.id, "number"),
    "name": containing(Feed.name),
    "name_exact": equal(Feed.name),
    "name_startswith": beginning(Feed.name),
    "min_id": at_least(Feed.id, "number"),
    "max_id": at_most(Feed.id, "number"),
    "min_creation_date": at_least(Feed.created, "date"),
    "max_creation_date": at_most(Feed.created, "date"),
    "files_fname_icontains": Filter("text", holds_files),
    "deletion_status": equal(Feed.deletion_status, ("none", "pending", "deleting", "failed")),
}


def own(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[FeedRow]:
    """The reader's feeds, newest first; of a superuser: everybody's that are not public; of nobody: none."""
    if reader.superuser:
        mine: ColumnElement[bool] = ~Feed.public
    else:
        mine = Feed.owner_id == reader.id if reader.id is not None else false()
    return _page(session, mine, wanted, window)


def public(session: Session, reader: Reader, wanted: Wanted, window: Window) -> Rows[FeedRow]:
    """The feeds that everybody may read."""
    return _page(session, Feed.public.is_(True), wanted, window)


def find(session: Session, number: int) -> FeedRow | None:
    feed = session.scalar(_loaded().where(Feed.id == number))
    return _with_jobs(session, [feed])[0] if feed is not None else None


def _page(session: Session, which: ColumnElement[bool], wanted: Wanted, window: Window) -> Rows[FeedRow]:
    statement = narrowed(_loaded().where(which), FILTERS, wanted)
    found = window_of(session, statement, window, Feed.id.desc())
    return Rows(_with_jobs(session, found.rows), found.count)


def _loaded() -> Select[Any]:
    return select(Feed).options(joinedload(Feed.owner), joinedload(Feed.folder))


def _with_jobs(session: Session, feeds: Sequence[Feed]) -> list[FeedRow]:
    if not feeds:
        return []
    jobs = counts.by_feed(session, [feed.id for feed in feeds])
    return [FeedRow(feed, jobs[feed.id]) for feed in feeds]
