"""Who asks."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.catalog import accounts, editing
from tests.gateway.api.world import COLLECTION, PASSWORD, World, basic

SIGN_IN = {"username": "anna", "password": PASSWORD}


def test_name_and_password_give_a_token_that_opens(world: World) -> None:
    for form in ({"json": SIGN_IN}, {"data": SIGN_IN}):
        response = world.request("POST", "auth-token/", **form)
        assert response.status_code == 200
        token = response.get_json()["token"]
        assert list(response.get_json()) == ["token"]
        opened = world.request("GET", "userfiles/", headers={"Authorization": f"Token {token}"})
        assert opened.status_code == 200


def test_a_wrong_password_gives_no_token(world: World) -> None:
    for wrong in ({**SIGN_IN, "password": "wrong"}, {**SIGN_IN, "username": "nobody"}):
        response = world.request("POST", "auth-token/", json=wrong)
        assert response.status_code == 400
        assert response.get_json() == {"non_field_errors": ["Unable to log in with provided credentials."]}


def test_signing_in_speaks_json_alone(world: World) -> None:
    assert world.request("POST", "auth-token/", accept=COLLECTION, json=SIGN_IN).status_code == 406
    assert world.request("POST", "auth-token/", json={}).get_json() == {
        "username": ["This field is required."],
        "password": ["This field is required."],
    }


def test_nobody_is_told_how_to_come_in(world: World) -> None:
    response = world.request("GET", "userfiles/")
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Token"
    assert response.get_json() == {"detail": "Authentication credentials were not provided."}


@pytest.mark.parametrize(
    ("header", "detail"),
    [
        ("Token nonsense", "Invalid token."),
        ("Token", "Invalid token header. No credentials provided."),
        ("Token a b", "Invalid token header. Token string should not contain spaces."),
        ("Basic", "Invalid basic header. No credentials provided."),
        ("Basic !!", "Invalid basic header. Credentials not correctly base64 encoded."),
        (basic("anna", "wrong")["Authorization"], "Invalid username/password."),
        (basic("nobody")["Authorization"], "Invalid username/password."),
    ],
)
def test_wrong_credentials_are_refused_where_none_are_needed(world: World, header: str, detail: str) -> None:
    response = world.request("GET", "plugins/", headers={"Authorization": header})
    assert (response.status_code, response.get_json()) == (401, {"detail": detail})
    assert response.headers["WWW-Authenticate"] == "Token"


def test_a_scheme_that_nobody_knows_is_nobody(world: World) -> None:
    assert world.request("GET", "plugins/", headers={"Authorization": "Bearer x"}).status_code == 200


def test_basic_hashes_a_password_once_in_a_while(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hashed: list[str] = []
    check = accounts.authenticate
    monkeypatch.setattr(accounts, "authenticate", lambda *given: hashed.append("x") or check(*given))
    for _ in range(3):
        assert world.request("GET", "userfiles/", headers=basic("anna")).status_code == 200
    assert len(hashed) == 1
    world.now += timedelta(minutes=6)
    assert world.request("GET", "userfiles/", headers=basic("anna")).status_code == 200
    assert len(hashed) == 2


def test_a_changed_password_shuts_the_door_at_once(world: World) -> None:
    assert world.request("GET", "userfiles/", headers=basic("anna")).status_code == 200
    with world.catalog.transaction() as session:
        editing.change_user(session, world.users["anna"], email="anna@example.org", password="a new password")
    assert world.request("GET", "userfiles/", headers=basic("anna")).status_code == 401
    assert world.request("GET", "userfiles/", headers=basic("anna", "a new password")).status_code == 200
