"""ts plugins: which instances they join, for whom they wait, and what comes into their outputs."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from gateway.catalog import folders, outbox, states
from gateway.catalog.cancellation import ask_cancel
from gateway.catalog.faults import Denied, Faulty
from gateway.catalog.instances import ParameterValue
from gateway.catalog.people import User
from gateway.policy import Reader
from tests.gateway.catalog.stage import Stage

FINISHED, WAITING, CANCELLED = states.FINISHED, states.WAITING, states.CANCELLED


def parents(stage: Stage, *outputs: tuple[str, ...]) -> list[int]:
    """A root, and under it one finished instance for each of these lists of output names."""
    stage.set_slots(50)
    root = stage.run(stage.gen)
    stage.end(root, outputs=[])
    made = []
    for names in outputs:
        made.append(stage.run(stage.ds, previous=root))
        stage.end(made[-1], outputs=[stage.output(made[-1], name) for name in names])
    return made


def join(stage: Stage, plugin: int, ids: list[int], *, user: User | None = None, **given: Any) -> int:
    parameters = {"plugininstances": ",".join(map(str, ids)), **given}
    return stage.run(plugin, previous=ids[0], user=user, parameters=parameters)


def outputs(stage: Stage, instance: int) -> dict[str, str]:
    """What Ann is shown in the outputs: path to key."""
    with stage.catalog.reading() as session:
        rows = folders.walk(session, stage.data(instance), Reader(stage.ann.id))
        return {path: file.key for path, file in rows}


def key(stage: Stage, instance: int, name: str) -> str:
    return stage.output(instance, name).key


def faults(stage: Stage, plugin: int, previous: int, **parameters: Any) -> dict[str, list[str]]:
    with pytest.raises(Faulty) as caught:
        stage.run(plugin, previous=previous, parameters=parameters)
    return caught.value.faults


# what is joined


def test_a_join_names_the_keys_of_its_parents_and_makes_no_job(stage: Stage) -> None:
    one, two = parents(stage, ("a.txt", "deep/er/b.txt"), ("c.txt",))
    with stage.catalog.reading() as session:
        before = outbox.size(session)
    copy = join(stage, stage.topological, [one, two])
    assert outputs(stage, copy) == {
        "a.txt": key(stage, one, "a.txt"),
        "deep/er/b.txt": key(stage, one, "deep/er/b.txt"),
        "c.txt": key(stage, two, "c.txt"),
    }
    row = stage.instance(copy)
    assert (row.status, row.size, row.registered) == (FINISHED, 21, 3)
    with stage.catalog.reading() as session:
        assert outbox.size(session) == before


def test_a_join_without_instances_is_empty(stage: Stage) -> None:
    (one,) = parents(stage, ("a.txt",))
    copy = stage.run(stage.topological, previous=one)
    assert (stage.status(copy), outputs(stage, copy)) == ([FINISHED], {})
    assert stage.status(stage.run(stage.topological, previous=one, parameters={"plugininstances": ""})) == [FINISHED]


def test_each_parent_has_its_own_filter(stage: Stage) -> None:
    one, two, three = parents(stage, ("a.txt", "a.csv"), ("b.txt", "b.csv"), ("c.txt", "c.csv"))
    copy = join(stage, stage.topological, [one, two, three], filter=r"\.csv$, b\.txt")
    assert set(outputs(stage, copy)) == {"a.csv", "b.txt", "c.txt", "c.csv"}


def test_an_empty_filter_keeps_all_of_its_parent(stage: Stage) -> None:
    one, two = parents(stage, ("a.txt", "a.csv"), ("b.txt", "b.csv"))
    copy = join(stage, stage.topological, [one, two], filter=r",\.csv$")
    assert set(outputs(stage, copy)) == {"a.txt", "a.csv", "b.csv"}


def test_a_filter_is_searched_for_in_the_whole_path(stage: Stage) -> None:
    (one,) = parents(stage, ("deep/a.txt", "a.txt"))
    everything = join(stage, stage.topological, [one], filter=f"pl-ds_{one}/data/")
    assert set(outputs(stage, everything)) == {"deep/a.txt", "a.txt"}
    assert outputs(stage, join(stage, stage.topological, [one], filter="^a")) == {}


def test_groups_are_folders_named_by_instance(stage: Stage) -> None:
    one, two = parents(stage, ("a.txt", "deep/b.txt"), ("a.txt",))
    copy = join(stage, stage.topological, [one, two], groupByInstance=True)
    assert set(outputs(stage, copy)) == {f"{one}/a.txt", f"{one}/deep/b.txt", f"{two}/a.txt"}


def test_names_that_clash_are_kept_apart_by_the_instance_they_come_from(stage: Stage) -> None:
    one, two = parents(stage, ("a.txt", "b"), ("a.txt", "b/c"))
    wanted = {
        "a.txt": key(stage, one, "a.txt"),
        "b": key(stage, one, "b"),
        f"a_{two}.txt": key(stage, two, "a.txt"),
        f"b_{two}/c": key(stage, two, "b/c"),
    }
    for _ in range(2):
        assert outputs(stage, join(stage, stage.topological, [one, two])) == wanted


def test_the_same_file_by_two_ways_is_there_once(stage: Stage) -> None:
    (one,) = parents(stage, ("a.txt",))
    copy = join(stage, stage.topological, [one])
    both = stage.run(stage.topological, previous=one, parameters={"plugininstances": f"{one},{copy}"})
    assert outputs(stage, both) == {"a.txt": key(stage, one, "a.txt")}


def test_a_tsdircopy_brings_folders_and_joins(stage: Stage) -> None:
    (one,) = parents(stage, ("a.txt",))
    stage.upload("home/ann/uploads/study/x.dcm", key="k1")
    copy = join(stage, stage.tsdircopy, [one], dir="home/ann/uploads/study")
    assert outputs(stage, copy) == {"x.dcm": "k1", "a.txt": key(stage, one, "a.txt")}
    alone = stage.run(stage.tsdircopy, previous=one, parameters={"dir": "home/ann/uploads/study"})
    assert outputs(stage, alone) == {"x.dcm": "k1"}


# a ts plugin with a program of its own


def test_a_ts_plugin_sees_nothing_and_gets_its_joins_when_it_has_ended(stage: Stage) -> None:
    one, two = parents(stage, ("a.txt",), ("b.txt",))
    instance = join(stage, stage.ts, [one, two], groupByInstance=True)
    request, staged = stage.requests()[instance]
    assert staged == []
    ids = f"{one},{two}"
    assert request.command[2:] == ("--plugininstances", ids, "--groupByInstance", "/share/outgoing")
    assert outputs(stage, instance) == {}
    stage.end(instance)
    assert outputs(stage, instance) == {
        "out.txt": key(stage, instance, "out.txt"),
        f"{one}/a.txt": key(stage, one, "a.txt"),
        f"{two}/b.txt": key(stage, two, "b.txt"),
    }
    row = stage.instance(instance)
    assert (row.status, row.size, row.registered) == (FINISHED, 21, 3)


def test_the_outputs_of_the_plugin_itself_keep_their_names(stage: Stage) -> None:
    (one,) = parents(stage, ("out.txt", "sub/x"))
    instance = join(stage, stage.ts, [one])
    stage.end(instance, outputs=[stage.output(instance, name) for name in ("out.txt", "sub/y", f"out_{one}.txt")])
    assert outputs(stage, instance) == {
        "out.txt": key(stage, instance, "out.txt"),
        f"out_{one}.txt": key(stage, instance, f"out_{one}.txt"),
        f"out_{one}_2.txt": key(stage, one, "out.txt"),
        "sub/y": key(stage, instance, "sub/y"),
        "sub/x": key(stage, one, "sub/x"),
    }


@pytest.mark.parametrize("verdict", ["failed", "cancelled"])
def test_a_plugin_that_did_not_end_well_joins_nothing(stage: Stage, verdict: str) -> None:
    (one,) = parents(stage, ("a.txt",))
    instance = join(stage, stage.ts, [one])
    stage.end(instance, verdict, outputs=[])
    assert outputs(stage, instance) == {}


def test_a_child_of_a_join_reads_what_was_joined(stage: Stage) -> None:
    one, two = parents(stage, ("a.txt",), ("b.txt",))
    instance = join(stage, stage.ts, [one, two])
    child = stage.run(stage.ds, previous=instance)
    stage.end(instance, outputs=[])
    assert {one.path for one in stage.requests()[child][1]} == {"a.txt", "b.txt"}


# for whom it waits


def test_a_join_waits_for_all_of_its_parents(stage: Stage) -> None:
    (one,) = parents(stage, ("a.txt",))
    two, three = (stage.run(stage.ds, previous=one) for _ in range(2))
    copy = join(stage, stage.topological, [one, two, three])
    ts = join(stage, stage.ts, [three, one, two])
    assert stage.status(copy, ts) == [WAITING, WAITING]
    stage.end(three, outputs=[stage.output(three, "c.txt")])
    assert stage.status(copy, ts) == [WAITING, WAITING]
    stage.end(two, outputs=[stage.output(two, "b.txt")])
    assert stage.status(copy, ts) == [FINISHED, states.COPYING]
    assert set(outputs(stage, copy)) == {"a.txt", "b.txt", "c.txt"}


@pytest.mark.parametrize("verdict", ["failed", "cancelled"])
def test_a_parent_that_fails_ends_the_join_and_all_who_wait_for_it(stage: Stage, verdict: str) -> None:
    (one,) = parents(stage, ("a.txt",))
    two = stage.run(stage.ds, previous=one)
    copy = join(stage, stage.topological, [one, two])
    child = stage.run(stage.ds, previous=copy)
    stage.end(two, verdict, outputs=[])
    assert stage.status(copy, child) == [CANCELLED, CANCELLED]
    assert str(two) in stage.instance(copy).sentence


def test_a_join_of_a_parent_that_has_failed_ends_before_it_begins(stage: Stage) -> None:
    (one,) = parents(stage, ("a.txt",))
    two = stage.run(stage.ds, previous=one)
    stage.end(two, "failed", outputs=[])
    copy = join(stage, stage.topological, [one, two])
    assert stage.status(copy) == [CANCELLED]
    assert f"instance {two}" in stage.instance(copy).sentence


def test_a_join_that_was_cancelled_is_not_woken(stage: Stage) -> None:
    (one,) = parents(stage, ("a.txt",))
    two = stage.run(stage.ds, previous=one)
    copy = join(stage, stage.topological, [one, two])
    with stage.catalog.transaction() as session:
        ask_cancel(session, copy, now=stage.tick())
    stage.end(two, outputs=[])
    assert stage.status(copy) == [CANCELLED]


# what is refused


def test_the_previous_instance_must_be_among_the_joined(stage: Stage) -> None:
    one, two = parents(stage, (), ())
    told = faults(stage, stage.topological, one, plugininstances=f"{two}")
    assert list(told) == ["value"]
    assert "must be included in the 'plugininstances' list" in told["value"][0]


@pytest.mark.parametrize("word", ["999", "x", "-1", "1.5", "9" * 40])
def test_an_instance_that_is_not_there_is_named(stage: Stage, word: str) -> None:
    (one,) = parents(stage, ())
    sentence = f"plugininstances: Couldn't find any plugin instance with id '{word}'."
    assert faults(stage, stage.topological, one, plugininstances=f"{one},{word}") == {"value": [sentence]}


def test_an_instance_of_another_feed_is_refused(stage: Stage) -> None:
    (one,) = parents(stage, ())
    (other,) = parents(stage, ("secret.txt",))
    sentence = f"plugininstances: Plugin instance with id '{other}' is not in this feed."
    assert faults(stage, stage.topological, one, plugininstances=f"{one},{other}") == {"value": [sentence]}


def test_nobody_learns_of_the_instances_of_another_user(stage: Stage) -> None:
    (one,) = parents(stage, ())
    hidden = stage.run(stage.gen, user=stage.bob)
    sentence = f"plugininstances: Couldn't find any plugin instance with id '{hidden}'."
    assert faults(stage, stage.topological, one, plugininstances=f"{one},{hidden}") == {"value": [sentence]}
    with pytest.raises(Denied):
        join(stage, stage.topological, [one], user=stage.bob)


def test_a_bad_filter_is_a_wrong_value(stage: Stage) -> None:
    (one,) = parents(stage, ())
    told = faults(stage, stage.topological, one, plugininstances=str(one), filter="a,(")
    assert list(told) == ["value"] and "'('" in told["value"][0]


def test_all_faults_are_told_at_once(stage: Stage) -> None:
    one, two = parents(stage, (), ())
    told = faults(stage, stage.tsdircopy, one, plugininstances=f"{two},77", filter="(", groupByInstance="perhaps")
    assert set(told) == {"value", "dir"}
    assert len(told["value"]) == 4


def test_lists_are_kept_without_their_spaces(stage: Stage) -> None:
    one, two = parents(stage, ("a",), ("b",))
    ids = f" {one} , {two} "
    copy = stage.run(stage.topological, previous=one, parameters={"plugininstances": ids, "filter": " a , b "})
    with stage.catalog.reading() as session:
        kept = list(session.scalars(select(ParameterValue.value).where(ParameterValue.instance_id == copy)))
    assert kept == [f"{one},{two}", "a,b"]
    assert set(outputs(stage, copy)) == {"a", "b"}


def test_a_ds_plugin_may_call_its_own_parameter_filter(stage: Stage) -> None:
    (one,) = parents(stage, ())
    with stage.catalog.transaction() as session:
        from gateway.catalog import registration
        from tests.gateway.catalog.stage import descriptor, parameter

        own = registration.register_plugin(
            session,
            descriptor("pl-own", parameters=[parameter("filter", "str"), parameter("plugininstances", "str")]),
            compute_resources=["host"],
            runtime_kind="environment",
            now=stage.now,
        )
    instance = stage.run(own, previous=one, parameters={"filter": "(", "plugininstances": "all"})
    assert stage.requests()[instance][0].command[2:6] == ("--filter", "(", "--plugininstances", "all")
