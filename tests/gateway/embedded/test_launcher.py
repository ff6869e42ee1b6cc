"""The process launcher: what a pod does, what is seen of it, and that nothing of it outlives its end."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from functions.jobs import Limits, Runtime
from gateway.embedded import processes
from gateway.embedded.launcher import Ground, variables
from gateway.embedded.plan import read_status
from tests.gateway.embedded.bench import Bench, alive, start_server

COPY = "open('/share/outgoing/b.txt', 'w').write(open('/share/incoming/a.txt').read())"
SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    os._exit(0)
print('up', flush=True)
time.sleep(600)
"""
CHILDREN = """
import os, time
for _ in range({count}):
    if os.fork() == 0:
        x = b'x' * ({mebibytes} << 20)
        break
time.sleep(60)
"""
POLITE = """
import signal, sys, time
def clean_up(*_):
    open('/share/outgoing/half', 'w').close()
    sys.exit(0)
signal.signal(signal.SIGTERM, clean_up)
time.sleep(600)
"""
FLOOD = """
import itertools, time
for n in itertools.count():
    with open(f'/share/outgoing/{n}', 'wb') as file:
        file.write(bytes(8 << 20))
    time.sleep(0.05)
"""
DAEMON = """
import os
if os.fork() == 0:
    os.setsid()
    while True:
        open('/share/outgoing/x', 'a').write('y')
"""


@pytest.fixture(scope="module")
def ground() -> Ground:
    return Ground.survey()


@pytest.fixture
def bench(tmp_path: Path, ground: Ground) -> Iterator[Bench]:
    bench = Bench(tmp_path, ground=ground)
    yield bench
    bench.close()


