"""Users: sign up, look at oneself, change one's password."""

from __future__ import annotations

from gateway.api.app import create_api
from gateway.api.calls import ApiSettings
from tests.gateway.api.world import JSON, World

NEW = {"username": "carla", "email": "carla@example.org", "password": "long enough"}


def test_the_list_is_always_empty_and_shows_how_to_sign_up(world: World) -> None:
    value = world.get("users/", user="chris")
    assert (value["count"], value["results"]) == (0, [])
    assert [field["name"] for field in value["template"]["data"]] == ["username", "email", "password"]


def test_somebody_signs_up_and_finds_a_home(world: World) -> None:
    response = world.request("POST", "users/", json=NEW)
    assert response.status_code == 201
    user = response.get_json()
    assert response.location == user["url"]
    assert list(user) == ["url", "id", "username", "email", "is_staff", "groups"]
    token = world.request("POST", "auth-token/", json=NEW).get_json()["token"]
    headers = {"Accept": JSON, "Authorization": f"Token {token}"}
    files = world.client.get("/api/v1/userfiles/", headers=headers).get_json()
    assert [file["fname"] for file in files["results"]] == ["home/carla/welcome.txt"]
    for path in ("home/carla", "home/carla/uploads", "home/carla/feeds"):
        found = world.client.get("/api/v1/filebrowser/search/", query_string={"path": path}, headers=headers).get_json()
        assert [folder["path"] for folder in found["results"]] == [path]


def test_all_that_is_wrong_with_a_new_user_is_told(world: World) -> None:
    response = world.request("POST", "users/", json={"username": "a/b", "password": "short"})
    assert response.status_code == 400
    assert set(response.get_json()) == {"username", "email", "password"}
    double = world.request("POST", "users/", json={**NEW, "username": "anna", "email": "bobo@example.org"})
    assert double.get_json() == {
        "username": ["This field must be unique."],
        "email": ["This field must be unique."],
    }


def test_with_sign_up_off_the_list_does_not_allow_post(world: World) -> None:
    assert world.request("GET", "users/").headers["Allow"] == "GET, POST"
    closed = create_api(world.catalog, world.store, ApiSettings(sign_up=False)).test_client()
    assert closed.get("/api/v1/users/").headers["Allow"] == "GET"
    assert closed.post("/api/v1/users/", json=NEW).status_code == 405


def test_an_address_is_for_its_owner(world: World) -> None:
    path = f"users/{world.users['anna']}/"
    assert world.get(path)["email"] == "anna@example.org"
    assert world.get(path, user="chris")["email"] == "anna@example.org"
    other = world.get(path, user="bobo")
    assert (other["username"], other["email"]) == ("anna", "")
    assert world.request("GET", path).status_code == 401


def test_one_changes_oneself_only(world: World) -> None:
    path, change = f"users/{world.users['anna']}/", {"email": "new@example.org", "password": "another one"}
    assert world.request("PUT", path, user="bobo", json=change).status_code == 403
    assert world.request("PUT", path, user="anna", json={"email": "x@example.org"}).status_code == 400
    taken = world.request("PUT", path, user="anna", json={**change, "email": "bobo@example.org"})
    assert taken.get_json() == {"email": ["This field must be unique."]}
    assert world.request("PUT", path, user="anna", json=change).get_json()["email"] == "new@example.org"
    assert world.request("POST", "auth-token/", json={"username": "anna", **change}).status_code == 200


def test_the_installation_has_a_name_that_stays(world: World) -> None:
    first = world.get("chrisinstance/1/")
    assert list(first) == ["url", "id", "creation_date", "name", "uuid", "job_id_prefix", "description"]
    assert first["job_id_prefix"] == "chris-jid-"
    again = create_api(world.catalog, world.store).test_client()
    headers = {"Accept": JSON, "Authorization": f"Token {world.tokens['bobo']}"}
    assert again.get("/api/v1/chrisinstance/1/", headers=headers).get_json() == first
