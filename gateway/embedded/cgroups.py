"""Control groups, version 1 and 2: limits for a whole tree of processes, where this user may write them.

`parents()` finds once, per controller, the folder in which a group of ours may be made (below our own group, or on
version 2 above it, since there a group with processes may have no children with controllers). A `Group` is one pod's.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "pids", "cpu")
MIB = 1 << 20
PERIOD = 100_000  # microseconds, the kernel's default for cpu.max and cpu.cfs_period_us


@dataclass(frozen=True)
class Parent:
    """A folder of cgroupfs in which we may make groups, and the controllers that rule there."""

    folder: str
    version: int
    controllers: tuple[str, ...]


def candidates(mounts: str, own: str) -> list[tuple[int, str, list[Path]]]:
    """Pure: (version, controllers, folders to try in order), by the texts of /proc/self/{mountinfo,cgroup}."""
    groups = {names: path for _, names, path in (line.split(":", 2) for line in own.splitlines())}
    found = []
    for line in mounts.splitlines():
        before, after = (part.split(" ") for part in line.partition(" - ")[::2])
        if len(before) < 5 or len(after) < 3:
            continue
        root, point, kind, options = before[3], Path(before[4]), after[0], after[2]
        if kind == "cgroup2":
            found.append((2, "", _chain(point, root, groups.get("", "/"))))
        elif kind == "cgroup":
            names = next(
                (names for names in groups if names and set(names.split(",")) <= set(options.split(","))), None
            )
            if names and set(names.split(",")) & set(CONTROLLERS):
                found.append((1, names, _chain(point, root, groups[names])))
    return found


def _chain(point: Path, root: str, group: str) -> list[Path]:
    """Our own group's folder, then those above it up to the mount. A group outside the mount's root is not visible."""
    if group.startswith("/.."):
        return [point]
    inside = os.path.relpath(group, root) if group.startswith(root) else "."
    folder = point / inside if inside != "." else point
    return [place for place in (folder, *folder.parents) if place == point or point in place.parents]


def parents() -> tuple[Parent, ...]:
    """Where this process may make groups; empty where it may not."""
    found: list[Parent] = []
    try:
        known = candidates(Path("/proc/self/mountinfo").read_text(), Path("/proc/self/cgroup").read_text())
    except OSError:
        return ()
    for version, names, folders in sorted(known, reverse=True):  # a controller bound to version 1 is not in version 2
        wanted = names.split(",") if version == 1 else CONTROLLERS
        for folder in folders:
            usable = _usable(folder, version, [name for name in CONTROLLERS if name in wanted])
            if usable:
                found.append(Parent(str(folder), version, usable))
                break
    return tuple(found)


def _usable(folder: Path, version: int, wanted: Iterable[str]) -> tuple[str, ...]:
    """The controllers that a trial group in this folder really has."""
    if version == 2:
        for name in wanted:
            with suppress(OSError):
                (folder / "cgroup.subtree_control").write_text(f"+{name}")
    trial = folder / f"chrysalis-trial-{os.getpid()}"
    try:
        trial.mkdir()
    except OSError:
        return ()
    try:
        if not os.access(trial / "cgroup.procs", os.W_OK) or not os.access(folder / "cgroup.procs", os.W_OK):
            return ()
        key = {"memory": ("memory.limit_in_bytes", "memory.max"), "pids": ("pids.max",) * 2,
               "cpu": ("cpu.cfs_quota_us", "cpu.max")}  # fmt: skip
        return tuple(name for name in wanted if (trial / key[name][version - 1]).exists())
    finally:
        trial.rmdir()


@dataclass(frozen=True)
class Group:
    """The groups of one pod, one folder per parent. Methods ask nothing of a controller that is not there."""

    name: str
    parents: tuple[Parent, ...]

    def folders(self) -> list[tuple[Path, Parent]]:
        return [(Path(parent.folder) / self.name, parent) for parent in self.parents]

    def has(self, controller: str) -> bool:
        return any(controller in parent.controllers for parent in self.parents)

    def make(self, *, cpu: int, memory: int, pids: int) -> None:
        """Limits in millicores, MiB and processes; 0: none. Safe to repeat."""
        for folder, parent in self.folders():
            folder.mkdir(exist_ok=True)
            for file, value in _settings(parent, cpu=cpu, memory=memory, pids=pids):
                with suppress(FileNotFoundError):  # files of swap are not there on every kernel
                    (folder / file).write_text(value)

    def join(self) -> None:
        """Put the calling process, and so all that it will start, into the group."""
        for folder, _ in self.folders():
            (folder / "cgroup.procs").write_text("0")

    def processes(self) -> list[int]:
        found: set[int] = set()
        for folder, _ in self.folders():
            with suppress(OSError):
                found.update(int(word) for word in (folder / "cgroup.procs").read_text().split())
        return sorted(found - {0})

    def memory_peak(self) -> int:
        """Bytes at the peak, with the page cache that the kernel counts; 0 if unknown."""
        for folder, parent in self.folders():
            if "memory" in parent.controllers:
                with suppress(OSError, ValueError):
                    return int((folder / ("memory.max_usage_in_bytes", "memory.peak")[parent.version - 1]).read_text())
        return 0

    def memory_kills(self) -> int:
        """How many processes the kernel has killed for want of memory in this group."""
        for folder, parent in self.folders():
            if "memory" in parent.controllers:
                with suppress(OSError):
                    lines = (
                        (folder / ("memory.oom_control", "memory.events")[parent.version - 1]).read_text().splitlines()
                    )
                    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
        return 0

    def memory_alarm(self) -> int | None:
        """A descriptor that becomes readable when memory has run out. Version 2 kills the whole group by itself."""
        for folder, parent in self.folders():
            if "memory" in parent.controllers and parent.version == 1:
                with suppress(OSError):
                    return _listen(folder)
        return None

    def kill(self, seconds: float = 2.0) -> bool:
        """End every process of the group; True when it is empty. For the case that their supervisor has gone."""
        until = time.monotonic() + seconds
        while found := self.processes():
            for pid in found:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            if time.monotonic() > until:
                return False
            time.sleep(0.01)
        return True

    def remove(self) -> None:
        for folder, _ in self.folders():
            for _ in range(50):
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)  # a process that has just died still counts for a moment
                else:
                    break


def _listen(folder: Path) -> int:
    """Version 1's notice of want of memory, an eventfd (Linux, admin-guide/cgroup-v1/memory.rst, section 10)."""
    event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
    control = os.open(folder / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
    try:
        (folder / "cgroup.event_control").write_text(f"{event} {control}")
    finally:
        os.close(control)
    return event


def _settings(parent: Parent, *, cpu: int, memory: int, pids: int) -> list[tuple[str, str]]:
    """Pure: the files of a group and what to write into them."""
    wanted: list[tuple[str, str]] = []
    first = parent.version == 1
    if memory and "memory" in parent.controllers:
        size = str(memory * MIB)
        wanted += [("memory.limit_in_bytes", size), ("memory.memsw.limit_in_bytes", size)] if first else [
            ("memory.max", size), ("memory.swap.max", "0"), ("memory.oom.group", "1")]  # fmt: skip
    if pids and "pids" in parent.controllers:
        wanted.append(("pids.max", str(pids)))
    if cpu and "cpu" in parent.controllers:
        quota = max(1000, cpu * PERIOD // 1000)  # the kernel refuses less than a millisecond
        wanted += [("cpu.cfs_period_us", str(PERIOD)), ("cpu.cfs_quota_us", str(quota))] if first else [
            ("cpu.max", f"{quota} {PERIOD}")]  # fmt: skip
    return wanted
