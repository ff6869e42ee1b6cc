"""`plugin`: the tools that the server can run, and what an author does with one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from gateway.cli import completion, demo, pages, plugins, starters, trials
from gateway.cli.answers import Answer, Group
from gateway.cli.client import Value
from gateway.cli.faults import Unreachable
from gateway.cli.sessions import connect


@click.group("plugin", cls=Group)
def plugin_group() -> None:
    """The tools that the server can run, and the making of new ones."""


@plugin_group.command("add")
@click.argument("source")
def add(source: str) -> Answer:
    """Install a ChRIS plugin on the server's machine.

    SOURCE is the folder of a Python package, a wheel, or a requirement for pip such as shexec==2.5.0.
    """
    place = Path(source)
    plugin = demo.add_plugin(connect(), str(place.absolute()) if place.exists() else source)
    return Answer(plain(plugin), f"{plugin['name']} {plugin['version']} ({plugin['type']})")


@plugin_group.command("list")
def list_plugins() -> Answer:
    """Every plugin, with its type and what it is."""
    found = [plain(plugin) for plugin in connect().pages("plugins/")]
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "version", "type", "title"):
        table.add_column(heading)
    for plugin in found:
        table.add_row(*(str(plugin[key]) for key in ("name", "version", "type", "title")))
    return Answer(found, table)


@plugin_group.command("show")
@click.argument("plugin", shell_complete=completion.plugins)
def show(plugin: str) -> Answer:
    """What PLUGIN takes and needs, with an example.

    PLUGIN is one of the server (name or name@version), else what `plugin run` takes: a package, a folder, a wheel.
    """
    value = registered(plugin) if not Path(plugin).exists() else None
    value = value or described(plugin)
    return Answer(value, pages.of_plugin(value))


def registered(name: str) -> dict[str, Any] | None:
    """The plugin of the server; None without a server, or where it has none of that name."""
    try:
        client = connect()
        found = plugins.find(client, name)
        return None if found is None else {**plain(found), "parameters": shown(plugins.parameters(client, found))}
    except Unreachable:
        return None


def described(source: str) -> dict[str, Any]:
    """A plugin that is not the server's, in the same words."""
    from dataclasses import asdict

    from gateway.embedded import trial

    environment = trials.get(trials.bench(os.environ), source)
    with trials.translated():
        _, descriptor = trial.program(environment)
    parameters = shown([asdict(one) for one in descriptor.parameters])
    return {**descriptor.texts, "type": descriptor.type, **descriptor.limits, "parameters": parameters}


def shown(parameters: list[Value]) -> list[Value]:
    """What a reader wants of a parameter."""
    kept = ("name", "type", "optional", "default", "flag", "short_flag", "action", "help")
    return [{name: one.get(name) for name in kept} for one in parameters]


@plugin_group.command("new")
@click.argument("name", type=click.Path(path_type=Path))
def new(name: Path) -> Answer:
    """Write a package with a plugin that works, in a new folder NAME: change it to what you need."""
    files = starters.write(name)
    text = f"{name}/ is written. Next:\n  chrysalis plugin check {name}\n  chrysalis plugin run {name} IN OUT"
    return Answer({"folder": str(name), "files": [str(file) for file in files]}, text)


def plain(plugin: Value) -> Value:
    """The server's plugin without its links; its own addresses (documentation, icon, repository) are no links."""
    own = ("documentation", "icon", "public_repo")
    return {
        name: value
        for name, value in plugin.items()
        if name in own or not str(value).startswith(("http://", "https://"))
    }
