"""Feeds, and the root of the API."""

from __future__ import annotations

import json

from tests.gateway.api.world import COLLECTION, World, words

FIELDS = words("""
url id creation_date modification_date name public owner_username folder_path created_jobs waiting_jobs
copying_jobs scheduled_jobs started_jobs uploading_jobs registering_jobs finished_jobs errored_jobs cancelled_jobs
deletion_status deletion_requested_at deletion_error folder note group_permissions user_permissions tags taggings
comments plugin_instances owner""")
MAP = words("""
chrisinstance public_feeds compute_resources plugin_metas plugins plugin_instances pipelines workflows tags
pipelinesourcefiles userfiles pacs pacsqueries pacsfiles pacsseries filebrowser""")


def test_the_root_is_the_map(world: World) -> None:
    nobody = world.get("", user="")
    assert (nobody["count"], list(nobody["collection_links"])) == (0, MAP)
    assert list(world.get("")["collection_links"]) == [*MAP, "download_tokens", "groups", "user"]
    links = world.get("", user="chris")["collection_links"]
    assert links["admin"] == "http://localhost/chris-admin/api/v1/"
    assert links["chrisinstance"] == "http://localhost/api/v1/chrisinstance/1/"
    assert links["pacsqueries"] == "http://localhost/api/v1/pacs/queries/"


def test_a_feed_has_all_its_fields_in_order(world: World) -> None:
    world.run(world.gen, title="my feed")
    feed = world.get("")["results"][0]
    assert list(feed) == FIELDS
    assert feed["name"] == "my feed"
    assert feed["folder_path"] == "home/anna/feeds/feed_1"
    assert feed["note"] == "http://localhost/api/v1/note1/"
    assert feed["plugin_instances"] == "http://localhost/api/v1/1/plugininstances/"
    item = world.get("1/")
    assert [field["name"] for field in item["template"]["data"]] == ["name", "public"]
    assert {name: value for name, value in item.items() if name != "template"} == feed


def test_jobs_are_counted_by_state(world: World) -> None:
    first = world.run(world.gen)["id"]
    world.run(world.simple, previous_id=first)
    world.finish(first)
    feed = world.get("1/")
    assert (feed["finished_jobs"], feed["copying_jobs"], feed["waiting_jobs"]) == (1, 1, 0)


def test_feeds_come_newest_first_and_by_page(world: World) -> None:
    for number in range(12):
        world.run(world.gen, title=f"feed {number}")
    page = world.get("")
    assert (page["count"], len(page["results"]), page["results"][0]["name"]) == (12, 10, "feed 11")
    rest = world.get(page["next"].removeprefix("http://localhost"))
    assert [feed["name"] for feed in rest["results"]] == ["feed 1", "feed 0"]
    assert rest["previous"] == "http://localhost/api/v1/?limit=10"


def test_feeds_are_searched(world: World) -> None:
    world.finish(world.run(world.gen, title="Brain")["id"], **{"brain.nii": b"x"})
    world.run(world.gen, title="heart")
    names = lambda query: [feed["name"] for feed in world.get(f"search/?{query}")["results"]]  # noqa: E731
    assert names("name=BRA") == ["Brain"]
    assert names("name_exact=brain") == []
    assert names("min_id=2") == ["heart"]
    assert names("files_fname_icontains=BRAIN nii") == ["Brain"]
    assert names("files_fname_icontains=heart") == []
    assert names("deletion_status=none&unknown=1") == ["heart", "Brain"]
    assert names("min_creation_date=2030-01-01T00:00:00-05:00") == []
    assert world.request("GET", "search/?id=x", user="anna").get_json() == {"id": ["Enter a number."]}
    assert "queries" not in world.get("search/")


def test_a_wildcard_in_a_search_is_a_letter(world: World) -> None:
    world.run(world.gen, title="100 percent")
    assert world.get("search/?name=%25")["count"] == 0
    assert world.get("search/?name=1_0")["count"] == 0


def test_a_feed_is_renamed_and_opened_to_all(world: World) -> None:
    world.finish(world.run(world.gen)["id"], **{"out.txt": b"data"})
    response = world.request("PUT", "1/", user="anna", json={"name": "new", "public": True})
    assert (response.status_code, response.get_json()["name"], response.get_json()["public"]) == (200, "new", True)
    assert "template" not in response.get_json()
    assert [feed["id"] for feed in world.get("publicfeeds/", user="")["results"]] == [1]
    assert world.get("1/", user="")["name"] == "new"
    assert world.get("", user="chris")["count"] == 0


def test_a_feed_is_changed_in_collection_json(world: World) -> None:
    world.run(world.gen)
    template = {"template": {"data": [{"name": "name", "value": "by template"}]}}
    response = world.request("PUT", "1/", user="anna", accept="", data=json.dumps(template), content_type=COLLECTION)
    data = json.loads(response.data)["collection"]["items"][0]["data"]
    assert {"name": "name", "value": "by template"} in data


def test_a_stranger_finds_nothing_of_a_feed(world: World) -> None:
    world.run(world.gen)
    for path in ("1/", "1/plugininstances/"):
        assert world.request("GET", path, user="bobo").status_code == 403
        assert world.request("GET", path).status_code == 401
    assert world.request("PUT", "1/", user="bobo", json={"name": "mine"}).status_code == 403
    for path in ("", "search/?id=1", "publicfeeds/", "plugins/instances/", "plugins/instances/search/?feed_id=1"):
        assert world.get(path, user="bobo")["count"] == 0
    assert world.get("", user="chris")["count"] == 1


def test_a_public_feed_is_read_by_all_and_changed_by_its_owner(world: World) -> None:
    world.run(world.gen)
    world.request("PUT", "1/", user="anna", json={"public": True})
    assert world.request("GET", "1/", user="bobo").status_code == 200
    assert world.request("PUT", "1/", user="bobo", json={"public": False}).status_code == 403
    assert world.request("PUT", "1/", json={"public": False}).status_code == 401


def test_the_instances_of_a_feed_are_short(world: World) -> None:
    world.run(world.gen)
    value = world.get("1/plugininstances/")
    assert value["collection_links"] == {"feed": "http://localhost/api/v1/1/"}
    assert list(value["results"][0]) == (
        words("""
url id title compute_resource_name plugin_id plugin_name plugin_version plugin_type feed_id start_date
        end_date output_path status active owner_username cpu_limit memory_limit number_of_workers gpu_limit size
        error_code deletion_status deletion_error output_folder""")
    )
