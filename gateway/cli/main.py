"""The `chrysalis` command."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from gateway.cli import credentials, demo, download, plugins, progress, upload, watch
from gateway.cli.client import Client
from gateway.cli.faults import INTERRUPTED, Fault

REMOTE = ("home/", "SERVICES/", "PIPELINES/", "PUBLIC", "SHARED")
"""How paths of the user's tree begin; anything else is a folder of this disk."""


def main() -> None:
    """Run a command; Ctrl-C leaves nothing half-written and ends with 130."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was opened is closed
    try:
        cli(prog_name="chrysalis", standalone_mode=False)
    except click.exceptions.Exit as end:
        sys.exit(end.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped. What was sent or fetched whole stays; the same command goes on from there.", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def connect() -> Client:
    return Client(credentials.find(os.environ))


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="chrysalis-imaging")
def cli() -> None:
    """A scan goes in, a tool runs on it, the result comes out.

    The server and token come from CHRYSALIS_URL and CHRYSALIS_TOKEN, else from the home of `chrysalis serve`
    (CHRYSALIS_HOME, by default ~/.chrysalis).

    Exit codes: 0 done, 1 the job failed, 2 wrong usage, 3 no server, 4 refused, 130 Ctrl-C.
    """


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="the address to listen at")
@click.option("--port", default=8000, show_default=True, envvar="CHRYSALIS_PORT", help="0 takes a free one")
def serve(host: str, port: int) -> None:
    """Start the server on this machine; Ctrl-C stops it, and running jobs go on when it is started again."""
    from functions.errors import Failure
    from functions.settings import read_settings
    from gateway.embedded import wiring

    try:
        settings = read_settings(os.environ)
        keep_log(settings.home / "logs")
        wiring.serve(settings, host=host, port=port)
    except Failure as failure:
        raise Fault(str(failure)) from failure


def keep_log(folder: Path) -> None:
    """What the server has to tell goes to logs/server.log, 5 files of 10 MB."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    handler = RotatingFileHandler(folder / "server.log", maxBytes=10_000_000, backupCount=4, encoding="utf-8")
    logging.basicConfig(
        level=logging.INFO, handlers=[handler], format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )


@cli.command("demo")
@click.option("--port", default=0, help="of the server that is started (default: a free one)")
@click.option("--stay/--no-stay", default=None, help="keep the server until Ctrl-C (default: on a terminal)")
def demo_command(port: int, stay: bool | None) -> None:
    """Send a scan through two tools on this machine, and show the times."""
    stays = stay or (stay is None and sys.stdin.isatty() and sys.stdout.isatty())
    with demo.run(os.environ, port=port) as finished:
        click.echo(f"The report, here:      {finished.report}")
        click.echo(f"and on the server:     {finished.folder}")
        again = (
            "" if stays or not finished.started else " (until now: `chrysalis serve` starts it again, with all of this)"
        )
        click.echo(f"The server's address:  {finished.client.credentials.url}/api/v1/{again}")
        if stays and finished.started:
            click.pause("The server is yours until a key is pressed.", err=True)
    click.echo("Go on with: chrysalis serve, then chrysalis upload FOLDER and chrysalis run PLUGIN FOLDER", err=True)


@cli.group("plugin")
def plugin_group() -> None:
    """The tools that the server can run."""


@plugin_group.command("add")
@click.argument("source")
def add(source: str) -> None:
    """Install a ChRIS plugin (made with chris_plugin) on the server's machine.

    SOURCE is the folder of a Python package, or a requirement for pip such as shexec==2.5.0.
    """
    place = Path(source)
    plugin = demo.add_plugin(connect(), str(place.absolute()) if place.is_dir() else source)
    click.echo(f"{plugin['name']} {plugin['version']} ({plugin['type']})")


@plugin_group.command("list")
def list_plugins() -> None:
    """Every plugin, with its type and what it is."""
    table = Table(box=None, pad_edge=False)
    for heading in ("name", "version", "type", "title"):
        table.add_column(heading)
    for plugin in connect().pages("plugins/"):
        table.add_row(*(str(plugin[key]) for key in ("name", "version", "type", "title")))
    progress.results.print(table)


@cli.command("upload")
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "target", help="the folder there (default: home/YOU/uploads/NAME)")
def upload_command(sources: tuple[Path, ...], target: str | None) -> None:
    """Send folders or files into your tree; prints the folder they are in. Repeating it does no harm.

    A folder there that holds other files already is refused, unless you name it with --to.
    """
    click.echo(send(connect(), sources, target))


def send(client: Client, sources: tuple[Path, ...], target: str | None) -> str:
    folder = (target or f"home/{whoami(client)}/uploads/{name_of(sources)}").strip("/")
    items = upload.plan(sources, folder)
    if target is None:
        refuse_strangers(client, folder, items)
    with progress.transfer("uploaded", files=len(items), size=sum(item.size for item in items)) as advance:
        upload.upload(client, items, advance=advance)
    return folder


def name_of(sources: tuple[Path, ...]) -> str:
    first = sources[0].resolve()
    return first.name if first.is_dir() else first.parent.name


def refuse_strangers(client: Client, folder: str, items: list[upload.Item]) -> None:
    """Two scans whose folders have one name must not become one. Raises Fault."""
    if not client.get("filebrowser/search/", path=folder)["results"]:
        return
    there = {f"{folder}/{file.relative}" for file in download.listing(client, folder)}
    others = there - {item.target for item in items}
    if others:
        raise Fault(f"{folder} holds {len(others)} other files already: choose another folder with --to.")


