"""Tests on a real cluster: collected by `make cluster-test` only (CHRYSALIS_CLUSTER=1), or with REQUIRE_CLUSTER=1.

KUBECONFIG alone does not do it: many people have one that leads to a cluster which is not for tests.
"""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.cluster.api import Api
    from tests.cluster.room import Room

WANTED = any(os.environ.get(name, "") not in ("", "0") for name in ("CHRYSALIS_CLUSTER", "REQUIRE_CLUSTER"))
collect_ignore_glob = [] if WANTED else ["test_*.py", "*/test_*.py"]
outcome: pytest.StashKey[bool] = pytest.StashKey()


@pytest.fixture(scope="session")
def api() -> Api:
    """The cluster of KUBECONFIG; `python -m tests.cluster test` sets it, and enters the network of our own node."""
    from tests.cluster.api import Api

    config = os.environ.get("KUBECONFIG")
    if not config:
        pytest.fail("No cluster is given: run these by `make cluster-test`.")
    return Api(Path(config))


@pytest.fixture(scope="session")
def own_node() -> Any:
    """Where our own node keeps things. A test that stops daemons or looks at the machine needs it."""
    from tests.cluster.node.places import places

    if os.environ.get("CHRYSALIS_CLUSTER_OWN") != "1":
        pytest.skip("it needs a node of our own, and KUBECONFIG names another cluster")
    return places()


@pytest.fixture
def room(api: Api, request: pytest.FixtureRequest) -> Iterator[Room]:
    """A namespace for this test, under Pod Security `restricted`; what was in it is kept if the test fails."""
    with _room(api, request.node.name) as made:
        yield made
        if not request.node.stash.get(outcome, True):
            _keep(made, request.node.nodeid)


@pytest.fixture(scope="module")
def shared_room(api: Api, request: pytest.FixtureRequest) -> Iterator[Room]:
    """One namespace for a whole module, for tests that only look."""
    with _room(api, Path(request.node.nodeid).stem) as made:
        yield made
        if request.session.testsfailed:
            _keep(made, request.node.nodeid)


class _room:
    def __init__(self, api: Api, title: str) -> None:
        from tests.cluster.room import Room

        slug = re.sub(r"[^a-z0-9]+", "-", title.removeprefix("test_").lower()).strip("-")[:32].rstrip("-")
        self._room = Room(api, f"{slug}-{secrets.token_hex(3)}")

    def __enter__(self) -> Room:
        from tests.cluster.room import until

        room = self._room
        labels = {"pod-security.kubernetes.io/enforce": "restricted", "chrysalis.io/test": "true"}
        metadata = {"name": room.name, "labels": labels}
        room.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        until(lambda: room.api.get("v1", "ServiceAccount", room.name, "default"), "default service account")
        return room

    def __exit__(self, *_: object) -> None:
        self._room.remove()


def _keep(room: Room, test: str) -> None:
    from tests.cluster.node.places import places

    folder = places().logs / "failures" / re.sub(r"[^\w.-]+", "_", test)
    room.dump(folder)
    sys.stdout.write(f"pods, logs and events of {room.name}: {folder}\n")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    report = yield
    if report.failed:
        item.stash[outcome] = False
    return report


@pytest.fixture(scope="session")
def object_store(own_node: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """SeaweedFS on the node's address; `stores.alias` gives it a name for a room's pods."""
    from tests.cluster import stores

    with stores.object_store(tmp_path_factory.mktemp("object-store")) as server:
        yield server


@pytest.fixture(scope="session")
def database(own_node: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """PostgreSQL on the node's address; `new()` makes a database, `stores.alias` gives it a name for pods."""
    from tests.cluster import stores

    with stores.database(tmp_path_factory.mktemp("database")) as server:
        yield server
