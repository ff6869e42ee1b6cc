"""The cgroups of a node's pods: made below one parent in each hierarchy, and taken away."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from tests.cluster.node.places import CGROUP

TOP = Path("/sys/fs/cgroup")


def parents() -> list[Path]:
    """Our parent cgroup in each hierarchy of this machine: one with version 2, one for each controller with 1."""
    if (TOP / "cgroup.controllers").exists():
        return [TOP / CGROUP]
    found = {path.resolve() for path in TOP.iterdir() if (path / "cgroup.procs").exists()}
    return sorted(path / CGROUP for path in found)


def make() -> None:
    """The kubelet does not start without its root in every hierarchy."""
    for path in parents():
        path.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):  # a new one of version 1 begins empty, and takes no process
            if (path / name).exists() and not (path / name).read_text().strip():
                (path / name).write_text((path.parent / name).read_text())


def present() -> list[Path]:
    """What there is of ours."""
    return [path for path in parents() if path.exists()]


def processes() -> set[int]:
    """Process ids of everything in our cgroups."""
    found: set[int] = set()
    for parent in present():
        for folder, _, _ in os.walk(parent):
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in (Path(folder) / "cgroup.procs").read_text().split() if pid != "0"}
    return found


def remove() -> None:
    """Take them away, deepest first. They must be empty."""
    for parent in present():
        for folder, _, _ in os.walk(parent, topdown=False):
            with contextlib.suppress(FileNotFoundError):
                Path(folder).rmdir()
