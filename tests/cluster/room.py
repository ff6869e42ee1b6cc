"""A namespace for one test, under Pod Security `restricted`, with ways to look, to ask and to wait."""

from __future__ import annotations

import contextlib
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from tests.cluster import shapes
from tests.cluster.api import Api, Object, Refused

T = TypeVar("T")


@dataclass
class Room:
    """One test's namespace. What is applied here goes with it."""

    api: Api
    name: str
    _peers: dict[str, Peer] = field(default_factory=dict)

    def apply(self, *things: Object) -> None:
        for thing in things:
            self.api.apply(thing)

    def peer(self, name: str = "peer") -> Peer:
        """A pod that takes events and asks others (apps/peer.py), started at the first call."""
        if name not in self._peers:
            things = shapes.peer(self.name, name)
            self.apply(*things)
            self.api.wait(things[0], "Available")
            self._peers[name] = Peer(self, name)
        return self._peers[name]

    def pods(self, labels: str = "") -> list[Object]:
        return self.api.list("v1", "Pod", self.name, labels=labels)

    def pod_of(self, job: str, *, seconds: float = 30) -> Object:
        """The one pod of a Job, once there is one."""

        def ask() -> Object | None:
            found = self.pods(f"batch.kubernetes.io/job-name={job}")
            return found[0] if found else None

        return until(ask, f"pod of Job {job}", seconds=seconds)

    def pod(self, name: str) -> Object | None:
        return self.api.get("v1", "Pod", self.name, name)

    def ended(self, pod: str, *, seconds: float = 60) -> Object:
        """The pod, once its phase is Succeeded or Failed."""

        def ask() -> Object | None:
            now = self.pod(pod)
            return now if now and now["status"].get("phase") in ("Succeeded", "Failed") else None

        return until(ask, f"end of pod {pod}", seconds=seconds)

    def container_ended(self, pod: str, container: str, *, seconds: float = 60) -> Object:
        """`terminated` of a container's status (exitCode, reason), once it is there."""

        def ask() -> Object | None:
            return terminated(self.pod(pod), container)

        return until(ask, f"end of container {container} of {pod}", seconds=seconds)

    def evict(self, pod: str, *, grace: int | None = None) -> None:
        """As a drain does it, through the API."""
        body: Object = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": self.name},
        }
        if grace is not None:
            body["deleteOptions"] = {"gracePeriodSeconds": grace}
        self.api.call("POST", f"/api/v1/namespaces/{self.name}/pods/{pod}/eviction", body)

    def release(self, pod: Object) -> None:
        """Take the finalizers off a pod."""
        self.api.patch({**pod, "apiVersion": "v1", "kind": "Pod"}, {"metadata": {"finalizers": None}})

    def dump(self, folder: Path) -> None:
        """Every pod's state and logs, and the events, for who looks into a failure."""
        folder.mkdir(parents=True, exist_ok=True)
        things = {"pods": self.pods(), "events": self.api.list("v1", "Event", self.name)}
        for kind, found in things.items():
            (folder / f"{kind}.json").write_text(json.dumps(found, indent=1))
        for pod in things["pods"]:
            spec = pod["spec"]
            for each in [*spec.get("initContainers", ()), *spec["containers"]]:
                name = pod["metadata"]["name"]
                with contextlib.suppress(Refused):
                    (folder / f"{name}.{each['name']}.log").write_text(self.api.log(self.name, name, each["name"]))

    def remove(self) -> None:
        """Ask for its end; finalizers of the tests' own are taken off, or it would stay for ever."""
        for kind, version in (("Pod", "v1"),):
            for thing in self.api.list(version, kind, self.name):
                if thing["metadata"].get("finalizers"):
                    with contextlib.suppress(Refused):
                        self.api.patch(
                            {"apiVersion": version, "kind": kind, **thing}, {"metadata": {"finalizers": None}}
                        )
        self.api.delete({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})


@dataclass
class Peer:
    """A pod that takes events and asks others; reached through the API server, so on any cluster."""

    room: Room
    name: str

    def address(self, box: str) -> str:
        """Where events for `box` go, as seen in the cluster."""
        return f"http://{self.name}.{self.room.name}.svc.cluster.local/in/{box}"

    def plan(self, box: str, *answers: Object) -> None:
        """The answers to come; the last one is repeated."""
        self._call("PUT", f"in/{box}/answers", list(answers))

    def came(self, box: str) -> list[Object]:
        found: list[Object] = self._call("GET", f"in/{box}")
        return found

    def wait_for(self, box: str, count: int, *, seconds: float = 30) -> list[Object]:
        """What came, once it is `count` or more."""

        def ask() -> list[Object] | None:
            found = self.came(box)
            return found if len(found) >= count else None

        return until(ask, f"{count} event(s) in {box}", seconds=seconds, every=0.1)

    def ask(
        self, method: str, url: str, *, headers: Object | None = None, body: str | None = None, timeout: float = 25
    ) -> Object:
        """Ask a URL from within the cluster: {"status" (0: no answer), "headers", "body", "seconds"}."""
        order = {"method": method, "url": url, "headers": headers or {}, "body": body, "timeout": timeout}
        answer: Object = self._call("POST", "ask", order)
        return answer

    def send(self, event: Object, *, data: str = "{}", broker: str = "default", timeout: float = 25) -> Object:
        """Send a CloudEvent (its attributes) to a broker of the room, in binary mode."""
        attributes = {"specversion": "1.0", "id": secrets.token_hex(8), "source": "/tests", **event}
        headers = {f"ce-{key}": value for key, value in attributes.items()} | {"content-type": "application/json"}
        url = f"http://broker-ingress.knative-eventing.svc.cluster.local/{self.room.name}/{broker}"
        return self.ask("POST", url, headers=headers, body=data, timeout=timeout)

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        return self.room.api.call(
            method, f"/api/v1/namespaces/{self.room.name}/services/{self.name}:80/proxy/{path}", body
        )


def until(ask: Callable[[], T | None], what: str, *, seconds: float = 30, every: float = 0.05) -> T:
    """Ask until the answer is true. Raises AssertionError that names `what`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        assert time.monotonic() < deadline, f"no {what} after {seconds:.0f} s"
        time.sleep(every)


def terminated(pod: Object | None, container: str) -> Object | None:
    """`terminated` of a container's status, or None."""
    status = (pod or {}).get("status", {})
    for each in [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]:
        if each["name"] == container:
            found: Object | None = each["state"].get("terminated")
            return found
    return None
