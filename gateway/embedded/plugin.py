"""One run of a plugin: it starts in its sandbox, is watched until it ends, and nothing of it is left alive.

All waiting is for events (its output, its end, an alarm, a signal to stop); a clock ticks only while it runs, for the
disk that it fills and, where no cgroup can be written, for the memory of its tree.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from functions.jobs import End, Usage
from gateway.embedded import outfolder, processes, sandbox
from gateway.embedded.cgroups import MIB, Group
from gateway.embedded.joblog import JobLog
from gateway.embedded.plan import PodPlan

CHUNK = 1 << 20
GRACE = 2.0  # seconds between TERM and KILL when the deadline has come
DISK_TICK, TREE_TICK = 1.0, 0.2  # seconds; the second where a cgroup does not watch the tree for us
COUNTED = '{{ ulimit -u {0} || ulimit -p {0}; }} 2>/dev/null; exec "$@"'
"""A limit of processes set by the shell inside: bash calls it -u, dash and busybox -p."""
OUT_OF_MEMORY, DEADLINE, DISK = "out-of-memory", "deadline", "disk"
PROCESSES, STOPPED = "processes", "stopped"


@dataclass(frozen=True)
class Exit:
    """What is known after a run. `code` as a shell tells it; None: the sandbox itself never came to run the plugin.

    `cause` is why we ended it, empty if it ended by itself.
    """

    code: int | None
    cause: str
    usage: Usage
    complaint: str = ""


def judge(exit: Exit, plan: PodPlan) -> End | None:
    """Pure: the end of a plugin as it is recorded; None if it was stopped from outside, which is no end of its own."""
    code, usage = exit.code, exit.usage
    if exit.cause == STOPPED:
        return None
    sentences = {
        OUT_OF_MEMORY: f"The plugin needed more than its {plan.memory} MiB of memory and was ended. "
        "Run it again with a higher memory limit.",
        DEADLINE: f"The plugin was still running after {plan.seconds} seconds, its limit, and was ended. "
        "Run it again with a longer limit or less input.",
        DISK: f"The plugin wrote more than it may (at most {plan.disk_bytes // MIB} MiB; a gibibyte of the disk "
        "stays free) and was ended. Free some disk space or raise the disk limit.",
    }
    sentences[PROCESSES] = f"The plugin started more than {plan.processes} processes and was ended. Tell its author."
    if exit.cause:
        return End("fail", code, exit.cause, sentences[exit.cause], usage)
    if code is None:
        return End("stuck", None, "sandbox", f"The plugin's sandbox could not be made: {exit.complaint}", usage)
    if code == 0:
        return End("ok", 0, "completed", "", usage)
    with suppress(ValueError):
        name = signal.Signals(code - 128).name
        return End("fail", code, "signal", f"The plugin was ended by the signal {name}. Its log may tell why.", usage)
    return End("fail", code, "error", f"The plugin ended with exit code {code}. Its log may tell why.", usage)


class PluginRun:
    """Runs the plugin of a plan in its run directory. `stop`: a descriptor, readable when it shall end; `tell` is given
    what it prints, as it prints it."""

    def __init__(
        self, run: Path, plan: PodPlan, group: Group, *, stop: int, tell: Callable[[bytes], object] | None = None
    ) -> None:
        self.run, self.plan, self.group, self.stop = run, plan, group, stop
        self.tell = tell or (lambda data: None)
        self.outgoing, self.scratch = run / "outgoing", run / "scratch"
        self.watched = (self.outgoing, self.scratch)
        self.log = JobLog(run, segment=plan.log_segment)
        self.cause = ""
        self.pid = 0
        self.deadline = float("inf")
        self.started = 0.0
        self.memory_seen = 0
        self.limit = disk_limit(run, plan.disk_bytes)

    def end(self) -> End | None:
        """Run it. Every process below us is dead when this returns, and what it wrote is readable."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.started = time.monotonic()
        output, report = self._start()
        try:
            self._watch(output)
        finally:
            statuses = processes.end_descendants()
        self._drain(output)
        exit = self._exit(report, statuses[self.pid], before)
        self.log.close()
        self.group.remove()
        for folder in self.watched:
            outfolder.open_up(folder)
        return judge(exit, self.plan)

    def _start(self) -> tuple[int, int]:
        """Fork the plugin; answer what it prints and what bwrap reports, as descriptors to read."""
        self.group.make(cpu=self.plan.cpu, memory=self.plan.memory, pids=self.plan.processes)
        output, printed = os.pipe()
        report, told = os.pipe()
        os.set_inheritable(told, True)
        words = self._command(told)
        parent = os.getpid()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(words, printed, parent)
        os.close(printed)
        os.close(told)
        os.set_blocking(output, False)
        if self.plan.seconds:
            self.deadline = self.started + self.plan.seconds
        return output, report

    def _command(self, told: int) -> list[str]:
        plan = self.plan
        if not plan.bwrap:
            return localize(plan.command, self.run)
        environment = Path(plan.environment)
        rooms = sandbox.Rooms(
            environment=environment,
            place=environment,
            uid=int.from_bytes(os.urandom(3), "big") + 1_000_000,
            prefixes=sandbox.prefixes(environment, hidden=[Path(folder) for folder in plan.hidden]),
            incoming=self.run / "incoming",
            outgoing=self.outgoing,
            scratch=self.scratch,
            shared_memory=plan.shared_memory,
        )
        command = list(plan.command)
        if not self.group.has("pids"):  # counted inside, where there are no processes but the plugin's
            command = ["/bin/sh", "-c", COUNTED.format(plan.processes), "sh", *command]
        return sandbox.arguments(plan.bwrap, rooms, command, status=told)

    def _become(self, words: list[str], printed: int, parent: int) -> None:
        """In the child: take on limits and become the sandbox. Never returns."""
        try:
            processes.die_with(parent)
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT):
                signal.signal(number, signal.SIG_DFL)
            self.group.join()
            with suppress(OSError):
                Path("/proc/self/oom_score_adj").write_text("700")  # rather the plugin than the server
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (self.limit, self.limit))
            os.umask(0o022)
            os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
            os.dup2(printed, 1)
            os.dup2(printed, 2)
            if not self.plan.bwrap:
                os.setsid()
                os.chdir(self.scratch)
            os.execvpe(words[0], words, self._variables())
        except OSError as error:
            os.write(printed, f"chrysalis: the plugin cannot start: {error}\n".encode())
        finally:
            os._exit(127)

    def _variables(self) -> dict[str, str]:
        home = sandbox.HOME if self.plan.bwrap else str(self.scratch)
        path = f"{self.plan.environment}/bin:/usr/local/bin:/usr/bin:/bin"
        return {**self.plan.variables, "PATH": path, "HOME": home, "LANG": "C.UTF-8"}

    def _watch(self, output: int) -> None:
        """Until the plugin's first process has ended, or we have a cause to end it."""
        poll, ended, alarm = select.poll(), os.pidfd_open(self.pid), self.group.memory_alarm()
        for descriptor in (output, ended, self.stop, *([] if alarm is None else [alarm])):
            poll.register(descriptor, select.POLLIN)
        tick = DISK_TICK if self.group.has("memory") and self.group.has("pids") else TREE_TICK
        measured = time.monotonic()
        while not self.cause:
            until = min(self.deadline, measured + tick)
            ready = {number for number, _ in poll.poll(max(0.0, until - time.monotonic()) * 1000)}
            if output in ready and not self._copy(output):
                poll.unregister(output)
            if self.stop in ready:
                self.cause = STOPPED
            elif alarm in ready:
                self.cause = OUT_OF_MEMORY
            elif ended in ready:
                break
            elif time.monotonic() >= self.deadline:
                self._expire(output, ended)
            elif time.monotonic() >= measured + tick:
                began = time.monotonic()
                self._measure()
                measured = time.monotonic()
                tick = max(tick, 20 * (measured - began))  # at most a twentieth of our time goes into looking
        os.close(ended)
        if alarm is not None:
            os.close(alarm)

    def _measure(self) -> None:
        if outfolder.size(*self.watched) > self.limit or free_bytes(self.run) < MIB:
            self.cause = DISK
        if not self.group.has("pids") and len(list(processes.descendants(os.getpid()))) > self.plan.processes:
            self.cause = PROCESSES  # the limit set inside does not bind the processes of root
        if not self.group.has("memory"):
            self.memory_seen = max(self.memory_seen, processes.tree_memory(os.getpid()))
            if self.plan.memory and self.memory_seen > self.plan.memory * MIB:
                self.cause = OUT_OF_MEMORY

    def _expire(self, output: int, ended: int) -> None:
        """The deadline: TERM to all of the plugin's own processes, and a short grace to clean up. The caller kills."""
        self.cause = DEADLINE
        for pid in list(processes.descendants(os.getpid())):
            if not (self.plan.bwrap and _is(pid, self.plan.bwrap)):
                processes.send(pid, signal.SIGTERM)
        until = time.monotonic() + GRACE
        poll = select.poll()
        for descriptor in (ended, self.stop, output):
            poll.register(descriptor, select.POLLIN)
        while (left := until - time.monotonic()) > 0:
            ready = {number for number, _ in poll.poll(left * 1000)}
            if ready & {ended, self.stop}:
                return
            if output in ready and not self._copy(output):
                poll.unregister(output)

    def _copy(self, output: int) -> bool:
        """Move what is there from the pipe to the log; False at its end."""
        try:
            data = os.read(output, CHUNK)
        except BlockingIOError:
            return True
        self._keep(data)
        return bool(data)

    def _keep(self, data: bytes) -> None:
        self.tell(data)
        try:
            self.log.write(data)
        except OSError:  # no room for the log on this disk: the plugin's work matters more
            self.cause = self.cause or DISK

    def _drain(self, output: int) -> None:
        """All writers are dead, so the pipe ends after what is left in it."""
        while self._copy(output):
            pass
        os.close(output)

    def _exit(self, report: int, status: int, before: resource.struct_rusage) -> Exit:
        with open(report, "rb") as file:
            code = reported_code(file.read()) if self.plan.bwrap else shell_code(status)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        peak = self.group.memory_peak() or max(self.memory_seen, after.ru_maxrss * 1024)
        usage = Usage(round(cpu, 4), peak, round(time.monotonic() - self.started, 4))
        cause = self.cause
        if self.group.memory_kills() and not cause and code != 0:
            cause = OUT_OF_MEMORY
        if code != 0 and not cause and outfolder.size(*self.watched) >= self.limit:
            cause = DISK
        if code is None and not cause:
            return Exit(None, "", usage, self._last_line())
        return Exit(137 if code is None else code, cause, usage)

    def _last_line(self) -> str:
        with open(self.run / "log.0", "rb") as file:
            lines = file.read(4096).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "bwrap said nothing."


