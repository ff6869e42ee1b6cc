"""What goes wrong on a cluster, at a test's word: daemons stop, a node falls silent, hardware appears."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.cluster.api import Api, Object, Refused
from tests.cluster.node import builds, control_plane, daemons, kubelet, manifests
from tests.cluster.node.places import Places
from tests.cluster.room import until

LEASES = "kube-node-lease"
LOST = "node.kubernetes.io/unreachable"


@contextlib.contextmanager
def without_kubelet(at: Places) -> Iterator[None]:
    """Containers go on, but nobody starts, ends or reports them."""
    daemons.kill(at, "kubelet")
    try:
        yield
    finally:
        kubelet.start(at, builds.programs(at, builds.KUBERNETES))


def restart_api_server(at: Places) -> None:
    """Kill it and start it again; watches break, connections are refused in between."""
    daemons.kill(at, "kube-apiserver")
    control_plane.start_api_server(at, builds.programs(at, builds.KUBERNETES))
    control_plane.wait_until_ready(at)
    # Whoever held a lease may have ended over it: its webhooks must answer again before a test goes on.
    for namespace in ("knative-serving", "knative-eventing", "kueue-system"):
        manifests.wait_until_available(at, namespace)


@contextlib.contextmanager
def without_broker(api: Api, *, seconds: float = 90) -> Iterator[None]:
    """No broker takes an event: senders get an error."""
    ingress: Object = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "mt-broker-ingress", "namespace": "knative-eventing"},
    }
    pods = "eventing.knative.dev/brokerRole=ingress"
    api.patch(ingress, {"spec": {"replicas": 0}})
    try:
        until(lambda: not api.list("v1", "Pod", "knative-eventing", labels=pods), "end of the broker", seconds=seconds)
        yield
    finally:
        api.patch(ingress, {"spec": {"replicas": 1}})
        api.wait(ingress, "Available", seconds=seconds)


@contextlib.contextmanager
def hardware(api: Api, resource: str, count: int) -> Iterator[None]:
    """The first node has `count` of an extended resource (`example.com/gpu`): a fake autoscaler's work."""
    node = api.list("v1", "Node")[0] | {"apiVersion": "v1", "kind": "Node"}
    api.patch(node, {"status": {"capacity": {resource: str(count)}}}, part="status")
    try:
        yield
    finally:
        api.patch(node, {"status": {"capacity": {resource: "0"}}}, part="status")


@dataclass
class GhostNode:
    """A node without a kubelet: the test writes its status, its heartbeat and its pods' states, then falls silent.

    It is tainted, so that only pods with `toleration` come; name it in a pod's `nodeName` or let the scheduler.
    """

    api: Api
    name: str

    TAINT = "chrysalis.io/ghost"

    @property
    def node(self) -> Object:
        return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": self.name}}

    def tolerations(self, *, seconds: int = 2) -> list[Object]:
        """Of a pod that may run here, and is evicted `seconds` after the node fell silent."""
        common = {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        silent = [{"key": f"node.kubernetes.io/{kind}", **common} for kind in ("unreachable", "not-ready")]
        return [{"key": self.TAINT, "operator": "Exists"}, *silent]

    def appear(self) -> None:
        """Register, Ready."""
        taint = {"key": self.TAINT, "value": "1", "effect": "NoSchedule"}
        labels = {"kubernetes.io/hostname": self.name, "kubernetes.io/os": "linux"}
        self.api.create({**self.node, "metadata": {"name": self.name, "labels": labels}, "spec": {"taints": [taint]}})
        self.beat()

    def beat(self) -> None:
        """Say that it lives: once every few seconds, as a kubelet would."""
        now = datetime.datetime.now(datetime.UTC)
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "message": "",
            "lastTransitionTime": stamp,
        }
        room = {"cpu": "2", "memory": "4Gi", "pods": "20"}
        status = {"conditions": [ready], "capacity": room, "allocatable": room}
        self.api.patch(self.node, {"status": status}, part="status")
        lease = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self.name, "namespace": LEASES},
            "spec": {
                "holderIdentity": self.name,
                "leaseDurationSeconds": 12,
                "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            },
        }
        self.api.apply(lease)

    def until(self, ask: Callable[[], object], what: str, *, seconds: float = 30) -> None:
        """Wait, and say in between that it lives."""

        def beat_and_ask() -> object:
            self.beat()
            return ask()

        until(beat_and_ask, what, seconds=seconds, every=0.5)

    def run(self, pod: Object) -> None:
        """Write what a kubelet would: the pod's containers run since now."""
        stamp = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        statuses = [
            {
                "name": each["name"],
                "image": each["image"],
                "imageID": "",
                "ready": True,
                "started": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": stamp}},
            }
            for each in pod["spec"]["containers"]
        ]
        status = {"phase": "Running", "startTime": stamp, "containerStatuses": statuses}
        self.api.patch({**pod, "apiVersion": "v1", "kind": "Pod"}, {"status": status}, part="status")

    def lost(self) -> bool:
        """The controllers have noticed that it fell silent."""
        found = self.api.get("v1", "Node", None, self.name) or {}
        return LOST in {each["key"] for each in found.get("spec", {}).get("taints", ())}

    def vanish(self) -> None:
        """As a cloud takes a machine away: the Node object goes, and with it, soon, its pods."""
        self.api.delete(self.node)
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
        with contextlib.suppress(Refused):
            self.api.delete({**lease, "metadata": {"name": self.name, "namespace": LEASES}})
