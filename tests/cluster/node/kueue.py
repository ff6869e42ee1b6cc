"""Kueue: queues before Jobs."""

from __future__ import annotations

import subprocess

import yaml

from tests.cluster.node import builds, images, manifests, software
from tests.cluster.node.places import Places
from tests.cluster.node.steps import ClusterError, Steps

NAMESPACE = "kueue-system"
SETTINGS = "controller_manager_config.yaml"
FLAVOR = {"apiVersion": "kueue.x-k8s.io/v1beta2", "kind": "ResourceFlavor", "metadata": {"name": "default"}}


def install(at: Places, steps: Steps) -> None:
    with steps.step("Kueue applied"):
        manifests.apply(at, objects())


def settle(at: Places, steps: Steps) -> None:
    with steps.step("Kueue available"):
        manifests.wait_until_available(at, NAMESPACE)
        manifests.wait_until_accepted(at, FLAVOR)


def objects() -> list[manifests.Object]:
    """What is published, for batch Jobs only, and only those that name a queue."""
    folder = builds.source(builds.KUEUE, "sigs.k8s.io/kueue") / "config/default"
    argv = [software.kubectl_program(), "kustomize", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ClusterError(f"kubectl kustomize {folder} failed: {done.stderr.strip()[-1000:]}")
    found = manifests.fit(manifests.parse(done.stdout), builds.KUEUE)
    for thing in found:
        if thing["kind"] == "Deployment":
            for container in thing["spec"]["template"]["spec"]["containers"]:
                container["image"] = images.name_of(builds.KUEUE, "kueue")
        if thing["kind"] in manifests.WEBHOOKS:
            thing["webhooks"] = [each for each in thing["webhooks"] if _of_use(each)]
        if thing["kind"] == "ConfigMap" and SETTINGS in thing.get("data", {}):
            thing["data"][SETTINGS] = _settle(thing["data"][SETTINGS])
    return found


def _of_use(webhook: manifests.Object) -> bool:
    """About Jobs or Kueue's own objects; the others would judge Deployments and pods that no queue is for."""
    groups = {group for rule in webhook["rules"] for group in rule["apiGroups"]}
    return groups <= {"batch", "kueue.x-k8s.io"}


def _settle(text: str) -> str:
    settings = yaml.safe_load(text)
    settings["integrations"] = {"frameworks": ["batch/job"]}
    settings["manageJobsWithoutQueueName"] = False
    settings["leaderElection"]["leaderElect"] = False  # it ends when it loses its lease, and its webhooks with it
    return str(yaml.safe_dump(settings))
