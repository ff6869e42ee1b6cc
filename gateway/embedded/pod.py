"""The pod process: what a kubelet and a pod's containers do for one index of a job, here in one small process.

    stage-in -> the plugin in its sandbox -> its end on the disk -> stage-out -> done

It is forked by the nursery into its run directory, and outlives the server. A pod that has once begun is never begun
again: it holds the lock of its folder, and whoever finds a status there knows that there was one.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import os
import select
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from functions.jobs import End
from gateway.embedded import processes
from gateway.embedded.cgroups import Group
from gateway.embedded.plan import LEDGER, LOCK, TERMINATION, PodPlan, Status, read_plan, read_status, write_status
from gateway.embedded.plugin import PluginRun

DONE, STOP, PERMANENT = 0, 64, 65
"""Exit codes of movers; every other one, and every signal, is a temporary fault."""

PUBLISH_TRIES, PUBLISH_PAUSE = 4, 1.0


class Stopped(Exception):
    """Somebody has told the pod to end."""


def main(run: Path) -> None:
    """Be the pod of this run directory, in a process of its own. Returns when it is done or need not begin."""
    os.chdir(run)
    lock = os.open(LOCK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return  # another pod of this folder lives
    plan = read_plan(run)
    if plan is None or read_status(run) is not None:
        return
    processes.become_reaper()
    with suppress(Stopped):
        Pod(run, plan).work()
    processes.end_descendants()


class Pod:
    """One pod at work. Its status file is the only thing that others learn of it."""

    def __init__(self, run: Path, plan: PodPlan) -> None:
        self.run, self.plan = run, plan
        self.stop, self.told = stop_signal()
        self.status = Status("begun", processes.identify(os.getpid()), os.urandom(16).hex())
        self.group = Group(group_name(self.status.uid), plan.parents)

    def work(self) -> None:
        write_status(self.run, self.status)
        end = self._missing() or self._stage_in()
        if end is None:
            self._tell("running")
            end = self._run_plugin()
            self._tell("ended", end, durable=True)
            self._stage_out(end)
        else:
            self._tell("done", end)

    def _tell(self, phase: str, end: End | None = None, *, published: bool = False, durable: bool = False) -> None:
        self.status = replace(self.status, phase=phase, end=end, published=published)
        write_status(self.run, self.status, durable=durable)

    def _missing(self) -> End | None:
        """An environment that has been removed since the job was made: the one fault that a sandbox tells badly."""
        if (Path(self.plan.environment) / "bin").is_dir():
            return None
        sentence = f"The plugin is no longer installed here: {self.plan.environment} is gone. Add the plugin again."
        return End("stuck", None, "environment", sentence)

    def _stage_in(self) -> End | None:
        """None: the inputs are here and the plugin may start. Raises Stopped if it must not, or not now."""
        for name in ("incoming", "outgoing", "scratch", LEDGER):
            (self.run / name).mkdir(exist_ok=True)
        code = self._mover(self.plan.stage_in)
        if code == DONE:
            return None
        if code == PERMANENT:
            return End("stuck", None, "staging", self._sentence("The inputs could not be fetched."))
        self._tell("done")  # told not to start, or a fault that another attempt may not meet
        raise Stopped

    def _run_plugin(self) -> End:
        end = PluginRun(self.run, self.plan, self.group, stop=self.stop).end()
        if end is None:
            self._tell("done")
            raise Stopped
        return end

    def _stage_out(self, end: End) -> None:
        """Publish what the plugin wrote, be its end good or bad. A mover that dies is started again and goes on."""
        code = STOP
        for turn in range(PUBLISH_TRIES):
            code = self._mover(self.plan.stage_out)
            if code in (DONE, STOP, PERMANENT):
                break
            self._pause(PUBLISH_PAUSE * 2**turn)
        if code == PERMANENT:
            sentence = " ".join(filter(None, [end.sentence, self._sentence("The outputs could not be saved.")]))
            end = replace(end, kind="fail", reason="outputs" if end.kind == "ok" else end.reason, sentence=sentence)
        self._tell("done", end, published=code == DONE)

    def _mover(self, name: str) -> int:
        """The exit code of a mover run as a forked function; a signal that ended it is told as a shell does."""
        (self.run / TERMINATION).unlink(missing_ok=True)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            processes.die_with(parent)
            _be_mover(name, mover_environment(self.run, self.plan, self.status.uid))
        ended = os.pidfd_open(pid)
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(self.stop, select.POLLIN)
        ready = {number for number, _ in poll.poll()}
        os.close(ended)
        if self.stop in ready:
            raise Stopped
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        return 128 - code if code < 0 else code

    def _pause(self, seconds: float) -> None:
        poll = select.poll()
        poll.register(self.stop, select.POLLIN)
        if poll.poll(seconds * 1000):
            raise Stopped

    def _sentence(self, otherwise: str) -> str:
        """What a mover has said of its permanent fault."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            return str(json.loads((self.run / TERMINATION).read_bytes())["sentence"])
        return otherwise


def group_name(uid: str) -> str:
    """The name of the cgroups of a pod."""
    return f"chrysalis-{uid}"


def mover_environment(run: Path, plan: PodPlan, uid: str) -> dict[str, str]:
    """Pure: what a mover is told (the same names as in a pod on a cluster)."""
    told = {
        "CHRYSALIS_TOKEN": plan.token,
        "CHRYSALIS_STAGE_URL": plan.stage_url,
        "CHRYSALIS_PUBLISH_URL": plan.publish_url,
        "CHRYSALIS_INDEX": str(plan.index),
        "CHRYSALIS_POD_UID": uid,
        "CHRYSALIS_INCOMING": str(run / "incoming"),
        "CHRYSALIS_OUTGOING": str(run / "outgoing"),
        "CHRYSALIS_TERMINATION": str(run / TERMINATION),
        "CHRYSALIS_SCRATCH": str(run / LEDGER),
    }
    return {**told, "CHRYSALIS_LINKS": "1"} if plan.links and plan.bwrap else told


def load(name: str) -> object:
    """The function that `module:function` names."""
    module, _, function = name.partition(":")
    return getattr(importlib.import_module(module), function)


def _be_mover(name: str, environment: Mapping[str, str]) -> None:
    """In the child: run the function and leave by its code. What it prints goes beside the plan, for an operator."""
    code = 1
    try:
        gc.enable()
        processes.name_process(name.partition(":")[0].rpartition(".")[2])
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        printed = os.open("movers.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        code = int(load(name)(environment))  # type: ignore[operator]
    except BaseException:  # noqa: BLE001 - nothing may get out of this child, which shares its stack with the pod
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def stop_signal() -> tuple[int, int]:
    """A pipe whose read end becomes readable when this process is told to end."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, lambda *_: None)
    return reader, writer
