"""A job until its end: where it stands, the times of its steps, and why it failed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from gateway.cli.client import Client, Value
from gateway.cli.faults import JobFailed, Refused

DONE = "finishedSuccessfully"
ENDS = (DONE, "finishedWithError", "cancelled")
QUICK, SLOW = 0.05, 1.0
"""Seconds between two looks: short at first, since most waits are, then longer."""


def follow(client: Client, number: int, *, report: Callable[[str], None]) -> Value:
    """The instance at its end. `report` is told each status once."""
    pause, status = QUICK, ""
    while True:
        instance = client.get(f"plugins/instances/{number}/")
        if instance["status"] != status:
            pause, status = QUICK, str(instance["status"])
            report(status)
        if status in ENDS:
            return instance
        time.sleep(pause)
        pause = min(SLOW, pause * 1.3)


def require_success(client: Client, instance: Value) -> None:
    """Raises JobFailed with the last words of the plugin."""
    if instance["status"] == DONE:
        return
    number = instance["id"]
    if instance["status"] == "cancelled":
        raise JobFailed(f"Job {number} ({instance['plugin_name']}) was cancelled.")
    words = [line for line in log(client, instance).splitlines() if line.strip()]
    last = f": {words[-1].strip()}" if words else ""
    code = f" [{instance['error_code']}]" if instance.get("error_code") else ""
    raise JobFailed(
        f"Job {number} ({instance['plugin_name']}) failed{code}{last}\nAll it printed: chrysalis logs {number}"
    )


def log(client: Client, instance: Value) -> str:
    """What the plugin printed: all of it where the server offers that, else the end that the summary keeps."""
    try:
        with client.stream(f"plugins/instances/{instance['id']}/log/") as answer:
            return answer.read().decode("utf-8", "replace")
    except Refused as refusal:
        if refusal.status != 404:
            raise
    try:
        return str(json.loads(instance["summary"])["compute"]["return"]["job_logs"])
    except (KeyError, TypeError, ValueError):
        return ""


PHASES = (
    ("queued", "queued", "released"),
    ("staged", "released", "started"),
    ("running", "started", "uploading"),
    ("published", "uploading", "finished"),
    ("total", "queued", "finished"),
)
"""What passes between two steps of the server's timeline, as a user thinks of it: (phase, from, to)."""


def phases(client: Client, number: int) -> dict[str, float]:
    """Milliseconds that each phase of a job took. A job without a pod (pl-dircopy) has only some of them."""
    value = client.get(f"plugins/instances/{number}/timeline/")
    reached = {str(step["name"]): float(step["ms"]) for step in value["steps"]}
    return {
        phase: max(0.0, reached[end] - reached[begin])
        for phase, begin, end in PHASES
        if begin in reached and end in reached
    }
