"""The namespaces of a node: begin them, enter them, give orders to the process that holds them, end them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cluster.node import init
from tests.cluster.node.places import NODE_NETWORK, Places
from tests.cluster.node.steps import ClusterError, wait_for

# Where daemons write at fixed places: what they write there ends with the node and is never the host's.
EMPTY = ("/run", "/var/log")
LAYERED = "/var/lib"


@dataclass(frozen=True)
class Holder:
    """The node's first process, known by id and start time, so that a reused id is not taken for it."""

    pid: int
    started: int  # clock ticks since boot

    def alive(self) -> bool:
        return started(self.pid) == self.started


def started(pid: int) -> int | None:
    """When a process started, in clock ticks since boot; None if there is none (a zombie is none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])


def holder(at: Places) -> Holder | None:
    """The running node's, or None."""
    try:
        found = Holder(**json.loads(at.record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return found if found.alive() else None


def begin(at: Places) -> Holder:
    """New namespaces with a first process in them, mounts of their own, and a bridge without an uplink."""
    flags = ("--mount", "--net", "--pid", "--ipc", "--fork", "--mount-proc")
    with open(at.logs / "init.log", "ab") as log:
        subprocess.Popen(
            ["unshare", *flags, sys.executable, "-I", init.__file__, str(at.socket)],
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    wait_for("first process of the node", lambda: _answers(at), seconds=20)
    pid = _peer(at)
    ticks = started(pid)
    assert ticks is not None
    found = Holder(pid, ticks)
    at.record.write_text(json.dumps({"pid": found.pid, "started": found.started}))
    _furnish(at)
    return found


def _answers(at: Places) -> bool:
    with contextlib.suppress(ConnectionError, FileNotFoundError):
        return "daemons" in order(at, {"list": True})
    return False


def _peer(at: Places) -> int:
    """Process id, as seen from here, of who listens on the socket."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(at.socket))
        return int(struct.unpack("3i", client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0])


def _furnish(at: Places) -> None:
    run(at, "mount", "--make-rshared", "/")
    for folder in EMPTY:
        run(at, "mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder)
    layers = {"lowerdir": LAYERED, "upperdir": at.home / "over", "workdir": at.home / "over.work"}
    run(at, "mkdir", *(str(layers[key]) for key in ("upperdir", "workdir")))
    run(
        at, "mount", "-t", "overlay", "-o", ",".join(f"{key}={value}" for key, value in layers.items()), "node", LAYERED
    )
    for line in (
        "ip link set lo up",
        "ip link add node0 type bridge",
        f"ip address add {NODE_NETWORK} dev node0",
        "ip link set node0 up",
        "ip route add default dev node0",  # a route, as ClusterIPs need one, but no uplink: nothing can leave
        "sysctl -qw net.ipv4.ip_forward=1 net.ipv4.conf.all.route_localnet=1 net.ipv4.ip_unprivileged_port_start=0",
    ):
        run(at, *line.split())


def order(at: Places, request: dict[str, Any]) -> dict[str, Any]:
    """Give one order to the first process. Raises ClusterError if it refuses, OSError if nobody listens."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(at.socket))
        with client.makefile("rw") as stream:
            stream.write(json.dumps(request) + "\n")
            stream.flush()
            reply: dict[str, Any] = json.loads(stream.readline() or '{"error": "the node ended"}')
    if "error" in reply:
        raise ClusterError(f"The node refused an order: {reply['error']}.")
    return reply


def run(at: Places, *argv: str, check: bool = True) -> str:
    """A short program inside the node (all its namespaces). Returns what it printed."""
    reply = order(at, {"run": list(argv)})
    if check and reply["code"] != 0:
        raise ClusterError(f"{' '.join(argv)} ended with {reply['code']}: {reply['output'].strip()[-1000:]}")
    return str(reply["output"])


def enter(at: Places, argv: Sequence[str], *, whole: bool = False) -> list[str]:
    """The command that runs `argv` in the node's network, or in all its namespaces."""
    found = holder(at)
    if found is None:
        raise ClusterError("No cluster is up: begin with `make cluster-up`.")
    kinds = ("--mount", "--net", "--pid", "--ipc") if whole else ("--net",)
    return ["nsenter", "--target", str(found.pid), *kinds, "--", *argv]


def end(found: Holder, *, seconds: float = 20) -> None:
    """Kill the first process; the kernel ends every other of its namespace before this one is gone."""
    handle = os.pidfd_open(found.pid)
    try:
        if not found.alive():
            return
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    finally:
        os.close(handle)
    deadline = time.monotonic() + seconds
    while Path(f"/proc/{found.pid}").exists() and found.alive():
        if time.monotonic() > deadline:
            raise ClusterError(f"Process {found.pid} of the node does not end; look at /proc/{found.pid}/stack.")
        time.sleep(0.02)
