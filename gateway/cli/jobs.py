"""`run`, `watch`, `retry`, `logs`, `cancel`: jobs on the server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gateway.cli import completion, plugins, retry, transfers, watch
from gateway.cli.answers import Answer, Command
from gateway.cli.client import Client, Value
from gateway.cli.faults import Fault
from gateway.cli.sessions import connect

REMOTE = ("home/", "SERVICES/", "PIPELINES/", "PUBLIC", "SHARED")
"""How paths of the user's tree begin; anything else is a folder of this disk."""
OUT = click.Path(file_okay=False, path_type=Path)


@click.command("run", cls=Command, context_settings={"ignore_unknown_options": True})
@click.argument("plugin", shell_complete=completion.plugins)
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--previous", type=int, help="the job whose output is the input")
@click.option("--title", default="", help="what to call the job")
@click.option("--wait", is_flag=True, help="wait for its end, as `watch` does")
@click.option("--download", "into", type=OUT, help="wait, and fetch its files into this folder")
def run_command(
    plugin: str, words: tuple[str, ...], previous: int | None, title: str, wait: bool, into: Path | None
) -> Answer:
    """Run PLUGIN (or PLUGIN@VERSION) and print the job's number.

    \b
    chrysalis run PLUGIN FOLDER [-- ARGS]         on a folder of this disk, or of your tree (home/...)
    chrysalis run PLUGIN --previous N [-- ARGS]   on the output of job N
    chrysalis run PLUGIN [-- ARGS]                where the plugin needs no input
    chrysalis run PLUGIN FOLDER --wait --download OUT     all of it in one line
    """
    client = connect()
    chosen = plugins.choose(client, plugin)
    known = plugins.parameters(client, chosen)
    folder, rest = (words[0], words[1:]) if words and not words[0].startswith("-") else (None, words)
    if folder is not None and previous is not None:
        raise click.UsageError("Give either a folder or --previous: a job has one input.")
    value: dict[str, Any] = plugins.parse(known, rest) | ({"title": title} if title else {})
    value |= source(client, chosen, known, folder, previous)
    number = int(client.post(f"plugins/{chosen['id']}/instances/", value)["id"])
    if wait or into:
        return follow(client, number, text=str(number), into=into)
    return Answer({"id": number}, str(number))


def source(
    client: Client, plugin: Value, known: list[Value], folder: str | None, previous: int | None
) -> dict[str, Any]:
    """Where the job's input comes from, as fields of the request."""
    if folder is None:
        if plugin["type"] == "ds" and previous is None:
            raise click.UsageError(
                f"{plugin['name']} needs an input: a FOLDER, or --previous with the number of a job."
            )
        return {} if previous is None else {"previous_id": previous}
    there = folder if folder.startswith(REMOTE) else transfers.send_apart(client, existing(folder))
    if plugin["type"] == "fs":
        name = plugins.path_parameter(known)
        if name is None:
            raise click.UsageError(f"{plugin['name']} takes no folder: leave it out.")
        return {name: there}
    copy = plugins.choose(client, "pl-dircopy")
    return {"previous_id": client.post(f"plugins/{copy['id']}/instances/", {"dir": there})["id"]}


def existing(folder: str) -> Path:
    place = Path(folder)
    if not place.exists():
        raise click.UsageError(f"There is no {folder!r} on this disk; a folder of your tree begins with home/.")
    return place


@click.command("watch", cls=Command)
@click.argument("number", type=int)
def watch_command(number: int) -> Answer:
    """Follow job NUMBER to its end; fails (1) if the job does.

    On a terminal the tree of its whole feed is shown as it changes; elsewhere, a line for each step of the job.
    """
    return follow(connect(), number, text="")


def follow(client: Client, number: int, *, text: str, into: Path | None = None) -> Answer:
    """Wait for a job's end, tell of it, and fetch its files; `text` is the answer for people.

    Raises JobFailed, which has the same answer.
    """
    instance = watch.live(client, number)
    took = watch.phases(client, number)
    value = {**plain(instance), "milliseconds": took, "warning": watch.warning(client, instance) or None}
    try:
        watch.require_success(client, instance)
    except Fault as fault:
        fault.result, fault.text = value, text
        raise
    if value["warning"]:
        click.echo(f"Warning: {value['warning']}", err=True)
    steps = ", ".join(f"{phase} {milliseconds:,.0f}" for phase, milliseconds in took.items())
    click.echo(f"milliseconds: {steps}", err=True)
    if into is None:
        click.echo(f"its files: chrysalis download {number}", err=True)
        return Answer(value, text)
    files = transfers.fetch(client, str(instance["output_path"]), into)
    return Answer(value | {"folder": str(into), "files": [file.relative for file in files]}, text)


def plain(instance: Value) -> Value:
    """The server's instance without its links and forms."""
    return {
        name: value
        for name, value in instance.items()
        if name != "template" and not str(value).startswith(("http://", "https://"))
    }


@click.command("retry", cls=Command)
@click.argument("number", type=int)
@click.option("--wait", is_flag=True, help="wait for the end of the new job")
def retry_command(number: int, wait: bool) -> Answer:
    """Run failed or cancelled job NUMBER again, and below it those that failed with it; prints the new job's number.

    The new job has the same parameters and the same input: what has finished is not run again.
    """
    client = connect()
    made = retry.retry(client, number)
    for old, new in made.items():
        click.echo(f"job {old} again as {new}", err=True)
    text = str(made[number])
    value = follow(client, made[number], text=text).value if wait else {"id": made[number]}
    return Answer({**value, "again": made}, text)


@click.command("logs", cls=Command)
@click.argument("number", type=int)
def logs_command(number: int) -> Answer:
    """What the plugin of job NUMBER printed."""
    client = connect()
    text = watch.log(client, client.get(f"plugins/instances/{number}/"))
    return Answer({"log": text}, text)


@click.command("cancel", cls=Command)
@click.argument("number", type=int)
def cancel_command(number: int) -> Answer:
    """End job NUMBER."""
    instance = connect().put(f"plugins/instances/{number}/", {"status": "cancelled"})
    return Answer(plain(instance), str(instance["status"]))
