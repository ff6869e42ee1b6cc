"""What tests everywhere ask for: real servers, started once and only if a test needs them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.scale import count
from tests.servers import SeaweedFS, moto, seaweedfs


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
def moto_endpoint() -> Iterator[str]:
    """moto's S3 over HTTP: quick, and it knows more of S3 than SeaweedFS, but it lets pass what S3 refuses."""
    with moto() as endpoint:
        yield endpoint
