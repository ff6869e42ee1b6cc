"""unextpath and path: nothing is staged of the one, the other is merged into the inputs."""

from __future__ import annotations

import pytest

from gateway.catalog import folders, registration, states
from gateway.catalog.base import table
from gateway.catalog.faults import Faulty
from gateway.catalog.tree import File, Folder
from gateway.policy import Reader
from tests.gateway.catalog.stage import Stage, descriptor, parameter

STUDY = "home/ann/uploads/study"


def plugin(stage: Stage, *kinds: str, plugin_type: str = "fs") -> int:
    """A plugin with a parameter of each of these types, named alike."""
    with stage.catalog.transaction() as session:
        return registration.register_plugin(
            session,
            descriptor(f"pl-own-{plugin_type}", plugin_type, parameters=[parameter(kind, kind) for kind in kinds]),
            compute_resources=["host"],
            runtime_kind="environment",
            now=stage.now,
        )


def outputs(stage: Stage, instance: int) -> dict[str, str]:
    with stage.catalog.reading() as session:
        rows = folders.walk(session, stage.data(instance), Reader(stage.ann.id))
        return {path: file.key for path, file in rows}


def test_nothing_of_an_unextpath_is_staged_and_it_lies_in_the_outputs_when_the_plugin_has_ended(stage: Stage) -> None:
    stage.upload(f"{STUDY}/a.dcm", key="k1", size=3)
    stage.upload(f"{STUDY}/deep/b.dcm", key="k2", size=4)
    instance = stage.run(plugin(stage, "unextpath"), parameters={"unextpath": STUDY})
    request, inputs = stage.requests()[instance]
    assert (request.command[2:], inputs) == (("--unextpath", "/share/incoming", "/share/outgoing"), [])
    assert outputs(stage, instance) == {}
    stage.end(instance, outputs=[stage.output(instance, "own.txt")])
    folder = "home_ann_uploads_study"
    own = stage.output(instance, "own.txt").key
    assert outputs(stage, instance) == {f"{folder}/a.dcm": "k1", f"{folder}/deep/b.dcm": "k2", "own.txt": own}
    row = stage.instance(instance)
    assert (row.status, row.size, row.registered, row.sentence) == (states.FINISHED, 14, 3, "")


def test_each_target_has_a_folder_of_its_own_and_a_file_lies_in_that_of_its_folder(stage: Stage) -> None:
    stage.upload(f"{STUDY}/a.dcm", key="k1")
    stage.upload(f"{STUDY}/b.dcm", key="k2")
    stage.upload("home/ann/uploads/other/a.dcm", key="k3")
    targets = f"{STUDY}/a.dcm,home/ann/uploads/other"
    instance = stage.run(plugin(stage, "unextpath"), parameters={"unextpath": targets})
    stage.end(instance, outputs=[])
    expected = {"home_ann_uploads_study/a.dcm": "k1", "home_ann_uploads_other/a.dcm": "k3"}
    assert outputs(stage, instance) == expected


def test_a_plugin_that_failed_has_no_references(stage: Stage) -> None:
    stage.upload(f"{STUDY}/a.dcm")
    instance = stage.run(plugin(stage, "unextpath"), parameters={"unextpath": STUDY})
    stage.end(instance, "failed", outputs=[])
    assert outputs(stage, instance) == {}


def test_a_target_that_went_before_the_run_fails_the_job_with_its_name(stage: Stage) -> None:
    stage.set_slots(0)
    stage.upload(f"{STUDY}/a.dcm")
    instance = stage.run(plugin(stage, "unextpath"), parameters={"unextpath": f"{STUDY}/a.dcm"})
    _remove_everything(stage)
    stage.set_slots(5)
    stage.run(stage.gen)
    row = stage.instance(instance)
    assert row.status == states.FAILED and f"{STUDY}/a.dcm" in row.sentence


def test_a_target_that_went_during_the_run_is_told_and_the_outputs_stay(stage: Stage) -> None:
    stage.upload(f"{STUDY}/a.dcm")
    instance = stage.run(plugin(stage, "unextpath"), parameters={"unextpath": f"{STUDY}/a.dcm"})
    _remove_everything(stage)
    stage.end(instance, outputs=[stage.output(instance, "own.txt")])
    row = stage.instance(instance)
    assert row.status == states.FINISHED and f"{STUDY}/a.dcm" in row.sentence
    assert set(outputs(stage, instance)) == {"own.txt"}


def test_the_contents_of_all_paths_are_merged_with_those_of_the_parent(stage: Stage) -> None:
    stage.set_slots(9)
    stage.upload("home/ann/uploads/one/a", key="k1")
    stage.upload("home/ann/uploads/one/sub/b", key="k2")
    stage.upload("home/ann/uploads/two/a", key="k3")
    parent = stage.run(stage.gen)
    stage.end(parent, outputs=[stage.output(parent, "p")])
    own = plugin(stage, "path", plugin_type="ds")
    value = "home/ann/uploads/one, /home/ann/uploads/two/"
    instance = stage.run(own, previous=parent, parameters={"path": value})
    request, inputs = stage.requests()[instance]
    assert request.command[2:] == ("--path", "/share/incoming", "/share/incoming", "/share/outgoing")
    expected = {"p": stage.output(parent, "p").key, "a": "k3", "sub/b": "k2"}
    assert {one.path: one.key for one in inputs} == expected


@pytest.mark.parametrize("kind", ["path", "unextpath"])
@pytest.mark.parametrize("value", ["", ",", "home/ann", "home/ann/feeds", "PUBLIC/x", "home/bob/uploads/x", "home/.."])
def test_a_path_that_may_not_be_read_is_a_wrong_value(stage: Stage, kind: str, value: str) -> None:
    stage.upload("home/bob/uploads/x/secret", user=stage.bob)
    with pytest.raises(Faulty) as caught:
        stage.run(plugin(stage, kind), parameters={kind: value})
    assert list(caught.value.faults) == ["value"]


def _remove_everything(stage: Stage) -> None:
    """Remove Ann's uploads."""
    with stage.catalog.transaction() as session:
        files = table(File)
        gone = table(Folder).select().where(Folder.path.startswith("home/ann/uploads")).with_only_columns(Folder.id)
        session.execute(files.delete().where(files.c.folder_id.in_(gone)))
