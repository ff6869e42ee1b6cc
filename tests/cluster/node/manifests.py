"""Published manifests made fit for one small node, and applied in an order that needs no second try."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.cluster.node import builds, images, software
from tests.cluster.node.places import Places
from tests.cluster.node.steps import wait_for

Object = dict[str, Any]
UNWANTED_KINDS = ("HorizontalPodAutoscaler", "PodDisruptionBudget")
CPU = "10m"
WEBHOOKS = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
PHASES: tuple[Callable[[Object], bool], ...] = (
    lambda thing: thing["kind"] in ("Namespace", "CustomResourceDefinition"),
    lambda thing: thing["kind"] not in ("Deployment", *WEBHOOKS),
    lambda thing: thing["kind"] == "Deployment",
    lambda thing: thing["kind"] in WEBHOOKS,
)


def load(paths: Iterable[Path]) -> Iterator[Object]:
    """Objects of these files, and of every .yaml below these folders."""
    for path in paths:
        for file in sorted(path.rglob("*.yaml")) if path.is_dir() else [path]:
            yield from parse(file.read_text())


def parse(text: str) -> list[Object]:
    return [each for each in yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)) if each]


def fit(things: Iterable[Object], module: builds.Module, *, without: Iterable[str] = ()) -> list[Object]:
    """For one small node: our image names, one replica, small CPU requests; without what `without` names."""
    left_out = set(without)
    kept = []
    for thing in things:
        if thing["kind"] in UNWANTED_KINDS or thing["metadata"]["name"] in left_out:
            continue
        thing = _rename_images(thing, module)
        if thing["kind"] == "Deployment":
            _shrink(thing)
        kept.append(thing)
    return kept


def _rename_images(thing: Object, module: builds.Module) -> Object:
    """ko://knative.dev/x/cmd/y is how Knative's sources name an image, in environment values and ConfigMaps too."""

    def name(found: re.Match[str]) -> str:
        return images.name_of(module, found[1])

    renamed: Object = json.loads(re.sub(rf"ko://{re.escape(module.root)}/([\w/-]+)", name, json.dumps(thing)))
    return renamed


def _shrink(deployment: Object) -> None:
    spec = deployment["spec"]
    spec["replicas"] = 1 if spec.get("replicas") != 0 else 0
    for container in spec["template"]["spec"]["containers"]:
        container["imagePullPolicy"] = "IfNotPresent"
        container.setdefault("resources", {}).setdefault("requests", {})["cpu"] = CPU
        container["resources"].get("limits", {}).pop("cpu", None)


def apply(at: Places, things: Iterable[Object]) -> None:
    """Server-side, in phases; waits for each CRD."""
    waiting = list(things)
    for phase in PHASES:
        now = [thing for thing in waiting if phase(thing)]
        if not now:
            continue
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": now})
        software.kubectl(at, "apply", "--server-side", "--force-conflicts", "-f", "-", text=text)
        definitions = [
            f"crd/{thing['metadata']['name']}" for thing in now if thing["kind"] == "CustomResourceDefinition"
        ]
        if definitions:
            software.kubectl(at, "wait", "--for=condition=Established", "--timeout=60s", *definitions)


def wait_until_available(at: Places, namespace: str, *, seconds: float = 180) -> None:
    """Every Deployment of a namespace."""
    limit = f"--timeout={seconds:.0f}s"
    software.kubectl(at, "wait", "--for=condition=Available", limit, "deployment", "--all", "-n", namespace)


def wait_until_accepted(at: Places, thing: Object, *, seconds: float = 60) -> None:
    """Apply an object again and again until the webhooks that judge it answer."""
    text = json.dumps(thing)

    def ask() -> str:
        return software.kubectl(at, "apply", "--server-side", "-f", "-", text=text, check=False)

    wait_for(f"webhook that answers about {thing['kind']}", ask, seconds=seconds, every=0.5)
