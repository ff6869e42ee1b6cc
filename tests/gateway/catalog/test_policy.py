"""Who may read and write what."""

from __future__ import annotations

import pytest
from sqlalchemy import select, update

from gateway.catalog.feeds import Feed
from gateway.catalog.instances import PluginInstance
from gateway.catalog.tree import File, Folder
from gateway.policy import (
    ANYBODY,
    Reader,
    may_add_to_feed,
    may_read_feed,
    may_write_in,
    readable_feeds,
    readable_files,
    readable_folders,
    readable_instances,
)
from tests.gateway.catalog.stage import Stage


def seen(stage: Stage, reader: Reader) -> tuple[set[int], set[int], set[str], set[str]]:
    """The feeds, instances, names of files and paths of folders that a reader is shown in lists."""
    with stage.catalog.reading() as session:
        return (
            set(session.scalars(select(Feed.id).where(readable_feeds(reader)))),
            set(session.scalars(select(PluginInstance.id).where(readable_instances(reader)))),
            set(session.scalars(select(File.name).join(File.folder).where(readable_files(reader)))),
            set(session.scalars(select(Folder.path).where(readable_folders(reader)))),
        )


def set_public(stage: Stage, feed: int) -> None:
    with stage.catalog.transaction() as session:
        session.execute(update(Feed).where(Feed.id == feed).values(public=True))


def test_a_stranger_sees_nothing_of_anothers(stage: Stage) -> None:
    stage.end(stage.run(stage.gen))
    stage.upload("home/ann/uploads/scan.dcm")
    for reader in (Reader(stage.bob.id), ANYBODY):
        feeds, instances, files, folders = seen(stage, reader)
        assert (feeds, instances, files) == (set(), set(), set())
        assert not any(path.startswith("home/ann") for path in folders)


@pytest.mark.parametrize("who", ["ann", "root"])
def test_an_owner_and_a_superuser_see_all(stage: Stage, who: str) -> None:
    instance = stage.run(stage.gen)
    stage.end(instance)
    stage.upload("home/ann/uploads/scan.dcm")
    feeds, instances, files, folders = seen(stage, Reader.of(getattr(stage, who)))
    assert (len(feeds), instances, files) == (1, {instance}, {"out.txt", "scan.dcm"})
    assert stage.data(instance) in folders


def test_a_public_feed_is_seen_by_all_and_its_neighbour_is_not(stage: Stage) -> None:
    public, private = stage.run(stage.gen), stage.run(stage.gen)
    stage.end(public)
    stage.end(private, outputs=[stage.output(private, "secret.txt")])
    set_public(stage, stage.instance(public).feed_id)
    for reader in (Reader(stage.bob.id), ANYBODY):
        feeds, instances, files, folders = seen(stage, reader)
        assert (feeds, instances, files) == ({stage.instance(public).feed_id}, {public}, {"out.txt"})
        assert stage.data(public) in folders
        assert stage.data(private) not in folders


def test_a_questions_answer_is_that_of_the_list(stage: Stage) -> None:
    first, second = (stage.instance(stage.run(stage.gen)).feed_id for _ in range(2))
    set_public(stage, second)
    for reader in (Reader.of(stage.ann), Reader.of(stage.bob), Reader.of(stage.root), Reader.of(None)):
        with stage.catalog.reading() as session:
            every = session.scalars(select(Feed)).all()
            listed = set(session.scalars(select(Feed.id).where(readable_feeds(reader))))
        assert {feed.id for feed in every if may_read_feed(reader, feed)} == listed
    assert first != second


def test_everybody_sees_the_rooms_and_nobody_writes_in_them(stage: Stage) -> None:
    with stage.catalog.reading() as session:
        rooms = session.scalars(select(Folder).where(Folder.path.in_(("", "home")))).all()
        home = session.scalars(select(Folder).where(Folder.path == "home/ann")).one()
    assert {"", "home"} <= seen(stage, ANYBODY)[3]
    for user in (stage.ann, stage.root):
        assert not any(may_write_in(Reader.of(user), room) for room in rooms)
        assert may_write_in(Reader.of(user), home)
    assert not may_write_in(Reader.of(stage.bob), home)
    assert not may_write_in(ANYBODY, home)


def test_only_the_owner_and_a_superuser_run_in_a_feed(stage: Stage) -> None:
    owner = stage.ann.id
    assert [may_add_to_feed(reader, owner) for reader in map(Reader.of, (stage.ann, stage.root, stage.bob, None))] == [
        True,
        True,
        False,
        False,
    ]
