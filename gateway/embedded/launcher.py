"""The process launcher: the local twin of Kubernetes Jobs, behind the port of `functions/run/launcher.py`.

A pod is a run directory `pods/<job>-<attempt>-<index>/` and a process that works in it (`pod.py`). The directory
appears as a whole or not at all, so this launcher can be killed at any moment: what it finds when it starts again is a
pod that lives, one that never began (it is begun), or one that has ended. Index 0 stands for the whole Job: it is made
first and goes first, and while it is there its brothers are made too.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from functions.errors import Temporary
from functions.jobs import End, JobPlan, Sight
from gateway.embedded import cgroups, joblog, outfolder, sandbox
from gateway.embedded.cgroups import Group, Parent
from gateway.embedded.complaints import NO_SANDBOX
from gateway.embedded.nurse import Nurse
from gateway.embedded.plan import LOCK, PodPlan, Status, read_plan, read_status, write_plan, write_status
from gateway.embedded.pod import group_name
from gateway.embedded.processes import send

log = logging.getLogger(__name__)

RUN = re.compile(r"(?P<job>.+)-(?P<attempt>\d+)-(?P<index>\d+)")
BEGINS = 3  # times that a pod which dies before its first word is begun again
TERM_SECONDS, KILL_SECONDS = 1.0, 1.0

OnChange = Callable[[str, int, bool], None]


@dataclass(frozen=True)
class PodSettings:
    """How plugins run on this machine.

    `unsandboxed`: run them even where no sandbox works. `passed`: variables that a plugin gets from the server's own
    environment (they tune numeric libraries to a CPU). `disk_bytes`: what one plugin may write. `shared_memory`: bytes
    of /dev/shm, 0: as much as the plugin may have of memory. `idle_seconds`: how long the nursery waits for work.
    """

    unsandboxed: bool = False
    passed: tuple[str, ...] = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
    disk_bytes: int = 50 << 30
    shared_memory: int = 0
    processes: int = 2048
    log_segment: int = joblog.SEGMENT
    idle_seconds: float = 60.0


@dataclass(frozen=True)
class Ground:
    """What this machine offers: a bwrap that works (empty: none), and where cgroups can be made."""

    bwrap: str
    parents: tuple[Parent, ...]

    @classmethod
    def survey(cls) -> Ground:
        return cls(sandbox.find() or "", cgroups.parents())


class ProcessLauncher:
    """Pods as processes. `on_change(job, attempt, published)` is called, in a thread of its own, when a pod has ended;
    `published`: its outputs are committed, so that publish has told of it."""

    def __init__(
        self,
        home: Path,
        *,
        stage_url: str,
        publish_url: str,
        links: bool,
        on_change: OnChange | None = None,
        settings: PodSettings | None = None,
        stage_in: str = "functions.movers.stage_in:main",
        stage_out: str = "functions.movers.stage_out:publish",
        ground: Ground | None = None,
    ) -> None:
        self.home, self.pods = home.absolute(), home.absolute() / "pods"
        self.stage_url, self.publish_url, self.links = stage_url, publish_url, links
        self.on_change, self.settings = on_change or (lambda *_: None), settings or PodSettings()
        self.stage_in, self.stage_out = stage_in, stage_out
        self._ground, self._lock = ground, threading.Lock()
        self._begins: dict[Path, int] = {}
        modules = sorted({name.partition(":")[0] for name in (stage_in, stage_out)})
        self.nurse = Nurse(
            modules, log_file=self.home / "logs/pods.log", idle=self.settings.idle_seconds, on_end=self._ended
        )

    @property
    def ground(self) -> Ground:
        """Surveyed once, at the first need."""
        with self._lock:
            self._ground = self._ground or Ground.survey()
            return self._ground

    def start(self) -> None:
        """Adopt the pods of an earlier server: watch the living, begin those that never began, finish deletions."""
        self.pods.mkdir(parents=True, exist_ok=True, mode=0o700)
        for run in sorted(self.pods.iterdir()):
            try:
                self._resume(run)
            except Temporary as error:  # one that does not end must not keep the server from starting
                log.warning("%s", error, extra={"action": "pod.resume.failed"})

    def stop(self) -> None:
        """Stop watching. The pods go on; the next `start` adopts them."""
        self.nurse.stop()

    def create(self, plan: JobPlan) -> None:
        """One pod per index. A run directory that is there is left alone (409), but is begun if it never was."""
        self._create(self._pod_plan(plan))

    def look(self, job: str, attempt: int) -> tuple[Sight, ...] | None:
        first = read_plan(self._run(job, attempt, 0))
        if first is None:
            return None
        self._create(first)
        return tuple(self._sight(self._run(job, attempt, index)) for index in range(first.workers))

    def delete(self, job: str, attempt: int | None = None) -> None:
        runs = sorted(self._runs(job, attempt), key=lambda run: int(run.name.rsplit("-", 1)[1]))
        for run in runs:
            self._remove(run)

    def log(self, job: str, attempt: int, index: int) -> bytes:
        return joblog.read(self._run(job, attempt, index), segment=self.settings.log_segment)

    def jobs(self) -> list[tuple[str, int]]:
        """Every Job that has a run directory, ended or not."""
        matches = (RUN.fullmatch(run.name) for run in self.pods.glob("[!.]*"))
        return sorted({(match["job"], int(match["attempt"])) for match in matches if match})

    def _run(self, job: str, attempt: int, index: int) -> Path:
        return self.pods / f"{job}-{attempt}-{index}"

    def _runs(self, job: str, attempt: int | None) -> Iterator[Path]:
        for run in self.pods.glob(f"{job}-*") if self.pods.exists() else ():
            match = RUN.fullmatch(run.name)
            if match and match["job"] == job and attempt in (None, int(match["attempt"])):
                yield run

    def _first(self, run: Path) -> Path:
        return run.with_name(run.name.rsplit("-", 1)[0] + "-0")

    def _pod_plan(self, plan: JobPlan) -> PodPlan:
        """Pure but for the ground: the plan of index 0, from which its brothers' are made."""
        request, limits, settings = plan.request, plan.request.limits, self.settings
        return PodPlan(
            job=plan.job,
            attempt=plan.attempt,
            index=0,
            workers=limits.workers,
            token=plan.token,
            stage_url=self.stage_url,
            publish_url=self.publish_url,
            command=request.command,
            environment=request.runtime.place if request.runtime.kind == "environment" else "",
            variables=variables(request.environment, os.environ, settings.passed),
            cpu=limits.cpu,
            memory=limits.memory,
            seconds=limits.seconds,
            stage_in=self.stage_in,
            stage_out=self.stage_out,
            links=self.links,
            bwrap=self.ground.bwrap,
            hidden=(str(self.home), str(Path.home())),
            disk_bytes=settings.disk_bytes,
            shared_memory=settings.shared_memory or max(64, limits.memory) << 20,
            processes=settings.processes,
            log_segment=settings.log_segment,
            parents=self.ground.parents,
        )

    def _create(self, first: PodPlan) -> None:
        for index in range(first.workers):
            run = self._run(first.job, first.attempt, index)
            if not run.exists():
                self._make(run, replace(first, index=index))
            if read_status(run) is None:
                self._begin(run)

    def _make(self, run: Path, plan: PodPlan) -> None:
        """The run directory with its plan, at once and as a whole. Raises Temporary."""
        beside = run.with_name(f".{run.name}.{os.urandom(4).hex()}")
        try:
            beside.mkdir(parents=True, mode=0o700)
            (beside / LOCK).touch(mode=0o600)
            write_plan(beside, plan)
            sentence = refusal(plan, unsandboxed=self.settings.unsandboxed)
            if sentence:
                write_status(beside, Status("done", end=End("stuck", None, "sandbox", sentence)))
            beside.rename(run)
        except OSError as error:
            shutil.rmtree(beside, ignore_errors=True)
            if not run.exists():  # else somebody else has just made it
                raise Temporary(f"The plugin's folder {run} cannot be made: {error.strerror}.") from error

    def _begin(self, run: Path) -> None:
        """Have a pod forked. One that has died without a word for the third time is given up, with a sentence."""
        if self._begins.get(run, 0) < BEGINS:
            self.nurse.begin(run)
            return
        sentence = f"The process that supervises the plugin does not start; {self.nurse.log_file} may tell why."
        with contextlib.suppress(FileNotFoundError):
            write_status(run, Status("done", end=End("stuck", None, "launcher", sentence)))

    def _resume(self, run: Path) -> None:
        """Go on where an earlier server was. A folder without its own or its Job's plan is the rest of a deletion."""
        if run.name.startswith("."):
            self._destroy(run)
            return
        if read_plan(run) is None or read_plan(self._first(run)) is None:
            self._remove(run)
            return
        status = read_status(run)
        if status is None:
            self._begin(run)
        elif status.identity is None or not self.nurse.watch(run, status.identity):
            self._report(run)

    def _ended(self, run: Path) -> None:
        """The nurse's word: the process of this run directory has ended. If it never began, again."""
        if run.exists() and read_status(run) is None:
            self._begins[run] = self._begins.get(run, 0) + 1
            self._begin(run)
            if read_status(run) is None:
                return
        self._report(run)

    def _report(self, run: Path) -> None:
        match, status = RUN.fullmatch(run.name), read_status(run)
        if match and run.exists():
            self.on_change(match["job"], int(match["attempt"]), bool(status and status.published))

    def _sight(self, run: Path) -> Sight:
        """Whether it lives is asked before how it ended: the other way round, one that ends in between looks lost."""
        status = read_status(run)
        if status is None:
            return Sight(alive=True)  # it waits for its turn
        if status.phase != "done" and status.identity is not None and status.identity.alive:
            return Sight(alive=True, end=status.end)
        status = read_status(run) or status
        return Sight(alive=False, end=status.end)

    def _remove(self, run: Path) -> None:
        """Out of sight first, so that it is not taken for a pod any more; then ended, then gone."""
        self.nurse.settle(run, TERM_SECONDS)
        self._begins.pop(run, None)
        beside = run.with_name(f".{run.name}.{os.urandom(4).hex()}")
        with contextlib.suppress(FileNotFoundError):
            run.rename(beside)
            self._destroy(beside)

    def _destroy(self, run: Path) -> None:
        """End the pod of a folder and remove the folder. While we hold its lock no pod can begin in it."""
        with _locked(run, lambda: self._end_pod(run)):
            status, plan = read_status(run), read_plan(run)
            if status and plan and status.uid:
                group = Group(group_name(status.uid), plan.parents)
                group.kill(KILL_SECONDS)
                group.remove()
            outfolder.remove(run, writable=("outgoing", "scratch"))

    def _end_pod(self, run: Path) -> None:
        """TERM, on which a pod kills and buries all that is below it; KILL if it does not, and the kernel does it."""
        status = read_status(run)
        identity = status.identity if status else None
        if identity is None:
            time.sleep(0.005)  # it has the lock, and writes its status next
            return
        for number, seconds in ((signal.SIGTERM, TERM_SECONDS), (signal.SIGKILL, KILL_SECONDS)):
            if not identity.alive:
                return
            send(identity.pid, number)
            _await(identity.pid, seconds)


