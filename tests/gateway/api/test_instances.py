"""Plugin instances: created, looked at, cancelled."""

from __future__ import annotations

import json
from typing import Any

import pytest

from functions.records import log_key
from gateway.api.app import create_api
from gateway.api.calls import Hooks
from gateway.catalog.instances import PluginInstance
from tests.gateway.api.world import COLLECTION, JSON, World, words

FIELDS = words("""
url id title previous_id compute_resource_name plugin_id plugin_name plugin_version plugin_type feed_id
start_date end_date output_path status active summary raw owner_username cpu_limit memory_limit number_of_workers
gpu_limit size error_code deletion_status deletion_requested_at deletion_error previous output_folder feed plugin
workflow compute_resource descendants parameters splits""")


def refused(world: World, plugin: int, user: str = "anna", **given: Any) -> Any:
    response = world.request("POST", f"plugins/{plugin}/instances/", user=user, json=given)
    assert response.status_code == 400, response.get_data(as_text=True)
    return response.get_json()


def test_a_plugin_is_run(world: World) -> None:
    instance = world.run(world.gen, title="first")
    assert list(instance) == [name for name in FIELDS if name != "previous_id"]
    assert (instance["status"], instance["active"], instance["size"]) == ("copying", True, 0)
    assert (instance["previous"], instance["workflow"]) == (None, None)
    assert instance["output_path"] == "home/anna/feeds/feed_1/pl-gen_1/data"
    assert instance["url"] == "http://localhost/api/v1/plugins/instances/1/"
    assert json.loads(instance["summary"]) == {
        "pushPath": {"status": False},
        "pullPath": {"status": False},
        "compute": {"submit": {"status": False}, "return": {"status": False, "job_status": "", "job_logs": ""}},
    }
    assert world.woken > 0


def test_a_child_waits_for_its_parent_and_keeps_what_it_was_given(world: World) -> None:
    parent = world.run(world.gen)["id"]
    child = world.run(world.simple, previous_id=str(parent), prefix="a", number="3", ignore="true", unknown=1)
    assert list(child) == FIELDS
    assert (child["status"], child["previous_id"]) == ("waiting", parent)
    given = world.get(f"plugins/instances/{child['id']}/parameters/")["results"]
    assert [(one["param_name"], one["type"], one["value"]) for one in given] == [
        ("prefix", "string", "a"),
        ("ignore", "boolean", True),
        ("number", "integer", 3),
    ]
    assert given[0]["url"] == "http://localhost/api/v1/plugins/string-parameter/1/"
    assert world.get("plugins/integer-parameter/3/") == given[2]
    assert world.request("GET", "plugins/string-parameter/3/", user="anna").status_code == 404
    world.finish(parent, **{"out.txt": b"x"})
    assert world.get(f"plugins/instances/{child['id']}/")["status"] == "copying"


def test_a_plugin_is_run_in_collection_json(world: World) -> None:
    pairs = [{"name": "title", "value": "from a template"}, {"name": "cpu_limit", "value": "1500m"}]
    response = world.request(
        "POST",
        f"plugins/{world.gen}/instances/",
        user="anna",
        accept="",
        data=json.dumps({"template": {"data": pairs}}),
        content_type=COLLECTION,
    )
    assert response.status_code == 201
    value = json.loads(response.data)["collection"]
    assert value["href"] == f"http://localhost/api/v1/plugins/{world.gen}/instances/"
    (item,) = value["items"]
    data = {pair["name"]: pair["value"] for pair in item["data"]}
    assert (data["title"], data["cpu_limit"]) == ("from a template", 1500)
    assert response.location == item["href"]
    assert not {"previous_id", "pipeline_id", "pipeline_name", "workflow_id"} & set(data)
    assert not {"previous", "workflow"} & {link["rel"] for link in item["links"]}


