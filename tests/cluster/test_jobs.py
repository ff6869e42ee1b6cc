"""Facts about Jobs and pods that the launch of plugins leans on: a version that behaves otherwise fails here."""

from __future__ import annotations

import time

import pytest

from tests.cluster import levers, shapes
from tests.cluster.api import Api, Object, Refused
from tests.cluster.room import Room, terminated, until

EVIDENCE = "chrysalis.io/evidence"


def test_a_second_create_of_the_same_job_is_a_conflict(room: Room) -> None:
    wanted = shapes.job(room.name, "once", shapes.pod_spec(shapes.shell("plugin", "true")))
    room.api.create(wanted)
    with pytest.raises(Refused) as refused:
        room.api.create(wanted)
    assert refused.value.status == 409


def test_a_sidecar_outlives_a_failed_plugin(room: Room) -> None:
    stay = shapes.sidecar("stage-out", "trap 'sleep 5; echo uploaded; exit 0' TERM; while :; do sleep 0.2; done")
    spec = shapes.pod_spec(shapes.shell("plugin", "exit 3"), init=[stay], terminationGracePeriodSeconds=60)
    room.apply(shapes.job(room.name, "fails", spec))
    name = room.pod_of("fails")["metadata"]["name"]
    ended = room.ended(name)
    plugin, sidecar = (terminated(ended, each) for each in ("plugin", "stage-out"))
    assert plugin and plugin["exitCode"] == 3
    assert sidecar and sidecar["exitCode"] == 0
    assert room.api.log(room.name, name, "stage-out") == "uploaded\n"
    assert ended["status"]["phase"] == "Failed"


def test_the_plugins_end_is_told_while_the_sidecar_still_works(room: Room) -> None:
    stay = shapes.sidecar("stage-out", "trap 'sleep 8; exit 0' TERM; while :; do sleep 0.2; done")
    spec = shapes.pod_spec(shapes.shell("plugin", "exit 4"), init=[stay], terminationGracePeriodSeconds=60)
    room.apply(shapes.job(room.name, "tells", spec))
    name = room.pod_of("tells")["metadata"]["name"]
    plugin = room.container_ended(name, "plugin")
    assert plugin["exitCode"] == 4
    assert terminated(room.pod(name), "stage-out") is None


def test_a_sidecars_own_exit_code_is_not_the_jobs(room: Room) -> None:
    stay = shapes.sidecar("stage-out", "trap 'exit 9' TERM; while :; do sleep 0.2; done")
    room.apply(shapes.job(room.name, "succeeds", shapes.pod_spec(shapes.shell("plugin", "sleep 1"), init=[stay])))
    name = room.pod_of("succeeds")["metadata"]["name"]
    ended = room.ended(name)
    sidecar = terminated(ended, "stage-out")
    assert sidecar and sidecar["exitCode"] == 9
    assert ended["status"]["phase"] == "Succeeded"


def test_after_a_failed_init_container_the_next_never_runs(room: Room) -> None:
    spec = shapes.pod_spec(shapes.shell("plugin", "echo ran"), init=[shapes.shell("stage-in", "exit 3")])
    room.apply(shapes.job(room.name, "stops", spec))
    ended = room.ended(room.pod_of("stops")["metadata"]["name"])
    first = terminated(ended, "stage-in")
    assert first and first["exitCode"] == 3
    assert terminated(ended, "plugin") is None


def test_too_much_memory_shows_as_oom_killed(room: Room) -> None:
    greedy = "exec tail -c 1000000000 /dev/zero"
    plugin = shapes.container("plugin", "/bin/sh", "-c", greedy, resources={"limits": {"memory": "48Mi"}})
    room.apply(shapes.job(room.name, "greedy", shapes.pod_spec(plugin)))
    end = room.container_ended(room.pod_of("greedy")["metadata"]["name"], "plugin")
    assert (end["exitCode"], end["reason"]) == (137, "OOMKilled")


def test_an_evicted_pod_is_gone_with_its_evidence(room: Room) -> None:
    plugin = shapes.shell("plugin", "trap 'exit 7' TERM; sleep 600 & wait")
    room.apply(shapes.job(room.name, "lost", shapes.pod_spec(plugin)))
    name = _running(room, "lost")
    room.evict(name)
    until(lambda: room.pod(name) is None, "end of the evicted pod", seconds=60)
    failed = until(lambda: _failed(room, "lost"), "failure of the Job")
    assert "DisruptionTarget" not in failed and "BackoffLimitExceeded" in failed


