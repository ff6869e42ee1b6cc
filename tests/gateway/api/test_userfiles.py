"""Uploads and downloads in process; those over a real server are in `test_served.py`."""

from __future__ import annotations

import hashlib
import io
from typing import Any

import pytest

from functions.errors import Temporary
from gateway.catalog.tree import File
from tests.gateway.api.world import JSON, World, words


def fetch(world: World, url: str, user: str = "anna", **headers: str) -> Any:
    allowed = {"Authorization": f"Token {world.tokens[user]}"} if user else {}
    return world.client.get(
        url, headers={**allowed, **{name.replace("_", "-"): value for name, value in headers.items()}}
    )


def objects(world: World) -> list[str]:
    return [info.key for info in world.store.list("uploads/").objects]


def test_a_file_goes_up_and_comes_back(world: World) -> None:
    response = world.upload("home/anna/uploads/study/scan.dcm", b"0123456789")
    assert response.status_code == 201
    file = response.get_json()
    assert list(file) == (
        words("""
url id creation_date fname fsize public owner_username file_resource parent_folder group_permissions
        user_permissions owner""")
    )
    assert (file["fname"], file["fsize"]) == ("home/anna/uploads/study/scan.dcm", 10)
    assert response.location == file["url"]
    assert file["file_resource"] == f"{file['url']}scan.dcm"
    answer = fetch(world, file["file_resource"])
    assert (answer.status_code, answer.data) == (200, b"0123456789")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="scan.dcm"'
    assert (answer.headers["Accept-Ranges"], answer.headers["Content-Length"]) == ("bytes", "10")
    with world.catalog.reading() as session:
        row = session.get_one(File, file["id"])
    assert row.digest == hashlib.sha256(b"0123456789").hexdigest()


def test_an_empty_file_is_a_file(world: World) -> None:
    file = world.upload("home/anna/uploads/empty", b"").get_json()
    assert file["fsize"] == 0
    answer = fetch(world, file["file_resource"])
    assert (answer.status_code, answer.data) == (200, b"")


def test_the_path_may_come_behind_the_file(world: World) -> None:
    form = {"fname": (io.BytesIO(b"abc"), "x.txt"), "upload_path": "home/anna/uploads/late.txt"}
    response = world.request("POST", "userfiles/", user="anna", data=form, content_type="multipart/form-data")
    assert (response.status_code, response.get_json()["fname"]) == (201, "home/anna/uploads/late.txt")


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("home/anna/uploads/a,b.txt", "commas"),
        ("home/anna/uploads/x.chrislink", "chrislink"),
        ("home/anna/uploads/../../bobo/x", "Invalid path"),
        ("home/anna//x", "Invalid path"),
        ("PUBLIC/x.txt", "home/"),
        ("x.txt", "folder"),
        ("", ""),
        ("home/bobo/uploads/x.txt", "write permission"),
        ("home/nobody/x.txt", "write permission"),
        ("home/anna/uploads/a\nb", "printed"),
        ("home/anna/uploads", "folder"),
        ("home/anna/welcome.txt/x", "is a file"),
        ("home/anna/uploads/" + "x" * 1100, "longer"),
    ],
)
@pytest.mark.parametrize("order", ["path first", "file first"])
def test_a_path_that_cannot_be_is_refused_and_leaves_nothing(world: World, path: str, word: str, order: str) -> None:
    before = objects(world)
    parts: list[tuple[str, Any]] = [("upload_path", path), ("fname", (io.BytesIO(b"abc"), "x.txt"))]
    form = dict(parts if order == "path first" else reversed(parts))
    response = world.request("POST", "userfiles/", user="anna", data=form, content_type="multipart/form-data")
    assert response.status_code == 400
    (sentence,) = response.get_json()["upload_path"]
    assert word in sentence
    assert objects(world) == before
    assert world.get("userfiles/")["count"] == 1