def test_what_is_wrong_is_told_by_field(world: World) -> None:
    parent = world.run(world.gen)["id"]
    assert refused(world, world.simple) == {"previous_id": ["This field is required."]}
    for number in (99, "x"):
        sentence = f"Couldn't find any 'previous' plugin instance with id {number}."
        assert refused(world, world.simple, previous_id=number) == {"previous_id": [sentence]}
    assert "value" in refused(world, world.simple, previous_id=parent, number="three")
    assert refused(world, world.dircopy) == {"dir": ["This field is required."]}
    assert "value" in refused(world, world.dircopy, dir="home/bobo/uploads")
    assert "cpu_limit" in refused(world, world.gen, cpu_limit=1)
    assert "compute_resource_name" in refused(world, world.gen, compute_resource_name="moon")
    assert "title" in refused(world, world.gen, title="x" * 101)
    assert world.get("")["count"] == 1


def test_a_copy_of_a_folder_makes_no_job(world: World) -> None:
    world.upload("home/anna/uploads/scan/a.dcm", b"abc")
    copy = world.run(world.dircopy, dir="home/anna/uploads/scan")
    assert copy["status"] in ("copying", "finishedSuccessfully")


def test_nobody_runs_in_the_feed_of_another(world: World) -> None:
    parent = world.run(world.gen)["id"]
    sentence = f"Not allowed to write to feed for previous instance with id {parent}."
    assert refused(world, world.simple, user="bobo", previous_id=parent) == {"previous_id": [sentence]}
    assert world.request("POST", f"plugins/{world.gen}/instances/", json={}).status_code == 401


def test_the_instances_of_a_plugin_are_ones_own(world: World) -> None:
    world.run(world.gen)
    path = f"plugins/{world.gen}/instances/"
    value = world.get(path)
    assert value["count"] == 1
    assert list(value["collection_links"]) == ["plugin", "compute_resources"]
    names = [field["name"] for field in world.get(f"plugins/{world.simple}/instances/")["template"]["data"]]
    assert set(names) >= {"title", "previous_id", "compute_resource_name", "cpu_limit", "prefix", "factor"}
    assert world.get(path, user="bobo")["count"] == 0
    assert world.request("GET", path).status_code == 401
    assert world.request("POST", "plugins/99/instances/", user="anna", json={}).status_code == 404


def test_instances_are_searched(world: World) -> None:
    first = world.run(world.gen, title="Root")["id"]
    second = world.run(world.simple, previous_id=first)["id"]
    third = world.run(world.simple, previous_id=second)["id"]
    other = world.run(world.gen)["id"]
    found = lambda query: [one["id"] for one in world.get(f"plugins/instances/search/?{query}")["results"]]  # noqa: E731
    assert found(f"root_id={second}") == [third, second]
    assert found(f"previous_id={first}") == [second]
    assert found("status=waiting") == [third, second]
    assert found("active=true&plugin_name=SIMPLE") == [third, second]
    assert found("active=false") == []
    assert found("title=roo") == [first]
    assert found("plugin_type=fs") == [other, first]
    assert found("feed_id=2&owner_username=anna") == [other]
    assert found("owner_username=bobo") == []
    assert "status" in world.request("GET", "plugins/instances/search/?status=x", user="anna").get_json()


def test_descendants_begin_with_the_instance_itself(world: World) -> None:
    first = world.run(world.gen)["id"]
    children = [world.run(world.simple, previous_id=first)["id"] for _ in range(2)]
    grandchild = world.run(world.simple, previous_id=children[0])["id"]
    found = world.get(f"plugins/instances/{first}/descendants/")
    assert [one["id"] for one in found["results"]] == [first, *children, grandchild]


def test_a_waiting_instance_is_cancelled_with_its_children_at_once(world: World) -> None:
    first = world.run(world.gen)["id"]
    second = world.run(world.simple, previous_id=first)["id"]
    third = world.run(world.simple, previous_id=second)["id"]
    response = world.request("PUT", f"plugins/instances/{second}/", user="anna", json={"status": "cancelled"})
    assert (response.status_code, response.get_json()["status"]) == (200, "cancelled")
    assert world.get(f"plugins/instances/{third}/")["status"] == "cancelled"
    assert world.get(f"plugins/instances/{first}/")["status"] == "copying"
    again = world.request("PUT", f"plugins/instances/{second}/", user="anna", json={"status": "cancelled"})
    assert again.status_code == 200


