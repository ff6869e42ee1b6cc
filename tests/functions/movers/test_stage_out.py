"""stage-out: every output is in the store before it is committed, and nothing is sent twice without need."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from functions import records
from functions.movers import stage_out
from functions.movers.ledger import Ledger
from functions.records import Output
from tests.functions.movers.distant import DistantStore
from tests.functions.movers.script import Asked, Reply, reply
from tests.functions.movers.world import World, small_disk

BODY = bytes(range(256)) * 4096
LARGE = os.urandom(12 * 1024 * 1024 + 17)


@pytest.fixture(params=["copied", "linked", "far"])
def any_world(request: pytest.FixtureRequest) -> tuple[World, dict[str, str]]:
    """Each way that an output can go, with the environment that it needs; the pod holds its claim."""
    world: World = request.getfixturevalue("far" if request.param == "far" else "world")
    world.freeze([])
    world.claim()
    return world, {"CHRYSALIS_LINKS": "1"} if request.param == "linked" else {}


Any_world = tuple[World, dict[str, str]]


@pytest.fixture
def ready(far: World) -> World:
    far.freeze([])
    far.claim()
    return far


def sentence(world: World) -> str:
    text: str = world.report()["sentence"]
    return text


def test_files_of_every_kind_are_committed_with_their_digests(any_world: Any_world) -> None:
    world, environ = any_world
    bodies = {
        "empty": b"",
        "a/b/c/scan.nii": BODY,
        "a/é ü#?%20+&.nii": b"odd",
        "n" * 255: b"long",
        "\u540d/\U0001f9e0": b"wide",
        "with\nbreak": b"x",
        "large": LARGE,
    }
    for path, body in bodies.items():
        world.write(path, body)
    assert stage_out.main(world.environ(**environ)) == 0
    assert {path: world.body(path) for path in world.outputs()} == bodies
    assert not (world.folder / "termination").exists()


def test_more_files_than_one_call_asks_for_are_committed_at_once(any_world: Any_world) -> None:
    world, environ = any_world
    for number in range(1203):
        world.write(f"{number % 7}/{number}", str(number).encode())
    assert stage_out.main(world.environ(**environ)) == 0
    assert len(world.outputs()) == 1203
    assert world.requests.count("POST /pods/publish/uploads") == 2
    assert world.requests.count("POST /pods/publish/outputs") == 1


def test_what_is_left_out_is_reported(any_world: Any_world) -> None:
    world, environ = any_world
    world.write("kept")
    world.write("d/x.chrislink")
    (world.outgoing / "link").symlink_to("/etc/passwd")
    os.mkfifo(world.outgoing / "pipe")
    assert stage_out.main(world.environ(**environ)) == 0
    assert set(world.outputs()) == {"kept"}
    skipped = {"links": 1, "special": 1, "chrislinks": 1, "first": ["link", "pipe", "d/x.chrislink"]}
    assert world.committed()["skipped"] == skipped  # type: ignore[index]
    assert world.report() == {"skipped": skipped}


def test_commas_are_removed_and_clashes_kept_apart(any_world: Any_world) -> None:
    world, environ = any_world
    world.write("a,b.nii", b"1")
    world.write("ab.nii", b"2")
    assert stage_out.main(world.environ(**environ)) == 0
    assert {path: world.body(path) for path in world.outputs()} == {"ab.nii": b"2", "ab_2.nii": b"1"}


def test_hard_links_are_committed_as_files(any_world: Any_world) -> None:
    world, environ = any_world
    world.write("a", BODY)
    os.link(world.outgoing / "a", world.outgoing / "b")
    assert stage_out.main(world.environ(**environ)) == 0
    assert world.body("a") == world.body("b") == BODY


def test_a_file_that_the_plugin_has_closed_is_read(any_world: Any_world) -> None:
    world, environ = any_world
    world.write("closed", b"x")
    (world.outgoing / "closed").chmod(0)
    assert stage_out.main(world.environ(**environ)) == 0
    assert world.body("closed") == b"x"


def test_linked_outputs_cost_no_space(world: World) -> None:
    world.freeze([])
    world.claim()
    world.write("a", BODY)
    assert stage_out.main(world.environ(CHRYSALIS_LINKS="1")) == 0
    assert (world.outgoing / "a").stat().st_nlink == 2
    assert (world.outgoing / "a").stat().st_mode & 0o777 == 0o600


def test_a_name_that_is_not_utf_8_fails_the_job_with_a_sentence(any_world: Any_world) -> None:
    world, environ = any_world
    world.write(b"d\xe9j\xe0", b"x")
    assert stage_out.main(world.environ(**environ)) == 65
    assert "not UTF-8" in sentence(world)
    assert world.committed() is None


def test_a_path_that_no_store_takes_fails_the_job_with_a_sentence(any_world: Any_world) -> None:
    world, environ = any_world
    path = "/".join(["d" * 250] * 4) + "/the end"
    world.write(path, b"x")
    assert stage_out.main(world.environ(**environ)) == 65
    assert path in sentence(world)


def test_a_decided_job_is_left_alone(any_world: Any_world) -> None:
    world, environ = any_world
    world.write("a")
    world.records.create(world.job, records.RESULT, {"verdict": "cancelled"})
    assert stage_out.main(world.environ(**environ)) == 0
    assert world.committed() is None


def test_an_uploader_without_supervisor_tells_a_commit_from_a_decided_job(world: World) -> None:
    world.freeze([])
    world.claim()
    world.write("a")
    environ = world.environ(CHRYSALIS_SCRATCH=str(world.folder / "scratch"))
    assert stage_out.publish(environ) == 0
    assert set(world.outputs()) == {"a"}
    world.records.create(world.job, records.RESULT, {"verdict": "finished"})
    assert stage_out.publish(environ) == 64


def test_a_closed_door_ends_the_upload(any_world: Any_world) -> None:
    world, environ = any_world
    world.write("a")
    world.records.create(world.job, records.outputs_name(1, 0), {"state": "closed"})
    assert stage_out.main(world.environ(**environ)) == 0
    assert world.committed() == {"state": "closed"}


def test_a_second_run_commits_the_same(any_world: Any_world) -> None:
    world, environ = any_world
    for number in range(30):
        world.write(str(number), os.urandom(100))
    environ = world.environ(**environ, CHRYSALIS_SCRATCH=str(world.folder / "scratch"))
    assert stage_out.main(environ) == 0
    first = world.committed()
    assert stage_out.main(environ) == 0
    assert world.committed() == first
    assert world.requests.count("POST /pods/publish/outputs") == 2


def test_a_run_that_follows_another_sends_only_what_is_missing(ready: World, store: DistantStore) -> None:
    for number in range(30):
        ready.write(f"{number:02}", str(number).encode())
    ready.write("large", LARGE)
    done: list[str] = []

    def spoil(asked: Asked) -> Reply | None:
        if len(done) == 20:
            return reply(405)
        done.append(asked.line.split("?")[0] + asked.line.partition("part=")[2])
        return None

    environ = ready.environ(CHRYSALIS_SCRATCH=str(ready.folder / "scratch"), CHRYSALIS_THREADS="1")
    store.spoil = spoil
    assert stage_out.main(environ) == 65
    store.spoil = lambda asked: None
    store.server.asked.clear()
    assert stage_out.main(environ) == 0
    again = [asked.line.split("?")[0] + asked.line.partition("part=")[2] for asked in store.server.asked]
    assert not set(done[:-1]) & set(again)
    assert len(ready.outputs()) == 31
    assert ready.body("large") == LARGE


def test_outputs_that_changed_between_two_runs_are_sent_anew(world: World) -> None:
    world.freeze([])
    world.claim()
    for name in "abc":
        world.write(name, name.encode())
    environ = world.environ(CHRYSALIS_SCRATCH=str(world.folder / "scratch"))
    ledger = Ledger(environ["CHRYSALIS_SCRATCH"])
    ledger.append([Output("a", "jobs/job-1/1/out/a", 1, "e", "d"), Output("gone", "k", 1, "e", "d")])
    ledger.cut(1)
    ledger.close()
    (world.outgoing / "a").write_bytes(b"longer")
    assert stage_out.main(environ) == 0
    assert world.body("a") == b"longer"
    assert set(world.outputs()) == set("abc")


def test_urls_that_expire_are_asked_for_again(ready: World, store: DistantStore) -> None:
    for number in range(40):
        ready.write(f"{number:02}", str(number).encode())
    ready.write("large", LARGE)
    served: list[str] = []

    def spoil(asked: Asked) -> Reply | None:
        served.append(asked.line)
        if len(served) == 10 or "part=2" in asked.line or ("manifests" in asked.line and len(served) < 50):
            store.expire()
        return None

    store.spoil = spoil
    assert stage_out.main(ready.environ(CHRYSALIS_THREADS="2")) == 0
    assert len(ready.outputs()) == 41
    assert ready.body("large") == LARGE


def test_a_refusal_that_comes_before_the_body_was_sent_is_heard(ready: World, store: DistantStore) -> None:
    from tests.functions.movers.script import ScriptedServer

    ready.write("a", LARGE[: 4 * 1024 * 1024])
    refused: list[str] = []

    def hurry(asked: Asked) -> Reply:
        refused.append(asked.line)
        return reply(403, b"<Code>AccessDenied</Code>", keep=1000)

    with ScriptedServer(hurry, bodies=False) as hasty:
        good, store.url = store.url, hasty.url
        real_sign = store.sign

        def sign(key: str, **query: object) -> str:
            url = real_sign(key, **query)
            if refused:
                store.url = good
                return url.replace(hasty.url, good)
            return url

        store.sign = sign  # type: ignore[method-assign]
        assert stage_out.main(ready.environ()) == 0
    assert len(refused) == 1
    assert ready.body("a") == LARGE[: 4 * 1024 * 1024]


def test_urls_that_are_never_good_are_a_temporary_fault_that_says_so(ready: World, store: DistantStore) -> None:
    ready.write("a")
    store.oldest = 10**9
    assert stage_out.main(ready.environ()) == 75
    assert "clocks" in sentence(ready)


def test_a_store_in_trouble_is_asked_again(ready: World, store: DistantStore) -> None:
    for number in range(20):
        ready.write(f"{number:02}", str(number).encode())
    ready.write("large", LARGE)
    seen: set[str] = set()

    def spoil(asked: Asked) -> Reply | None:
        line = asked.line.split("?")[0] + asked.line.partition("part=")[2]
        if line in seen:
            return None
        seen.add(line)
        return (reply(503), reply(500), Reply(b"", reset=True))[len(seen) % 3]

    store.spoil = spoil
    assert stage_out.main(ready.environ()) == 0
    assert len(ready.outputs()) == 21
    assert ready.body("large") == LARGE


def test_a_file_in_the_way_of_the_walk_that_vanishes_is_named(ready: World) -> None:
    ready.write("a")
    harvest = stage_out.Harvest(str(ready.outgoing))
    items = list(harvest)
    (ready.outgoing / "a").unlink()
    from functions.errors import Permanent
    from functions.movers.upload import open_output

    with pytest.raises(Permanent, match="the output 'a'"):
        open_output(items[0])


def test_a_full_disk_is_permanent_and_names_the_file(world: World) -> None:
    world.freeze([])
    world.claim()
    world.write("d/large.nii", os.urandom(3_000_000))
    assert world.run("stage_out", around=small_disk(world.store.root / "%~")) == 65
    assert "The disk is full" in sentence(world)
    assert "'d/large.nii'" in sentence(world)


def test_a_name_of_an_index_keeps_to_itself(any_world: Any_world) -> None:
    world, environ = any_world
    world.claim("second-pod", index=1)
    world.write("b")
    assert stage_out.main(world.environ(**environ, CHRYSALIS_INDEX="1", CHRYSALIS_POD_UID="second-pod")) == 0
    assert world.committed(1) is not None
    assert world.committed(0) is None


def test_an_uploader_that_is_killed_again_and_again_is_a_temporary_fault(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.freeze([])
    world.claim()
    tries = world.folder / "tries"

    def die(environ: object) -> dict[str, object]:
        with tries.open("a") as file:
            file.write("x")
        os.kill(os.getpid(), 9)
        raise AssertionError

    monkeypatch.setattr(stage_out, "stage_out", die)
    assert stage_out.main(world.environ()) == 75
    assert "killed 6 times" in sentence(world)
    assert tries.read_text() == "x" * 6


def test_a_fault_of_ours_is_temporary_and_leaves_no_secret(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    world.freeze([])
    world.claim()
    assert stage_out.main({**world.environ(), "CHRYSALIS_SCRATCH": "/dev/null/none"}) == 75
    assert json.loads((world.folder / "termination").read_text())["sentence"].startswith("A mover met")
    assert world.token not in capfd.readouterr().err


def test_the_uploader_dies_with_its_supervisor(ready: World, store: DistantStore) -> None:
    import signal
    import threading

    ready.write("a")
    came, gate = threading.Event(), threading.Event()

    def spoil(asked: Asked) -> Reply | None:
        came.set()
        gate.wait(30)
        return None

    store.spoil = spoil
    process = ready.start("stage_out")
    assert came.wait(20)
    [child] = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    watch = os.pidfd_open(int(child)) if Path(f"/proc/{child}").exists() else -1
    try:
        if watch >= 0:
            import select

            assert select.select([watch], [], [], 10)[0], "the uploader lives on"
    finally:
        gate.set()
        if watch >= 0:
            os.close(watch)
