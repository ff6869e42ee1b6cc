"""`python -m tests.cluster up|down|status|shell|test|images|leftovers`: a cluster on this machine. Run as root."""

from __future__ import annotations

import os
import shutil
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
    beside = Path(sys.executable).parent
    os.environ.update(KUBECONFIG=str(at.kubeconfig), PATH=f"{beside}:{os.environ['PATH']}")
    os.execvp(argv[0], argv)


def test(at: Places) -> int:
    """pytest on the cluster of KUBECONFIG; else on ours, brought up and down around it unless it is up already."""
    words = sys.argv[2:]
    chosen = [word for word in words if Path(word.partition("::")[0]).exists()]
    if not chosen:
        words = [*words, str(FOLDER)]
    if os.environ.get("KUBECONFIG"):
        return pytest([], [f"--ignore={LIFECYCLE}", *words])
    if namespace.holder(at) is not None:
        return test_ours(at, words)
    wanted = {Path(word.partition("::")[0]).resolve() for word in chosen} or {FOLDER}
    if {FOLDER, LIFECYCLE} & wanted:
        code = pytest([], [*(word for word in words if word not in (*chosen, str(FOLDER))), str(LIFECYCLE)])
        if code or wanted == {LIFECYCLE}:
            return code
    lifecycle.up(at, Steps())
    try:
        return test_ours(at, words)
    finally:
        lifecycle.down(at, Steps())


def test_ours(at: Places, words: list[str]) -> int:
    """pytest within the node's network."""
    containers.import_image(at, images.python(at))  # its apps may be newer than the node
    own = {"KUBECONFIG": str(at.kubeconfig), "CHRYSALIS_CLUSTER_OWN": "1"}
    return pytest(namespace.enter(at, []), [f"--ignore={LIFECYCLE}", *words], **own)


def pytest(enter: list[str], words: list[str], **environment: str) -> int:
    argv = [*enter, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words]
    return subprocess.run(argv, env={**os.environ, "CHRYSALIS_CLUSTER": "1", **environment}, check=False).returncode


def export(at: Places) -> int:
    """The images of the tests as OCI archives in a folder, for another cluster."""
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else "images")
    folder.mkdir(parents=True, exist_ok=True)
    for archive in (images.tools(at), images.python(at)):
        target = folder / f"{archive.name.partition('-')[0]}.tar"
        shutil.copy(archive, target)
        sys.stdout.write(f"{target}\n")
    return 0


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
    "images": export,
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
