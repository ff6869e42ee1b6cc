"""A job until its end: where it and its feed stand, the times of its steps, and why it failed."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import click
from rich.live import Live

from gateway.cli import progress, tree
from gateway.cli.client import Client, Value
from gateway.cli.faults import JobFailed, Refused

DONE = "finishedSuccessfully"
ENDS = (DONE, "finishedWithError", "cancelled")
QUICK, SLOW = 0.05, 1.0
"""Seconds between two looks: short at first, since most waits are, then longer."""


TREE_SECONDS = 0.5


def live(client: Client, number: int) -> Value:
    """The instance at its end. Meanwhile a terminal shows the tree of its feed; elsewhere there is a line a status."""
    if not progress.console.is_terminal:
        return follow(client, number, report=lambda status: click.echo(status, err=True))
    feed = int(client.get(f"plugins/instances/{number}/")["feed_id"])

    def draw() -> None:
        screen.update(tree.of_feed(list(client.pages(f"{feed}/plugininstances/")), number), refresh=True)

    with Live(console=progress.console, auto_refresh=False) as screen:
        ended = follow(client, number, report=lambda status: draw(), tick=draw)
        draw()
    return ended


def follow(
    client: Client, number: int, *, report: Callable[[str], None], tick: Callable[[], None] | None = None
) -> Value:
    """The instance at its end. `report` is told each status once; `tick` is called now and then."""
    pause, status, ticked = QUICK, "", time.monotonic()
    while True:
        instance = client.get(f"plugins/instances/{number}/")
        if instance["status"] != status:
            pause, status = QUICK, str(instance["status"])
            report(status)
        if status in ENDS:
            return instance
        if tick is not None and time.monotonic() > ticked + TREE_SECONDS:
            tick()
            ticked = time.monotonic()
        time.sleep(pause)
        pause = min(SLOW, pause * 1.3)


def require_success(client: Client, instance: Value) -> None:
    """Raises JobFailed with what the server says of it, and the last words of the plugin."""
    if instance["status"] == DONE:
        return
    number = instance["id"]
    if instance["status"] == "cancelled":
        raise JobFailed(f"Job {number} ({instance['plugin_name']}) was cancelled; again: chrysalis retry {number}")
    printed = log(client, instance)
    words = [line.strip() for line in printed.splitlines() if line.strip()]
    remark = sentence(instance, printed)
    code = f" [{instance['error_code']}]" if instance.get("error_code") else ""
    said = " ".join(filter(None, [remark, f"It last said: {words[-1]}" if words else ""]))
    raise JobFailed(
        f"Job {number} ({instance['plugin_name']}) failed{code}{': ' if said else ''}{said}\n"
        f"All it printed: chrysalis logs {number}; again: chrysalis retry {number}"
    )


def sentence(instance: Value, printed: str) -> str:
    """What the server says of the end of an instance, which in its summary stands below what the plugin printed."""
    lines = [line.strip() for line in summary(instance).splitlines() if line.strip()]
    own = {line.strip() for line in printed.splitlines()[-50:]}
    return lines[-1] if lines and lines[-1] not in own else ""


def warning(client: Client, instance: Value) -> str:
    """What is odd about an instance that finished: it wrote nothing. Empty if all is well."""
    if instance["status"] != DONE or instance.get("size") or has_files(client, str(instance["output_path"])):
        return ""
    told = sentence(instance, log(client, instance))
    number = instance["id"]
    return told or f"Job {number} ended well but wrote nothing: `chrysalis logs {number}` may tell why."


def has_files(client: Client, path: str) -> bool:
    found = client.get("filebrowser/search/", path=path)["results"]
    if not found:
        return False
    folder = f"filebrowser/{found[0]['id']}"
    return any(client.get(f"{folder}/{what}/", limit=1)["results"] for what in ("files", "children"))


def summary(instance: Value) -> str:
    """The end of the log, as CUBE's summary of an instance has it."""
    try:
        return str(json.loads(instance["summary"])["compute"]["return"]["job_logs"])
    except (KeyError, TypeError, ValueError):
        return ""


def log(client: Client, instance: Value) -> str:
    """What the plugin printed: all of it where the server offers that, else the end that the summary keeps."""
    try:
        with client.stream(f"plugins/instances/{instance['id']}/log/") as answer:
            return answer.read().decode("utf-8", "replace")
    except Refused as refusal:
        if refusal.status != 404:
            raise
    return summary(instance)


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
