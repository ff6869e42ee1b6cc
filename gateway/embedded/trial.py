"""A plugin run once on this machine without a server: the same sandbox, limits and rules, on two folders of the disk.

Plugins are found among those that are installed (`plugins/`), else installed from the index. Folders and wheels are
installed beside them (`trials/plugins/`), so that trying one never changes what the server of this home runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from functions.errors import Permanent
from functions.jobs import End, Limits
from gateway import arguments
from gateway.catalog import descriptors
from gateway.embedded import joblog, outfolder, processes
from gateway.embedded.cgroups import Group
from gateway.embedded.environments import MARK, Environment, Environments
from gateway.embedded.launcher import Ground, PodSettings, refusal, variables
from gateway.embedded.plan import PodPlan, Status, read_plan, read_status, write_plan, write_status
from gateway.embedded.plugin import PluginRun
from gateway.embedded.pod import group_name, stop_signal

TRIALS, STAMP = "trials", "chrysalis-source"
NO_JOB = "trial"
UNREAD = frozenset({".git", ".venv", "venv", "__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", "build"})
"""Folders of a source whose changes do not make another plugin."""


@dataclass(frozen=True)
class Trial:
    """One run. `incoming` is only read (None: an empty one); `outgoing` is an empty folder that is there; `command` is
    as the plugin sees it."""

    environment: Environment
    command: tuple[str, ...]
    limits: Limits
    incoming: Path | None
    outgoing: Path


@dataclass(frozen=True)
class Outcome:
    """How a trial ended, what the plugin printed, and what it left in its HOME (paths below it)."""

    end: End
    log: bytes
    scratch: dict[str, bytes]


class Bench:
    """Where plugins are tried: a home's installed plugins, and this machine's sandbox."""

    def __init__(self, home: Path, *, unsandboxed: bool = False) -> None:
        self.home, self.trials = home.absolute(), home.absolute() / TRIALS
        self.settings = PodSettings(unsandboxed=unsandboxed)
        self.ground = Ground.survey()
        places = (self.home / "plugins", self.trials / "plugins")
        bwrap = self.ground.bwrap
        self.installed, self.tried = (Environments(one, bwrap=bwrap, unsandboxed=unsandboxed) for one in places)

    def get(self, source: str) -> Environment:
        """A folder, a wheel, an installed plugin (`name`, `name@1.0`), or a package of the index. Raises Permanent."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.trials.mkdir(mode=0o700, exist_ok=True)
        if (place := Path(source).expanduser()).exists():
            return self._try(place.absolute())
        name, at, version = source.partition("@")
        return find(self.installed, name, version) or self.installed.install(f"{name}=={version}" if at else source)

    def _try(self, source: Path) -> Environment:
        """A folder or a wheel, installed anew only where something in it has changed since."""
        stamp = f"{source} {fingerprint(source)}"
        for told in self.tried.root.glob(f"[!.]*/*/{STAMP}"):
            known = self.tried.find(*told.parts[-3:-1]) if told.read_text() == stamp else None
            if known:
                return known
        installed = self.tried.install(str(source))
        (installed.folder / STAMP).write_text(stamp)
        return installed

    def run(self, trial: Trial, *, tell: Callable[[bytes], object] | None = None) -> Outcome:
        """Run it to its end; `tell` hears what it prints. Ctrl-C ends it. Raises Permanent if nothing can run here."""
        plan = self._plan(trial)
        if sentence := refusal(plan, unsandboxed=self.settings.unsandboxed):
            raise Permanent(sentence)
        with self._folder(trial) as run:
            write_plan(run, plan)
            supervise(run, tell or (lambda data: None))
            status = read_status(run)
            if status is None or status.end is None:
                raise Permanent(f"The process that watches the plugin has ended without a word. Is {self.home} full?")
            left = {str(path.relative_to(run / "scratch")): read(path) for path in sorted((run / "scratch").rglob("*"))}
            return Outcome(status.end, joblog.read(run), left)

    @contextmanager
    def _folder(self, trial: Trial) -> Iterator[Path]:
        """A run directory in which the user's folders have the names that a pod gives them."""
        run = self.trials / f"run-{os.urandom(4).hex()}"
        (run / "scratch").mkdir(parents=True, mode=0o700)
        try:
            if trial.incoming is None:
                (run / "incoming").mkdir()
            else:
                (run / "incoming").symlink_to(trial.incoming.resolve())
            (run / "outgoing").symlink_to(trial.outgoing.resolve())
            yield run
        finally:
            outfolder.remove(run, writable=("scratch",))

    def _plan(self, trial: Trial) -> PodPlan:
        limits = trial.limits
        known = arguments.environment(instance=1, username="", email="")
        return PodPlan(
            job=NO_JOB,
            attempt=1,
            index=0,
            workers=1,
            token="",
            stage_url="",
            publish_url="",
            command=trial.command,
            environment=str(trial.environment.folder),
            variables=variables(known, os.environ, self.settings.passed),
            cpu=limits.cpu,
            memory=limits.memory,
            seconds=limits.seconds,
            stage_in="",
            stage_out="",
            bwrap=self.ground.bwrap,
            hidden=(str(self.home), str(Path.home())),
            shared_memory=max(64, limits.memory) << 20,
            parents=self.ground.parents,
        )


