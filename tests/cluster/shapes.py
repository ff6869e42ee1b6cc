"""Kubernetes objects of the tests, as dicts that Pod Security `restricted` admits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.cluster.node.images import PYTHON, TOOLS

Object = dict[str, Any]
SECURITY: Object = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
PEER_PORT = 8080


def container(name: str, *argv: str, image: str = TOOLS, **more: Any) -> Object:
    """A container that runs `argv`; `more` are fields of it."""
    return {"name": name, "image": image, "command": list(argv), "securityContext": SECURITY, **more}


def shell(name: str, script: str, **more: Any) -> Object:
    """A container that runs a busybox shell under a static init, as plugins do: PID 1 would ignore TERM."""
    return container(name, "/bin/catatonit", "--", "/bin/sh", "-c", script, **more)


def sidecar(name: str, script: str, **more: Any) -> Object:
    """A native sidecar: an init container that is restarted always. It is its own PID 1."""
    return container(name, "/bin/sh", "-c", script, restartPolicy="Always", **more)


def pod_spec(*containers: Object, init: Sequence[Object] = (), **more: Any) -> Object:
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "initContainers": list(init),
        "containers": list(containers),
        **more,
    }


def pod(namespace: str, name: str, spec: Object, **meta: Any) -> Object:
    metadata = {"name": name, "namespace": namespace, **meta}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def job(namespace: str, name: str, spec: Object, *, meta: Mapping[str, Any] | None = None, **more: Any) -> Object:
    """A Job of one pod that is never tried again. `meta` is the pod's metadata, `more` are fields of the Job's spec."""
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"backoffLimit": 0, "template": {"metadata": dict(meta or {}), "spec": spec}, **more},
    }


def peer(namespace: str, name: str) -> list[Object]:
    """The Deployment and the Service of an `apps/peer.py`."""
    labels = {"app": name}
    one = container("peer", "/usr/local/bin/python3", "/app/peer.py", image=PYTHON)
    one["ports"] = [{"containerPort": PEER_PORT}]
    one["readinessProbe"] = {"httpGet": {"path": "/", "port": PEER_PORT}, "periodSeconds": 1}
    template = {"metadata": {"labels": labels}, "spec": {**pod_spec(one), "restartPolicy": "Always"}}
    template["spec"]["terminationGracePeriodSeconds"] = 1
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": labels, "ports": [{"name": "http", "port": 80, "targetPort": PEER_PORT}]},
    }
    return [deployment, service]


def function(namespace: str, name: str, *, annotations: Mapping[str, str] | None = None, **more: Any) -> Object:
    """A Knative Service of `apps/peer.py`. `more` are fields of its revision's spec."""
    one = container("user-container", "/usr/local/bin/python3", "/app/peer.py", image=PYTHON)
    one["ports"] = [{"containerPort": PEER_PORT}]
    one["readinessProbe"] = {"httpGet": {"path": "/"}}
    spec = {"enableServiceLinks": False, "containers": [one], **more}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": {"metadata": {"annotations": dict(annotations or {})}, "spec": spec}},
    }


def broker(namespace: str, name: str = "default") -> Object:
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Broker",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {},
    }


def trigger(
    namespace: str, name: str, uri: str, *, filters: Mapping[str, str], delivery: Object | None = None
) -> Object:
    """From the broker `default` to `uri`, for events whose attributes equal `filters`."""
    spec: Object = {"broker": "default", "subscriber": {"uri": uri}, "filter": {"attributes": dict(filters)}}
    if delivery:
        spec["delivery"] = delivery
    return {
        "apiVersion": "eventing.knative.dev/v1",
        "kind": "Trigger",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def storage_alias(namespace: str, name: str, address: str, port: int) -> list[Object]:
    """A Service without selector, and the slice that leads it to a server outside of the cluster's pods."""
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"ports": [{"name": "tcp", "port": port}]},
    }
    lead = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "namespace": namespace, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "ports": [{"name": "tcp", "port": port}],
        "endpoints": [{"addresses": [address]}],
    }
    return [service, lead]
