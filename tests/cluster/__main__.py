"""`python -m tests.cluster up|down|status|shell|test|leftovers`: a cluster on this machine. Run as root."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.cluster.node import containers, daemons, images, lifecycle, namespace, software
from tests.cluster.node.places import Places, places
from tests.cluster.node.steps import ClusterError, Steps

FOLDER = Path(__file__).parent.resolve()
LIFECYCLE = FOLDER / "test_lifecycle.py"


def up(at: Places) -> int:
    lifecycle.up(at, Steps())
    return 0


def down(at: Places) -> int:
    lifecycle.down(at, Steps())
    return leftovers(at)


def status(at: Places) -> int:
    found = namespace.holder(at)
    if found is None:
        sys.stdout.write("No cluster is up.\n")
        return 1
    sys.stdout.write(f"up, held by process {found.pid}; logs in {at.logs}; kubeconfig {at.kubeconfig}\n")
    for name, state in daemons.states(at).items():
        code = state["code"]
        sys.stdout.write(f"{name:26} {'runs' if code is None else f'ended with {code}'}\n")
    sys.stdout.write(lifecycle.memory_line())
    sys.stdout.write(software.kubectl(at, "get", "nodes", "-o", "wide", check=False))
    sys.stdout.write(software.kubectl(at, "get", "pods", "-A", check=False))
    return 0


def shell(at: Places) -> int:
    """A shell in the node's network, where `kubectl` and every address work."""
    argv = namespace.enter(at, [os.environ.get("SHELL", "/bin/sh"), *sys.argv[2:]])
    beside = os.path.dirname(sys.executable)
    os.environ.update(KUBECONFIG=str(at.kubeconfig), PATH=f"{beside}:{os.environ['PATH']}")
    os.execvp(argv[0], argv)


def test(at: Places) -> int:
    """pytest on the cluster of KUBECONFIG; else on ours, brought up and down around it unless it is up already."""
    words = sys.argv[2:]
    if os.environ.get("KUBECONFIG"):
        return pytest([], words, CHRYSALIS_CLUSTER_OWN="0")
    chosen = [word for word in words if not word.startswith("-")] or [str(FOLDER)]
    was_up = namespace.holder(at) is not None
    code = 0
    if not was_up:
        if any(Path(word).resolve() in (FOLDER, LIFECYCLE) for word in chosen):
            code = pytest([], [str(LIFECYCLE), *(word for word in words if word.startswith("-"))])
        if all(Path(word).resolve() == LIFECYCLE for word in chosen) or code not in (0, 5):
            return code
        lifecycle.up(at, Steps())
    try:
        containers.import_image(at, images.python(at))  # its apps may be newer than the node
        ignore = [f"--ignore={LIFECYCLE}"]
        environment = {"KUBECONFIG": str(at.kubeconfig), "CHRYSALIS_CLUSTER_OWN": "1"}
        return pytest(namespace.enter(at, []), [*ignore, *(words if chosen != [str(FOLDER)] else [*words, str(FOLDER)])], **environment)
    finally:
        if not was_up:
            lifecycle.down(at, Steps())


def pytest(enter: list[str], words: list[str], **environment: str) -> int:
    argv = [*enter, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(argv, env={**os.environ, "CHRYSALIS_CLUSTER": "1", **environment}, check=False).returncode


def leftovers(at: Places) -> int:
    found = lifecycle.leftovers(at)
    sys.stdout.write("".join(f"left: {line}\n" for line in found) or "nothing left\n")
    return 1 if found else 0


COMMANDS: dict[str, Callable[[Places], int]] = {
    "up": up,
    "down": down,
    "status": status,
    "shell": shell,
    "test": test,
    "leftovers": leftovers,
}


def main() -> int:
    command = COMMANDS.get(sys.argv[1] if len(sys.argv) > 1 else "")
    if command is None:
        sys.stderr.write(f"Say one of: {', '.join(COMMANDS)}.\n")
        return 2
    if os.geteuid() != 0:
        sys.stderr.write("A cluster needs root (namespaces, mounts, cgroups): run it with sudo.\n")
        return 2
    try:
        return command(places())
    except ClusterError as error:
        sys.stderr.write(f"\n{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
