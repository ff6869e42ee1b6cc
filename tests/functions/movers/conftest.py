from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.objects_directory import DirectoryStore
from tests.functions.movers.world import World, serving


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A job whose files lie in a store on this machine."""
    with serving(World(DirectoryStore(tmp_path / "store"), tmp_path / "pod")) as world:
        yield world
