"""`upload` and `download`, and what other commands send and fetch."""

from __future__ import annotations

import secrets
from pathlib import Path

import click

from gateway.cli import download, progress, upload
from gateway.cli.answers import Answer, Command
from gateway.cli.client import Client
from gateway.cli.faults import Fault
from gateway.cli.sessions import connect, whoami


@click.command("upload", cls=Command)
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--to", "target", help="the folder there (default: home/YOU/uploads/NAME)")
def upload_command(sources: tuple[Path, ...], target: str | None) -> Answer:
    """Send folders or files into your tree; prints the folder they are in. Repeating it does no harm.

    A folder there that holds other files already is refused, unless you name it with --to.
    """
    folder = send(connect(), sources, target)
    return Answer({"folder": folder}, folder)


@click.command("download", cls=Command)
@click.argument("what")
@click.argument("into", type=click.Path(file_okay=False, path_type=Path), required=False)
def download_command(what: str, into: Path | None) -> Answer:
    """Fetch the files of job WHAT (a number) or of a folder of your tree INTO a folder; prints that folder."""
    client = connect()
    path = str(client.get(f"plugins/instances/{what}/")["output_path"]) if what.isdigit() else what
    into = into or Path(f"job-{what}" if what.isdigit() else path.rstrip("/").rpartition("/")[2])
    files = fetch(client, path, into)
    return Answer({"folder": str(into), "files": [file.relative for file in files]}, str(into))


def fetch(client: Client, path: str, into: Path) -> list[download.Remote]:
    """The files below a folder of the tree, as they lie now below `into`."""
    files = download.listing(client, path)
    with progress.transfer("downloaded", files=len(files), size=sum(file.size for file in files)) as advance:
        download.download(client, files, into, advance=advance)
    return files


def send(client: Client, sources: tuple[Path, ...], target: str | None) -> str:
    folder = (target or f"home/{whoami(client)}/uploads/{name_of(sources)}").strip("/")
    items = upload.plan(sources, folder)
    if target is None:
        refuse_strangers(client, folder, items)
    with progress.transfer("uploaded", files=len(items), size=sum(item.size for item in items)) as advance:
        upload.upload(client, items, advance=advance)
    return folder


def send_apart(client: Client, place: Path) -> str:
    """Into a folder of its own: what this job sees is this folder of the disk and nothing else."""
    return send(client, (place,), f"home/{whoami(client)}/uploads/{name_of((place,))}-{secrets.token_hex(4)}")


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
