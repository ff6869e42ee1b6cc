"""A real S3 server fails and movers are killed: a machine with the real movers loses nothing and stays calm."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from functions.settings import Settings
from tests.faults import FaultProxy
from tests.integration.conftest import s3_settings
from tests.integration.machine import FINISHED, Client, User, add_plugin, credentials, pod_folders, running, wait_until
from tests.integration.test_network import check_outputs, fast_sweep
from tests.scale import count
from tests.servers import SeaweedFS

pytestmark = pytest.mark.slow

JOBS = count(full=60, ci=60, fast=8)
CROWD = count(full=200, ci=100, fast=20)
DOWN_SECONDS = count(full=60, ci=20, fast=5)
KILLS = count(full=40, ci=15, fast=4)


@pytest.fixture
def proxy(seaweed: SeaweedFS) -> Iterator[FaultProxy]:
    with FaultProxy(seaweed.endpoint, seed=3) as proxy:
        yield proxy


@pytest.fixture
def behind(proxy: FaultProxy, seaweed: SeaweedFS, tmp_path: Path) -> Settings:
    """A machine whose functions and pods reach the store through the proxy alone."""
    home = tmp_path / "home"
    add_plugin(home, tmp_path)
    return fast_sweep(Settings(home, s3=s3_settings(seaweed, proxy.endpoint)))


def user_of(settings: Settings) -> User:
    known = credentials.read(settings.home / credentials.FILE)
    assert known is not None
    return User(Client(known))


def make_scan(tmp_path: Path, size: int = 1000) -> Path:
    folder = tmp_path / "scan"
    folder.mkdir()
    for number in range(3):
        (folder / f"slice {number}.dcm").write_bytes(random.Random(number).randbytes(size))
    return folder


def test_five_percent_of_the_store_s_answers_fail(behind: Settings, proxy: FaultProxy, tmp_path: Path) -> None:
    with running(behind) as machine:
        user = user_of(behind)
        first, plugin = user.start_feed(make_scan(tmp_path), "scan"), user.plugin("pl-shell")
        proxy.share = 0.05
        numbers = [user.submit(plugin, previous_id=first) for _ in range(JOBS)]
        ended = user.wait(numbers)
        proxy.share = 0.0
        attempts = check_outputs(machine, user, numbers)
        assert machine.broker.dead_letters() == []
    print(f"{proxy.requests} requests, faults {dict(proxy.faults)}: {dict(ended)}, attempts {dict(attempts)}")
    assert ended == {FINISHED: JOBS}
    assert sum(proxy.faults.values()) > 0


def test_the_store_is_down_for_a_while_under_many_jobs(behind: Settings, proxy: FaultProxy, tmp_path: Path) -> None:
    """No storm while it is down nor when it is back, and every job ends well."""
    settings = replace(behind, sweep_seconds=1.0, repair_seconds=1.0, longest_repair_seconds=30.0)
    with running(settings) as machine:
        user = user_of(settings)
        first, plugin = user.start_feed(make_scan(tmp_path), "scan"), user.plugin("pl-shell")
        before = rate(proxy)
        numbers = [user.submit(plugin, previous_id=first) for _ in range(CROWD)]
        time.sleep(1)
        proxy.down = True
        down_from = int(time.monotonic()) + 1
        time.sleep(DOWN_SECONDS)
        down_to = int(time.monotonic())
        proxy.down = False
        ended = user.wait(numbers, 600)
        attempts = check_outputs(machine, user, numbers)
    seconds = dict(proxy.seconds)
    during = [seconds.get(second, 0) for second in range(down_from, down_to)]
    after = [number for second, number in seconds.items() if second > down_to]
    normal = [number for second, number in seconds.items() if second < down_from]
    print(
        f"{CROWD} jobs, store down {DOWN_SECONDS} s: {dict(ended)}, attempts {dict(attempts)}; requests per second: "
        f"before up to {max(normal)} (idle {before}), while down {sum(during) / len(during):.0f} on average and up to "
        f"{max(during)}, afterwards up to {max(after)}"
    )
    assert ended == {FINISHED: CROWD}
    assert sum(during) / len(during) < max(normal), "the store is stormed while it is down"
    assert max(after) < 3 * max(normal), "the store is stormed when it is back"


def rate(proxy: FaultProxy) -> int:
    return max(proxy.seconds.values(), default=0)


@pytest.mark.parametrize("mover", ["stage_in", "stage_out"])
def test_a_mover_killed_in_mid_transfer_is_tried_again(
    mover: str, behind: Settings, proxy: FaultProxy, tmp_path: Path
) -> None:
    """Slow transfers, and every little while one mover dies by -9; at most twice per job, as attempts are three."""
    killed: Counter[str] = Counter()
    with running(behind) as machine:
        user = user_of(behind)
        first, plugin = user.start_feed(make_scan(tmp_path, 400_000), "scan"), user.plugin("pl-shell")
        proxy.rate = 600_000
        numbers = [user.submit(plugin, previous_id=first) for _ in range(JOBS)]
        ended_all = threading.Event()
        killer = threading.Thread(target=kill_movers, args=(mover, behind.home, killed, ended_all))
        killer.start()
        try:
            ended = user.wait(numbers)
        finally:
            ended_all.set()
            killer.join()
        proxy.rate = 0
        attempts = check_outputs(machine, user, numbers)
        assert wait_until(lambda: pod_folders(behind.home) == [])
    print(f"{sum(killed.values())} kills of {mover}: {dict(ended)}, attempts {dict(attempts)}")
    assert ended == {FINISHED: JOBS}
    assert sum(killed.values()) > 0


def kill_movers(mover: str, home: Path, killed: Counter[str], ended: threading.Event) -> None:
    """Kill movers of this home by -9, at random moments, no job more than twice."""
    luck = random.Random(9)
    while not ended.wait(luck.uniform(0.02, 0.2)) and sum(killed.values()) < KILLS:
        found = [(pid, job) for pid, job in movers(mover, home) if killed[job] < 2]
        if found:
            pid, job = luck.choice(found)
            try:
                os.kill(pid, signal.SIGKILL)
                killed[job] += 1
            except ProcessLookupError:
                continue


def movers(mover: str, home: Path) -> list[tuple[int, str]]:
    """The running movers of a home, each with its job: they work in their run directory."""
    found = []
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdigit() and (process / "comm").read_text().strip() == mover:
                place = (process / "cwd").readlink()
                if place.parent == home / "pods":
                    found.append((int(process.name), place.name.rsplit("-", 2)[0]))
        except OSError:
            continue
    return found
