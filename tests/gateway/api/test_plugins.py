"""Plugins, their metas, parameters and compute resources."""

from __future__ import annotations

import io
import json
from typing import Any

from gateway.api.app import create_api
from gateway.api.calls import Hooks
from tests.gateway.api.world import JSON, World, words
from tests.gateway.catalog.stage import descriptor, parameter

FIELDS = words("""
url id creation_date name version dock_image public_repo icon type stars authors title category description
documentation license execshell selfpath selfexec min_number_of_workers max_number_of_workers min_cpu_limit
max_cpu_limit min_memory_limit max_memory_limit min_gpu_limit max_gpu_limit meta parameters instances
compute_resources""")


def register(world: World, value: Any, user: str = "chris", names: str = "host") -> Any:
    form = {"fname": (io.BytesIO(json.dumps(value).encode()), "x.json"), "compute_names": names}
    return world.request("POST", "/chris-admin/api/v1/", user=user, data=form, content_type="multipart/form-data")


def test_everybody_reads_plugins(world: World) -> None:
    value = world.get("plugins/", user="")
    assert [plugin["name"] for plugin in value["results"]] == ["pl-gen", "pl-simple", "pl-dircopy"]
    assert list(value["results"][0]) == FIELDS
    assert value["collection_links"] == {
        "feeds": "http://localhost/api/v1/",
        "plugin_metas": "http://localhost/api/v1/plugins/metas/",
    }
    assert value["queries"][0]["href"] == "http://localhost/api/v1/plugins/search/"
    assert [field["name"] for field in value["queries"][0]["data"]][:4] == ["id", "name", "name_exact", "version"]
    assert "template" not in world.get("plugins/1/")


def test_metas_come_by_type_and_lead_to_their_versions(world: World) -> None:
    register(world, descriptor("pl-gen", "fs", version="2.0", dock_image="example/pl-gen:2.0", title="Newer"))
    assert [meta["type"] for meta in world.get("plugins/metas/")["results"]] == ["ds", "fs", "fs"]
    meta = world.get("plugins/metas/search/?name_exact=pl-gen")["results"][0]
    assert meta["title"] == "Newer"
    versions = world.get(meta["plugins"].removeprefix("http://localhost"))
    assert [plugin["version"] for plugin in versions["results"]] == ["2.0", "1.0"]
    assert versions["collection_links"] == {"meta": meta["url"]}


def test_plugins_are_searched_and_sorted(world: World) -> None:
    register(world, descriptor("pl-gen", "fs", version="2.0", dock_image="example/pl-gen:2.0", category="MRI"))
    names = lambda query: [plugin["version"] for plugin in world.get(f"plugins/search/?{query}")["results"]]  # noqa: E731
    assert names("name_exact=pl-gen") == ["2.0", "1.0"]
    assert names("name_exact=pl-gen&sort=version") == ["1.0", "2.0"]
    assert names("name_exact=pl-gen&sort=nonsense") == ["2.0", "1.0"]
    assert names("name_exact=pl-gen&version=1.0") == ["1.0"]
    assert len(names("name_title_category=mri")) == 2
    assert len(names("compute_resource_id=1")) == 4
    assert names("compute_resource_id=2") == []
    assert names("type=xx") == []


def test_parameters_say_what_a_plugin_takes(world: World) -> None:
    value = world.get(f"plugins/{world.simple}/parameters/", user="")
    fields = words("url id name type optional default flag short_flag action help ui_exposed plugin")
    assert list(value["results"][0]) == fields
    assert [(one["name"], one["type"], one["default"]) for one in value["results"]] == [
        ("prefix", "string", ""),
        ("ignore", "boolean", False),
        ("number", "integer", 1),
        ("factor", "float", 1.1),
    ]
    assert value["collection_links"] == {"plugin": f"http://localhost/api/v1/plugins/{world.simple}/"}
    assert world.get("plugins/parameters/1/") == value["results"][0]


