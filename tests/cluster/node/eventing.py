"""Knative Eventing with its in-memory channel and the broker on channels."""

from __future__ import annotations

from tests.cluster.node import builds, manifests
from tests.cluster.node.places import Places
from tests.cluster.node.steps import Steps

NAMESPACE = "knative-eventing"
# Not built: nothing here uses them.
WITHOUT = ("request-reply", "job-sink")


def install(at: Places, steps: Steps) -> None:
    with steps.step("Knative Eventing applied"):
        manifests.apply(at, objects())


def settle(at: Places, steps: Steps) -> None:
    with steps.step("Knative Eventing available"):
        manifests.wait_until_available(at, NAMESPACE)


def objects() -> list[manifests.Object]:
    root = builds.source(builds.EVENTING, "knative.dev/eventing")
    broker = root / "config/brokers/mt-channel-broker"
    paths = [root / "config/core", root / "config/channels/in-memory-channel", broker / "deployments", broker / "roles"]
    paths += sorted((root / "third_party/eventing-integrations-latest").glob("*images*.yaml"))
    return manifests.fit(manifests.load(paths), builds.EVENTING, without=WITHOUT)
