"""Plugins and compute resources come into the catalog."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy.orm import selectinload

from gateway.catalog import registration
from gateway.catalog.faults import Faulty
from gateway.catalog.plugins import Plugin, PluginMeta
from tests.gateway.catalog.stage import Stage, descriptor, parameter


def register(stage: Stage, raw: dict[str, Any], resources: tuple[str, ...] = ("host",)) -> int:
    with stage.catalog.transaction() as session:
        return registration.register_plugin(
            session, raw, compute_resources=resources, runtime_kind="image", now=stage.now
        )


def newer(**fields: Any) -> dict[str, Any]:
    return descriptor("pl-ds", version="2.0", dock_image="example/pl-ds:2.0", **fields)


def test_a_second_version_shares_the_meta_and_renews_it(stage: Stage) -> None:
    second = register(stage, newer(title="Better"))
    with stage.catalog.reading() as session:
        versions = [session.get_one(Plugin, one) for one in (stage.ds, second)]
        assert versions[0].meta_id == versions[1].meta_id
        assert session.get_one(PluginMeta, versions[0].meta_id).title == "Better"
        newest = registration.find_plugin(session, "pl-ds")
        oldest = registration.find_plugin(session, "pl-ds", "1.0")
        assert newest is not None and oldest is not None
        assert (newest.id, oldest.id) == (second, stage.ds)
        assert registration.find_plugin(session, "pl-none") is None


def test_a_version_is_registered_once(stage: Stage) -> None:
    with pytest.raises(Faulty) as refused:
        register(stage, descriptor("pl-ds"))
    assert set(refused.value.faults) == {"version", "dock_image"}


def test_all_versions_are_of_one_type(stage: Stage) -> None:
    with pytest.raises(Faulty) as refused:
        register(stage, newer(type="fs"))
    assert set(refused.value.faults) == {"type"}


@pytest.mark.parametrize("resources", [(), ("host", "moon")])
def test_a_plugin_needs_compute_resources_that_exist(stage: Stage, resources: tuple[str, ...]) -> None:
    with pytest.raises(Faulty) as refused:
        register(stage, newer(), resources)
    assert set(refused.value.faults) == {"compute_names"}


def test_parameters_keep_their_order_and_defaults(stage: Stage) -> None:
    given = [
        parameter("b", "str", optional=True, default="x"),
        parameter("a", "float"),
        parameter("c", "int", optional=True, default=0),
    ]
    plugin_id = register(stage, newer(parameters=given))
    with stage.catalog.reading() as session:
        found = session.get_one(Plugin, plugin_id, options=[selectinload(Plugin.parameters)])
        assert [(one.name, one.type, one.default) for one in found.parameters] == [
            ("b", "string", "x"),
            ("a", "float", None),
            ("c", "integer", 0),
        ]


def test_a_compute_resource_is_made_once(stage: Stage) -> None:
    with stage.catalog.transaction() as session:
        first = registration.add_compute_resource(session, "gpu", slots=3, now=stage.now)
        assert registration.add_compute_resource(session, "gpu", slots=9, now=stage.now) == first


def test_a_program_that_moved_is_started_where_it_is(stage: Stage) -> None:
    with stage.catalog.transaction() as session:
        registration.move_runtime(session, stage.gen, kind="environment", place="/elsewhere")
    instance = stage.run(stage.gen)
    assert stage.requests()[instance][0].runtime.place == "/elsewhere"
    assert stage.instance(instance).runtime_place == "/elsewhere"
