"""A whole machine for tests: the real server with plugins that are a few lines of shell, spoken to by REST alone.

In this process, so that a test can bend the network between its parts, or in one of its own, so that it can be killed.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from functions.records import Records
from functions.settings import Settings, read_settings
from gateway.catalog import registration
from gateway.catalog.engine import open_catalog
from gateway.cli import credentials, download, upload
from gateway.cli.client import Client
from gateway.cli.faults import Refused
from gateway.embedded.broker import Interceptor
from gateway.embedded.home import Home
from gateway.embedded.stores import open_store
from gateway.embedded.wiring import Machine

FINISHED, FAILED, CANCELLED = "finishedSuccessfully", "finishedWithError", "cancelled"
FINAL = {FINISHED, FAILED, CANCELLED}
COPY = """#!/bin/sh
# copies its inputs, after a time that the input file "seconds" tells
[ -f "$1/seconds" ] && sleep "$(cat "$1/seconds")"
cp -r "$1/." "$2"
echo "$CHRIS_PLG_INST_ID" > "$2/instance"
echo copied
"""


@contextmanager
def running(settings: Settings, interceptor: Interceptor | None = None) -> Iterator[Machine]:
    """A machine in this process."""
    machine = Machine(settings, interceptor=interceptor)
    machine.start()
    machine.shelf.introduce(machine.url)
    try:
        yield machine
    finally:
        machine.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Process:
    """A machine in a process of its own, always on the same port, to be killed and started again."""

    environment: dict[str, str]
    log: Path
    port: int = field(default_factory=free_port)
    child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", "from gateway.cli.main import main; main()", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.child = subprocess.Popen(command, env=os.environ | self.environment, stdout=log, stderr=log)

    def kill(self) -> None:
        assert self.child is not None
        self.child.send_signal(signal.SIGKILL)
        self.child.wait()

    def stop(self) -> None:
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()
            self.child.wait(30)

    def client(self) -> Client:
        """A client, once the server answers."""
        home = Path(self.environment["CHRYSALIS_HOME"])
        until = time.monotonic() + 60
        while time.monotonic() < until:
            known = credentials.read(home / credentials.FILE)
            if known and answers(self.port):
                return Client(known)
            time.sleep(0.02)
        raise AssertionError(f"the server does not answer; its log: {self.log.read_text()[-2000:]}")


def answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def add_plugin(home: Path, folder: Path, name: str = "pl-shell", script: str = COPY, **limits: Any) -> None:
    """Register a ds plugin that is a shell script, without a server."""
    program = folder / name / "bin"
    program.mkdir(parents=True, exist_ok=True)
    (program / "run.sh").write_text(script)
    (program / "run.sh").chmod(0o755)
    descriptor = {
        "name": name,
        "dock_image": f"localhost/{name}:1",
        "version": "1.0",
        "type": "ds",
        "selfpath": str(program),
        "selfexec": "run.sh",
        "execshell": "/bin/sh",
        "parameters": [],
        **limits,
    }
    Home(home).create()
    catalog = open_catalog(f"sqlite:///{home / 'catalog.db'}")
    now = datetime.now(UTC)
    with catalog.transaction() as session:
        registration.add_compute_resource(session, "host", slots=60, now=now)
        registration.register_plugin(
            session,
            descriptor,
            compute_resources=["host"],
            runtime_kind="environment",
            runtime_place=str(program.parent),
            now=now,
        )
    catalog.close()


@dataclass
class User:
    """What a test does over REST."""

    client: Client

    def plugin(self, name: str) -> int:
        return int(next(iter(self.client.pages("plugins/search/", name_exact=name)))["id"])

    def start_feed(self, folder: Path, name: str) -> int:
        """Upload a folder and begin a feed with it; the id of its first instance."""
        target = f"home/{self.client.credentials.username}/uploads/{name}"
        upload.upload(self.client, upload.plan((folder,), target), advance=lambda *_: None)
        first = self.submit(self.plugin("pl-dircopy"), dir=target)
        assert self.wait([first]) == {FINISHED: 1}
        return first

    def submit(self, plugin: int, **fields: Any) -> int:
        return int(self.client.post(f"plugins/{plugin}/instances/", fields)["id"])

    def instance(self, number: int) -> dict[str, Any]:
        value: dict[str, Any] = self.client.get(f"plugins/instances/{number}/")
        return value

    def statuses(self, numbers: list[int]) -> dict[int, str]:
        """In one list request per page: a test that looks often must not be what is measured."""
        wanted, found = set(numbers), {}
        for item in self.client.pages("plugins/instances/search/", min_id=min(numbers), max_id=max(numbers)):
            if item["id"] in wanted:
                found[item["id"]] = item["status"]
        return found

    def wait(self, numbers: list[int], seconds: float = 300) -> Counter[str]:
        """How many ended in which state. Fails, naming those that have not, after `seconds`."""
        until = time.monotonic() + seconds
        left = list(numbers)
        ended: Counter[str] = Counter()
        while left:
            statuses = {number: self.instance(number)["status"] for number in left[:1]} or {}
            if statuses[left[0]] in FINAL:
                ended[statuses[left.pop(0)]] += 1
                continue
            if time.monotonic() > until:
                raise AssertionError(f"not ended after {seconds} s: { {n: self.instance(n)['status'] for n in left} }")
            time.sleep(0.02)
        return ended

    def cancel(self, number: int) -> None:
        """Ask for it; whoever comes too late is told so."""
        try:
            self.client.put(f"plugins/instances/{number}/", {"status": "cancelled"})
        except Refused:
            assert self.instance(number)["status"] in FINAL

    def files(self, number: int) -> list[dict[str, Any]]:
        path = self.instance(number)["output_path"]
        return list(self.client.pages("userfiles/search/", fname=path))

    def fetch(self, number: int, target: Path) -> Path:
        """All outputs of an instance, downloaded."""
        remote = download.listing(self.client, self.instance(number)["output_path"])
        download.download(self.client, remote, target, advance=lambda *_: None)
        return target


@dataclass(frozen=True)
class Findings:
    """What the bucket tells of jobs after the fact."""

    records: Records

    @classmethod
    def of(cls, environment: dict[str, str]) -> Findings:
        settings = read_settings(environment)
        return cls(Records(open_store(settings.s3, settings.home / "store")))

    def starts(self, job: str) -> Counter[int]:
        """How many plugins were told to start, per attempt."""
        names = self.records.list(job).names
        return Counter(int(name.split("/")[0]) for name in names if "/started/" in name)


def pod_folders(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "pods").iterdir())


def wait_until(fact: Any, seconds: float = 20.0) -> bool:
    """Whether `fact()` became true in time."""
    until = time.monotonic() + seconds
    while not fact():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def in_threads(count: int, act: Any) -> None:
    """Call `act(n)` for each number, eight at a time; the first fault is raised."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(count)))


class Bent:
    """A network that sends each delivery several times, after random delays: doubled and out of order."""

    def __init__(self, seed: int, copies: int, longest: float) -> None:
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.copies, self.longest, self.seen = copies, longest, 0

    def __call__(self, delivery: object) -> list[float]:
        with self.lock:
            self.seen += 1
            return [self.random.uniform(0, self.longest) for _ in range(self.copies)]
