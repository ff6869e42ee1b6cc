"""The sweep clock: armed before work, durable, quiet without work, and never disarmed under an open transaction."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from functions.errors import Temporary
from gateway.embedded.clock import SweepClock
from tests.gateway.embedded.naps import fall_asleep


class Time:
    """A clock that a test moves by hand."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


class Bench:
    """A clock, its time, and the times of its sweeps and heartbeats."""

    def __init__(self, path: Path, sweep: Callable[[], object] = lambda: None) -> None:
        self.time, self.sweeps, self.beats = Time(), [], []  # type: ignore[var-annotated]
        self.clock = SweepClock(
            path, lambda: (self.sweeps.append(self.time.at), sweep()), heartbeat=self.beat, now=self.time
        )

    def beat(self) -> None:
        self.beats.append(self.time.at)

    def run(self, seconds: float) -> None:
        """Let time pass as the thread would, from one due moment to the next."""
        end = self.time.at + seconds
        while (rest := self.clock.step()) <= end - self.time.at:
            self.time.at += rest
        self.time.at = end


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path / "sweep")


def test_a_disarmed_clock_never_sweeps(bench: Bench) -> None:
    bench.run(3000)
    assert (bench.sweeps, bench.beats) == ([], [])
    assert bench.clock.step() == 600


def test_an_armed_clock_sweeps_every_period(bench: Bench) -> None:
    bench.clock.arm()
    bench.run(185)
    assert bench.sweeps == [1060, 1120, 1180]


def test_arming_again_does_not_put_the_sweep_off(bench: Bench) -> None:
    for _ in range(20):
        bench.clock.arm()
        bench.run(10)
    assert bench.sweeps == [1060, 1120, 1180]


def test_the_heartbeat_comes_every_hour_armed_or_not(bench: Bench) -> None:
    bench.run(7200)
    bench.clock.arm()
    bench.run(3600)
    assert bench.beats == [4600, 8200, 11800]


def test_without_a_heartbeat_of_its_own_the_sweep_is_it(tmp_path: Path) -> None:
    now, sweeps = Time(), []
    clock = SweepClock(tmp_path / "sweep", lambda: sweeps.append(now.at), now=now)
    now.at += 3600
    clock.step()
    assert sweeps == [4600]


def test_a_second_tick_within_half_a_period_does_nothing(bench: Bench) -> None:
    assert bench.clock.tick()
    bench.time.at += 29
    assert not bench.clock.tick()
    bench.time.at += 1
    assert bench.clock.tick()
    assert bench.sweeps == [1000, 1030]


def test_a_tick_while_one_runs_does_nothing(tmp_path: Path) -> None:
    second: list[bool] = []
    bench = Bench(tmp_path / "sweep", lambda: second.append(bench.clock.tick()))
    assert bench.clock.tick()
    assert second == [False]


def test_a_sweep_that_fails_is_tried_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "sweep", lambda: 1 / 0)
    bench.clock.arm()
    bench.run(120)
    assert bench.sweeps == [1060, 1120]


# disarming


def test_a_young_arming_gives_no_version_to_disarm(bench: Bench) -> None:
    bench.clock.arm()
    bench.time.at += 60
    assert bench.clock.idle_version() is None
    assert not bench.clock.disarm(bench.clock.idle_version())
    bench.time.at += 1
    assert bench.clock.disarm(bench.clock.idle_version())
    bench.run(600)
    assert bench.sweeps == []


def test_who_arms_after_the_look_is_not_disarmed(bench: Bench) -> None:
    bench.clock.arm()
    bench.time.at += 61
    looked = bench.clock.idle_version()
    bench.clock.arm()
    bench.time.at += 61
    assert not bench.clock.disarm(looked)
    assert bench.clock.armed


def test_a_version_that_no_look_gave_disarms_nothing(bench: Bench) -> None:
    version = bench.clock.arm()
    bench.time.at += 61
    assert not bench.clock.disarm(version)
    assert not bench.clock.disarm(None)


