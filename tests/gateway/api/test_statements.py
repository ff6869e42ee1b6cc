"""A page costs the same number of SQL statements, however many rows it has."""

from __future__ import annotations

import pytest

from tests.gateway.api.world import World

AT_MOST = {
    "": 4,
    "search/": 4,
    "1/": 3,
    "1/plugininstances/": 5,
    "plugins/": 3,
    "plugins/metas/": 3,
    "plugins/2/parameters/": 4,
    "computeresources/": 3,
    "plugins/instances/": 3,
    "plugins/instances/search/?active=true": 3,
    "plugins/instances/1/": 2,
    "plugins/instances/1/descendants/": 4,
    "plugins/instances/2/parameters/": 4,
    "plugins/1/instances/": 5,
    "userfiles/": 3,
    "userfiles/search/?fname=home/": 3,
    "filebrowser/search/?path=home/anna/uploads": 3,
    "filebrowser/7/children/": 5,
    "filebrowser/7/files/": 5,
}


@pytest.fixture
def crowd(world: World) -> World:
    for number in range(3):
        fill(world, number)
    return world


def fill(world: World, number: int) -> None:
    first = world.run(world.gen, title=f"{number}")["id"]
    world.run(world.simple, previous_id=first, prefix="a", number=1)
    world.upload(f"home/anna/uploads/{number}/a.txt")
    world.upload(f"home/anna/uploads/{number}.txt")


@pytest.mark.parametrize("path", sorted(AT_MOST))
def test_the_number_of_statements_does_not_grow(crowd: World, path: str) -> None:
    few = crowd.count_statements(path)
    for number in range(3, 9):
        fill(crowd, number)
    joint = "&" if "?" in path else "?"
    many = crowd.count_statements(f"{path}{joint}limit=5")
    assert few <= AT_MOST[path]
    assert many <= AT_MOST[path]