def variables(given: Mapping[str, str], ours: Mapping[str, str], passed: tuple[str, ...]) -> dict[str, str]:
    """Pure: what a plugin finds in its environment beside PATH, HOME and LANG. There is never a token in it."""
    tuned = {name: ours[name] for name in passed if name in ours}
    named = {name: value for name, value in given.items() if name.startswith("CHRIS_")}
    return {**tuned, **named, "CHRIS_USER_TOKEN": ""}


def refusal(plan: PodPlan, *, unsandboxed: bool) -> str:
    """Pure: why this machine will not run a plugin; empty if it will."""
    if not plan.environment:
        return "This machine runs plugins from their Python packages; this one is a container image. Add its package."
    if not plan.bwrap and not unsandboxed:
        return NO_SANDBOX
    return ""


@contextlib.contextmanager
def _locked(run: Path, end: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of a run directory; whoever has it is ended. Raises Temporary if that does not help."""
    try:
        lock = os.open(run / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # a folder that was never finished has no pod
        yield
        return
    try:
        until = time.monotonic() + 3 * (TERM_SECONDS + KILL_SECONDS)
        while not _try_lock(lock):
            if time.monotonic() > until:
                raise Temporary(f"The pod of {run.name} does not end.")
            end()
        yield
    finally:
        os.close(lock)


def _try_lock(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _await(pid: int, seconds: float) -> None:
    """Wait until a process has gone."""
    import select

    try:
        ended = os.pidfd_open(pid)
    except OSError:
        return
    try:
        select.select([ended], [], [], seconds)
    finally:
        os.close(ended)
