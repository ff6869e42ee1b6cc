"""A catalog on each database, and a small cast: Ann owns, Bob is a stranger, Root is a superuser."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.catalog.engine import Catalog, open_catalog
from tests.gateway.catalog import databases
from tests.gateway.catalog.stage import Stage


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("catalog") / "template.db"
    open_catalog(f"sqlite:///{path}").close()
    return path


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Catalog]:
    with databases.postgresql() as url:
        catalog = open_catalog(url)
        yield catalog
        catalog.close()


@pytest.fixture(params=databases.names())
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    """An empty catalog."""
    if request.param == "postgresql":
        catalog = request.getfixturevalue("postgresql")
        databases.empty(catalog)
        catalog.arm = catalog.wake = lambda: None
        catalog._programs.clear()  # ids begin anew, as they never do outside of tests
        yield catalog
        return
    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "catalog.db")
    catalog = open_catalog(f"sqlite:///{tmp_path / 'catalog.db'}", migrate=False)
    yield catalog
    catalog.close()


@pytest.fixture
def stage(catalog: Catalog) -> Stage:
    """A catalog with the cast, a compute resource of two slots, and four plugins."""
    return Stage(catalog)