def test_what_is_missing_is_told(world: World) -> None:
    required = ["This field is required."]
    for form in ({"json": {}}, {"data": {}, "content_type": "multipart/form-data"}):
        answer = world.request("POST", "userfiles/", user="anna", **form)
        assert answer.status_code == 400
    both = world.request("POST", "userfiles/", user="anna", json={}).get_json()
    assert both == {"upload_path": required, "fname": required}
    form = {"upload_path": "home/anna/uploads/x"}
    alone = world.request("POST", "userfiles/", user="anna", data=form, content_type="multipart/form-data")
    assert alone.get_json() == {"fname": required}
    form2 = {"fname": (io.BytesIO(b"abc"), "x.txt")}
    homeless = world.request("POST", "userfiles/", user="anna", data=form2, content_type="multipart/form-data")
    assert homeless.get_json() == {"upload_path": required}
    assert len(objects(world)) == 3


def test_nobody_uploads(world: World) -> None:
    assert world.upload("home/anna/uploads/x", user="").status_code == 401
    assert len(objects(world)) == 3


def test_a_second_upload_replaces_the_file_and_keeps_its_number(world: World) -> None:
    first = world.upload("home/anna/uploads/x", b"one").get_json()
    second = world.upload("home/anna/uploads/x", b"second").get_json()
    assert (second["id"], second["fsize"]) == (first["id"], 6)
    assert fetch(world, first["file_resource"]).data == b"second"
    assert world.get("userfiles/search/?fname_exact=home/anna/uploads/x")["count"] == 1


def test_a_store_that_fails_takes_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise Temporary("The store does not answer. Try again in a moment.")

    monkeypatch.setattr(world.store, "put", fail)
    response = world.upload("home/anna/uploads/x")
    assert (response.status_code, response.get_json()) == (
        503,
        {"detail": "The store does not answer. Try again in a moment."},
    )
    assert world.get("userfiles/")["count"] == 1


def test_names_of_every_kind_are_kept(world: World) -> None:
    for name in ("scan (1) ü 日本.dcm", "a%2Fb?c#d&e.txt", 'quo"te.txt', "x" * 240):
        file = world.upload(f"home/anna/uploads/{name}", name.encode()).get_json()
        assert file["fname"] == f"home/anna/uploads/{name}"
        assert fetch(world, file["file_resource"]).data == name.encode()


@pytest.mark.parametrize(
    ("range_", "body", "content_range"),
    [("bytes=2-4", b"234", "bytes 2-4/10"), ("bytes=7-", b"789", "bytes 7-9/10"), ("bytes=-1", b"9", "bytes 9-9/10")],
)
def test_a_range_is_answered_with_its_bytes(world: World, range_: str, body: bytes, content_range: str) -> None:
    url = world.upload("home/anna/uploads/x", b"0123456789").get_json()["file_resource"]
    answer = fetch(world, url, Range=range_)
    assert (answer.status_code, answer.data, answer.headers["Content-Range"]) == (206, body, content_range)
    assert answer.headers["Content-Length"] == str(len(body))


def test_a_range_beyond_the_end_is_416(world: World) -> None:
    url = world.upload("home/anna/uploads/x", b"0123456789").get_json()["file_resource"]
    answer = fetch(world, url, Range="bytes=10-")
    assert (answer.status_code, answer.headers["Content-Range"]) == (416, "bytes */10")


def test_a_resumed_download_begins_anew_if_the_file_has_changed(world: World) -> None:
    url = world.upload("home/anna/uploads/x", b"0123456789").get_json()["file_resource"]
    tag = fetch(world, url).headers["ETag"]
    assert fetch(world, url, Range="bytes=5-", If_Range=tag).status_code == 206
    assert fetch(world, url, If_None_Match=tag).status_code == 304
    world.upload("home/anna/uploads/x", b"other bytes")
    answer = fetch(world, url, Range="bytes=5-", If_Range=tag)
    assert (answer.status_code, answer.data) == (200, b"other bytes")