def whoami(client: Client) -> str:
    """The user of the token: from the credentials, else from the server's link to the user."""
    if client.credentials.username:
        return client.credentials.username
    link = str(client.get("")["collection_links"].get("user", ""))
    if not link:
        raise Fault("The server does not know you: set CHRYSALIS_TOKEN, or use the home folder of `chrysalis serve`.")
    return str(client.get(f"users/{link.rstrip('/').rpartition('/')[2]}/")["username"])


@cli.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("plugin")
@click.argument("words", nargs=-1, type=click.UNPROCESSED)
@click.option("--previous", type=int, help="the job whose output is the input")
@click.option("--title", default="", help="what to call the job")
@click.option("--wait", is_flag=True, help="wait for its end, as `watch` does")
def run_command(plugin: str, words: tuple[str, ...], previous: int | None, title: str, wait: bool) -> None:
    """Run PLUGIN (or PLUGIN@VERSION) and print the job's number.

    \b
    chrysalis run PLUGIN FOLDER [-- ARGS]         on a folder of this disk, or of your tree (home/...)
    chrysalis run PLUGIN --previous N [-- ARGS]   on the output of job N
    chrysalis run PLUGIN [-- ARGS]                where the plugin needs no input
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
    click.echo(number)
    if wait:
        await_end(client, number)


def source(
    client: Client, plugin: dict[str, Any], known: list[dict[str, Any]], folder: str | None, previous: int | None
) -> dict[str, Any]:
    """Where the job's input comes from, as fields of the request."""
    if folder is None:
        if plugin["type"] == "ds" and previous is None:
            raise click.UsageError(
                f"{plugin['name']} needs an input: a FOLDER, or --previous with the number of a job."
            )
        return {} if previous is None else {"previous_id": previous}
    there = folder if folder.startswith(REMOTE) else send_apart(client, existing(folder))
    if plugin["type"] == "fs":
        name = plugins.path_parameter(known)
        if name is None:
            raise click.UsageError(f"{plugin['name']} takes no folder: leave it out.")
        return {name: there}
    copy = plugins.choose(client, "pl-dircopy")
    return {"previous_id": client.post(f"plugins/{copy['id']}/instances/", {"dir": there})["id"]}


def send_apart(client: Client, place: Path) -> str:
    """Into a folder of its own: what this job sees is this folder of the disk and nothing else."""
    return send(client, (place,), f"home/{whoami(client)}/uploads/{name_of((place,))}-{secrets.token_hex(4)}")


def existing(folder: str) -> Path:
    place = Path(folder)
    if not place.exists():
        raise click.UsageError(f"There is no {folder!r} on this disk; a folder of your tree begins with home/.")
    return place


@cli.command("watch")
@click.argument("number", type=int)
def watch_command(number: int) -> None:
    """Follow job NUMBER to its end; fails (1) if the job does."""
    await_end(connect(), number)


def await_end(client: Client, number: int) -> None:
    instance = watch.follow(client, number, report=lambda status: click.echo(status, err=True))
    watch.require_success(client, instance)
    steps = ", ".join(f"{phase} {milliseconds:,.0f}" for phase, milliseconds in watch.phases(client, number).items())
    click.echo(f"milliseconds: {steps}", err=True)
    click.echo(f"its files: chrysalis download {number}", err=True)


@cli.command("logs")
@click.argument("number", type=int)
def logs(number: int) -> None:
    """What the plugin of job NUMBER printed."""
    client = connect()
    click.echo(watch.log(client, client.get(f"plugins/instances/{number}/")), nl=False)


@cli.command("download")
@click.argument("what")
@click.argument("into", type=click.Path(file_okay=False, path_type=Path), required=False)
def download_command(what: str, into: Path | None) -> None:
    """Fetch the files of job WHAT (a number) or of a folder of your tree INTO a folder; prints that folder."""
    client = connect()
    path = str(client.get(f"plugins/instances/{what}/")["output_path"]) if what.isdigit() else what
    into = into or Path(f"job-{what}" if what.isdigit() else path.rstrip("/").rpartition("/")[2])
    files = download.listing(client, path)
    with progress.transfer("downloaded", files=len(files), size=sum(file.size for file in files)) as advance:
        download.download(client, files, into, advance=advance)
    click.echo(into)


@cli.command("cancel")
@click.argument("number", type=int)
def cancel(number: int) -> None:
    """End job NUMBER."""
    instance = connect().put(f"plugins/instances/{number}/", {"status": "cancelled"})
    click.echo(instance["status"])


@cli.group("dead-letters")
def dead_letters() -> None:
    """Events that were given up: what they were, why, and again."""


@dead_letters.command("list")
def list_dead_letters() -> None:
    """One line each: number, type, job, to whom, last answer."""
    for letter in connect().pages("deadletters/"):
        click.echo("\t".join(str(value) for value in letter.values()))


@dead_letters.command("replay")
@click.argument("numbers", nargs=-1, type=int)
def replay(numbers: tuple[int, ...]) -> None:
    """Deliver dead letters again: those given, else all."""
    answer = connect().post("deadletters/replay/", {"ids": list(numbers)} if numbers else {})
    click.echo(f"{answer['replayed']} sent again")


if __name__ == "__main__":
    main()
