"""The fault levers do what their names say, seen through the API and by pods."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.cluster import levers, shapes, stores
from tests.cluster.api import Api, Object
from tests.cluster.node.places import Places
from tests.cluster.room import Room, until
from tests.servers import SeaweedFS


@pytest.fixture
def ghost(api: Api) -> Iterator[levers.GhostNode]:
    node = levers.GhostNode(api, f"ghost-{secrets.token_hex(3)}")
    node.appear()
    yield node
    node.vanish()


def test_a_pod_on_a_node_that_falls_silent_is_told_to_go_but_stays(room: Room, ghost: levers.GhostNode) -> None:
    """Nobody is there to end it: the Job gets no failure, and only the design's own limit can call it lost."""
    spec = shapes.pod_spec(shapes.shell("plugin", "true"), tolerations=ghost.tolerations(), nodeName=ghost.name)
    room.apply(shapes.job(room.name, "silent", spec))
    pod = room.pod_of("silent")
    name = pod["metadata"]["name"]
    ghost.run(pod)
    ghost.until(lambda: (room.pod(name) or {})["status"]["phase"] == "Running", "pod that runs")
    until(ghost.lost, "notice of the silence", seconds=120)
    told = until(lambda: _terminating(room, name), "wish to end the pod", seconds=60)
    reasons = {each["reason"] for each in told["status"]["conditions"] if each["type"] == "DisruptionTarget"}
    assert reasons == {"DeletionByTaintManager"}
    assert told["status"]["phase"] == "Running"
    job = room.api.get("batch/v1", "Job", room.name, "silent")
    assert job is not None and "Failed" not in {each["type"] for each in job["status"].get("conditions", ())}


def test_a_node_that_goes_away_takes_its_pods_and_the_job_fails(room: Room, ghost: levers.GhostNode) -> None:
    spec = shapes.pod_spec(shapes.shell("plugin", "true"), tolerations=ghost.tolerations(), nodeName=ghost.name)
    room.apply(shapes.job(room.name, "gone", spec))
    pod = room.pod_of("gone")
    ghost.run(pod)
    ghost.vanish()
    until(lambda: room.pod(pod["metadata"]["name"]) is None, "collection of the orphan", seconds=150)
    until(lambda: "Failed" in str(room.api.get("batch/v1", "Job", room.name, "gone")), "failure of the Job")


def test_while_the_kubelet_is_away_containers_go_on_and_nobody_tells(room: Room, own_node: Places) -> None:
    room.apply(shapes.job(room.name, "goes-on", shapes.pod_spec(shapes.shell("plugin", "sleep 2; exit 6"))))
    name = room.pod_of("goes-on")["metadata"]["name"]
    until(lambda: (room.pod(name) or {})["status"]["phase"] == "Running", "pod that runs")
    with levers.without_kubelet(own_node):
        time.sleep(4)  # the container ends meanwhile; that nothing is told has no event to wait for
        assert (room.pod(name) or {})["status"]["phase"] == "Running"
    assert room.container_ended(name, "plugin")["exitCode"] == 6


def test_after_a_restart_of_the_api_server_all_is_as_before(room: Room, own_node: Places) -> None:
    room.apply(shapes.job(room.name, "before", shapes.pod_spec(shapes.shell("plugin", "sleep 3"))))
    room.pod_of("before")
    levers.restart_api_server(own_node)
    room.api.wait(shapes.job(room.name, "before", {}), "Complete")


def test_pods_reach_the_object_store_by_a_name(room: Room, object_store: SeaweedFS) -> None:
    bucket = object_store.new_bucket()
    object_store.client().put_object(Bucket=bucket, Key="scan", Body=b"voxels")
    host = stores.alias(room, "store", urlsplit(object_store.endpoint).port or 0)
    signed = object_store.client().generate_presigned_url("get_object", {"Bucket": bucket, "Key": "scan"})
    at = urlsplit(signed)
    # A signature covers the host, so the pod names the server as the signer did, and connects by the alias.
    answer = room.peer().ask("GET", f"http://{host}:{at.port}{at.path}?{at.query}", headers={"Host": at.netloc})
    assert (answer["status"], answer["body"]) == (200, "voxels")


def test_pods_reach_the_database_by_a_name(room: Room, database: stores.Database) -> None:
    name = database.new()
    host = stores.alias(room, "database", database.port)
    script = f"import socket; socket.create_connection(({host!r}, {database.port}), 5); print('connected')"
    client = shapes.container("client", "/usr/local/bin/python3", "-c", script, image="dev.local/python:1")
    room.apply(shapes.job(room.name, "connects", shapes.pod_spec(client)))
    pod = room.ended(room.pod_of("connects")["metadata"]["name"])["metadata"]["name"]
    assert room.api.log(room.name, pod) == "connected\n"
    assert database.run("select 1", name=name) == "1\n"


def _terminating(room: Room, pod: str) -> Object | None:
    found = room.pod(pod)
    return found if found and "deletionTimestamp" in found["metadata"] else None
