"""A server in this process for each test: the cast is made once, and copied."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.objects_directory import DirectoryStore
from gateway.catalog.engine import open_catalog
from tests.gateway.api.world import Cast, World, populate


@pytest.fixture(scope="session")
def beginning(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Cast]:
    """A folder with a catalog and a store, and who is in them."""
    folder = tmp_path_factory.mktemp("beginning")
    catalog = open_catalog(f"sqlite:///{folder / 'catalog.db'}")
    cast = populate(catalog, DirectoryStore(folder / "store", durable=False))
    catalog.close()
    return folder, cast


@pytest.fixture
def world(beginning: tuple[Path, Cast], tmp_path: Path) -> Iterator[World]:
    folder, cast = beginning
    shutil.copytree(folder, tmp_path / "home")
    catalog = open_catalog(f"sqlite:///{tmp_path / 'home/catalog.db'}", migrate=False)
    yield World(catalog, DirectoryStore(tmp_path / "home/store", durable=False), cast)
    catalog.close()
