"""Control groups: where ours may be made, what is written into them, and that they work where this machine has them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.embedded import cgroups
from gateway.embedded.cgroups import Group, Parent

V1 = """\
30 24 0:25 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:26 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct
32 30 0:27 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory
33 30 0:28 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer
34 30 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd"""
V1_OWN = "4:memory:/a/b\n3:freezer:/\n2:cpu,cpuacct:/a\n1:name=systemd:/x\n0::/"
V2 = "30 24 0:25 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate"


def test_version_1_is_tried_from_our_own_group_upwards() -> None:
    found = {names: folders for version, names, folders in cgroups.candidates(V1, V1_OWN) if version == 1}
    memory, cpu = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup/cpu,cpuacct")
    assert found == {"memory": [memory / "a/b", memory / "a", memory], "cpu,cpuacct": [cpu / "a", cpu]}


def test_version_2_is_tried_from_our_own_group_upwards() -> None:
    root = Path("/sys/fs/cgroup")
    assert cgroups.candidates(V2, "0::/user.slice/app.scope") == [
        (2, "", [root / "user.slice/app.scope", root / "user.slice", root])
    ]


def test_a_container_that_sees_only_its_part_of_the_tree_looks_there() -> None:
    mounts = V2.replace(" / /sys", " /docker/abc /sys")
    assert cgroups.candidates(mounts, "0::/docker/abc/x")[0][2] == [Path("/sys/fs/cgroup/x"), Path("/sys/fs/cgroup")]
    assert cgroups.candidates(V2, "0::/../other")[0][2] == [Path("/sys/fs/cgroup")]


@pytest.mark.parametrize("mounts", ["", "garbage", "1 2 3", "30 24 0:25 / /x rw - tmpfs"])
def test_a_machine_without_cgroups_offers_none(mounts: str) -> None:
    assert cgroups.candidates(mounts, "0::/") == []


def test_the_settings_of_version_1() -> None:
    parent = Parent("/x", 1, ("memory", "pids", "cpu"))
    written = dict(cgroups._settings(parent, cpu=1500, memory=512, pids=100))
    assert written["memory.limit_in_bytes"] == str(512 << 20) and written["pids.max"] == "100"
    assert written["cpu.cfs_quota_us"] == "150000" and written["cpu.cfs_period_us"] == "100000"


def test_the_settings_of_version_2_end_the_whole_group() -> None:
    parent = Parent("/x", 2, ("memory", "pids", "cpu"))
    written = dict(cgroups._settings(parent, cpu=500, memory=512, pids=100))
    assert written["memory.max"] == str(512 << 20) and written["memory.oom.group"] == "1"
    assert written["cpu.max"] == "50000 100000" and written["memory.swap.max"] == "0"


def test_no_limit_and_no_controller_write_nothing() -> None:
    assert cgroups._settings(Parent("/x", 2, ("memory", "pids", "cpu")), cpu=0, memory=0, pids=0) == []
    assert cgroups._settings(Parent("/x", 2, ()), cpu=1, memory=1, pids=1) == []


def test_a_group_of_version_2_is_read_by_its_files(tmp_path: Path) -> None:
    """Version 2 is not on every machine that tests: its files are laid out here as the kernel's documentation says."""
    group = Group("pod", (Parent(str(tmp_path), 2, ("memory", "pids", "cpu")),))
    group.make(cpu=1000, memory=64, pids=10)
    (tmp_path / "pod/memory.peak").write_text("4096\n")
    (tmp_path / "pod/memory.events").write_text("low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n")
    assert (group.memory_peak(), group.memory_kills(), group.memory_alarm()) == (4096, 3, None)
    assert (tmp_path / "pod/memory.max").read_text() == str(64 << 20)


def test_a_group_without_parents_does_nothing() -> None:
    group = Group("pod", ())
    group.make(cpu=1, memory=1, pids=1)
    group.join()
    assert (group.processes(), group.memory_peak(), group.memory_kills(), group.kill()) == ([], 0, 0, True)
    group.remove()


@pytest.fixture
def group() -> Iterator[Group]:
    parents = cgroups.parents()
    group = Group(f"chrysalis-test-{os.getpid()}", parents)
    yield group
    group.kill()
    group.remove()


def test_a_group_that_can_be_made_holds_its_processes_until_they_are_killed(group: Group) -> None:
    group.make(cpu=1000, memory=64, pids=20)
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], preexec_fn=group.join)
    try:
        assert group.processes() == ([child.pid] if group.parents else [])
        if group.parents:
            assert group.kill() and child.wait(5) == -9
    finally:
        child.kill()
        child.wait()
    group.remove()
    assert not any(folder.exists() for folder, _ in group.folders())


def test_the_search_leaves_no_trial_group_behind() -> None:
    for parent in cgroups.parents():
        assert not list(Path(parent.folder).glob(f"chrysalis-trial-{os.getpid()}"))
