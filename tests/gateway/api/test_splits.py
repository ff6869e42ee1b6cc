"""Splits: what lies in the outputs of an instance, parted by filters."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.catalog import registration
from tests.gateway.api.world import START, World, words
from tests.gateway.catalog.stage import JOINING, descriptor

FIELDS = words("url id creation_date filter plugin_inst_id created_plugin_inst_ids plugin_inst")


@pytest.fixture
def first(world: World) -> int:
    """The id of a finished instance with two files, where the plugin that splits is registered."""
    with world.catalog.transaction() as session:
        registration.register_plugin(
            session,
            descriptor("pl-topologicalcopy", "ts", parameters=JOINING),
            compute_resources=["host"],
            runtime_kind="builtin",
            now=START,
        )
    number = int(world.run(world.gen)["id"])
    world.finish(number, "finished", **{"a.txt": b"a", "b.csv": b"b"})
    return number


def split(world: World, instance: int, user: str = "anna", status: int = 201, **given: Any) -> Any:
    response = world.request("POST", f"plugins/instances/{instance}/splits/", user=user, json=given)
    assert response.status_code == status, response.get_data(as_text=True)
    return response.get_json()


def names(world: World, instance: str) -> set[str]:
    path = world.get(f"plugins/instances/{instance}/")["output_path"]
    return {one["fname"].removeprefix(f"{path}/") for one in world.get(f"userfiles/search/?fname={path}/")["results"]}


def test_each_filter_makes_an_instance_of_its_own(world: World, first: int) -> None:
    made = split(world, first, filter=r"\.txt$ , \.csv$", compute_resource_name="host")
    assert list(made) == FIELDS
    assert (made["filter"], made["plugin_inst_id"]) == (r"\.txt$,\.csv$", first)
    texts, tables = made["created_plugin_inst_ids"].split(",")
    assert (names(world, texts), names(world, tables)) == ({"a.txt"}, {"b.csv"})
    child = world.get(f"plugins/instances/{texts}/")
    assert (child["plugin_name"], child["previous_id"]) == ("pl-topologicalcopy", first)
    assert child["status"] == "finishedSuccessfully"
    given = world.get(f"plugins/instances/{texts}/parameters/")["results"]
    expected = [("plugininstances", str(first)), ("filter", r"\.txt$")]
    assert [(one["param_name"], one["value"]) for one in given] == expected


def test_without_a_filter_one_instance_takes_all(world: World, first: int) -> None:
    made = split(world, first)
    assert made["filter"] == ""
    assert names(world, made["created_plugin_inst_ids"]) == {"a.txt", "b.csv"}


def test_splits_are_listed_and_found(world: World, first: int) -> None:
    made = [split(world, first, filter=one) for one in ("a", "b")]
    path = f"plugins/instances/{first}/splits/"
    value = world.get(path)
    assert [one["id"] for one in value["results"]] == [made[1]["id"], made[0]["id"]]
    assert list(value["collection_links"]) == ["plugin_inst"]
    assert [one["name"] for one in value["template"]["data"]] == ["filter", "compute_resource_name"]
    assert world.get(f"plugins/instances/splits/{made[0]['id']}/") == made[0]
    assert world.get(f"plugins/instances/{first}/")["splits"].endswith(f"/{path}")
    assert world.request("GET", path).status_code == 401


def test_what_is_wrong_is_told_and_nothing_is_made(world: World, first: int) -> None:
    assert list(split(world, first, status=400, filter="a,(")) == ["filter"]
    assert list(split(world, first, status=400, filter="x" * 601)) == ["filter"]
    assert list(split(world, first, status=400, compute_resource_name="moon")) == ["compute_resource_name"]
    assert world.get("plugins/instances/")["count"] == 1
    assert world.get(f"plugins/instances/{first}/splits/")["count"] == 0
    assert split(world, 99, status=404)


def test_a_server_without_the_plugin_says_so(world: World) -> None:
    number = world.run(world.gen)["id"]
    assert "pl-topologicalcopy" in split(world, number, status=400)["non_field_errors"][0]


def test_nobody_splits_or_sees_the_splits_of_another(world: World, first: int) -> None:
    made = split(world, first)
    assert split(world, first, user="bobo", status=403)
    for path in (f"plugins/instances/{first}/splits/", f"plugins/instances/splits/{made['id']}/"):
        assert world.request("GET", path, user="bobo").status_code == 403
    world.request("PUT", f"{world.get(f'plugins/instances/{first}/')['feed_id']}/", user="anna", json={"public": True})
    assert world.get(f"plugins/instances/{first}/splits/", user="bobo")["count"] == 1
    assert split(world, first, user="bobo", status=403)


def test_a_split_of_an_instance_that_runs_waits_for_it(world: World, first: int) -> None:
    running = world.run(world.simple, previous_id=first)["id"]
    made = split(world, running)["created_plugin_inst_ids"]
    assert world.get(f"plugins/instances/{made}/")["status"] == "waiting"
    world.finish(running, "finished", **{"c.txt": b"c"})
    assert names(world, made) == {"c.txt"}
