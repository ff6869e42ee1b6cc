"""What holds for every resource: the order of the checks, forms, slashes, methods, CORS, and failures of ours."""

from __future__ import annotations

import json
import logging

import pytest

from functions.errors import Temporary
from gateway.api import feeds
from gateway.api.app import create_api, rule
from gateway.api.calls import ApiSettings
from gateway.api.nouns import resources
from tests.gateway.api.world import COLLECTION, JSON, World


def test_collection_json_is_the_answer_to_those_who_ask_for_nothing(world: World) -> None:
    for accept in ("", "*/*"):
        response = world.request("GET", "plugins/", accept=accept)
        assert response.content_type == COLLECTION
        assert json.loads(response.data)["collection"]["version"] == "1.0"


def test_other_forms_are_406_in_collection_json(world: World) -> None:
    response = world.request("GET", "plugins/", accept="image/png")
    assert (response.status_code, response.content_type) == (406, COLLECTION)
    message = "Could not satisfy the request Accept header."
    assert json.loads(response.data)["collection"]["error"]["message"] == message


def test_a_browser_gets_a_page(world: World) -> None:
    response = world.request("GET", "plugins/1/", accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert response.content_type == "text/html; charset=utf-8"
    assert b"pl-gen" in response.data


@pytest.mark.parametrize("path", ["plugins.json", "plugins.json?limit=1", "plugins/?format=json"])
def test_a_suffix_or_format_chooses_the_form(world: World, path: str) -> None:
    assert world.request("GET", path, accept="text/html").content_type == JSON


def test_a_suffix_is_kept_in_links(world: World) -> None:
    value = world.get("plugins.json?limit=1")
    assert value["results"][0]["url"] == "http://localhost/api/v1/plugins/1.json"
    assert value["results"][0]["parameters"] == "http://localhost/api/v1/plugins/1/parameters.json"
    assert value["next"] == "http://localhost/api/v1/plugins.json?limit=1&offset=1"
    assert world.get("plugins/1.json")["name"] == "pl-gen"


def test_a_format_is_kept_in_links(world: World) -> None:
    value = world.get("plugins/?format=json&limit=1")
    assert value["results"][0]["url"] == "http://localhost/api/v1/plugins/1/?format=json"
    assert value["next"] == "http://localhost/api/v1/plugins/?format=json&limit=1&offset=1"


def test_a_format_that_nobody_knows_is_404(world: World) -> None:
    assert world.request("GET", "plugins.xml").status_code == 404
    assert world.request("GET", "plugins/?format=xml").status_code == 404


def test_a_missing_slash_is_moved_with_its_query(world: World) -> None:
    response = world.request("GET", "plugins?limit=3")
    assert (response.status_code, response.location) == (301, "http://localhost/api/v1/plugins/?limit=3")


def test_an_unknown_route_is_404_in_html(world: World) -> None:
    response = world.request("GET", "nothing/")
    assert response.status_code == 404
    assert response.content_type.startswith("text/html")
    assert world.request("GET", f"plugins/{2**63}/").status_code == 404


def test_a_missing_thing_is_404_in_words(world: World) -> None:
    for path, noun in (("99/", "Feed"), ("plugins/99/", "Plugin"), ("plugins/instances/99/", "PluginInstance")):
        response = world.request("GET", path, user="anna")
        assert (response.status_code, response.get_json()) == (404, {"detail": f"No {noun} matches the given query."})


@pytest.mark.parametrize("method", ["PATCH", "HEAD", "OPTIONS", "DELETE"])
def test_other_methods_are_405(world: World, method: str) -> None:
    response = world.request(method, "plugins/", user="anna")
    assert response.status_code == 405
    assert response.headers["Allow"] == "GET"
    if method != "HEAD":
        assert response.get_json() == {"detail": f'Method "{method}" not allowed.'}


def test_who_asks_is_looked_at_before_the_method(world: World) -> None:
    assert world.request("PATCH", "userfiles/").status_code == 401
    assert world.request("PATCH", "userfiles/", accept="image/png").status_code == 406


def test_a_preflight_is_answered(world: World) -> None:
    headers = {"Origin": "http://ui.example", "Access-Control-Request-Method": "PUT"}
    response = world.request("OPTIONS", "plugins/instances/1/", headers=headers)
    assert response.status_code == 200
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert "authorization" in response.headers["Access-Control-Allow-Headers"]
    assert "content-type" in response.headers["Access-Control-Allow-Headers"]
    assert "PUT" in response.headers["Access-Control-Allow-Methods"]


def test_pages_of_other_origins_may_read_answers_and_errors(world: World) -> None:
    for path, user in (("users/", ""), ("userfiles/", ""), ("nothing/", "anna")):
        response = world.request("GET", path, user=user, headers={"Origin": "http://ui.example"})
        assert response.headers["Access-Control-Allow-Origin"] == "*"
        assert "Allow" in response.headers["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in world.request("GET", "users/").headers


def test_links_come_from_the_public_url_when_it_is_set(world: World) -> None:
    app = create_api(world.catalog, world.store, ApiSettings(public_url="https://chris.example/"))
    value = app.test_client().get("/api/v1/plugins/?limit=1", headers={"Accept": JSON}).get_json()
    assert value["next"] == "https://chris.example/api/v1/plugins/?limit=1&offset=1"
    assert value["results"][0]["url"] == "https://chris.example/api/v1/plugins/1/"


def test_a_fault_of_ours_is_500_and_is_logged(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object) -> None:
        raise KeyError("boom")

    monkeypatch.setattr(feeds.catalog, "own", explode)
    with caplog.at_level(logging.ERROR):
        response = world.request("GET", "", user="anna", accept=COLLECTION)
    assert (response.status_code, response.get_json()) == (500, {"error": "Internal server error"})
    assert any(getattr(record, "action", "") == "request.broken" for record in caplog.records)


def test_a_passing_failure_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def busy(*_: object) -> None:
        raise Temporary("The catalog is busy. Try again in a moment.")

    monkeypatch.setattr(feeds.catalog, "own", busy)
    response = world.request("GET", "", user="anna")
    assert (response.status_code, response.get_json()) == (
        503,
        {"detail": "The catalog is busy. Try again in a moment."},
    )
    assert response.headers["Retry-After"]


def test_names_and_paths_of_resources_are_one_to_one() -> None:
    every = list(resources(ApiSettings()))
    assert len({resource.name for resource in every}) == len(every)
    assert len({rule(resource.template) for resource in every}) == len(every)


def test_a_body_of_nonsense_is_never_a_500(world: World) -> None:
    for media in (JSON, COLLECTION, "multipart/form-data; boundary=x", "text/xml", "application/x-www-form-urlencoded"):
        for path in ("users/", "auth-token/", "userfiles/", "filebrowser/", "plugins/1/instances/"):
            response = world.request("POST", path, user="anna", data=b"\xff{[", content_type=media)
            assert response.status_code in (400, 415, 201), (media, path, response.data)