def test_a_sweep_disarms_itself_and_the_clock_rests(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "sweep", lambda: bench.clock.disarm(bench.clock.idle_version()))
    bench.clock.arm()
    bench.run(1800)
    assert bench.sweeps == [1060, 1120]  # at 1060 the arming is too young
    assert not (tmp_path / "sweep").exists()


class Arming(RuleBasedStateMachine):
    """Transactions arm and commit, a sweep looks and disarms, the process dies: unfinished work is never left alone."""

    def __init__(self) -> None:
        super().__init__()
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.bench = Bench(Path(self.folder.name) / "sweep")
        self.open: list[float] = []
        self.work = 0
        self.seen: tuple[int | None, int] | None = None

    def teardown(self) -> None:
        self.folder.cleanup()

    @rule()
    def begin(self) -> None:
        self.bench.clock.arm()
        self.open.append(self.bench.time.at)

    @rule()
    def commit(self) -> None:
        if self.open:
            self.open.pop()
            self.work += 1

    @rule()
    def finish(self) -> None:
        self.work = max(0, self.work - 1)

    @rule(seconds=st.sampled_from([1, 20, 59, 61]))
    def wait(self, seconds: int) -> None:
        """No transaction lives longer than it may: it commits at the latest when it is over."""
        late = [since for since in self.open if self.bench.time.at + seconds - since > 60]
        self.open = [since for since in self.open if since not in late]
        self.work += len(late)
        self.bench.time.at += seconds

    @rule()
    def look(self) -> None:
        self.seen = (self.bench.clock.idle_version(), self.work)

    @rule()
    def disarm(self) -> None:
        if self.seen and self.seen[1] == 0:
            self.bench.clock.disarm(self.seen[0])
        self.seen = None

    @rule()
    def die(self) -> None:
        """A kill -9: open transactions are rolled back, and a new process reads the file."""
        at, self.open, self.seen = self.bench.time.at, [], None
        self.bench = Bench(self.bench.clock.path)
        self.bench.time.at = at

    @invariant()
    def work_is_armed(self) -> None:
        if self.work or self.open:
            assert self.bench.clock.armed
            assert self.bench.clock.path.exists()


TestArming = Arming.TestCase
TestArming.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


# durable


def test_a_clock_that_was_armed_sweeps_at_once_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    bench.clock.arm()
    again = Bench(tmp_path / "sweep")
    assert again.clock.armed
    again.run(70)
    assert again.sweeps == [1000, 1060]


def test_versions_go_on_after_a_restart(bench: Bench, tmp_path: Path) -> None:
    first = bench.clock.arm()
    assert Bench(tmp_path / "sweep").clock.arm() > first


def test_a_file_that_was_cut_short_still_says_armed(tmp_path: Path) -> None:
    (tmp_path / "sweep").write_bytes(b"")
    assert Bench(tmp_path / "sweep").clock.armed


def test_an_arming_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "missing" / "sweep")
    with pytest.raises(Temporary, match="no work is taken"):
        bench.clock.arm()
    assert not bench.clock.armed


def test_an_arming_outlives_a_kill(tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from gateway.embedded.clock import SweepClock\n"
        "SweepClock(Path(sys.argv[1]), print).arm(); print('armed', flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "sweep")], stdout=subprocess.PIPE)
    assert child.stdout and child.stdout.readline() == b"armed\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert Bench(tmp_path / "sweep").clock.armed


# the thread


def test_the_thread_sweeps_rests_and_stops(tmp_path: Path) -> None:
    swept = threading.Semaphore(0)
    clock = SweepClock(tmp_path / "sweep", swept.release, period=0.05)
    clock.start()
    assert not swept.acquire(timeout=0.2)
    clock.arm()
    assert swept.acquire(timeout=5)
    assert swept.acquire(timeout=5)
    assert clock.stop()
    assert not swept.acquire(timeout=0.2)


def test_an_idle_clock_does_not_wake(tmp_path: Path) -> None:
    clock = SweepClock(tmp_path / "sweep", lambda: None)
    clock.start()
    assert fall_asleep(lambda name: name == "sweep-clock") == 1
    assert clock.stop()