def test_a_finalizer_keeps_an_evicted_pods_exit_code(room: Room) -> None:
    script = "trap 'exit 7' TERM; sleep 600 & wait"
    spec = shapes.pod_spec(shapes.shell("plugin", script))
    room.apply(shapes.job(room.name, "kept", spec, meta={"finalizers": [EVIDENCE]}))
    name = _running(room, "kept")
    room.evict(name)
    assert room.container_ended(name, "plugin")["exitCode"] == 7
    ended = room.pod(name)
    assert ended is not None
    targets = [each for each in ended["status"]["conditions"] if each["type"] == "DisruptionTarget"]
    assert [each["reason"] for each in targets] == ["EvictionByEvictionAPI"]
    room.release(ended)
    until(lambda: room.pod(name) is None, "end of the released pod")


def test_a_finalizer_keeps_the_pod_of_a_job_that_somebody_deleted(room: Room) -> None:
    wanted = shapes.job(
        room.name, "deleted", shapes.pod_spec(shapes.shell("plugin", "exit 5")), meta={"finalizers": [EVIDENCE]}
    )
    room.apply(wanted)
    name = room.pod_of("deleted")["metadata"]["name"]
    room.container_ended(name, "plugin")
    room.api.delete(wanted)
    until(lambda: room.api.get("batch/v1", "Job", room.name, "deleted") is None, "end of the Job")
    end = terminated(room.pod(name), "plugin")
    assert end and end["exitCode"] == 5


def test_pid_1_without_a_handler_ignores_term_and_a_static_init_does_not(room: Room) -> None:
    bare = shapes.pod_spec(shapes.container("plugin", "/bin/sleep", "600"), terminationGracePeriodSeconds=6)
    under_init = shapes.pod_spec(shapes.shell("plugin", "exec sleep 600"), terminationGracePeriodSeconds=6)
    seconds = {name: _seconds_to_end(room, name, spec) for name, spec in (("bare", bare), ("init", under_init))}
    assert seconds["bare"] >= 5.5
    assert seconds["init"] <= 4


def test_a_job_deleted_with_a_short_grace_does_not_shorten_its_pods_end(room: Room) -> None:
    deaf = shapes.container("plugin", "/bin/sleep", "600")
    wanted = shapes.job(room.name, "slow", shapes.pod_spec(deaf, terminationGracePeriodSeconds=12))
    room.apply(wanted)
    name = _running(room, "slow")
    begun = time.monotonic()
    room.api.delete(wanted, grace=2)
    until(lambda: room.pod(name) is None, "end of the pod", seconds=40)
    assert time.monotonic() - begun > 10


def test_a_pod_deleted_with_a_short_grace_ends_by_then_and_no_other_comes(room: Room) -> None:
    deaf = shapes.container("plugin", "/bin/sleep", "600")
    room.apply(shapes.job(room.name, "short", shapes.pod_spec(deaf, terminationGracePeriodSeconds=600)))
    name = _running(room, "short")
    begun = time.monotonic()
    room.api.delete(shapes.pod(room.name, name, {}), grace=2)
    until(lambda: room.pod(name) is None, "end of the pod", seconds=40)
    assert time.monotonic() - begun < 8
    until(lambda: _failed(room, "short"), "failure of the Job")
    assert room.pods() == []


def test_a_pods_deadline_fails_the_pod_although_the_plugin_succeeded(room: Room) -> None:
    stay = shapes.sidecar("stage-out", "trap 'sleep 8; echo uploaded; exit 0' TERM; while :; do sleep 0.2; done")
    spec = shapes.pod_spec(
        shapes.shell("plugin", "sleep 1"), init=[stay], activeDeadlineSeconds=5, terminationGracePeriodSeconds=60
    )
    room.apply(shapes.job(room.name, "late", spec))
    name = room.pod_of("late")["metadata"]["name"]
    ended = room.ended(name)
    assert ended["status"]["reason"] == "DeadlineExceeded"
    plugin = room.container_ended(name, "plugin")
    assert plugin["exitCode"] == 0
    room.container_ended(name, "stage-out")
    assert room.api.log(room.name, name, "stage-out") == "uploaded\n"  # the deadline did not cut the upload


def test_a_job_for_a_gpu_waits_for_one_and_runs_once_there_is_one(room: Room, own_node: object) -> None:
    plugin = shapes.shell("plugin", "echo saw it", resources={"limits": {"example.com/gpu": "1"}})
    room.apply(shapes.job(room.name, "gpu", shapes.pod_spec(plugin)))
    name = room.pod_of("gpu")["metadata"]["name"]
    until(lambda: "Insufficient example.com/gpu" in _unschedulable(room, name), "reason why it waits")
    with levers.hardware(room.api, "example.com/gpu", 1):
        assert room.ended(name)["status"]["phase"] == "Succeeded"


def test_pod_security_refuses_a_pod_that_runs_as_root(room: Room) -> None:
    careless = shapes.pod_spec({"name": "plugin", "image": "dev.local/tools:1"})
    with pytest.raises(Refused, match="PodSecurity") as refused:
        room.api.create(shapes.pod(room.name, "root", careless))
    assert refused.value.status == 403


