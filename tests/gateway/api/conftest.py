"""A server in this process for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.catalog.engine import open_catalog
from tests.gateway.api.world import World


@pytest.fixture(scope="session")
def empty_catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("api") / "template.db"
    open_catalog(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def world(empty_catalog: Path, tmp_path: Path) -> Iterator[World]:
    shutil.copy(empty_catalog, tmp_path / "catalog.db")
    catalog = open_catalog(f"sqlite:///{tmp_path / 'catalog.db'}", migrate=False)
    yield World(catalog, tmp_path / "store")
    catalog.close()
