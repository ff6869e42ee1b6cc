"""The server is killed with -9 again and again, with all that runs under it or without: no job is lost or doubled.

Pods are processes of their own, as a kubelet's are: they outlive the server, which adopts them when it is back. Where
the pods are killed too (a machine that lost power), their attempts are lost, and the jobs are tried again.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from functions.records import RESULT, Records
from functions.settings import Settings
from gateway.embedded.stores import open_store
from tests.integration.machine import FINISHED, Process, User, add_plugin, pod_folders, wait_until
from tests.scale import count

pytestmark = pytest.mark.slow

JOBS = count(full=60, ci=60, fast=12)
KILLS = count(full=25, ci=10, fast=3)


@dataclass
class Ward:
    """A server to be killed, with a feed and a plugin that takes its time."""

    process: Process
    settings: Settings
    records: Records

    def user(self) -> User:
        return User(self.process.client())


@pytest.fixture
def ward(settings: Settings, tmp_path: Path) -> Ward:
    add_plugin(settings.home, tmp_path)
    environment = {
        "CHRYSALIS_HOME": str(settings.home),
        "CHRYSALIS_SLOTS": "60",
        "CHRYSALIS_SWEEP_SECONDS": "1",
        "CHRYSALIS_REPAIR_SECONDS": "1",
        "CHRYSALIS_LONGEST_REPAIR_SECONDS": "3",
    }
    if s3 := settings.s3:
        named = {"BUCKET": s3.bucket, "ENDPOINT": s3.endpoint, "REGION": s3.region}
        named |= {"ACCESS_KEY": s3.access_key, "SECRET_KEY": s3.secret_key}
        environment |= {f"CHRYSALIS_S3_{name}": value for name, value in named.items()}
    process = Process(environment, tmp_path / "server.log")
    process.start()
    yield Ward(process, settings, Records(open_store(settings.s3, settings.home / "store")))
    process.stop()


def submit_all(ward: Ward, tmp_path: Path) -> list[int]:
    """Jobs of half a second to several, so that some are in every phase at any moment."""
    user = ward.user()
    luck, feeds = random.Random(3), []
    for seconds in ("0.5", "2", "5"):
        folder = tmp_path / f"scan-{seconds}"
        folder.mkdir()
        (folder / "seconds").write_text(seconds)
        feeds.append(user.start_feed(folder, folder.name))
    plugin = user.plugin("pl-shell")
    return [user.submit(plugin, previous_id=luck.choice(feeds)) for _ in range(JOBS)]


def check(ward: Ward, numbers: list[int], seconds: float = 300) -> tuple[Counter[str], Counter[int]]:
    """Every job ended once, with its outputs once, and nothing is left; ends, and attempts that it took."""
    user = ward.user()
    ended = user.wait(numbers, seconds)
    attempts: Counter[int] = Counter()
    jobs = {info.split("/")[2] for info in list_jobs(ward)}
    by_instance = {int(job.split("-")[0]): job for job in jobs}
    for number in numbers:
        job = by_instance[number]
        result, listing = ward.records.read(job, RESULT), ward.records.list(job)
        started = Counter(name.rpartition("/started/")[0] for name in listing.names if "/started/" in name)
        assert all(times == 1 for times in started.values())
        names = sorted(file["fname"].rpartition("/")[2] for file in user.files(number))
        assert names == ["instance", "seconds"], (number, names)
        attempts[result["attempt"]] += 1
    assert len(by_instance) == JOBS, "a job was made twice"
    assert wait_until(lambda: pod_folders(ward.settings.home) == [], 30), "a pod is left"
    return ended, attempts


def list_jobs(ward: Ward) -> list[str]:
    found, after = [], ""
    while True:
        page = ward.records.store.list(".chrysalis/jobs/", after=after, folders=True)
        found += page.folders
        if page.after is None:
            return found
        after = page.after


def test_killed_again_and_again_the_server_goes_on_where_it_was(ward: Ward, tmp_path: Path) -> None:
    numbers = submit_all(ward, tmp_path)
    luck = random.Random(5)
    for _ in range(KILLS):
        time.sleep(luck.uniform(0.1, 1.5))
        ward.process.kill()
        ward.process.start()
    ended, attempts = check(ward, numbers)
    print(f"{JOBS} jobs, {KILLS} kills of the server: {dict(ended)}, attempts {dict(attempts)}")
    assert ended == {FINISHED: JOBS}
    assert attempts == {1: JOBS}


def test_killed_with_all_its_pods_the_machine_tries_their_jobs_again(ward: Ward, tmp_path: Path) -> None:
    numbers = submit_all(ward, tmp_path)
    luck = random.Random(6)
    for _ in range(2):
        time.sleep(luck.uniform(0.5, 2))
        ward.process.kill()
        kill_pods(ward.settings.home)
        ward.process.start()
    ended, attempts = check(ward, numbers)
    print(f"{JOBS} jobs, 2 kills of the server and all pods: {dict(ended)}, attempts {dict(attempts)}")
    assert ended == {FINISHED: JOBS}


def kill_pods(home: Path) -> None:
    """Every process that works for this home: those whose command line or working directory is in it."""
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid() and works_for(process, str(home)):
            try:
                os.kill(int(process.name), signal.SIGKILL)
            except ProcessLookupError:
                continue


def works_for(process: Path, home: str) -> bool:
    try:
        open_files = [str(link.readlink()) for link in (process / "fd").iterdir()]
        return any(name.startswith(home) for name in [*open_files, str((process / "cwd").readlink())])
    except OSError:
        return False
