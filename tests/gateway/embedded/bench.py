"""A launcher on a bench: real pods with small movers, waited for by their reports and not by the clock."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from functions.jobs import JobPlan, Limits, Request, Runtime, Sight
from gateway.embedded.launcher import Ground, PodSettings, ProcessLauncher

MOVERS = "tests.gateway.embedded.movers"


class Bench:
    """`home` is the state of the launcher, `notes` where the movers write down what they did."""

    def __init__(self, folder: Path, *, ground: Ground | None = None, **settings: Any) -> None:
        self.home, self.notes = folder / "home", folder / "notes"
        self.notes.mkdir(parents=True, exist_ok=True)
        self.environment = self.home / "plugins/test/1"
        if not self.environment.exists():
            venv.create(self.environment, symlinks=True)
        self.ended = threading.Condition()
        self.reports: list[tuple[str, int]] = []
        self.launcher = ProcessLauncher(
            self.home, stage_url=str(self.notes), publish_url=str(self.notes), links=True, on_change=self.report,
            settings=PodSettings(**settings), stage_in=f"{MOVERS}:stage_in", stage_out=f"{MOVERS}:stage_out",
            ground=ground,
        )  # fmt: skip

    def report(self, job: str, attempt: int, published: bool) -> None:
        with self.ended:
            self.reports.append((job, attempt))
            self.ended.notify_all()

    def plan(self, job: str, code: str, *, limits: Limits | None = None, attempt: int = 1, **told: Any) -> JobPlan:
        """A plugin that is a few lines of Python; `told` is for the movers."""
        command = ("python", "-c", code, "/share/incoming", "/share/outgoing")
        request = Request(
            job=job, tenant="t", instance=1, feed=1, plugin="test", version="1", command=command,
            runtime=Runtime("environment", str(self.environment)), limits=limits or Limits(),
            environment={"CHRIS_JID": "chris-jid-1", "CHRIS_USER_TOKEN": "secret", "LD_PRELOAD": "/evil.so"},
        )  # fmt: skip
        return JobPlan(request, attempt, json.dumps({"job": job, **told}))

    def create(self, job: str, code: str, **details: Any) -> None:
        self.launcher.create(self.plan(job, code, **details))

    def wait(self, job: str, *, attempt: int = 1, index: int = 0, seconds: float = 30) -> Sight:
        """What is seen of a pod once it has ended."""
        with self.ended:
            assert self.ended.wait_for(lambda: not self.sight(job, attempt, index).alive, seconds), "the pod lives on"
        return self.sight(job, attempt, index)

    def until(self, question: Callable[[], object], seconds: float = 20) -> None:
        """Wait for something that nobody reports. Asks often, but gives the processor away in between."""
        pause = threading.Event()
        for _ in range(int(seconds / 0.01)):
            if question():
                return
            pause.wait(0.01)
        raise AssertionError("it has not come to pass")

    def sight(self, job: str, attempt: int = 1, index: int = 0) -> Sight:
        sights = self.launcher.look(job, attempt)
        assert sights is not None
        return sights[index]

    def run(self, job: str, code: str, **details: Any) -> Sight:
        self.create(job, code, **details)
        return self.wait(job)

    def output(self, job: str, index: int = 0) -> Path:
        return self.notes / f"out-{job}-{index}"

    def log(self, job: str, index: int = 0) -> str:
        return self.launcher.log(job, 1, index).decode()

    def noted(self, name: str) -> list[dict[str, str]]:
        file = self.notes / name
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def close(self) -> None:
        for run in self.launcher.pods.glob("[!.]*"):
            self.launcher.delete(run.name.rsplit("-", 2)[0])
        self.launcher.stop()


def alive(marker: str) -> list[int]:
    """The processes whose command line holds a marker; zombies have none."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def start_server(folder: Path, program: str) -> subprocess.Popen[bytes]:
    """A server process of its own, which a test may kill: `bench` is there when `program` runs."""
    lines = ["import sys, pathlib, threading", "from tests.gateway.embedded.bench import Bench",
             f"bench = Bench(pathlib.Path({str(folder)!r}))", program]  # fmt: skip
    root = Path(__file__).parents[3]
    return subprocess.Popen([sys.executable, "-c", "\n".join(lines)], cwd=root, stdout=subprocess.PIPE)
