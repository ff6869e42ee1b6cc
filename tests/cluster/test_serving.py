"""Facts about Knative Serving that the functions lean on, on a Flask function behind a real ingress."""

from __future__ import annotations

import re
import sys

import pytest

from tests.cluster import shapes
from tests.cluster.api import Object, Refused
from tests.cluster.room import Room, until

QUICK = {
    "autoscaling.knative.dev/window": "10s",
    "autoscaling.knative.dev/scale-to-zero-pod-retention-period": "0s",
}


def test_a_function_answers_sleeps_and_wakes_again(room: Room) -> None:
    service = shapes.function(room.name, "echo", annotations=QUICK)
    room.apply(service)
    ready = room.api.wait(service, "Ready", seconds=90)
    url = ready["status"]["address"]["url"]
    hand = room.peer("hand")
    warm = until(lambda: _answer(hand.ask("GET", url)), "answer of the function")
    assert warm["body"] == "ready"
    warm = hand.ask("GET", url)
    until(lambda: not _running(room, "echo"), "scaling to zero", seconds=120)
    cold = hand.ask("GET", url)
    assert (cold["status"], cold["body"]) == (200, "ready")
    assert _running(room, "echo")
    sys.stdout.write(f"warm {warm['seconds']:.3f} s, cold {cold['seconds']:.3f} s\n")


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"timeoutSeconds": 900}, "timeoutSeconds"),
        ({"initContainers": [shapes.container("first", "/bin/true")]}, "initContainers"),
        ({"nodeSelector": {"gpu": "a100"}}, "nodeSelector"),
        ({"tolerations": [{"operator": "Exists"}]}, "tolerations"),
        ({"runtimeClassName": "kata"}, "runtimeClassName"),
    ],
)
def test_what_a_function_may_not_have_is_refused_at_once(room: Room, change: Object, complaint: str) -> None:
    with pytest.raises(Refused, match=f"(?i){re.escape(complaint)}"):
        room.api.create(shapes.function(room.name, "wants-much", **change))


def test_a_function_cannot_begin_at_zero(room: Room) -> None:
    with pytest.raises(Refused, match="initial-scale"):
        room.api.create(shapes.function(room.name, "lazy", annotations={"autoscaling.knative.dev/initial-scale": "0"}))


def test_an_image_of_another_name_needs_a_registry(room: Room, own_node: object) -> None:
    service = shapes.function(room.name, "elsewhere")
    service["spec"]["template"]["spec"]["containers"][0]["image"] = "images.invalid/python:1"
    room.apply(service)

    def told() -> bool:
        found = room.api.get("serving.knative.dev/v1", "Service", room.name, "elsewhere") or {}
        return "failed to resolve image to digest" in str(found.get("status", {}).get("conditions"))

    until(told, "complaint about the digest", seconds=60)


def _answer(answer: Object) -> Object | None:
    return answer if answer["status"] == 200 else None


def _running(room: Room, service: str) -> list[Object]:
    return [
        each
        for each in room.pods(f"serving.knative.dev/service={service}")
        if "deletionTimestamp" not in each["metadata"]
    ]
