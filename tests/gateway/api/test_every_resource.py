"""Every resource and every filter, on each database: nothing that clients can ask for ends in a fault of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.objects_directory import DirectoryStore
from gateway.api.app import create_api
from gateway.api.calls import ApiSettings
from gateway.api.nouns import resources
from gateway.api.resources import API
from gateway.catalog.engine import Catalog, open_catalog
from tests.gateway.api.world import JSON, World, populate
from tests.gateway.catalog import databases

SAMPLES: dict[str, str] = {
    "number": "1",
    "text": "1",
    "boolean": "true",
    "date": "2026-01-01T00:00:00-05:00",
}
LISTS = [resource for resource in resources(ApiSettings()) if resource.get and resource.root == API]


@pytest.fixture(scope="module", params=databases.names())
def catalog(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Catalog]:
    if request.param == "postgresql":
        with databases.postgresql() as url:
            catalog = open_catalog(url)
            yield catalog
            catalog.close()
    else:
        catalog = open_catalog(f"sqlite:///{tmp_path_factory.mktemp('every') / 'catalog.db'}")
        yield catalog
        catalog.close()


@pytest.fixture(scope="module")
def lively(catalog: Catalog, tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world with something in every list."""
    store = DirectoryStore(Path(tmp_path_factory.mktemp("store")), durable=False)
    world = World(catalog, store, populate(catalog, store))
    first = world.run(world.gen, title="1")["id"]
    world.run(world.simple, previous_id=first, prefix="a", number=1, factor=2, ignore=True)
    world.finish(first, **{"1.txt": b"1"})
    world.upload("home/anna/uploads/1.txt")
    world.run(world.dircopy, dir="home/anna/uploads")
    return world


@pytest.mark.parametrize("name", [resource.name for resource in LISTS])
def test_every_resource_answers_in_every_form(lively: World, name: str) -> None:
    (resource,) = [one for one in LISTS if one.name == name]
    path = resource.template.format(*[1] * resource.path.count("{}"))
    for user in ("anna", "bobo", "chris", ""):
        for accept in (JSON, "application/vnd.collection+json", "text/html"):
            response = lively.request("GET", path, user=user, accept=accept)
            assert response.status_code in (200, 401, 403, 404, 406), response.get_data(as_text=True)


def searches() -> list[tuple[str, str]]:
    """The path of each search, and each of its filters."""
    return [
        (resource.path, name)
        for resource in LISTS
        if resource.path.endswith("search/")
        for name in filter_names(resource.name)
    ]


def filter_names(search: str) -> list[str]:
    from gateway.api import computeresources, feeds, folders, instances, metas, plugins, userfiles

    nouns: tuple[Any, ...] = (computeresources, feeds, folders, instances, metas, plugins, userfiles)
    known = {noun.SEARCH[0]: noun.SEARCH[1] for noun in nouns} | {feeds.PUBLIC_SEARCH[0]: feeds.PUBLIC_SEARCH[1]}
    return list(known[search])


@pytest.mark.parametrize("path", sorted({path for path, _ in searches()}))
def test_every_filter_of_a_search_can_be_used(lively: World, path: str) -> None:
    for name in [name for other, name in searches() if other == path]:
        answers = {lively.request("GET", f"{path}?{name}={value}", user="anna").status_code for value in samples()}
        assert answers <= {200, 400} and 200 in answers, name
        for odd in ("%00", "%25", "'", "x" * 3000, "99999999999999999999", "-1"):
            assert lively.request("GET", f"{path}?{name}={odd}", user="anna").status_code in (200, 400), (name, odd)


def samples() -> list[str]:
    return [*(value.replace("+", "%2B") for value in SAMPLES.values()), "started", "none"]


def test_the_same_requests_take_as_few_statements_on_every_database(lively: World) -> None:
    assert lively.count_statements("") <= 4
    assert lively.count_statements("plugins/instances/") <= 3
    assert lively.count_statements("userfiles/") <= 3


def test_a_page_far_beyond_the_end_is_empty(lively: World) -> None:
    for offset in (2**31, 2**63, 10**30):
        assert lively.get(f"plugins/?offset={offset}&limit={offset}")["results"] == []


def test_two_servers_share_one_catalog(lively: World) -> None:
    other = create_api(lively.catalog, lively.store).test_client()
    headers = {"Authorization": f"Token {lively.tokens['anna']}", "Accept": JSON}
    assert other.get(API, headers=headers).get_json()["count"] == lively.get("")["count"]
