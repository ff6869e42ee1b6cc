"""What tests everywhere ask for: real servers, started once and only if a test needs them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.objects import Store
from functions.objects_directory import DirectoryStore
from functions.objects_s3 import S3Store
from tests.scale import count
from tests.servers import Moto, SeaweedFS, moto, seaweedfs


@pytest.fixture(scope="session")
def scale() -> Callable[[int, int, int], int]:
    """`scale(full, ci, fast)`: how much to do, by CHRYSALIS_SCALE."""
    return count


@pytest.fixture(scope="session")
def seaweed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedFS]:
    """A real S3 server. A test takes `seaweed.new_bucket()`, and starts one of its own if it wants to stop it."""
    with seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    """moto's S3 over HTTP: quick, and it knows more of S3 than SeaweedFS, but it lets pass what S3 refuses."""
    with moto() as server:
        yield server


BACKENDS = (
    "directory",
    "moto",
    "seaweedfs",
    pytest.param("moto-versioned", marks=pytest.mark.slow),
    pytest.param("seaweedfs-versioned", marks=pytest.mark.slow),
)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> str:
    """The name of a kind of store, with or without versions."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def open_bucket(request: pytest.FixtureRequest) -> Callable[[str], dict[str, Any]]:
    """`open_bucket(backend)`: what S3Store must know of the bucket that all tests of a backend share."""
    known: dict[str, dict[str, Any]] = {}

    def open_one(backend: str) -> dict[str, Any]:
        if backend not in known:
            server = backend.partition("-")[0]
            who = request.getfixturevalue("seaweed" if server == "seaweedfs" else "moto_server")
            bucket = who.new_bucket(versioning=backend.endswith("-versioned"))
            keys = {"access_key": who.access_key, "secret_key": who.secret_key}
            known[backend] = {"bucket": bucket, "endpoint": who.endpoint, **keys}
        return known[backend]

    return open_one


@pytest.fixture
def store(backend: str, open_bucket: Callable[[str], dict[str, Any]], tmp_path: Path) -> Store:
    """An empty store of each kind in turn."""
    if backend == "directory":
        return DirectoryStore(tmp_path / "store", durable=False)
    return S3Store(**open_bucket(backend), prefix=f"tests/{secrets.token_hex(6)}", name=backend)