def test_bytes_that_are_gone_are_told_as_text(world: World) -> None:
    file = world.upload("home/anna/uploads/x").get_json()
    with world.catalog.reading() as session:
        world.store.delete(session.get_one(File, file["id"]).key)
    answer = fetch(world, file["file_resource"])
    assert (answer.status_code, answer.content_type) == (404, "*/*")
    assert b"missing in the store" in answer.data


def test_files_of_others_are_not_there(world: World) -> None:
    file = world.upload("home/anna/uploads/x", b"secret").get_json()
    number, folder = file["id"], file["parent_folder"].removeprefix("http://localhost")
    for path in (
        f"userfiles/{number}/",
        f"filebrowser/files/{number}/",
        folder,
        f"{folder}files/",
        f"{folder}children/",
    ):
        assert world.request("GET", path, user="anna").status_code == 200
        assert world.request("GET", path, user="bobo").status_code == 403
        assert world.request("GET", path).status_code == 401
    for url in (f"userfiles/{number}/x", f"filebrowser/files/{number}/x"):
        assert b"secret" not in world.request("GET", url, user="bobo").data
        assert world.request("GET", url, user="bobo").status_code == 403
        assert world.request("GET", url).status_code == 401
    assert world.request("DELETE", f"userfiles/{number}/", user="bobo").status_code == 403
    assert world.request("DELETE", f"filebrowser/files/{number}/", user="bobo").status_code == 403
    for query in (f"id={number}", "fname=home/anna", "owner_username=anna"):
        assert world.get(f"userfiles/search/?{query}", user="bobo")["count"] == 0
    assert world.get("filebrowser/search/?path=home/anna/uploads", user="bobo")["count"] == 0
    assert world.get(f"userfiles/search/?id={number}", user="chris")["count"] == 1


def test_a_file_is_thrown_away(world: World) -> None:
    file = world.upload("home/anna/uploads/x").get_json()
    path = f"userfiles/{file['id']}/"
    assert world.request("DELETE", path, user="anna").status_code == 204
    assert world.request("GET", path, user="anna").status_code == 404
    assert fetch(world, file["file_resource"]).status_code == 404


def test_files_are_searched(world: World) -> None:
    for name in ("a/one.dcm", "a/two.dcm", "b/one.txt"):
        world.upload(f"home/anna/uploads/{name}")
    found = lambda query: [  # noqa: E731
        one["fname"].removeprefix("home/anna/") for one in world.get(f"userfiles/search/?{query}")["results"]
    ]
    assert found("fname=home/anna/uploads/a") == ["uploads/a/two.dcm", "uploads/a/one.dcm"]
    assert found("fname_icontains=ONE") == ["uploads/b/one.txt", "uploads/a/one.dcm"]
    assert found("fname_icontains_multiple=one txt") == ["uploads/b/one.txt"]
    assert found("fname_exact=home/anna/uploads/b/one.txt") == ["uploads/b/one.txt"]
    assert found("fname_nslashes=2") == ["welcome.txt"]
    assert found("fname_nslashes=4u") == ["uploads/b/one.txt", "uploads/a/one.dcm"]
    assert found("fname_nslashes=x") == []


def test_a_file_becomes_public_with_its_feed(world: World) -> None:
    world.finish(world.run(world.gen)["id"], **{"out.txt": b"data"})
    (file,) = world.get("userfiles/search/?fname_icontains=out.txt")["results"]
    path = f"filebrowser/files/{file['id']}/out.txt"
    assert world.request("GET", path).status_code == 401
    world.request("PUT", "1/", user="anna", json={"public": True})
    assert world.request("GET", path).data == b"data"
    world.request("PUT", "1/", user="anna", json={"public": False})
    assert world.request("GET", path, user="bobo").status_code == 403


def test_the_form_of_an_error_follows_accept_except_for_bytes(world: World) -> None:
    assert world.request("GET", "userfiles/99/").content_type == JSON
    answer = world.request("GET", "userfiles/99/x", user="anna")
    assert (answer.status_code, answer.content_type) == (404, "*/*")
