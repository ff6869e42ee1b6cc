"""A node comes up whatever was before, and nothing of it is left when it is down. Run with no cluster up."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.node import daemons, lifecycle, namespace, parts, software
from tests.cluster.node.images import TOOLS
from tests.cluster.node.places import Places, places
from tests.cluster.node.steps import ClusterError, Steps, wait_for
from tests.scale import count


@pytest.fixture
def at() -> Iterator[Places]:
    found = places()
    if namespace.holder(found) is not None:
        pytest.fail("A cluster is up: end it first with `make cluster-down`.")
    lifecycle.clear(found)
    yield found
    with contextlib.suppress(ClusterError):
        lifecycle.down(found, Steps())


FOLDERS = ("/run", "/var/lib", "/var/log", "/etc", "/opt", "/var/tmp", "/usr/libexec")
KINDS = ("net", "pid", "mnt", "ipc")


def traces() -> dict[str, set[str]]:
    """Everything of this machine that a node could leave behind."""
    links = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True).stdout
    return {
        "cgroups": {folder for folder, _, _ in os.walk("/sys/fs/cgroup")},
        "mounts": {line.split(" ", 4)[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()},
        "namespaces": {space(link) for kind in KINDS for link in Path("/proc").glob(f"[0-9]*/ns/{kind}")},
        "folders": {str(path) for top in FOLDERS for path in Path(top).iterdir()},
        "links": set(links.splitlines()),
    }


def space(link: Path) -> str:
    """A namespace's name; empty if the process has ended meanwhile."""
    with contextlib.suppress(OSError):
        return str(link.readlink())
    return ""


def left(before: dict[str, set[str]], at: Places) -> dict[str, set[str]]:
    """What is there now and was not before; the lock file stays on purpose."""
    now = traces()
    new = {kind: now[kind] - before[kind] - {str(at.lock), ""} for kind in now}
    return {kind: found for kind, found in new.items() if found}


def assert_nothing_left(before: dict[str, set[str]], at: Places) -> None:
    """Within seconds: a process that has ended shows its namespace until its parent has taken notice."""
    with contextlib.suppress(ClusterError):
        wait_for("clean machine", lambda: not left(before, at), seconds=5)
    assert left(before, at) == {}
    assert lifecycle.leftovers(at) == []


def start_pod(at: Places) -> None:
    words = ("run", "stays", f"--image={TOOLS}", "--restart=Never", "--command", "--", "sleep", "600")
    software.kubectl(at, *words)
    software.kubectl(at, "wait", "--for=condition=Ready", "pod/stays", "--timeout=60s")


def test_up_and_down_leave_nothing(at: Places) -> None:
    before = traces()
    chosen = parts.ALL if count(1, 0, 0) else ()
    for _ in range(count(20, 1, 1)):
        lifecycle.up(at, Steps(), chosen=chosen)
        start_pod(at)
        assert left(before, at), "a running node has traces, or this test is blind"
        lifecycle.down(at, Steps())
        assert_nothing_left(before, at)


def test_a_second_cluster_is_refused(at: Places) -> None:
    lifecycle.up(at, Steps(), chosen=())
    with pytest.raises(ClusterError, match=r"A cluster is up already .*cluster-down"):
        lifecycle.up(at, Steps(), chosen=())
    assert daemons.running(at, "kubelet")


def test_two_at_once_are_refused(at: Places) -> None:
    with lifecycle.alone(at):
        for command in (lifecycle.up, lifecycle.down):
            with pytest.raises(ClusterError, match=rf"Another .* is at work \(process {os.getpid()}\)"):
                command(at, Steps())


def test_it_comes_up_after_everything_was_killed(at: Places) -> None:
    before = traces()
    lifecycle.up(at, Steps(), chosen=())
    start_pod(at)
    kill_everything(at)
    assert left(before, at), "a killed node leaves its cgroups and its folder"
    lifecycle.up(at, Steps(), chosen=())
    start_pod(at)
    lifecycle.down(at, Steps())
    assert_nothing_left(before, at)


def kill_everything(at: Places) -> None:
    """Every process of the node's PID namespace, its first one last."""
    found = namespace.holder(at)
    assert found is not None
    own = space(Path(f"/proc/{found.pid}/ns/pid"))
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int(process.name) != found.pid and space(process / "ns/pid") == own:
                os.kill(int(process.name), signal.SIGKILL)
    os.kill(found.pid, signal.SIGKILL)
    wait_for("end of the first process", lambda: not found.alive(), seconds=20)


def test_a_daemon_that_ends_is_told_with_its_log(at: Places) -> None:
    at.home.mkdir(parents=True)
    at.logs.mkdir(parents=True, exist_ok=True)
    daemons.log_path(at, "short").unlink(missing_ok=True)
    namespace.begin(at)
    daemons.start(at, "short", ["sh", "-c", "echo the reason; exit 3"])
    wait_for("end of it", lambda: not daemons.running(at, "short"))
    with pytest.raises(ClusterError, match="the reason"):
        daemons.require(at, "short")
