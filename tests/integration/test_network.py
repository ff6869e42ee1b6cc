"""Whatever the network between the parts does, each job ends once: none lost, none doubled, on both stores."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from functions.records import RESULT
from functions.settings import Settings
from gateway.embedded.wiring import Machine
from tests.integration.machine import (
    CANCELLED,
    FINISHED,
    Bent,
    User,
    add_plugin,
    in_threads,
    pod_folders,
    running,
    wait_until,
)
from tests.scale import count

pytestmark = pytest.mark.slow

JOBS = count(full=60, ci=60, fast=12)
RACES = count(full=200, ci=60, fast=10)


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    folder = tmp_path / "scan"
    folder.mkdir()
    for number in range(3):
        (folder / f"slice {number}.dcm").write_bytes(bytes([number]) * 1000)
    return folder


def begin(machine: Machine, scan: Path, tmp_path: Path) -> tuple[User, int, int]:
    """A user with a feed; the ids of its first instance and of the plugin."""
    from gateway.cli import credentials
    from gateway.cli.client import Client

    known = credentials.read(machine.settings.home / credentials.FILE)
    assert known is not None
    user = User(Client(known))
    return user, user.start_feed(scan, "scan"), user.plugin("pl-shell")


def check_outputs(machine: Machine, user: User, numbers: list[int]) -> Counter[int]:
    """Every job has its outputs once; how many attempts the jobs took."""
    attempts: Counter[int] = Counter()
    for number in numbers:
        files = user.files(number)
        names = sorted(file["fname"].rpartition("/")[2] for file in files)
        assert names == ["instance", "slice 0.dcm", "slice 1.dcm", "slice 2.dcm"], (number, names)
        attempts[machine.records.read(job_of(machine, number), RESULT)["attempt"]] += 1
    return attempts


def job_of(machine: Machine, number: int) -> str:
    from gateway.catalog.instances import PluginInstance

    with machine.catalog.reading() as session:
        instance = session.get(PluginInstance, number)
        assert instance is not None
        assert instance.job is not None
        return instance.job


def fast_sweep(settings: Settings) -> Settings:
    return replace(settings, slots=60, sweep_seconds=0.3, repair_seconds=0.2, longest_repair_seconds=1.0)


def test_every_event_three_times_in_random_order(settings: Settings, scan: Path, tmp_path: Path) -> None:
    add_plugin(settings.home, tmp_path)
    bent = Bent(7, copies=3, longest=0.4)
    with running(replace(settings, slots=60), bent) as machine:
        user, first, plugin = begin(machine, scan, tmp_path)
        numbers = [user.submit(plugin, previous_id=first) for _ in range(JOBS)]
        ended = user.wait(numbers)
        attempts = check_outputs(machine, user, numbers)
        assert machine.broker.wait_idle(60)
        assert machine.broker.dead_letters() == []
    print(f"{bent.seen} events, each delivered 3 times in random order: {dict(ended)}, attempts {dict(attempts)}")
    assert ended == {FINISHED: JOBS}
    assert attempts == {1: JOBS}


def test_every_event_dropped(settings: Settings, scan: Path, tmp_path: Path) -> None:
    add_plugin(settings.home, tmp_path)
    lost: list[object] = []

    def drop(delivery: object) -> list[float]:
        lost.append(delivery)
        return []

    with running(fast_sweep(settings), drop) as machine:
        user, first, plugin = begin(machine, scan, tmp_path)
        numbers = [user.submit(plugin, previous_id=first) for _ in range(JOBS)]
        ended = user.wait(numbers)
        attempts = check_outputs(machine, user, numbers)
        assert wait_until(lambda: not machine.clock.armed, 60), "the sweep never rests"
        assert pod_folders(settings.home) == []
    print(f"{len(lost)} events, all of them lost: {dict(ended)}, attempts {dict(attempts)}")
    assert ended == {FINISHED: JOBS}
    assert attempts == {1: JOBS}


def test_a_cancel_that_races_the_commit_is_won_by_one(settings: Settings, scan: Path, tmp_path: Path) -> None:
    add_plugin(settings.home, tmp_path)
    ended: Counter[str] = Counter()
    with running(replace(settings, slots=60)) as machine:
        user, first, plugin = begin(machine, scan, tmp_path)
        usual = time.monotonic()
        user.wait([user.submit(plugin, previous_id=first)])
        usual = time.monotonic() - usual
        luck = random.Random(11)

        def race(number: int) -> None:
            instance = user.submit(plugin, previous_id=first)
            time.sleep(luck.uniform(0, 1.2 * usual))
            user.cancel(instance)
            ended.update(user.wait([instance]))
            verdict = machine.records.read(job_of(machine, instance), RESULT)["verdict"]
            state = user.instance(instance)["status"]
            assert {"finished": FINISHED, "cancelled": CANCELLED}[verdict] == state
            assert len(user.files(instance)) == (4 if state == FINISHED else 0)

        in_threads(RACES, race)
        assert wait_until(lambda: pod_folders(settings.home) == []), "a pod is left"
    print(f"{RACES} cancels against a commit: {dict(ended)}")
    assert sum(ended.values()) == RACES
    assert len(ended) == 2 or RACES < 60