@pytest.fixture
def benches(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    """`benches(...)`: a bench with other settings."""
    made: list[Bench] = []

    def make(**details: object) -> Bench:
        made.append(Bench(tmp_path / f"bench-{len(made)}", **details))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for bench in made:
        bench.close()


# the way of a pod


def test_a_plugin_reads_its_inputs_and_its_outputs_are_published(bench: Bench) -> None:
    sight = bench.run("copy", COPY, input="the scan")
    assert sight.end and (sight.end.kind, sight.end.exit_code, sight.end.reason) == ("ok", 0, "completed")
    assert (bench.output("copy") / "b.txt").read_text() == "the scan"


def test_what_a_plugin_used_is_recorded(bench: Bench) -> None:
    end = bench.run("busy", "x = bytearray(50 << 20)\nfor _ in range(2000000): pass").end
    assert end and end.usage.cpu_seconds > 0.02 and end.usage.peak_bytes > 50 << 20
    assert end.usage.wall_seconds >= end.usage.cpu_seconds / 2


def test_the_log_has_both_streams_in_order(bench: Bench) -> None:
    bench.run("log", "import sys\nfor n in range(3): print(n, flush=True); print(-n, file=sys.stderr, flush=True)")
    assert bench.log("log") == "0\n0\n1\n-1\n2\n-2\n"


def test_the_log_can_be_read_while_the_plugin_runs(bench: Bench) -> None:
    bench.create("live", SLEEP)
    bench.until(lambda: bench.log("live") == "up\n")
    assert bench.sight("live").alive


def test_a_long_log_keeps_its_beginning_and_its_end(benches: Callable[..., Bench]) -> None:
    bench = benches(log_segment=10_000)
    bench.run("loud", "for n in range(10000): print(f'{n:09d}')")
    log = bench.log("loud")
    assert log.startswith("000000000\n") and log.endswith("000009999\n")
    assert "80000 bytes were cut out here" in log and len(log) < 20_200


def test_a_plugin_that_fails_publishes_what_it_wrote(bench: Bench) -> None:
    sight = bench.run("fails", COPY + "; raise SystemExit(3)")
    assert sight.end and (sight.end.kind, sight.end.exit_code, sight.end.reason) == ("fail", 3, "error")
    assert (bench.output("fails") / "b.txt").exists()


def test_a_plugin_that_dies_of_a_signal_says_which(bench: Bench) -> None:
    end = bench.run("dies", "import os; os.kill(os.getpid(), 11)").end
    assert end and (end.kind, end.exit_code, end.reason) == ("fail", 139, "signal") and "SIGSEGV" in end.sentence


def test_the_end_of_a_plugin_is_known_while_its_outputs_are_published(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(hold := tmp_path / "hold")
    bench.create("held", COPY, hold=str(hold))
    bench.until(lambda: bench.noted("published"))
    sight = bench.sight("held")
    assert sight.alive and sight.end and sight.end.kind == "ok"
    hold.write_text("go on")
    assert not bench.wait("held").alive


def test_a_mover_that_dies_while_publishing_is_started_again(bench: Bench, tmp_path: Path) -> None:
    sight = bench.run("again", COPY, die_once=str(tmp_path / "died"))
    assert sight.end and sight.end.kind == "ok" and len(bench.noted("published")) == 2
    assert (bench.output("again") / "b.txt").exists()


@pytest.mark.parametrize("workers", [3])
def test_each_worker_has_its_own_index(bench: Bench, workers: int) -> None:
    bench.create("many", COPY, limits=Limits(workers=workers))
    for index in range(workers):
        end = bench.wait("many", index=index).end
        assert end and end.kind == "ok"
    assert sorted(note["CHRYSALIS_INDEX"] for note in bench.noted("staged")) == ["0", "1", "2"]


# faults beside the plugin


def test_a_lasting_fault_of_staging_is_the_end_with_its_sentence(bench: Bench) -> None:
    sight = bench.run("missing", COPY, stage_in=65)
    assert sight.end and (sight.end.kind, sight.end.sentence) == ("stuck", "The input b.dcm is missing.")


@pytest.mark.parametrize("code", [64, 75, 1])
def test_a_pod_that_may_not_start_its_plugin_has_no_end(bench: Bench, code: int) -> None:
    sight = bench.run("not-now", COPY, stage_in=code)
    assert (sight.alive, sight.end) == (False, None) and not bench.noted("published")


def test_a_lasting_fault_of_publishing_fails_the_job(bench: Bench) -> None:
    end = bench.run("clash", COPY, stage_out=65).end
    assert end and (end.kind, end.exit_code, end.sentence) == ("fail", 0, "Two outputs have one name.")


def test_a_program_that_is_not_there_is_told(bench: Bench) -> None:
    plan = bench.plan("wrong", "")
    bench.launcher.create(replace(plan, request=replace(plan.request, command=("/no/such/program",))))
    end = bench.wait("wrong").end
    assert end and end.kind == "stuck" and "/no/such/program" in end.sentence


def test_a_plugin_that_was_removed_is_told(bench: Bench) -> None:
    plan = bench.plan("gone", "")
    gone = replace(plan.request, runtime=Runtime("environment", str(bench.home / "plugins/gone/1")))
    bench.launcher.create(replace(plan, request=gone))
    end = bench.wait("gone").end
    assert end and end.kind == "stuck" and "Add the plugin again" in end.sentence


def test_an_image_is_refused_with_a_sentence(bench: Bench) -> None:
    plan = bench.plan("image", "")
    image = replace(plan.request, runtime=Runtime("image", "fnndsc/pl-x:1"))
    bench.launcher.create(replace(plan, request=image))
    end = bench.wait("image").end
    assert end and end.kind == "stuck" and "container image" in end.sentence


# limits


@pytest.mark.slow
def test_four_children_share_the_memory_of_their_plugin(bench: Bench, ground: Ground) -> None:
    code = CHILDREN.format(count=4, mebibytes=300)
    end = bench.run("fat", code, limits=Limits(memory=512)).end
    assert end and (end.kind, end.reason) == ("fail", "out-of-memory") and "512 MiB" in end.sentence
    assert end.usage.peak_bytes <= 513 << 20 and end.usage.wall_seconds < 20


@pytest.mark.slow
def test_memory_is_watched_where_no_cgroup_can_be_written(benches: Callable[..., Bench], ground: Ground) -> None:
    bench = benches(ground=replace(ground, parents=()))
    code = CHILDREN.format(count=4, mebibytes=60)
    end = bench.run("fat", code, limits=Limits(memory=128)).end
    assert end and (end.kind, end.reason) == ("fail", "out-of-memory")


BOMB = """
import os, time
n = 0
try:
    while n < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        n += 1
    time.sleep(60)
except OSError:
    print(n)
"""


def test_a_fork_bomb_is_contained(benches: Callable[..., Bench], ground: Ground) -> None:
    bench = benches(ground=ground, processes=40)
    end = bench.run("bomb", BOMB).end
    assert end and end.kind == "ok" and int(bench.log("bomb")) < 40


def test_a_fork_bomb_is_contained_where_no_cgroup_can_be_written(benches: Callable[..., Bench], ground: Ground) -> None:
    bench = benches(ground=replace(ground, parents=()), processes=40)
    end = bench.run("bomb", BOMB).end
    assert end and (
        end.reason == "processes" or int(bench.log("bomb")) < 40
    )  # by us for root, by the kernel for others


def test_where_no_cgroup_counts_processes_the_shell_inside_does(benches: Callable[..., Bench], ground: Ground) -> None:
    bench = benches(ground=replace(ground, parents=()), processes=40)
    bench.run("limit", "import resource; print(resource.getrlimit(resource.RLIMIT_NPROC))")
    assert bench.log("limit") == "(40, 40)\n"


def test_the_deadline_ends_a_plugin_that_ignores_it(bench: Bench) -> None:
    end = bench.run("slow", STUBBORN, limits=Limits(seconds=1)).end
    assert end and (end.kind, end.reason) == ("fail", "deadline") and 1 <= end.usage.wall_seconds < 6


def test_a_plugin_is_told_of_its_deadline_and_may_clean_up(bench: Bench) -> None:
    end = bench.run("polite", POLITE, limits=Limits(seconds=1)).end
    assert end and (end.kind, end.reason) == ("fail", "deadline") and end.usage.wall_seconds < 2.5
    assert (bench.output("polite") / "half").exists()


@pytest.mark.slow
def test_a_plugin_that_fills_the_disk_is_ended(benches: Callable[..., Bench]) -> None:
    bench = benches(disk_bytes=64 << 20)
    end = bench.run("writes", FLOOD).end
    assert end and (end.kind, end.reason) == ("fail", "disk") and "64 MiB" in end.sentence


# ends


@pytest.mark.parametrize("sandboxed", [True, False], ids=["sandboxed", "unsandboxed"])
def test_delete_leaves_no_process(benches: Callable[..., Bench], ground: Ground, sandboxed: bool) -> None:
    bench = benches(ground=ground if sandboxed else replace(ground, bwrap=""), unsandboxed=True)
    marker = f"marker-{os.urandom(6).hex()}"
    bench.create("stubborn", f"# {marker}\n{STUBBORN}")
    bench.until(lambda: "up" in bench.log("stubborn") and len(alive(marker)) >= 2)
    bench.launcher.delete("stubborn")  # within its own 2 s; when it returns, they are gone
    assert alive(marker) == [] and bench.launcher.look("stubborn", 1) is None
    assert bench.log("stubborn") == "" and list(bench.launcher.pods.iterdir()) == []


def test_delete_may_be_repeated_and_names_only_its_own_job(bench: Bench) -> None:
    bench.run("job-1", COPY)
    bench.run("job", COPY)
    bench.launcher.delete("job")
    bench.launcher.delete("job")
    assert bench.launcher.look("job", 1) is None and bench.launcher.look("job-1", 1) is not None


def test_delete_at_once_after_create_leaves_nothing(bench: Bench) -> None:
    for n in range(10):
        bench.create(f"short-{n}", SLEEP)
        bench.launcher.delete(f"short-{n}")
    assert list(bench.launcher.pods.iterdir()) == []


def test_what_a_plugin_leaves_behind_is_dead_before_its_outputs_are_read(bench: Bench) -> None:
    marker = f"marker-{os.urandom(6).hex()}"
    daemon = f"# {marker}\n{DAEMON}"
    sight = bench.run("daemon", daemon)
    assert sight.end and sight.end.kind == "ok" and alive(marker) == []


def test_a_pod_that_was_killed_takes_its_plugin_along_and_is_seen_as_dead(bench: Bench) -> None:
    marker = f"marker-{os.urandom(6).hex()}"
    bench.create("victim", f"# {marker}\n{SLEEP}")
    bench.until(lambda: "up" in bench.log("victim"))
    status = read_status(bench.launcher.pods / "victim-1-0")
    assert status and status.identity
    os.kill(status.identity.pid, signal.SIGKILL)
    sight = bench.wait("victim")
    assert (sight.alive, sight.end) == (False, None)
    bench.until(lambda: not alive(marker))


def test_a_number_that_is_used_again_is_no_pod(bench: Bench) -> None:
    ours = processes.identify(os.getpid())
    assert ours and ours.alive and not replace(ours, start=ours.start + 1).alive
    assert not replace(ours, boot="another").alive


# killed and started again


def test_a_job_that_is_there_is_not_made_again(bench: Bench) -> None:
    bench.run("once", COPY)
    bench.create("once", COPY)
    assert not bench.sight("once").alive and len(bench.noted("staged")) == 1


def test_a_pod_lives_on_when_the_server_is_killed_and_is_adopted(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(hold := tmp_path / "hold")
    program = f"bench.create('orphan', {COPY!r}, hold={str(hold)!r})\nthreading.Event().wait()"
    server = start_server(tmp_path, program)
    bench.until(lambda: bench.noted("published"))
    server.kill()
    server.wait()
    bench.launcher.start()
    assert bench.sight("orphan").alive
    hold.write_text("go on")
    end = bench.wait("orphan").end
    assert end and end.kind == "ok" and bench.reports == [("orphan", 1)]


def test_a_pod_that_never_began_is_begun_at_the_start(bench: Bench) -> None:
    plan = bench.launcher._pod_plan(bench.plan("unborn", COPY))
    bench.launcher.pods.mkdir(parents=True)
    bench.launcher._make(bench.launcher.pods / "unborn-1-0", plan)  # and here the server was killed
    bench.launcher.start()
    end = bench.wait("unborn").end
    assert end and end.kind == "ok" and len(bench.noted("staged")) == 1


def test_a_plan_that_a_power_cut_has_shortened_is_no_job(bench: Bench) -> None:
    plan = bench.launcher._pod_plan(bench.plan("cut", COPY))
    bench.launcher.pods.mkdir(parents=True)
    bench.launcher._make(bench.launcher.pods / "cut-1-0", plan)
    (bench.launcher.pods / "cut-1-0/plan.json").write_text("")
    bench.launcher.start()
    assert bench.launcher.look("cut", 1) is None
    end = bench.run("cut", COPY).end
    assert end and end.kind == "ok"


def test_workers_that_were_not_made_are_made_later(bench: Bench) -> None:
    plan = bench.launcher._pod_plan(bench.plan("some", COPY, limits=Limits(workers=3)))
    bench.launcher.pods.mkdir(parents=True)
    bench.launcher._make(bench.launcher.pods / "some-1-0", plan)
    assert len(bench.launcher.look("some", 1) or ()) == 3
    for index in range(3):
        end = bench.wait("some", index=index).end
        assert end and end.kind == "ok"


def test_a_deletion_that_was_cut_short_is_finished_at_the_start(bench: Bench) -> None:
    marker = f"marker-{os.urandom(6).hex()}"
    bench.create("half", f"# {marker}\n{SLEEP}")
    bench.until(lambda: "up" in bench.log("half"))
    run = bench.launcher.pods / "half-1-0"
    run.rename(run.with_name(".half-1-0.abcd"))  # and here the server was killed
    bench.launcher.start()
    assert list(bench.launcher.pods.iterdir()) == [] and alive(marker) == []


def test_another_nursery_comes_when_one_was_killed(bench: Bench) -> None:
    bench.run("first", COPY)
    nursery = bench.launcher.nurse.process
    assert nursery
    nursery.kill()
    end = bench.run("second", COPY).end
    assert end and end.kind == "ok"


def test_a_launcher_that_was_stopped_may_be_started_again(bench: Bench, tmp_path: Path) -> None:
    os.mkfifo(hold := tmp_path / "hold")
    bench.create("held", COPY, hold=str(hold))
    bench.until(lambda: bench.noted("published"))
    before = list(Path("/proc/self/fd").iterdir())
    bench.launcher.stop()
    bench.launcher.start()
    assert len(list(Path("/proc/self/fd").iterdir())) <= len(before)
    hold.write_text("go on")
    end = bench.wait("held").end
    assert end and end.kind == "ok"


def test_a_nursery_that_has_nothing_to_do_ends(benches: Callable[..., Bench]) -> None:
    bench = benches(idle_seconds=0.05)
    bench.run("first", COPY)
    bench.until(lambda: bench.launcher.nurse.process is None)
    end = bench.run("second", COPY).end
    assert end and end.kind == "ok"


def test_every_plugin_runs_once_wherever_the_server_is_killed(
    bench: Bench, tmp_path: Path, scale: Callable[[int, int, int], int]
) -> None:
    kills, jobs = scale(60, 25, 5), 12
    creations = f"for n in range({jobs}): bench.create(f'j{{n}}', {COPY!r})"
    program = f"bench.launcher.start()\nprint(1, flush=True)\n{creations}\nthreading.Event().wait()"
    for _ in range(kills):
        server = start_server(tmp_path, program)
        assert server.stdout and server.stdout.readline()
        with pytest.raises(Exception, match="timed out"):
            server.wait(random.uniform(0, 0.1))
        server.kill()
        server.wait()
    bench.launcher.start()
    for n in range(jobs):
        bench.create(f"j{n}", COPY)
        end = bench.wait(f"j{n}").end
        assert end and end.kind == "ok"
    assert sorted(note["job"] for note in bench.noted("staged")) == sorted(f"j{n}" for n in range(jobs))


# the sandbox's absence, and what a plugin is told


def test_without_a_sandbox_others_plugins_are_refused(benches: Callable[..., Bench], ground: Ground) -> None:
    end = benches(ground=replace(ground, bwrap="")).run("foreign", COPY).end
    assert end and end.kind == "stuck" and "CHRYSALIS_UNSANDBOXED" in end.sentence


def test_without_a_sandbox_a_plugin_gets_copies(benches: Callable[..., Bench], ground: Ground) -> None:
    bench = benches(ground=replace(ground, bwrap=""), unsandboxed=True)
    copy = "import sys; open(sys.argv[2] + '/b.txt', 'w').write(open(sys.argv[1] + '/a.txt').read())"
    end = bench.run("own", copy).end
    assert end and end.kind == "ok" and (bench.output("own") / "b.txt").exists()
    assert "CHRYSALIS_LINKS" not in bench.noted("staged")[0]


def test_in_a_sandbox_the_movers_may_link(bench: Bench) -> None:
    bench.run("links", COPY)
    assert bench.noted("staged")[0]["CHRYSALIS_LINKS"] == "1"


def test_a_plugin_finds_no_more_in_its_environment_than_it_was_given(bench: Bench) -> None:
    bench.run(
        "tells", "import os; print(sorted(set(os.environ) - {'OPENBLAS_CORETYPE', 'OPENBLAS_L2_SIZE', 'LC_CTYPE'}))"
    )
    assert bench.log("tells") == "['CHRIS_JID', 'CHRIS_USER_TOKEN', 'HOME', 'LANG', 'PATH', 'PWD']\n"


def test_no_token_and_no_foreign_variable_reaches_a_plugin() -> None:
    given = {"CHRIS_USER_TOKEN": "secret", "CHRIS_JID": "1", "LD_PRELOAD": "/evil.so"}
    ours = {"OPENBLAS_CORETYPE": "HASWELL", "AWS_SECRET_ACCESS_KEY": "x"}
    told = variables(given, ours, ("OPENBLAS_CORETYPE",))
    assert told == {"CHRIS_USER_TOKEN": "", "CHRIS_JID": "1", "OPENBLAS_CORETYPE": "HASWELL"}
