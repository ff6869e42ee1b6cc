"""Up and down: the order of everything, one at a time on a machine, and nothing left behind."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tests.cluster.node import (
    builds,
    certificates,
    cgroups,
    containers,
    control_plane,
    daemons,
    images,
    kubelet,
    namespace,
    parts,
    software,
)
from tests.cluster.node.places import ADDRESS, Places
from tests.cluster.node.steps import ClusterError, Steps, wait_for


@contextlib.contextmanager
def alone(at: Places) -> Iterator[None]:
    """Held while an `up` or `down` works. Raises ClusterError if another does."""
    at.lock.parent.mkdir(parents=True, exist_ok=True)
    with open(at.lock, "a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            other = file.read().strip() or "unknown"
            raise ClusterError(
                f"Another cluster-up or cluster-down is at work (process {other}): wait for it."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def up(at: Places, steps: Steps, *, chosen: tuple[str, ...] = parts.ALL) -> None:
    """A cluster, Ready, with the chosen parts. Raises ClusterError if one is up; a killed one's remains go."""
    with alone(at):
        found = namespace.holder(at)
        if found is not None:
            raise ClusterError(f"A cluster is up already (process {found.pid}): `make cluster-down` ends it.")
        with steps.step("clear what a killed cluster left"):
            clear(at)
        modules = parts.modules(chosen)
        for module in (builds.KUBERNETES, *modules):
            with steps.step(f"programs of {module.name}"):
                builds.programs(at, module)
        with steps.step("images"):
            archives = images.archives(at, modules)
        try:
            _begin(at, steps)
            _node(at, steps, archives)
            parts.install(at, steps, chosen)
        except BaseException:
            if not os.environ.get("CHRYSALIS_CLUSTER_KEEP"):
                clear(at)
            raise
        steps.out.write(memory_line())
        steps.close()


def _begin(at: Places, steps: Steps) -> None:
    programs = builds.programs(at, builds.KUBERNETES)
    with steps.step("namespaces and keys"):
        shutil.rmtree(at.logs, ignore_errors=True)
        at.logs.mkdir(parents=True)
        at.home.mkdir(parents=True)
        namespace.begin(at)
        certificates.write_all(at)
    with steps.step("etcd and API server"):
        control_plane.start_etcd(at)
        containers.start(at)
        control_plane.start_api_server(at, programs)
        control_plane.wait_until_ready(at)
    with steps.step("controllers, scheduler, proxy, DNS"):
        control_plane.start_controllers(at, programs)
        kubelet.start_proxy(at, programs)
        software.start_dns(at)


def _node(at: Places, steps: Steps, archives: list[Path]) -> None:
    with steps.step("images into containerd"):
        for archive in archives:
            containers.import_image(at, archive)
    with steps.step("node"):
        kubelet.start(at, builds.programs(at, builds.KUBERNETES))
        wait_for("node that is Ready", lambda: "True" in software.kubectl(at, *NODE_READY, check=False), seconds=90)
        wait_for(
            "default service account", lambda: software.kubectl(at, "get", "sa", "default", check=False), seconds=30
        )


NODE_READY = ("get", "nodes", "-o", 'jsonpath={.items[*].status.conditions[?(@.type=="Ready")].status}')


def down(at: Places, steps: Steps) -> None:
    """The kubelet first, so that it starts nothing anew; then pods in their own way; then all else at once."""
    with alone(at):
        if namespace.holder(at) is not None:
            with steps.step("kubelet"), contextlib.suppress(ClusterError, OSError):
                daemons.stop(at, "kubelet")
                daemons.stop(at, "kube-apiserver", seconds=2)
                daemons.stop(at, "etcd", seconds=2)
        with steps.step("everything else"):
            clear(at)


def clear(at: Places) -> None:
    """End what runs and remove what is left, in whatever state it is; nothing but our own."""
    found = namespace.holder(at)
    if found is not None:
        namespace.end(found)
    _end_strays()
    cgroups.remove()
    if at.home.exists():
        shutil.rmtree(at.home)


def _end_strays(*, seconds: float = 10) -> None:
    """Processes in our cgroups that outlived their namespace: none in truth, so that this waits for the dying."""
    deadline = time.monotonic() + seconds
    while strays := cgroups.processes():
        for pid in strays:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise ClusterError(f"Processes {sorted(strays)} do not end.")
        time.sleep(0.05)


def leftovers(at: Places) -> list[str]:
    """What a cluster that is down should not have left, one line each."""
    found = [f"cgroup {path}" for path in cgroups.present()]
    found += [f"folder {at.home}"] if at.home.exists() else []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if str(at.home) in line:
            found.append(f"mount {line.split()[4]}")
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(at.home) in words:
                found.append(f"process {process.name}: {words[:120]}")
    return found


def memory_line() -> str:
    """Memory of the machine that is in use now, in words."""
    lines = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(lines[key].split()[0]) / 2**20 for key in ("MemTotal", "MemAvailable"))
    return f"memory in use on this machine: {total - free:.1f} of {total:.1f} GiB; node at {ADDRESS}\n"
