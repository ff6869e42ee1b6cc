"""The file browser."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.api.world import World, words


def find(world: World, path: str, user: str = "anna") -> Any:
    return world.get(f"filebrowser/search/?path={path}", user=user)["results"]


def local(url: str) -> str:
    return url.removeprefix("http://localhost")


def test_the_tree_begins_at_the_root(world: World) -> None:
    value = world.get("filebrowser/", user="")
    (root,) = value["results"]
    assert (root["path"], root["parent"], value["count"]) == ("", None, 1)
    assert [field["name"] for field in value["queries"][0]["data"]] == ["id", "path"]
    assert [field["name"] for field in value["template"]["data"]] == ["path"]
    assert list(root) == (
        words("""
url id creation_date path public owner_username deletion_status deletion_requested_at deletion_error parent
        children files link_files group_permissions user_permissions owner""")
    )


def test_one_walks_down_to_a_file(world: World) -> None:
    world.upload("home/anna/uploads/study/scan.dcm", b"abc")
    (folder,) = world.get("filebrowser/")["results"]
    for name in ("home", "home/anna", "home/anna/uploads", "home/anna/uploads/study"):
        children = world.get(local(folder["children"]))
        assert children["collection_links"] == {"folder": folder["url"]}
        (folder,) = [child for child in children["results"] if child["path"] == name]
    (file,) = world.get(local(folder["files"]))["results"]
    assert file["fname"] == "home/anna/uploads/study/scan.dcm"
    assert file["url"] == f"http://localhost/api/v1/filebrowser/files/{file['id']}/"
    assert world.request("GET", local(file["file_resource"]), user="anna").data == b"abc"


def test_a_search_finds_one_folder_or_none(world: World) -> None:
    (uploads,) = find(world, "/home/anna/uploads/")
    assert world.get(f"filebrowser/search/?id={uploads['id']}")["results"] == [uploads]
    assert find(world, "home/anna/nowhere") == []
    assert [folder["path"] for folder in find(world, "")] == [""]
    assert world.request("GET", "filebrowser/search/?id=x", user="anna").get_json() == {"id": ["Enter a number."]}


def test_a_folder_is_made_with_those_above_it(world: World) -> None:
    response = world.request("POST", "filebrowser/", user="anna", json={"path": "/home/anna/a/b/"})
    assert (response.status_code, response.get_json()["path"]) == (201, "home/anna/a/b")
    assert [folder["path"] for folder in find(world, "home/anna/a")] == ["home/anna/a"]
    again = world.request("POST", "filebrowser/", user="anna", json={"path": "home/anna/a/b"})
    assert again.get_json() == {"path": ["Folder with path 'home/anna/a/b' already exists."]}


@pytest.mark.parametrize(
    "path",
    [
        "",
        "PUBLIC/x",
        "home/bobo/x",
        "home/anna/a,b",
        "home/anna/../bobo/x",
        "home/anna/welcome.txt/x",
        "home/anna/welcome.txt",
    ],
)
def test_a_folder_that_cannot_be_is_refused(world: World, path: str) -> None:
    response = world.request("POST", "filebrowser/", user="anna", json={"path": path})
    assert response.status_code == 400
    assert list(response.get_json()) == ["path"]
    assert world.request("POST", "filebrowser/", json={"path": "home/anna/x"}).status_code == 401


def test_a_stranger_sees_homes_but_not_what_is_in_them(world: World) -> None:
    (home,) = find(world, "home", user="bobo")
    assert [child["path"] for child in world.get(local(home["children"]), user="bobo")["results"]] == ["home/bobo"]
    assert world.get(local(home["children"]), user="")["count"] == 0


def test_folders_whose_names_begin_alike_are_kept_apart(world: World) -> None:
    for number in range(1, 11):
        world.finish(world.run(world.gen)["id"], **{f"{number}.txt": b"x"})
    (folder,) = find(world, "home/anna/feeds/feed_1/pl-gen_1/data")
    assert [file["fname"].rpartition("/")[2] for file in world.get(local(folder["files"]))["results"]] == ["1.txt"]
    world.request("PUT", "1/", user="anna", json={"public": True})
    assert find(world, "home/anna/feeds/feed_1", user="")
    assert find(world, "home/anna/feeds/feed_10", user="") == []


def test_outputs_are_hidden_until_the_job_has_ended(world: World) -> None:
    first = world.run(world.gen)["id"]
    refused = world.upload("home/anna/feeds/feed_1/pl-gen_1/data/early.txt")
    assert refused.status_code == 400
    world.finish(first, **{"out.txt": b"data"})
    (folder,) = find(world, "home/anna/feeds/feed_1/pl-gen_1/data")
    assert world.get(local(folder["files"]))["count"] == 1