def test_a_job_that_is_out_is_asked_to_end(world: World) -> None:
    first = world.run(world.gen)["id"]
    world.woken = 0
    response = world.request("PUT", f"plugins/instances/{first}/", user="anna", json={"status": "cancelled"})
    assert response.status_code == 200
    assert world.woken == 1
    world.finish(first, "cancelled")
    assert world.get(f"plugins/instances/{first}/")["status"] == "cancelled"


def test_what_has_ended_stays_as_it_is(world: World) -> None:
    first = world.run(world.gen)["id"]
    path = f"plugins/instances/{first}/"
    for status in ("started", "finishedSuccessfully"):
        answer = world.request("PUT", path, user="anna", json={"status": status}).get_json()
        assert answer == {"status": [f"Can not change status from 'copying' to '{status}'."]}
    world.finish(first)
    answer = world.request("PUT", path, user="anna", json={"status": "cancelled"}).get_json()
    assert answer == {"status": ["Can not change status from 'finishedSuccessfully' to 'cancelled'."]}
    assert world.request("PUT", path, user="anna", json={"title": "named"}).get_json()["title"] == "named"


@pytest.mark.parametrize("below", ["", "descendants/", "parameters/", "log/", "timeline/"])
def test_a_stranger_learns_nothing_of_an_instance(world: World, below: str) -> None:
    world.run(world.gen)
    path = f"plugins/instances/1/{below}"
    assert world.request("GET", path, user="anna").status_code == 200
    assert world.request("GET", path, user="bobo").status_code == 403
    assert world.request("GET", path).status_code == 401
    world.request("PUT", "1/", user="anna", json={"public": True})
    assert world.request("GET", path).status_code == 200


def test_a_stranger_changes_nothing_of_an_instance(world: World) -> None:
    world.run(world.gen)
    world.request("PUT", "1/", user="anna", json={"public": True})
    for user, status in (("bobo", 403), ("", 401)):
        response = world.request("PUT", "plugins/instances/1/", user=user, json={"status": "cancelled"})
        assert response.status_code == status
    assert world.get("plugins/instances/1/")["status"] == "copying"


def test_a_parameter_of_a_stranger_is_not_read(world: World) -> None:
    parent = world.run(world.gen)["id"]
    world.run(world.simple, previous_id=parent, prefix="secret")
    assert world.request("GET", "plugins/string-parameter/1/", user="bobo").status_code == 403
    assert world.request("GET", "plugins/string-parameter/1/").status_code == 401


def test_the_timeline_is_in_milliseconds(world: World) -> None:
    first = world.run(world.gen)["id"]
    world.finish(first)
    value = world.get(f"plugins/instances/{first}/timeline/")
    names = [step["name"] for step in value["steps"]]
    assert (names[0], names[-1]) == ("queued", "finished")
    times = [step["ms"] for step in value["steps"]]
    assert times == sorted(times) and times[-1] >= 1000


def test_the_log_is_all_that_was_printed(world: World) -> None:
    first = world.run(world.gen)["id"]
    path = f"/api/v1/plugins/instances/{first}/log/"
    headers = {"Authorization": f"Token {world.tokens['anna']}", "Accept": JSON}
    live = create_api(world.catalog, world.store, hooks=Hooks(log=lambda job, attempt: b"so far")).test_client()
    assert live.get(path, headers=headers).data == b"so far"
    with world.catalog.reading() as session:
        job = session.get_one(PluginInstance, first).job or ""
    world.store.put(log_key(job, 1, 0), b"line\n" * 1000)
    response = world.client.get(path, headers=headers)
    assert response.data == b"line\n" * 1000
    assert response.content_type == "text/plain; charset=utf-8"
