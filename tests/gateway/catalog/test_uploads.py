"""Files that users bring, folders on the way, and objects that lose their last row."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.catalog import deletions, folders, uploads
from gateway.catalog.faults import Denied, Faulty
from gateway.catalog.tree import File, Folder
from gateway.policy import ANYBODY, Reader
from tests.gateway.catalog.stage import Stage


def keys_due(stage: Stage, later: float = 61) -> list[str]:
    with stage.catalog.reading() as session:
        return deletions.due(session, now=stage.tick(later))


def test_an_upload_makes_the_folders_on_the_way(stage: Stage) -> None:
    stage.upload("/home/ann/uploads/study/series/1.dcm", key="k", size=9)
    with stage.catalog.reading() as session:
        file = folders.find_file(session, "home/ann/uploads/study/series/1.dcm", Reader(stage.ann.id))
        assert file is not None
        assert (file.key, file.size, file.owner_id, file.folder.path) == (
            "k",
            9,
            stage.ann.id,
            "home/ann/uploads/study/series",
        )
        parent = session.get_one(Folder, file.folder.parent_id)
    assert parent.path == "home/ann/uploads/study"


def test_a_second_upload_to_a_path_replaces_the_first(stage: Stage) -> None:
    first = stage.upload("home/ann/uploads/a.txt", key="old", size=1)
    assert stage.upload("home/ann/uploads/a.txt", key="new", size=2) == first
    with stage.catalog.reading() as session:
        assert [(file.key, file.size) for file in session.scalars(select(File))] == [("new", 2)]
    assert keys_due(stage) == ["old"]


def test_the_same_upload_told_twice_destroys_nothing(stage: Stage) -> None:
    stage.upload("home/ann/uploads/a.txt", key="k")
    stage.upload("home/ann/uploads/a.txt", key="k")
    assert keys_due(stage) == []


def test_an_object_that_another_row_names_is_kept(stage: Stage) -> None:
    stage.upload("home/ann/uploads/a/1.txt", key="old")
    stage.run(stage.dircopy, parameters={"dir": "home/ann/uploads/a"})
    stage.upload("home/ann/uploads/a/1.txt", key="new")
    assert keys_due(stage) == []
    with stage.catalog.transaction() as session:
        deletions.forget_kept(session)
        assert session.query(deletions.PendingDeletion).count() == 0


def test_an_object_that_an_unfinished_job_was_told_of_is_kept_until_it_ends(stage: Stage) -> None:
    stage.upload("home/ann/uploads/a/1.txt", key="old")
    instance = stage.run(stage.pathed, parameters={"dir": "home/ann/uploads/a"})
    stage.upload("home/ann/uploads/a/1.txt", key="new")
    assert keys_due(stage, 100_000) == []
    stage.end(instance)
    assert keys_due(stage) == ["old"]


def test_a_job_that_was_released_later_keeps_nothing(stage: Stage) -> None:
    stage.upload("home/ann/uploads/a/1.txt", key="old")
    stage.upload("home/ann/uploads/a/1.txt", key="new")
    stage.tick(61)
    stage.run(stage.gen)
    assert keys_due(stage) == ["old"]


def test_no_object_is_deleted_while_a_transaction_may_still_name_it(stage: Stage) -> None:
    stage.upload("home/ann/uploads/a/1.txt", key="old")
    stage.upload("home/ann/uploads/a/1.txt", key="new")
    assert keys_due(stage, 30) == []


@pytest.mark.parametrize(
    "path", ["home/bob/uploads/x.txt", "home/carl/x.txt", "x/y.txt", "home/x.txt", "PIPELINES/ann/x.txt"]
)
def test_a_user_writes_at_home_only(stage: Stage, path: str) -> None:
    with pytest.raises(Denied):
        stage.upload(path)


@pytest.mark.parametrize(
    "path",
    [
        "home/ann/uploads/a,b.txt",
        "home/ann/uploads/x.chrislink",
        "home/ann/../bob/x",
        "home/ann//x",
        "x.txt",
        "home/a\n/b",
    ],
)
def test_odd_names_are_refused(stage: Stage, path: str) -> None:
    with pytest.raises(Faulty):
        stage.upload(path)


def test_a_name_is_a_file_or_a_folder_and_not_both(stage: Stage) -> None:
    stage.upload("home/ann/uploads/a/b.txt")
    with pytest.raises(Faulty, match="is a folder"):
        stage.upload("home/ann/uploads/a")
    with pytest.raises(Faulty, match="is a file"):
        stage.upload("home/ann/uploads/a/b.txt/c/d.txt")


def test_the_output_folder_of_a_running_job_takes_no_uploads(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    with pytest.raises(Denied):
        stage.upload(stage.data(instance) + "/mine.txt")
    stage.end(instance)
    stage.upload(stage.data(instance) + "/mine.txt")


def test_asking_before_the_bytes_says_the_same(stage: Stage) -> None:
    with stage.catalog.reading() as session:
        assert uploads.may_upload(session, "home/ann/uploads/new/x.txt", stage.ann)
        assert not uploads.may_upload(session, "home/ann/uploads/new/x.txt", stage.bob)
        assert uploads.may_upload(session, "home/ann/uploads/new/x.txt", stage.root)


def test_a_folder_is_listed_page_by_page(stage: Stage) -> None:
    for number in range(5):
        stage.upload(f"home/ann/uploads/f{number}/x.txt")
        stage.upload(f"home/ann/uploads/{number}.txt")
    with stage.catalog.reading() as session:
        ann = Reader(stage.ann.id)
        folder = folders.find(session, "home/ann/uploads", ann)
        assert folder is not None
        assert folders.count(session, folder, ann) == (5, 5)
        assert folders.count(session, folder, Reader(stage.bob.id)) == (0, 0)
        page = folders.children(session, folder, ann, limit=2, offset=1)
        assert [one.path[-2:] for one in page] == ["f1", "f2"]
        assert [one.name for one in folders.files(session, folder, ann, limit=3, offset=3)] == ["3.txt", "4.txt"]


def test_strangers_find_nothing(stage: Stage) -> None:
    stage.upload("home/ann/uploads/a.txt")
    with stage.catalog.reading() as session:
        for reader in (Reader(stage.bob.id), ANYBODY):
            assert folders.find(session, "home/ann/uploads", reader) is None
            assert folders.find_file(session, "home/ann/uploads/a.txt", reader) is None
            assert list(folders.walk(session, "home/ann", reader)) == []
        assert folders.find_file(session, "home/ann/uploads/a.txt", Reader(stage.root.id, superuser=True)) is not None


def test_walking_a_folder_never_enters_its_neighbour(stage: Stage) -> None:
    for name in ("feed_1", "feed_10", "feed_1 x", "feed_1é"):
        stage.upload(f"home/ann/uploads/{name}/sub/a.txt")
    with stage.catalog.reading() as session:
        found = [path for path, _ in folders.walk(session, "home/ann/uploads/feed_1", Reader(stage.ann.id))]
        assert found == ["sub/a.txt"]
        assert len(list(folders.walk(session, "", Reader(stage.ann.id)))) == 4