def reported_code(report: bytes) -> int | None:
    """The exit code in bwrap's report: a JSON document a line, of which one has `exit-code` if the command was run."""
    code = None
    for line in report.splitlines():
        with suppress(ValueError):
            code = json.loads(line).get("exit-code", code)
    return code


def shell_code(status: int) -> int:
    """A wait status as a shell tells it: 128 and the number of the signal, if one ended the process."""
    code = os.waitstatus_to_exitcode(status)
    return 128 - code if code < 0 else code


def localize(command: tuple[str, ...], run: Path) -> list[str]:
    """The command of a plugin without a sandbox: the folders of the contract are then ours, under their real names."""
    folders = {sandbox.INCOMING: str(run / "incoming"), sandbox.OUTGOING: str(run / "outgoing")}
    return [folders.get(word, word) for word in command]


def disk_limit(run: Path, wanted: int) -> int:
    """Bytes that a plugin may write: what is wanted, but a gibibyte of the disk stays free for everybody else."""
    return max(16 * MIB, min(wanted, free_bytes(run) - (1 << 30)))


def free_bytes(folder: Path) -> int:
    about = os.statvfs(folder)
    return about.f_bavail * about.f_frsize


def _is(pid: int, program: str) -> bool:
    with suppress(OSError):
        return os.path.realpath(f"/proc/{pid}/exe") == os.path.realpath(program)
    return False
