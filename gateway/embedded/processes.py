"""Processes as Linux shows them: who is alive, who descends from whom, and how a whole tree is ended.

A number alone names no process, since numbers are used again: an `Identity` adds the start time and the boot.
"""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
SET_PDEATHSIG, SET_CHILD_SUBREAPER = 1, 36  # prctl(2)
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Identity:
    """A process that cannot be taken for another. `start` in clock ticks since the boot (proc(5), field 22 of stat)."""

    pid: int
    start: int
    boot: str

    @property
    def alive(self) -> bool:
        return identify(self.pid) == self


def boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def stat_fields(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat from the state (field 3) on; None if there is no such process."""
    try:
        text = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text.rsplit(")", 1)[1].split()  # the name in brackets may itself hold spaces and brackets


def identify(pid: int) -> Identity | None:
    """The identity of a process that runs; None if there is none, or only its body (a zombie)."""
    fields = stat_fields(pid)
    if fields is None or fields[0] in "ZX":
        return None
    return Identity(pid, int(fields[19]), boot())


def children(pid: int) -> list[int]:
    """The children of a process, of all its threads; none if it has gone."""
    found: list[int] = []
    try:
        for task in (PROC / str(pid) / "task").iterdir():
            found += [int(word) for word in (task / "children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        pass
    return found


def descendants(pid: int) -> Iterator[int]:
    """All processes below a process, parents first."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def send(pid: int, number: int) -> None:
    """A signal to a process that may have gone."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def become_reaper() -> None:
    """Orphans below this process become its children, so that none is out of reach."""
    LIBC.prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def die_with(parent: int) -> None:
    """In a fresh child: die when the parent does, however it dies."""
    LIBC.prctl(SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def end_descendants() -> dict[int, int]:
    """Kill and bury everything below this process, which must be a reaper; answers the wait status of each.

    Each round kills all that it sees and waits for one death: so it neither spins nor misses one forked in between.
    """
    ends: dict[int, int] = {}
    while True:
        for pid in list(descendants(os.getpid())):
            send(pid, signal.SIGKILL)
        try:
            pid, status = os.waitpid(-1, 0)
        except ChildProcessError:
            return ends
        ends[pid] = status


def tree_memory(pid: int) -> int:
    """Bytes of memory of all processes below one: shared pages are counted once (PSS), as far as we may read them."""
    return sum(memory(child) for child in descendants(pid))


def memory(pid: int) -> int:
    """Bytes of one process: its proportional share, or where that is not readable its resident set."""
    try:
        for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    fields = stat_fields(pid)
    return int(fields[21]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def name_process(name: str) -> None:
    """What `ps` and `top` call this process (at most 15 bytes, proc(5)): an operator sees which mover it is."""
    with suppress(OSError), open("/proc/self/comm", "w") as comm:
        comm.write(name)
