"""Users: how they come in and how they sign in."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from sqlalchemy import select

from functions.objects import ObjectInfo
from gateway.catalog import accounts, folders
from gateway.catalog.faults import Faulty
from gateway.catalog.people import Token, User
from gateway.policy import Reader
from tests.gateway.catalog.stage import Stage

GOOD = {"username": "carla", "password": "correct horse", "email": "carla@example.org"}


class Shelf:
    """As much of a store as a welcome file needs."""

    name = "shelf"

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put(self, key: str, body: bytes | BytesIO) -> ObjectInfo:
        self.objects[key] = body if isinstance(body, bytes) else body.read()
        return ObjectInfo(key, len(self.objects[key]), "etag")


def add(stage: Stage, shelf: Any = None, **fields: Any) -> int:
    return accounts.add_user(stage.catalog, shelf or Shelf(), now=stage.now, **(GOOD | fields))  # type: ignore[arg-type]


def test_a_new_user_has_a_home_with_a_welcome(stage: Stage) -> None:
    shelf = Shelf()
    carla = Reader(add(stage, shelf))
    with stage.catalog.reading() as session:
        assert folders.find(session, "home/carla/uploads", carla) is not None
        assert folders.find(session, "home/carla/feeds", carla) is not None
        welcome = folders.find_file(session, "home/carla/welcome.txt", carla)
    assert welcome is not None
    assert b"Welcome" in shelf.objects[welcome.key]
    assert welcome.size == len(shelf.objects[welcome.key])


def test_a_password_opens_one_account_only(stage: Stage) -> None:
    carla = add(stage)
    with stage.catalog.reading() as session:
        found = accounts.authenticate(session, "carla", "correct horse")
        assert found is not None
        assert found.id == carla
        assert found.password.startswith("$argon2id$")
        assert accounts.authenticate(session, "carla", "Correct horse") is None
        assert accounts.authenticate(session, "nobody", "correct horse") is None
        assert accounts.authenticate(session, "ann", "") is None


def test_an_inactive_user_does_not_sign_in(stage: Stage) -> None:
    carla = add(stage)
    with stage.catalog.transaction() as session:
        token = accounts.add_token(session, carla, now=stage.now)
        session.get_one(User, carla).is_active = False
    with stage.catalog.reading() as session:
        assert accounts.authenticate(session, "carla", "correct horse") is None
        assert accounts.find_by_token(session, token) is None


def test_the_check_for_nobody_is_a_real_one() -> None:
    assert accounts.HASHER.check_needs_rehash(accounts.NOBODY) is False
    assert accounts.verify_password(accounts.NOBODY, "anything") is False


def test_a_token_signs_in_until_it_is_revoked_and_is_not_kept(stage: Stage) -> None:
    with stage.catalog.transaction() as session:
        first, second = (accounts.add_token(session, stage.ann.id, now=stage.now) for _ in range(2))
        other = accounts.add_token(session, stage.bob.id, now=stage.now)
    with stage.catalog.reading() as session:
        assert [accounts.find_by_token(session, one).id for one in (first, second)] == [stage.ann.id] * 2  # type: ignore[union-attr]
        assert accounts.find_by_token(session, "0" * 40) is None
        kept = session.scalars(select(Token.digest)).all()
    assert first not in kept
    assert len(first) == 40
    with stage.catalog.transaction() as session:
        accounts.revoke_tokens(session, stage.ann.id)
        assert accounts.find_by_token(session, first) is None
        assert accounts.find_by_token(session, other) is not None


def test_a_new_password_replaces_the_old_one(stage: Stage) -> None:
    carla = add(stage)
    with stage.catalog.transaction() as session:
        accounts.set_password(session, carla, "battery staple")
    with stage.catalog.reading() as session:
        assert accounts.authenticate(session, "carla", "correct horse") is None
        assert accounts.authenticate(session, "carla", "battery staple") is not None


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"username": "abc"}, {"username"}),
        ({"username": "a" * 33}, {"username"}),
        ({"username": "a/../b"}, {"username"}),
        ({"username": "carla,x"}, {"username"}),
        ({"username": " carla"}, {"username"}),
        ({"username": "car\nla"}, {"username"}),
        ({"password": "short"}, {"password"}),
        ({"email": "nowhere"}, {"email"}),
        ({"username": "root", "email": "ann@example.org"}, {"username", "email"}),
        ({"username": "x", "password": "y", "email": "z"}, {"username", "password", "email"}),
    ],
)
def test_all_faults_of_a_new_user_are_told_at_once(stage: Stage, fields: dict[str, str], wrong: set[str]) -> None:
    with pytest.raises(Faulty) as refused:
        add(stage, **fields)
    assert set(refused.value.faults) == wrong
