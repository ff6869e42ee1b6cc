"""Servers outside of the cluster's pods which these reach under a Service's name: SeaweedFS and PostgreSQL.

They listen on the node's address, so they live in the network of our own node only.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import shapes
from tests.cluster.node.places import ADDRESS
from tests.cluster.node.steps import ClusterError, wait_for
from tests.cluster.room import Room
from tests.servers import SeaweedFS

OWNER = "nobody"  # PostgreSQL refuses to run as root


@contextlib.contextmanager
def object_store(folder: Path) -> Iterator[SeaweedFS]:
    """A real S3 server on the node's address."""
    server = SeaweedFS(folder, address=ADDRESS)
    try:
        yield server.start()
    finally:
        server.stop()


@dataclass(frozen=True)
class Database:
    """A PostgreSQL server on the node's address, with one superuser."""

    port: int
    user: str
    password: str

    def url(self, host: str = ADDRESS, name: str = "postgres") -> str:
        return f"postgresql://{self.user}:{self.password}@{host}:{self.port}/{name}"

    def new(self) -> str:
        """The name of a new, empty database."""
        name = f"test_{secrets.token_hex(6)}"
        self.run(f"create database {name}")
        return name

    def run(self, sql: str, *, name: str = "postgres") -> str:
        argv = [_program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql, self.url(name=name)]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def database(folder: Path, *, port: int = 5432) -> Iterator[Database]:
    """PostgreSQL from the machine's packages; it loses what a power cut may take, being for tests."""
    found = Database(port, "chrysalis", secrets.token_hex(16))
    data = folder / "postgres"
    data.mkdir(mode=0o700)
    _open_the_way(data)
    secret = data.with_suffix(".password")
    secret.touch(mode=0o600)
    secret.write_text(found.password)
    for path in (data, secret):
        shutil.chown(path, OWNER)
    initialise: list[object] = [
        "initdb",
        "-D",
        data,
        "-U",
        found.user,
        f"--pwfile={secret}",
        "-A",
        "scram-sha-256",
        "-N",
    ]
    subprocess.run(_as_owner(*initialise), check=True, capture_output=True, cwd="/")
    with open(data / "pg_hba.conf", "a") as rules:
        rules.write("host all all 10.0.0.0/8 scram-sha-256\n")
    settings = {"listen_addresses": ADDRESS, "port": port, "unix_socket_directories": "", "fsync": "off"}
    options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
    with open(folder / "postgres.log", "ab") as log:
        server = subprocess.Popen(_as_owner("postgres", "-D", data, *options), stdout=log, stderr=log, cwd="/")
    try:
        wait_for("answer of PostgreSQL", lambda: _answers(found, server, folder / "postgres.log"), seconds=30)
        yield found
    finally:
        server.terminate()
        server.wait(30)


def alias(room: Room, name: str, port: int) -> str:
    """The host name by which the room's pods reach a server on the node's address."""
    service, lead = shapes.storage_alias(room.name, name, ADDRESS, port)
    room.apply(service, lead)
    made = room.api.read(service)
    assert made is not None
    # kube-proxy takes up to a second to lead there; until then connections are refused.
    wait_for(f"way to {name}", lambda: _connects(made["spec"]["clusterIP"], port), seconds=20)
    return f"{name}.{room.name}.svc.cluster.local"


def _connects(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1):
        return True
    return False


def _answers(found: Database, server: subprocess.Popen[bytes], log: Path) -> bool:
    if server.poll() is not None:
        raise ClusterError(f"PostgreSQL ended: {log.read_text()[-1500:]}")
    with contextlib.suppress(subprocess.CalledProcessError):
        return found.run("select 1").strip() == "1"
    return False


def _as_owner(name: object, *words: object) -> list[str]:
    account = pwd.getpwnam(OWNER)
    change = [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return ["setpriv", *change, _program(str(name)), *map(str, words)]


def _open_the_way(path: Path) -> None:
    """Let the owner pass through the folders above, which pytest keeps for us alone."""
    for parent in path.parents:
        if parent.stat().st_uid == os.geteuid() and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)


def _program(name: str) -> str:
    places = [*sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True), Path("/usr/bin")]
    found = next((str(place / name) for place in places if (place / name).exists()), shutil.which(name))
    if found is None:
        raise ClusterError(f"{name} is missing: `make cluster-packages` installs what the cluster needs.")
    return found
