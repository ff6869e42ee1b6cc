"""Plugins that only copy references: done at once, and no byte is moved."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from gateway.catalog import folders, outbox, states
from gateway.catalog.tree import File
from gateway.policy import Reader
from tests.gateway.catalog.stage import Stage


def copied(stage: Stage, instance: int) -> dict[str, str]:
    """What lies in the output folder: path to key."""
    with stage.catalog.reading() as session:
        rows = folders.walk(session, stage.data(instance), Reader(stage.ann.id))
        return {path: file.key for path, file in rows}


def test_a_copy_is_finished_when_it_is_submitted_and_makes_no_job(stage: Stage) -> None:
    stage.upload("home/ann/uploads/study/a.dcm", key="k1", size=3)
    stage.upload("home/ann/uploads/study/deep/er/b.dcm", key="k2", size=4)
    instance = stage.run(stage.dircopy, parameters={"dir": "home/ann/uploads/study/"})
    row = stage.instance(instance)
    assert (row.status, row.size, row.registered) == (states.FINISHED, 7, 2)
    assert copied(stage, instance) == {"a.dcm": "k1", "deep/er/b.dcm": "k2"}
    with stage.catalog.reading() as session:
        assert outbox.size(session) == 0
        assert session.scalar(select(File.folder_id).where(File.key == "k1").order_by(File.id)) is not None


def test_children_of_a_copy_go_out_at_once(stage: Stage) -> None:
    stage.upload("home/ann/uploads/study/a.dcm", key="k1")
    copy = stage.run(stage.dircopy, parameters={"dir": "home/ann/uploads/study"})
    child = stage.run(stage.ds, previous=copy)
    assert stage.status(child) == [states.COPYING]
    assert [(one.path, one.key) for one in stage.requests()[child][1]] == [("a.dcm", "k1")]


def test_a_copy_needs_no_slot(stage: Stage) -> None:
    stage.set_slots(0)
    stage.upload("home/ann/uploads/study/a.dcm")
    assert stage.status(stage.run(stage.dircopy, parameters={"dir": "home/ann/uploads/study"})) == [states.FINISHED]


def test_many_folders_are_merged_and_the_later_wins(stage: Stage) -> None:
    stage.upload("home/ann/uploads/one/a", key="k1")
    stage.upload("home/ann/uploads/one/sub/b", key="k2")
    stage.upload("home/ann/uploads/two/a", key="k3")
    stage.upload("home/ann/uploads/c", key="k4")
    value = "home/ann/uploads/one,home/ann/uploads/two,home/ann/uploads/c"
    assert copied(stage, stage.run(stage.dircopy, parameters={"dir": value})) == {"a": "k3", "sub/b": "k2", "c": "k4"}


def test_a_copy_touches_no_neighbour(stage: Stage) -> None:
    for name in ("s1", "s10"):
        stage.upload(f"home/ann/uploads/{name}/a", key=name)
    assert copied(stage, stage.run(stage.dircopy, parameters={"dir": "home/ann/uploads/s1"})) == {"a": "s1"}


@pytest.mark.parametrize("name", ["50%_of", "under_score", "naïve ö", "a'b"])
def test_names_are_names_and_no_patterns(stage: Stage, name: str) -> None:
    stage.upload(f"home/ann/uploads/{name}/x/1", key="right")
    stage.upload("home/ann/uploads/50Xof/x/1", key="wrong")
    assert copied(stage, stage.run(stage.dircopy, parameters={"dir": f"home/ann/uploads/{name}"})) == {"x/1": "right"}