def test_where_a_compute_resource_is_is_hidden_from_strangers(world: World) -> None:
    known, unknown = world.get("computeresources/1/"), world.get("computeresources/1/", user="")
    assert set(known) - set(unknown) == {"compute_url", "compute_auth_url"}
    assert known["max_job_exec_seconds"] == -1
    assert world.get("computeresources/search/?plugin_id=1")["count"] == 1
    assert world.get("computeresources/search/?plugin_id=99")["count"] == 0
    assert world.get("plugins/1/computeresources/")["results"] == [known]


def test_staff_registers_a_plugin_from_its_descriptor(world: World) -> None:
    value = descriptor("pl-new", parameters=[parameter("level", "int", optional=True, default=3)])
    response = register(world, value)
    assert response.status_code == 201
    plugin = response.get_json()
    assert response.location == plugin["url"] == "http://localhost/chris-admin/api/v1/4/"
    assert list(plugin) == FIELDS
    assert world.get("plugins/4/parameters/")["results"][0]["default"] == 3
    assert world.get("/chris-admin/api/v1/", user="chris")["count"] == 4


def test_a_bad_descriptor_is_told_whole(world: World) -> None:
    assert set(register(world, {"name": "x"}).get_json()) >= {"version", "dock_image", "selfexec"}
    assert register(world, [1]).get_json()["fname"]
    assert register(world, descriptor("pl-gen", "fs")).status_code == 400
    assert register(world, descriptor("pl-new"), names="nowhere").get_json()["compute_names"]
    assert register(world, descriptor("pl-new"), names=" ").get_json() == {"compute_names": ["This field is required."]}
    assert world.request("POST", "/chris-admin/api/v1/", user="chris", json={}).status_code == 400


def test_only_staff_comes_in(world: World) -> None:
    assert register(world, descriptor("pl-new"), user="anna").status_code == 403
    assert register(world, descriptor("pl-new"), user="").status_code == 401
    assert world.request("GET", "/chris-admin/api/v1/", user="anna").status_code == 403
    assert world.request("POST", "plugins/install/", user="anna", json={"source": "x"}).status_code == 403
    assert world.request("GET", "deadletters/", user="anna").status_code == 403


def test_a_plugin_is_installed_where_the_server_can(world: World) -> None:
    assert world.request("POST", "plugins/install/", user="chris", json={"source": "x"}).status_code == 404
    asked: list[str] = []
    app = create_api(world.catalog, world.store, hooks=Hooks(install=lambda source: asked.append(source) or 2))
    headers = {"Accept": JSON, "Authorization": f"Token {world.tokens['chris']}"}
    response = app.test_client().post("/api/v1/plugins/install/", json={"source": "shexec==2.5.0"}, headers=headers)
    assert (response.status_code, response.get_json()["name"], asked) == (201, "pl-simple", ["shexec==2.5.0"])


def test_dead_letters_are_shown_and_sent_again(world: World) -> None:
    letters = [{"id": number, "type": "job.requested"} for number in range(3)]
    replayed: list[Any] = []
    hooks = Hooks(dead_letters=lambda: letters, replay=lambda ids: replayed.append(ids) or 2)
    client = create_api(world.catalog, world.store, hooks=hooks).test_client()
    headers = {"Accept": JSON, "Authorization": f"Token {world.tokens['chris']}"}
    page = client.get("/api/v1/deadletters/?limit=2", headers=headers).get_json()
    assert (page["count"], page["results"], page["previous"]) == (3, letters[:2], None)
    assert page["next"] == "http://localhost/api/v1/deadletters/?limit=2&offset=2"
    for body in ({}, {"ids": [1, 2]}):
        assert client.post("/api/v1/deadletters/replay/", json=body, headers=headers).get_json() == {"replayed": 2}
    assert replayed == [None, [1, 2]]
    assert client.post("/api/v1/deadletters/replay/", json={"ids": "all"}, headers=headers).status_code == 400
