"""The demo: a scan goes in, two tools run on it, a report comes out, and the times are shown.

It uses the server of this home when one runs, else it starts one and ends it when the user has seen enough.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.table import Table

from gateway.cli import credentials, download, plugins, progress, series, upload, watch
from gateway.cli.client import Client, Value
from gateway.cli.faults import Fault, Refused, Unreachable

CHAIN = ("pl-dicom-to-nifti", "pl-slice-report")
START_SECONDS = 60.0
INSTALL_SECONDS = 1800.0
"""The longest that a server may take to install a plugin: some bring gigabytes."""


@dataclass(frozen=True)
class Finished:
    """What the demo leaves behind: where the report is here and there; `started`: the server is the demo's own."""

    client: Client
    started: bool
    report: Path
    folder: str
    instances: tuple[Value, ...]


@contextmanager
def run(environment: Mapping[str, str], *, port: int) -> Iterator[Finished]:
    """The demo, done; its server is there until the block ends."""
    home = credentials.home(environment)
    with server(home, port=port) as (client, started):
        for name in CHAIN:
            install(client, reference(name))
        folder = send_scan(client, kit(environment), home / "demo" / "scan")
        instances = start_chain(client, folder)
        with progress.console.status("pl-dicom-to-nifti, then pl-slice-report"):
            last = watch.follow(client, int(instances[-1]["id"]), report=lambda status: None)
        watch.require_success(client, last)
        show(client, instances)
        yield Finished(client, started, fetch(client, last, home), str(last["output_path"]), instances)


@contextmanager
def server(home: Path, *, port: int) -> Iterator[tuple[Client, bool]]:
    """The server of this home: the one that runs, else (True) one of our own until the block ends."""
    known = running(home)
    if known is not None:
        say(f"Chrysalis runs already at {known.credentials.url}")
        yield known, False
        return
    command = [sys.executable, "-m", "gateway.cli.main", "serve", "--port", str(port)]
    (home / "logs").mkdir(mode=0o700, parents=True, exist_ok=True)
    log = home / "logs" / "demo-server.log"
    log.unlink(missing_ok=True)
    with log.open("ab") as stream:
        process = subprocess.Popen(
            command,
            env=os.environ | {"CHRYSALIS_HOME": str(home)},
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )
    try:
        client = await_server(home, process, log)
        say(f"Chrysalis started at {client.credentials.url} (all its state: {home})")
        tell_password(log)
        yield client, True
    finally:
        end(process)


def tell_password(log: Path) -> None:
    """The password that a new server tells once is for the user's eyes, not for a file."""
    lines = log.read_text(errors="replace").splitlines()
    os.truncate(log, 0)
    for line in lines:
        if "password" in line:
            say(line)


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()  # it goes on from where it was at the next start


def await_server(home: Path, process: subprocess.Popen[bytes], log: Path) -> Client:
    """Raises Unreachable with the last words of a server that does not come up."""
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        client = running(home)
        if client is not None:
            return client
        time.sleep(0.05)
    words = log.read_text(errors="replace").strip()[-800:]
    raise Unreachable(f"The server of the demo did not start; it said:\n{words}\nAll of it: {log}")


def running(home: Path) -> Client | None:
    """The server that the home's credentials name, if it answers."""
    known = credentials.read(home / credentials.FILE)
    if known is None:
        return None
    client = Client(known)
    try:
        client.get("plugins/", limit=1)
    except (Unreachable, Refused):
        return None
    return client


def reference(name: str) -> Path:
    """The source of a reference plugin: in the checkout, else where the installed package put it."""
    shelves = (Path(__file__).parents[2] / "plugins", Path(sysconfig.get_path("data")) / "share/chrysalis/plugins")
    for shelf in shelves:
        if (shelf / name / "pyproject.toml").is_file():
            return shelf / name
    raise Fault(f"The reference plugin {name} is not in {shelves[0]} or {shelves[1]}: install Chrysalis anew.")


def install(client: Client, source: Path) -> None:
    if list(client.pages("plugins/search/", name_exact=source.name)):
        say(f"{source.name} is installed")
        return
    begun = time.monotonic()
    plugin = add_plugin(client, str(source))
    say(f"{plugin['name']} {plugin['version']} installed in {time.monotonic() - begun:.1f} s")


def add_plugin(client: Client, source: str) -> Value:
    """Install a plugin on the server's machine: a folder there, or a requirement as pip takes it."""
    patient = Client(client.credentials, seconds=INSTALL_SECONDS)
    return patient.post("plugins/install/", {"source": source})


def kit(environment: Mapping[str, str]) -> Path | None:
    """The kit of test data: $CHRYSALIS_KIT, else beside the checkout; None when it is not there."""
    chosen = environment.get("CHRYSALIS_KIT", "")
    place = Path(chosen) if chosen else Path(__file__).parents[3] / "shared/data"
    return place if (place / series.KIT_SERIES).is_file() else None


def send_scan(client: Client, kit: Path | None, scan: Path) -> str:
    """Make the series in the folder `scan` and upload it; returns the folder it has there."""
    folder = f"home/{client.credentials.username}/uploads/demo-{'head' if kit else 'brain'}"
    shutil.rmtree(scan, ignore_errors=True)
    what = series.unpack(kit, scan) if kit else series.write_template(scan)
    say(f"The scan: {what}")
    items = upload.plan((scan,), folder)
    with progress.transfer("uploaded", files=len(items), size=sum(item.size for item in items)) as advance:
        upload.upload(client, items, advance=advance)
    return folder


def start_chain(client: Client, folder: str) -> tuple[Value, ...]:
    """A feed on the folder, and each tool on the output of the one before. All at once: each waits for its parent."""
    copy = plugins.choose(client, "pl-dircopy")
    chain = [client.post(f"plugins/{copy['id']}/instances/", {"dir": folder, "title": "demo"})]
    for name in CHAIN:
        plugin = plugins.choose(client, name)
        chain.append(client.post(f"plugins/{plugin['id']}/instances/", {"previous_id": chain[-1]["id"], "title": name}))
    return tuple(chain)


def show(client: Client, instances: tuple[Value, ...]) -> None:
    """The timeline: one line a job, in milliseconds."""
    table = Table(title="milliseconds", title_justify="left", box=None, pad_edge=False, padding=(0, 3, 0, 0))
    table.add_column("job")
    names = [phase for phase, _, _ in watch.PHASES]
    for name in names:
        table.add_column(name, justify="right")
    for one in instances:
        took = watch.phases(client, int(one["id"]))
        table.add_row(str(one["plugin_name"]), *(f"{took[name]:,.0f}" if name in took else "" for name in names))
    progress.console.print(table)


def fetch(client: Client, instance: Value, home: Path) -> Path:
    """The last job's outputs, fresh, into the home; returns the report."""
    into = home / "demo" / "report"
    shutil.rmtree(into, ignore_errors=True)
    files = download.listing(client, str(instance["output_path"]))
    with progress.transfer("downloaded", files=len(files), size=sum(file.size for file in files)) as advance:
        download.download(client, files, into, advance=advance)
    return into / "report.html"


def say(sentence: str) -> None:
    click.echo(sentence, err=True)
