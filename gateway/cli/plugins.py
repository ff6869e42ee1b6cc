"""Plugins by name, and their command lines as the API wants them."""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.client import Client, Value
from gateway.cli.faults import Fault

PATHS = ("path", "unextpath")


def choose(client: Client, wanted: str) -> Value:
    """The newest version of `name`, or the one of `name@version`. Raises Fault when there is none."""
    found = find(client, wanted)
    if found is None:
        known = ", ".join(sorted({str(entry["name"]) for entry in client.pages("plugins/")})) or "none yet"
        raise Fault(f"There is no plugin {wanted!r} here (known: {known}): add it with `chrysalis plugin add SOURCE`.")
    return found


def find(client: Client, wanted: str) -> Value | None:
    name, _, version = wanted.partition("@")
    found = list(client.pages("plugins/search/", name_exact=name, **({"version": version} if version else {})))
    return max(found, key=lambda entry: ordinal(str(entry["version"])), default=None)


def ordinal(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def parameters(client: Client, plugin: Value) -> list[Value]:
    return list(client.pages(f"plugins/{plugin['id']}/parameters/"))


def parse(known: list[Value], words: tuple[str, ...]) -> dict[str, Any]:
    """The plugin's arguments by parameter name. Raises click.UsageError for what the plugin does not take."""
    flags = {flag: one for one in known for flag in (one["flag"], one["short_flag"]) if flag}
    given: dict[str, Any] = {}
    rest = list(words)
    while rest:
        flag, equals, inline = rest.pop(0).partition("=")
        if flag not in flags:
            raise click.UsageError(f"The plugin takes no {flag!r}; it takes: {', '.join(sorted(flags)) or 'nothing'}.")
        parameter = flags[flag]
        if parameter["type"] == "boolean":
            given[parameter["name"]] = parameter["action"] != "store_false"
        elif not equals and not rest:
            raise click.UsageError(f"{flag} needs a value.")
        else:
            given[parameter["name"]] = convert(parameter, inline if equals else rest.pop(0))
    return given


def convert(parameter: Value, text: str) -> Any:
    kinds: dict[str, type] = {"integer": int, "float": float}
    try:
        return kinds.get(parameter["type"], str)(text)
    except ValueError as error:
        raise click.UsageError(f"{parameter['flag']} takes a number ({parameter['type']}), not {text!r}.") from error


def path_parameter(known: list[Value]) -> str | None:
    """The one parameter that names a folder of the user's tree, if there is exactly one."""
    names = [str(one["name"]) for one in known if one["type"] in PATHS]
    return names[0] if len(names) == 1 else None
