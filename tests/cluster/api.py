"""The Kubernetes API as plain dicts: any kubeconfig, any kind of object, server-side apply.

Objects are dicts as in YAML; `Refused` carries the server's status and sentence.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

Object = dict[str, Any]
MANAGER = "chrysalis-tests"
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class Refused(Exception):
    """The API server said no."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(f"{status}: {sentence}")
        self.status = status
        self.sentence = sentence


class Api:
    """One cluster. Paths are the server's own (`/api/v1/namespaces/x/pods`)."""

    def __init__(self, kubeconfig: Path | None = None) -> None:
        settings = client.Configuration()
        config.load_kube_config(str(kubeconfig) if kubeconfig else None, client_configuration=settings)
        self.client = client.ApiClient(settings)
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def call(self, method: str, path: str, body: Any = None, *, kind: str = "application/json") -> Any:
        """The parsed answer; a text if it is not JSON. Raises Refused."""
        headers = {"Accept": "application/json", "Content-Type": kind}
        try:
            answer = self.client.call_api(
                path, method, header_params=headers, body=body, auth_settings=["BearerToken"],
                _preload_content=False, _request_timeout=60,
            )  # fmt: skip
        except ApiException as error:
            raise Refused(error.status or 0, _sentence(error)) from None
        text = answer.data.decode(errors="replace")
        return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text

    def path(self, thing: Object) -> str:
        """Of an object that has apiVersion, kind, and metadata with name and namespace."""
        meta = thing["metadata"]
        return self.path_of(thing["apiVersion"], thing["kind"], meta.get("namespace"), meta["name"])

    def path_of(self, version: str, kind: str, namespace: str | None = None, name: str = "") -> str:
        base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        plural, namespaced = self._resource(version, kind)
        middle = f"/namespaces/{namespace}" if namespaced and namespace else ""
        return f"{base}{middle}/{plural}" + (f"/{name}" if name else "")

    def _resource(self, version: str, kind: str) -> tuple[str, bool]:
        if (version, kind) not in self._resources:
            base = f"/api/{version}" if "/" not in version else f"/apis/{version}"
            for each in self.call("GET", base)["resources"]:
                if "/" not in each["name"]:
                    self._resources[version, each["kind"]] = (each["name"], each["namespaced"])
        return self._resources[version, kind]

    def get(self, version: str, kind: str, namespace: str | None, name: str) -> Object | None:
        """The object, or None."""
        try:
            found: Object = self.call("GET", self.path_of(version, kind, namespace, name))
        except Refused as error:
            if error.status == 404:
                return None
            raise
        return found

    def read(self, thing: Object) -> Object | None:
        """The object as it is now, or None."""
        meta = thing["metadata"]
        return self.get(thing["apiVersion"], thing["kind"], meta.get("namespace"), meta["name"])

    def list(self, version: str, kind: str, namespace: str | None = None, *, labels: str = "") -> list[Object]:
        path = self.path_of(version, kind, namespace)
        items: list[Object] = self.call("GET", path + (f"?labelSelector={labels}" if labels else ""))["items"]
        return items

    def create(self, thing: Object) -> Object:
        path = self.path(thing).rpartition("/")[0]
        made: Object = self.call("POST", path, thing)
        return made

    def apply(self, thing: Object) -> Object:
        """Server-side apply: created or changed, as often as you like."""
        path = f"{self.path(thing)}?fieldManager={MANAGER}&force=true"
        made: Object = self.call("PATCH", path, thing, kind=APPLY)
        return made

    def patch(self, thing: Object, change: Object, *, part: str = "") -> Object:
        """A merge patch of the object or of a part of it (`status`)."""
        made: Object = self.call("PATCH", self.path(thing) + (f"/{part}" if part else ""), change, kind=MERGE)
        return made

    def delete(self, thing: Object, *, grace: int | None = None, policy: str = "Background") -> None:
        """Nothing happens if it is gone."""
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy}
        if grace is not None:
            options["gracePeriodSeconds"] = grace
        try:
            self.call("DELETE", self.path(thing), options)
        except Refused as error:
            if error.status != 404:
                raise

    def log(self, namespace: str, pod: str, container: str = "") -> str:
        query = f"?container={container}" if container else ""
        return str(self.call("GET", f"/api/v1/namespaces/{namespace}/pods/{pod}/log{query}"))

    def wait(self, thing: Object, condition: str, *, seconds: float = 60) -> Object:
        """Until the object's condition is True. Raises AssertionError with the conditions that it has."""
        deadline = time.monotonic() + seconds
        now: Object | None = None
        while time.monotonic() < deadline:
            now = self.get(
                thing["apiVersion"], thing["kind"], thing["metadata"].get("namespace"), thing["metadata"]["name"]
            )
            if now and condition in {each["type"] for each in conditions(now) if each["status"] == "True"}:
                return now
            time.sleep(0.1)
        seen = [f"{each['type']}={each['status']} {each.get('message', '')}" for each in conditions(now or {})]
        raise AssertionError(f"{self.path(thing)} is not {condition} after {seconds:.0f} s: {'; '.join(seen) or now}")


def conditions(thing: Object) -> Iterator[Object]:
    yield from thing.get("status", {}).get("conditions") or ()


def _sentence(error: ApiException) -> str:
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.body or error.reason)
