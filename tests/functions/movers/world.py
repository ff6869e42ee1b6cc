"""A store, the pods' endpoints of stage and publish on a real HTTP server, and movers as real processes."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cheroot.wsgi import PathInfoDispatcher, Server
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from functions import records, tokens
from functions.errors import Temporary
from functions.publish.pods import create_pods_app as create_publish
from functions.records import Input, Output, Records
from functions.stage.pods import create_pods_app as create_stage
from gateway.embedded import sandbox

MINTER = tokens.Minter("test", Ed25519PrivateKey.generate())
UID = "7b9d2c1e-pod"


@dataclass
class Told:
    """Keeps what the endpoints emit; `waits` fails as a broker that is down does."""

    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    down: bool = False
    came: threading.Condition = field(default_factory=threading.Condition)

    def __call__(self, kind: str, *, job: str, attempt: int, index: int | None = None, **details: Any) -> None:
        if self.down:
            raise Temporary("The broker is down.")
        with self.came:
            self.events.append((kind, {"job": job, "attempt": attempt, "index": index, **details}))
            self.came.notify_all()

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]

    def wait_for(self, kind: str) -> None:
        with self.came:
            assert self.came.wait_for(lambda: kind in self.kinds(), 10)


METER = """
import json, resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
seconds = time.monotonic() - began
print(json.dumps([used.ru_maxrss * 1024, used.ru_utime + used.ru_stime, seconds]), file=sys.stderr)
sys.exit(code)
"""
"""Runs a command and tells what it used. A small program: a process begins with the peak of the one that started it."""


@dataclass(frozen=True)
class Measured:
    """What a mover has used: bytes of memory at the peak of its largest process, and seconds."""

    peak_bytes: int
    cpu_seconds: float
    seconds: float


@dataclass
class World:
    """Everything around the movers of one job. `folder` holds what a pod would mount."""

    store: Any
    folder: Path
    url: str = ""
    job: str = "job-1"
    attempt: int = 1
    told: Told = field(default_factory=Told)
    requests: list[str] = field(default_factory=list)
    seconds: int = 3600

    def __post_init__(self) -> None:
        for name in ("incoming", "outgoing", "scratch"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        self.records = Records(self.store)

    @property
    def incoming(self) -> Path:
        return self.folder / "incoming"

    @property
    def outgoing(self) -> Path:
        return self.folder / "outgoing"

    @property
    def token(self) -> str:
        return MINTER.mint(tokens.Claims("lab", self.job, self.attempt))

    def put(self, path: str, body: bytes, *, digest: bool = True) -> Input:
        """An object in the store, as an input."""
        info = self.store.put(f"uploads/1/{path}", body)
        return Input(path, info.key, info.size, info.etag, digest=hashlib.sha256(body).hexdigest() if digest else "")

    def freeze(self, inputs: list[Input]) -> None:
        header = {"job": self.job, "count": len(inputs), "bytes": sum(item.size for item in inputs)}
        body = records.render_lines(header, inputs)
        self.records.create_lines(self.job, records.inputs_name(self.attempt), body)

    def claim(self, uid: str = UID, index: int = 0) -> None:
        self.records.create(self.job, records.started_name(self.attempt, index), {"uid": uid})

    def write(self, path: str | bytes, body: bytes = b"x") -> None:
        place = self.outgoing / os.fsdecode(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(body)

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "CHRYSALIS_TOKEN": self.token,
            "CHRYSALIS_STAGE_URL": f"{self.url}/pods/stage",
            "CHRYSALIS_PUBLISH_URL": f"{self.url}/pods/publish",
            "CHRYSALIS_INDEX": "0",
            "CHRYSALIS_POD_UID": UID,
            "CHRYSALIS_INCOMING": str(self.incoming),
            "CHRYSALIS_OUTGOING": str(self.outgoing),
            "CHRYSALIS_TERMINATION": str(self.folder / "termination"),
            "CHRYSALIS_PATIENCE": "20",
            **more,
        }

    def report(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads((self.folder / "termination").read_text())
        return value

    def start(self, mover: str, *, around: Sequence[str] = (), **more: str) -> subprocess.Popen[bytes]:
        """A mover as a process of its own, started by the command `around` if there is one."""
        environ = {**os.environ, **self.environ(**more)}
        command = [*around, sys.executable, "-m", f"functions.movers.{mover}"]
        return subprocess.Popen(command, env=environ, stderr=subprocess.PIPE)

    def run(self, mover: str, *, around: Sequence[str] = (), **more: str) -> int:
        process = self.start(mover, around=around, **more)
        process.communicate()
        return process.returncode

    def measure(self, mover: str, **more: str) -> Measured:
        """Run a mover and tell what it, and its children, have used."""
        process = self.start(mover, around=[sys.executable, "-c", METER], **more)
        _, errors = process.communicate()
        assert process.returncode == 0, errors
        return Measured(*json.loads(errors.splitlines()[-1]))

    def committed(self, index: int = 0) -> Mapping[str, Any] | None:
        return self.records.find(self.job, records.outputs_name(self.attempt, index))

    def outputs(self) -> dict[str, Output]:
        """The outputs that were committed, by path; each is checked against the store."""
        value = self.committed()
        assert value is not None
        body = self.store.get(value["manifest"]["key"]).read()
        assert hashlib.sha256(body).hexdigest() == value["manifest"]["digest"]
        outputs = [Output(**json.loads(line)) for line in body.splitlines()]
        assert value["manifest"]["count"] == len(outputs)
        assert value["manifest"]["bytes"] == sum(output.size for output in outputs)
        for output in outputs:
            info = self.store.head(output.key)
            assert (info.size, info.etag) == (output.size, output.etag)
        return {output.path: output for output in outputs}

    def body(self, path: str) -> bytes:
        """The bytes of a committed output, which have the digest that was committed."""
        output = self.outputs()[path]
        body: bytes = self.store.get(output.key).read()
        assert hashlib.sha256(body).hexdigest() == output.digest
        return body


def small_disk(folder: Path) -> list[str]:
    """A command that runs another with a megabyte of room in `folder`, which is empty for it."""
    bubblewrap = sandbox.find()
    assert bubblewrap, "no bubblewrap works on this machine"
    return [bubblewrap, "--dev-bind", "/", "/", "--size", "1000000", "--tmpfs", str(folder)]


class Hosts:
    """One HTTP server for all worlds of a test run, since it takes long to stop; each world has a folder of its own."""

    def __init__(self) -> None:
        self.apps: dict[str, Any] = {}
        self.counter = itertools.count()
        self.lock = threading.Lock()
        self.url = ""
        self.server: Any = None

    def __call__(self, environ: dict[str, Any], start: Any) -> Any:
        _, name, rest = environ["PATH_INFO"].split("/", 2)
        environ["PATH_INFO"], environ["SCRIPT_NAME"] = f"/{rest}", f"/{name}"
        return self.apps[name](environ, start)

    def mount(self, app: Any) -> str:
        """The URL under which the application is reached from now on."""
        with self.lock:
            if not self.url:
                self.server = Server(("127.0.0.1", 0), self, numthreads=16)
                self.server.prepare()
                threading.Thread(target=self.server.serve, daemon=True).start()
                self.url = f"http://127.0.0.1:{self.server.bind_addr[1]}"
        name = f"world-{next(self.counter)}"
        self.apps[name] = app
        return f"{self.url}/{name}"

    def stop(self) -> None:
        """End the server's threads: the process would wait for them."""
        if self.server:
            self.server.stop()
            self.url = ""


HOSTS = Hosts()


@contextmanager
def serving(world: World) -> Iterator[World]:
    """The endpoints behind a real HTTP server, on a port of the kernel's choice."""
    keys = MINTER.public()
    apps = {
        "/pods/stage": create_stage(world.store, world.records, keys, world.told, seconds=world.seconds),
        "/pods/publish": create_publish(world.store, world.records, keys, world.told, seconds=world.seconds),
    }
    dispatch = PathInfoDispatcher(apps)

    def count(environ: dict[str, Any], start: Any) -> Any:
        world.requests.append(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}")
        return dispatch(environ, start)

    world.url = HOSTS.mount(count)
    try:
        yield world
    finally:
        del HOSTS.apps[world.url.rpartition("/")[2]]