def fingerprint(source: Path) -> str:
    """Names, sizes and times of all files of a folder that a build reads; or of one file."""
    digest = hashlib.sha256()
    for place, folders, names in os.walk(source):
        folders[:] = sorted(set(folders) - UNREAD)
        for name in sorted(names):
            about = Path(place, name).lstat()
            digest.update(f"{place}/{name} {about.st_size} {about.st_mtime_ns}\0".encode(errors="surrogateescape"))
    if source.is_file():
        digest.update(f"{source.stat().st_size} {source.stat().st_mtime_ns}".encode())
    return digest.hexdigest()


def find(environments: Environments, name: str, version: str = "") -> Environment | None:
    """The newest installed version of a plugin, by its own name or its package's; or the given version."""
    found = []
    for mark in environments.root.glob(f"[!.]*/*/{MARK}"):
        known = environments.find(mark.parts[-3], mark.parts[-2])
        if known and plain(name) in (plain(known.name), plain(mark.parts[-3])) and version in ("", known.version):
            found.append(known)
    return max(found, key=lambda one: [int(part) for part in one.version.split(".") if part.isdigit()], default=None)


def plain(name: str) -> str:
    """Names of packages are one where they differ in these only (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def program(environment: Environment) -> tuple[arguments.Program, descriptors.Descriptor]:
    """How an installed plugin is called, and its descriptor as the catalog reads it."""
    descriptor = descriptors.parse(environment.descriptor)
    texts = descriptor.texts
    return arguments.Program(descriptor.type, texts["execshell"], texts["selfpath"], texts["selfexec"]), descriptor


def least(descriptor: descriptors.Descriptor, *, memory: int | None = None, seconds: int = 0) -> Limits:
    """What a job gets that asks for nothing: the plugin's own minimum. `memory` in MiB."""
    least_memory = descriptor.limits["min_memory_limit"]
    return Limits(descriptor.limits["min_cpu_limit"], memory or least_memory, seconds=seconds)


def supervise(run: Path, tell: Callable[[bytes], object]) -> None:
    """Have the plan of a run directory done by a process of its own, since it buries every process below it."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, str(run)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        env=clean(os.environ),
    ) as process:
        assert process.stdout is not None
        try:
            while data := os.read(process.stdout.fileno(), 1 << 16):
                tell(data)
        except BaseException:
            process.terminate()
            raise


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Our own modules must be found by the process as we have found them."""
    return {**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def read(path: Path) -> bytes:
    with suppress(OSError):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                return file.read(1 << 16)
    return b""


def main(run: Path) -> None:
    """In the process of its own: run the plugin, and write how it ended."""
    plan = read_plan(run)
    assert plan is not None
    processes.die_with(os.getppid())
    processes.become_reaper()
    stop, _ = stop_signal()
    uid = os.urandom(16).hex()

    def tell(data: bytes) -> None:
        with suppress(BrokenPipeError):
            os.write(1, data)

    end = PluginRun(run, plan, Group(group_name(uid), plan.parents), stop=stop, tell=tell).end()
    write_status(run, Status("done", uid=uid, end=end))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
