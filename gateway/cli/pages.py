"""The page of a plugin, to be read: what it is, takes and needs, and a call to start from. Pure."""

from __future__ import annotations

import shlex
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

UNLIMITED = 2**31 - 1
LIMITS = (("CPU", "cpu_limit", "m"), ("memory", "memory_limit", " MiB"), ("GPUs", "gpu_limit", ""))
EXAMPLES = {"integer": "1", "float": "1.0", "path": "home/YOU/uploads/FOLDER", "unextpath": "home/YOU/uploads/FOLDER"}


def of_plugin(plugin: dict[str, Any]) -> Group:
    """`plugin` has the server's fields, and `parameters`."""
    title = escape(str(plugin.get("title") or plugin["name"]))
    head = [f"[bold]{escape(str(plugin['name']))} {plugin['version']}[/bold]  {title} ({plugin['type']})"]
    if plugin.get("description"):
        head.append(escape(str(plugin["description"])))
    told = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name in ("authors", "license", "documentation", "public_repo", "dock_image"):
        if plugin.get(name):
            told.add_row(name.replace("_", " "), escape(str(plugin[name])))
    told.add_row("limits", limits(plugin))
    return Group(*head, "", told, "", parameters(plugin["parameters"]), "", f"example: {escape(example(plugin))}")


def limits(plugin: dict[str, Any]) -> str:
    words = []
    for name, field, unit in LIMITS:
        least, most = int(plugin.get(f"min_{field}") or 0), int(plugin.get(f"max_{field}") or 0)
        if most:
            words.append(f"{name} {least}{unit}" + (" or more" if most >= UNLIMITED else f" to {most}{unit}"))
    return ", ".join(words)


def parameters(known: list[dict[str, Any]]) -> Table | str:
    if not known:
        return "It takes no parameters."
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for heading in ("parameter", "type", "default", "what it is"):
        table.add_column(heading)
    for one in known:
        flags = one["flag"] if one["short_flag"] in ("", None, one["flag"]) else f"{one['short_flag']}, {one['flag']}"
        default = default_of(one)
        table.add_row(
            escape(str(flags)), str(one["type"]), escape(default), escape(str(one.get("help") or "").replace("%%", "%"))
        )
    return table


def default_of(parameter: dict[str, Any]) -> str:
    if not parameter["optional"]:
        return "must be given"
    if parameter["type"] == "boolean":
        return "on" if parameter["default"] else "off"
    return "" if parameter["default"] in (None, "") else str(parameter["default"])


def example(plugin: dict[str, Any]) -> str:
    """A call with all that must be given."""
    needed = [one for one in plugin["parameters"] if not one["optional"]]
    words = [part for one in needed for part in (str(one["flag"]), EXAMPLES.get(one["type"], "TEXT"))]
    folder = {"ds": "FOLDER", "ts": "--previous JOB"}.get(str(plugin["type"]), "")
    tail = f"-- {shlex.join(words)}" if words else ""
    return " ".join(filter(None, ["chrysalis run", str(plugin["name"]), folder, "--wait --download OUT", tail]))