def test_a_random_uid_and_a_read_only_root_work(room: Room) -> None:
    plugin = shapes.shell("plugin", "id -u; touch /x || echo read-only")
    plugin["securityContext"] = {**shapes.SECURITY, "runAsUser": 1000670000, "readOnlyRootFilesystem": True}
    room.apply(shapes.job(room.name, "anybody", shapes.pod_spec(plugin)))
    name = room.ended(room.pod_of("anybody")["metadata"]["name"])["metadata"]["name"]
    assert room.api.log(room.name, name).splitlines()[0] == "1000670000"
    assert "read-only" in room.api.log(room.name, name)


def test_an_image_that_cannot_be_pulled_never_fails_by_itself(room: Room) -> None:
    plugin = shapes.container("plugin", "/x", image="dev.local/nothing:1")
    room.apply(shapes.job(room.name, "missing", shapes.pod_spec(plugin)))
    name = room.pod_of("missing")["metadata"]["name"]

    def waiting() -> str:
        statuses = (room.pod(name) or {}).get("status", {}).get("containerStatuses", [])
        return next((each["state"].get("waiting", {}).get("reason", "") for each in statuses), "")

    until(lambda: waiting() in ("ErrImagePull", "ImagePullBackOff"), "complaint about the image")
    assert (room.pod(name) or {})["status"]["phase"] == "Pending"


def _seconds_to_end(room: Room, name: str, spec: Object) -> float:
    """Of a pod that runs and is deleted."""
    thing = shapes.pod(room.name, name, spec)
    room.apply(thing)
    until(lambda: (room.pod(name) or {}).get("status", {}).get("phase") == "Running", f"start of {name}")
    begun = time.monotonic()
    room.api.delete(thing)
    until(lambda: room.pod(name) is None, f"end of {name}")
    return time.monotonic() - begun


def _running(room: Room, job: str) -> str:
    name: str = room.pod_of(job)["metadata"]["name"]
    until(lambda: (room.pod(name) or {}).get("status", {}).get("phase") == "Running", f"start of {name}")
    return name


def _failed(room: Room, job: str) -> str:
    """Why a Job failed, or nothing."""
    found = room.api.get("batch/v1", "Job", room.name, job) or {}
    failures = [each for each in found.get("status", {}).get("conditions", ()) if each["type"] == "Failed"]
    return str(failures[0]["reason"]) if failures else ""


def _unschedulable(room: Room, pod: str) -> str:
    conditions = (room.pod(pod) or {}).get("status", {}).get("conditions", [])
    return next((each.get("message", "") for each in conditions if each["type"] == "PodScheduled"), "")


def test_kueue_admits_a_job_and_holds_back_one_over_its_quota(room: Room, api: Api) -> None:
    queue = f"queue-{room.name}"
    version = "kueue.x-k8s.io/v1beta2"
    flavor = {"apiVersion": version, "kind": "ResourceFlavor", "metadata": {"name": "default"}}
    quota = {"name": "default", "resources": [{"name": "cpu", "nominalQuota": "100m"}]}
    cluster_queue = {
        "apiVersion": version,
        "kind": "ClusterQueue",
        "metadata": {"name": queue},
        "spec": {"namespaceSelector": {}, "resourceGroups": [{"coveredResources": ["cpu"], "flavors": [quota]}]},
    }
    local_queue = {
        "apiVersion": version,
        "kind": "LocalQueue",
        "metadata": {"name": "tenant", "namespace": room.name},
        "spec": {"clusterQueue": queue},
    }
    room.apply(flavor, cluster_queue, local_queue)
    try:
        for name in ("first", "second"):
            plugin = shapes.shell("plugin", "sleep 4", resources={"requests": {"cpu": "80m"}})
            wanted = shapes.job(room.name, name, shapes.pod_spec(plugin), suspend=True)
            wanted["metadata"]["labels"] = {"kueue.x-k8s.io/queue-name": "tenant"}
            room.apply(wanted)
        until(lambda: "insufficient unused quota" in _held_back(room), "reason why one is held back")
        started = [each["metadata"]["labels"]["batch.kubernetes.io/job-name"] for each in room.pods()]
        assert len(started) == 1
        for name in ("first", "second"):
            api.wait(shapes.job(room.name, name, {}), "Complete", seconds=60)
    finally:
        room.api.delete(cluster_queue)


def _held_back(room: Room) -> str:
    loads = room.api.list("kueue.x-k8s.io/v1beta2", "Workload", room.name)
    messages = [each.get("message", "") for load in loads for each in load.get("status", {}).get("conditions", ())]
    return " ".join(messages)
