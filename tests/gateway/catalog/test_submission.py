"""A user runs a plugin."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from gateway.catalog import states
from gateway.catalog.faults import Absent, Denied, Faulty
from gateway.catalog.feeds import Feed
from gateway.catalog.instances import ParameterValue, PluginInstance
from gateway.catalog.tree import Folder
from tests.gateway.catalog.stage import Stage


def faults(stage: Stage, plugin: int, previous: int | None = None, **fields: Any) -> dict[str, list[str]]:
    with pytest.raises(Faulty) as refused:
        stage.run(plugin, previous, **fields)
    return refused.value.faults


def test_fs_makes_a_feed_and_an_output_folder(stage: Stage) -> None:
    instance = stage.run(stage.gen, title="Knee")
    feed_id = stage.instance(instance).feed_id
    assert stage.data(instance) == f"home/ann/feeds/feed_{feed_id}/pl-gen_{instance}/data"
    with stage.catalog.reading() as session:
        feed = session.get_one(Feed, feed_id)
        folder = session.get_one(Folder, feed.folder_id)
    assert (feed.name, feed.owner_id, feed.public) == ("Knee", stage.ann.id, False)
    assert folder.path == f"home/ann/feeds/feed_{feed_id}"


def test_a_feed_without_a_title_is_named_after_its_plugin(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    with stage.catalog.reading() as session:
        assert session.get_one(Feed, stage.instance(instance).feed_id).name == "pl-gen"


def test_ds_lies_beside_its_parents_data(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    child = stage.run(stage.ds, previous=parent)
    grandchild = stage.run(stage.ds, previous=child)
    feed = stage.instance(parent).feed_id
    base = f"home/ann/feeds/feed_{feed}/pl-gen_{parent}/pl-ds_{child}"
    assert stage.data(child) == f"{base}/data"
    assert stage.data(grandchild) == f"{base}/pl-ds_{grandchild}/data"
    assert stage.instance(grandchild).feed_id == feed
    with stage.catalog.reading() as session:
        rows = session.scalars(select(Folder).where(Folder.path.startswith(base)))
        assert {folder.feed_id for folder in rows} == {feed}


def test_a_child_waits_for_its_parent_or_shares_its_fate(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    assert stage.status(stage.run(stage.ds, previous=parent)) == [states.WAITING]
    stage.end(parent, "failed", exit_code=3)
    late = stage.instance(stage.run(stage.ds, previous=parent))
    assert late.status == states.CANCELLED
    assert str(parent) in late.sentence


def test_a_job_name_is_the_instance_and_eight_hex_digits(stage: Stage) -> None:
    instance = stage.run(stage.gen)
    number, _, rest = stage.job(instance).partition("-")
    assert number == str(instance)
    assert len(rest) == 8
    assert int(rest, 16) >= 0


def test_only_given_parameters_have_rows(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    child = stage.run(stage.ds, previous=parent, parameters={"count": "12", "unknown": 1})
    with stage.catalog.reading() as session:
        rows = session.scalars(select(ParameterValue).where(ParameterValue.instance_id == child)).all()
        assert [(row.type, row.value) for row in rows] == [("integer", 12)]


def test_all_faults_are_told_at_once(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    found = faults(
        stage,
        stage.ds,
        parent,
        parameters={"count": "many", "dry": "perhaps"},
        cpu_limit="1x",
        memory_limit="1Mi",
        compute_resource_name="moon",
        title="t" * 101,
    )
    assert set(found) == {"value", "cpu_limit", "memory_limit", "compute_resource_name", "title"}
    assert len(found["value"]) == 2


def test_a_required_parameter_is_asked_for_by_its_name(stage: Stage) -> None:
    assert faults(stage, stage.pathed) == {"dir": ["This field is required."]}


@pytest.mark.parametrize("previous", [None, 999])
def test_ds_needs_a_parent_that_exists(stage: Stage, previous: int | None) -> None:
    assert set(faults(stage, stage.ds, previous)) == {"previous_id"}


def test_fs_ignores_a_parent(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    assert stage.instance(stage.run(stage.gen, previous=parent)).previous_id is None


def test_an_unknown_plugin_is_absent(stage: Stage) -> None:
    with pytest.raises(Absent):
        stage.run(999)


def test_a_stranger_cannot_run_in_anothers_feed(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    with pytest.raises(Denied):
        stage.run(stage.ds, previous=parent, user=stage.bob)
    stage.run(stage.ds, previous=parent, user=stage.root)


@pytest.mark.parametrize(
    "value",
    [
        "home/ann/uploads/nothing",
        "home/bob/uploads/secret",
        "home/ann",
        "home/ann/feeds",
        "home",
        "etc/passwd",
        "home/ann/uploads/../../bob/uploads/secret",
        "home/ann/uploads/shared,home/bob/uploads/secret",
        ",",
    ],
)
def test_a_path_must_be_there_readable_and_no_room(stage: Stage, value: str) -> None:
    stage.upload("home/bob/uploads/secret/a.txt", stage.bob)
    stage.upload("home/ann/uploads/shared/a.txt")
    assert set(faults(stage, stage.pathed, parameters={"dir": value})) == {"value"}


def test_a_public_feed_may_be_read_by_others(stage: Stage) -> None:
    parent = stage.run(stage.gen)
    stage.end(parent)
    path = stage.data(parent)
    assert set(faults(stage, stage.pathed, user=stage.bob, parameters={"dir": path})) == {"value"}
    with stage.catalog.transaction() as session:
        session.get_one(Feed, stage.instance(parent).feed_id).public = True
    instance = stage.run(stage.pathed, user=stage.bob, parameters={"dir": path})
    assert [one.path for one in stage.requests()[instance][1]] == ["out.txt"]


def test_limits_are_read_as_cube_writes_them(stage: Stage) -> None:
    instance = stage.instance(stage.run(stage.gen, cpu_limit="1500m", memory_limit="2Gi", number_of_workers="3"))
    assert (instance.cpu_limit, instance.memory_limit, instance.number_of_workers) == (1500, 2048, 3)


def test_nothing_stays_of_a_refused_order(stage: Stage) -> None:
    faults(stage, stage.gen, cpu_limit=1)
    with stage.catalog.reading() as session:
        assert session.scalars(select(Feed.id)).all() == []
        assert session.scalars(select(PluginInstance.id)).all() == []
