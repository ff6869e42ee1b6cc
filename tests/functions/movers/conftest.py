from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.objects_directory import DirectoryStore
from tests.functions.movers.distant import DistantStore, distant
from tests.functions.movers.world import HOSTS, World, serving


@pytest.fixture(scope="session", autouse=True)
def hosts() -> Iterator[None]:
    yield
    HOSTS.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A job whose files lie in a store on this machine."""
    with serving(World(DirectoryStore(tmp_path / "store", durable=False), tmp_path / "pod")) as world:
        yield world


@pytest.fixture
def far(tmp_path: Path) -> Iterator[World]:
    """A job whose files lie in a store behind HTTP."""
    with distant(tmp_path / "store") as store, serving(World(store, tmp_path / "pod")) as world:
        yield world


@pytest.fixture
def store(far: World) -> DistantStore:
    """The store of `far`, whose answers can be spoilt."""
    assert isinstance(far.store, DistantStore)
    return far.store
