"""A failed job again, and those that ended because of it: new instances with the same parameters, on what finished."""

from __future__ import annotations

from typing import Any

from gateway.cli.client import Client, Value
from gateway.cli.faults import Fault
from gateway.cli.watch import DONE, ENDS

KEPT = ("title", "compute_resource_name", "cpu_limit", "memory_limit", "number_of_workers", "gpu_limit")
JOINED = "plugininstances"
"""The parameter by which a ts plugin names the jobs that it joins: "12,15"."""


def retry(client: Client, number: int) -> dict[int, int]:
    """The new jobs' numbers by the old ones', parents first. Raises Fault where there is nothing to try again."""
    root = client.get(f"plugins/instances/{number}/")
    require_failed(client, root)
    made: dict[int, int] = {}
    for old in order(list(client.pages(f"plugins/instances/{number}/descendants/")), number):
        body = request(old, list(client.pages(f"plugins/instances/{old['id']}/parameters/")), made)
        plugin = int(old["plugin_id"])
        made[int(old["id"])] = int(client.post(f"plugins/{plugin}/instances/", body)["id"])
    return made


def require_failed(client: Client, instance: Value) -> None:
    number, status = instance["id"], instance["status"]
    if status == DONE:
        raise Fault(f"Job {number} finished: there is nothing to try again; `chrysalis run` makes a new job.")
    if status not in ENDS:
        raise Fault(f"Job {number} has not ended ({status}): wait with `chrysalis watch {number}`, or cancel it first.")
    if instance.get("previous_id") is None:
        return
    parent = client.get(f"plugins/instances/{instance['previous_id']}/")
    if parent["status"] in ENDS and parent["status"] != DONE:
        raise Fault(
            f"The input of job {number} is missing, since job {parent['id']} ({parent['plugin_name']}) did not finish: "
            f"use `chrysalis retry {parent['id']}`, which runs job {number} again too."
        )


def order(found: list[Value], number: int) -> list[Value]:
    """The job and its descendants that did not finish, parents first. Pure.

    One whose parent finished is left out even if it failed: it has a reason of its own, and a retry of its own.
    """
    chosen: dict[int, Value] = {}
    for one in sorted(found, key=lambda one: int(one["id"])):  # a child is always younger than its parent
        failed = one["status"] in ENDS and one["status"] != DONE
        if int(one["id"]) == number or (failed and one.get("previous_id") in chosen):
            chosen[int(one["id"])] = one
    return list(chosen.values())


def request(old: Value, given: list[Value], made: dict[int, int]) -> dict[str, Any]:
    """What is sent for an old instance again; the jobs in `made` stand for their new ones. Pure."""
    body = {name: old[name] for name in KEPT if old.get(name) not in (None, "")}
    previous = old.get("previous_id")
    if previous is not None:
        body["previous_id"] = made.get(int(previous), int(previous))
    for one in given:
        joined = one["param_name"] == JOINED and old.get("plugin_type") == "ts"
        body[one["param_name"]] = renumber(str(one["value"]), made) if joined else one["value"]
    return body


def renumber(numbers: str, made: dict[int, int]) -> str:
    words = [word.strip() for word in numbers.split(",")]
    return ",".join(str(made.get(int(word), int(word))) if word.isdigit() else word for word in words)
