"""stage-in: every input arrives whole and true, or the job hears which one did not and why."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from functions import records
from functions.movers import stage_in
from functions.records import Input
from tests.functions.movers.distant import DistantStore
from tests.functions.movers.script import Asked, Reply, reply
from tests.functions.movers.world import World, small_disk

BODY = bytes(range(256)) * 4096


@pytest.fixture(params=["copied", "linked", "far"])
def any_world(request: pytest.FixtureRequest) -> tuple[World, dict[str, str]]:
    """Each way that an input can come, with the environment that it needs."""
    world: World = request.getfixturevalue("far" if request.param == "far" else "world")
    return world, {"CHRYSALIS_LINKS": "1"} if request.param == "linked" else {}


Any_world = tuple[World, dict[str, str]]


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def sentence(world: World) -> str:
    text: str = world.report()["sentence"]
    return text


def test_names_and_sizes_of_every_kind_arrive(any_world: Any_world) -> None:
    world, environ = any_world
    bodies = {
        "empty": b"",
        "a/b/c/scan.dcm": BODY,
        "a/é ü#?%20+&.nii": b"odd",
        "n" * 255: b"long",
        "\u540d/\U0001f9e0": b"wide",
        "with\nbreak": b"x",
    }
    world.freeze([world.put(path, body) for path, body in bodies.items()])
    assert stage_in.main(world.environ(**environ)) == 0
    assert tree(world.incoming) == bodies
    assert world.records.read(world.job, "1/started/0")["files"] == len(bodies)


def test_many_files_arrive_over_several_pages(any_world: Any_world) -> None:
    world, environ = any_world
    bodies = {f"{number % 7}/{number}": str(number).encode() for number in range(1203)}
    world.freeze([world.put(path, body) for path, body in bodies.items()])
    assert stage_in.main(world.environ(**environ)) == 0
    assert tree(world.incoming) == bodies
    assert world.requests.count("GET /pods/stage/inputs") == 2


def test_stage_in_again_in_the_same_folder_brings_the_same(any_world: Any_world) -> None:
    world, environ = any_world
    world.freeze([world.put(f"{number}", os.urandom(1000)) for number in range(20)])
    assert stage_in.main(world.environ(**environ)) == 0
    before = tree(world.incoming)
    (world.incoming / "3").unlink()
    assert stage_in.main(world.environ(**environ)) == 0
    assert tree(world.incoming) == before


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/tmp/out", "a//b", "", ".", "a/.", "nul\0"])
def test_a_path_that_leaves_the_folder_is_refused(any_world: Any_world, path: str) -> None:
    world, environ = any_world
    world.freeze([dataclasses.replace(world.put("x", b"x"), path=path)])
    assert stage_in.main(world.environ(**environ)) == 65
    assert "refused" in sentence(world)
    assert not (world.folder / "out").exists()


@pytest.mark.parametrize("link", ["d", "d/e"])
def test_a_link_that_leads_out_of_the_folder_is_not_followed(any_world: Any_world, link: str, tmp_path: Path) -> None:
    world, environ = any_world
    outside = tmp_path / "outside"
    outside.mkdir()
    (world.incoming / link).parent.mkdir(exist_ok=True)
    (world.incoming / link).symlink_to(outside)
    world.freeze([world.put(f"{link}/x", b"x")])
    assert stage_in.main(world.environ(**environ)) == 65
    assert list(outside.iterdir()) == []


def test_a_link_in_place_of_an_input_is_not_written_through(any_world: Any_world, tmp_path: Path) -> None:
    world, environ = any_world
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (world.incoming / "x").symlink_to(victim)
    world.freeze([world.put("x", b"other")])
    stage_in.main(world.environ(**environ))
    assert victim.read_text() == "mine"


def test_an_input_that_has_vanished_is_permanent_and_named(any_world: Any_world) -> None:
    world, environ = any_world
    gone = world.put("b/gone.dcm", b"x")
    world.freeze([world.put("a", b"y"), gone, world.put("c", b"z")])
    world.store.delete(gone.key)
    assert stage_in.main(world.environ(**environ)) == 65
    assert "'b/gone.dcm' has vanished" in sentence(world)
    assert "1/started/0" not in world.records.list(world.job).names


def test_an_input_that_was_replaced_is_permanent_and_named(any_world: Any_world) -> None:
    world, environ = any_world
    world.freeze([world.put("scan.dcm", b"first")])
    world.put("scan.dcm", b"other")
    assert stage_in.main(world.environ(**environ)) == 65
    assert "'scan.dcm' was changed" in sentence(world)


def test_an_input_that_rotted_is_found_by_its_digest(far: World) -> None:
    row = far.put("scan.dcm", b"good")
    far.freeze([dataclasses.replace(row, digest="00" * 32)])
    assert stage_in.main(far.environ()) == 65
    assert "'scan.dcm' is damaged" in sentence(far)


def test_an_input_that_rotted_is_found_when_it_is_copied(world: World) -> None:
    row = world.put("scan.dcm", b"good")
    world.freeze([dataclasses.replace(row, digest="00" * 32)])
    assert stage_in.main(world.environ()) == 65


def test_a_name_that_no_disk_takes_is_permanent_and_named(any_world: Any_world) -> None:
    world, environ = any_world
    world.freeze([dataclasses.replace(world.put("x", b"x"), path="y" * 256)])
    assert stage_in.main(world.environ(**environ)) == 65
    assert "yyyy" in sentence(world)


def test_inputs_that_stand_in_each_others_way_are_permanent(any_world: Any_world) -> None:
    world, environ = any_world
    one, other = world.put("one", b"1"), world.put("other", b"2")
    world.freeze([dataclasses.replace(one, path="a"), dataclasses.replace(other, path="a/b")])
    assert stage_in.main(world.environ(**environ)) == 65


def test_linked_inputs_cost_no_space_and_copies_share_nothing(world: World) -> None:
    row = world.put("scan.dcm", BODY)
    world.freeze([row])
    assert stage_in.main(world.environ(CHRYSALIS_LINKS="1")) == 0
    assert (world.incoming / "scan.dcm").stat().st_nlink == 2
    assert stage_in.main(world.environ()) == 0
    assert (world.incoming / "scan.dcm").stat().st_nlink == 1
    (world.incoming / "scan.dcm").write_bytes(b"changed")
    assert world.store.get(row.key).read() == BODY


def test_an_input_that_moved_within_the_store_is_found(world: World) -> None:
    row = world.put("a", b"first")
    world.freeze([row])
    world.put("a/b", b"second")  # the object "a" becomes a file in the folder "a"
    assert stage_in.main(world.environ(CHRYSALIS_LINKS="1")) == 0
    assert (world.incoming / "a").read_bytes() == b"first"


@pytest.mark.parametrize("where", [0, 1, 1000])
def test_a_broken_stream_goes_on_where_it_broke(far: World, store: DistantStore, where: int) -> None:
    far.freeze([far.put("scan.dcm", BODY)])
    broken: list[Asked] = []

    def spoil(asked: Asked) -> Reply | None:
        if len(broken) == 3:
            return None
        broken.append(asked)
        good = store.read("uploads/1/scan.dcm", asked.headers)
        head, _, body = good.raw.partition(b"\r\n\r\n")
        return Reply(head + b"\r\n\r\n" + body[:where], reset=where != 1, close=True)

    store.spoil = spoil
    assert stage_in.main(far.environ()) == 0
    assert tree(far.incoming) == {"scan.dcm": BODY}
    if where == 1:
        assert [asked.headers.get("range") for asked in broken] == [None, "bytes=1-", "bytes=2-"]
        assert broken[1].headers["if-match"] == f'"{store.head("uploads/1/scan.dcm").etag}"'


def test_an_object_that_is_replaced_while_it_comes_is_noticed(far: World, store: DistantStore) -> None:
    far.freeze([far.put("scan.dcm", BODY, digest=False)])

    def spoil(asked: Asked) -> Reply | None:
        if "range" in asked.headers:
            return None
        good = store.read("uploads/1/scan.dcm", asked.headers)
        store.put("uploads/1/scan.dcm", BODY[::-1])
        return Reply(good.raw[: len(good.raw) // 2], close=True)

    store.spoil = spoil
    assert stage_in.main(far.environ()) == 65
    assert "'scan.dcm' was changed" in sentence(far)


def test_a_store_that_knows_no_ranges_is_read_from_the_start(far: World, store: DistantStore) -> None:
    far.freeze([far.put("scan.dcm", BODY)])

    def spoil(asked: Asked) -> Reply | None:
        good = store.read("uploads/1/scan.dcm", {})
        return good if "range" in asked.headers else Reply(good.raw[: len(good.raw) // 2], close=True)

    store.spoil = spoil
    assert stage_in.main(far.environ()) == 0
    assert tree(far.incoming) == {"scan.dcm": BODY}


def test_urls_that_expire_are_asked_for_again_page_by_page(far: World, store: DistantStore) -> None:
    bodies = {f"{number}": str(number).encode() for number in range(300)}
    far.freeze([far.put(path, body) for path, body in bodies.items()])
    served: list[str] = []

    def spoil(asked: Asked) -> Reply | None:
        served.append(asked.line)
        if len(served) in (50, 150):
            store.expire()
        return None

    store.spoil = spoil
    assert stage_in.main(far.environ()) == 0
    assert tree(far.incoming) == bodies
    assert far.requests.count("GET /pods/stage/inputs") <= 1 + 2 * 3, "a page is renewed at once, not row by row"


def test_urls_that_are_never_good_are_a_temporary_fault_that_says_so(far: World, store: DistantStore) -> None:
    far.freeze([far.put("a", b"x")])
    store.oldest = 10**9
    assert stage_in.main(far.environ()) == 75
    assert "clocks" in sentence(far)


def test_an_interrupted_file_is_completed_from_what_is_there(far: World, store: DistantStore) -> None:
    far.freeze([far.put("scan.dcm", BODY)])
    (far.incoming / "scan.dcm").write_bytes(BODY[:1000])
    assert stage_in.main(far.environ()) == 0
    [asked] = store.server.asked
    assert asked.headers["range"] == "bytes=1000-"
    assert tree(far.incoming) == {"scan.dcm": BODY}


@pytest.mark.parametrize("size", [1000, len(BODY), len(BODY) + 1])
def test_a_false_start_is_thrown_away(far: World, store: DistantStore, size: int) -> None:
    far.freeze([far.put("scan.dcm", BODY)])
    (far.incoming / "scan.dcm").write_bytes(b"z" * size)
    assert stage_in.main(far.environ()) == 0
    assert tree(far.incoming) == {"scan.dcm": BODY}


def test_a_body_longer_than_the_row_says_is_refused(far: World, store: DistantStore) -> None:
    far.freeze([far.put("scan.dcm", b"1234")])
    store.spoil = lambda asked: Reply(b"HTTP/1.1 200 OK\r\n\r\n12345", close=True)
    assert stage_in.main(far.environ()) == 65


def test_without_a_digest_the_etag_tells(far: World, store: DistantStore) -> None:
    far.freeze([far.put("scan.dcm", b"1234", digest=False)])
    store.spoil = lambda asked: reply(200, b"1234", ETag='"another"')
    assert stage_in.main(far.environ()) == 65
    assert "'scan.dcm' was changed" in sentence(far)


def test_a_full_disk_is_permanent_and_names_the_file(any_world: Any_world) -> None:
    world, environ = any_world
    world.freeze([world.put("small", b"x"), world.put("d/large.nii", os.urandom(3_000_000))])
    assert world.run("stage_in", around=small_disk(world.incoming), **environ) == 65
    assert "The disk is full" in sentence(world)
    assert "'d/large.nii'" in sentence(world)


def test_a_decided_job_stops_stage_in(world: World) -> None:
    world.freeze([world.put("a", b"x")])
    world.records.create(world.job, records.RESULT, {"verdict": "cancelled"})
    assert stage_in.main(world.environ()) == 64
    assert "decided" in sentence(world)


def test_a_second_pod_is_told_to_stop(world: World) -> None:
    world.freeze([])
    world.claim("another-pod")
    assert stage_in.main(world.environ()) == 64
    assert "Another pod" in sentence(world)


def test_a_token_that_opens_nothing_is_permanent(world: World) -> None:
    world.freeze([])
    assert stage_in.main(world.environ(CHRYSALIS_TOKEN="x.y.z")) == 65
    assert "token" in sentence(world)


def test_a_token_may_lie_in_a_file(world: World, tmp_path: Path) -> None:
    world.freeze([])
    (tmp_path / "token").write_text(world.token + "\n")
    environ = world.environ(CHRYSALIS_TOKEN_FILE=str(tmp_path / "token"))
    del environ["CHRYSALIS_TOKEN"]
    assert stage_in.main(environ) == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CHRYSALIS_TOKEN", ""),
        ("CHRYSALIS_STAGE_URL", ""),
        ("CHRYSALIS_POD_UID", ""),
        ("CHRYSALIS_INCOMING", ""),
        ("CHRYSALIS_INDEX", "-1"),
        ("CHRYSALIS_THREADS", "0"),
        ("CHRYSALIS_PATIENCE", "long"),
        ("CHRYSALIS_TOKEN_FILE", "/nowhere/token"),
    ],
)
def test_a_wrong_environment_is_a_sentence_that_names_the_variable(world: World, name: str, value: str) -> None:
    assert stage_in.main(world.environ(**{name: value})) == 65
    assert name in sentence(world)


def test_a_broker_that_is_down_delays_the_start_but_keeps_the_claim(world: World) -> None:
    world.freeze([])
    world.told.down = True
    assert stage_in.main(world.environ(CHRYSALIS_PATIENCE="0")) == 75
    world.told.down = False
    assert stage_in.main(world.environ()) == 0
    assert world.told.kinds() == ["job.started"]


def test_a_row_that_cannot_be_read_is_a_sentence(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from functions.stage import pods

    def render(row: Input, url: str) -> dict[str, Any]:
        return {"path": row.path}

    monkeypatch.setattr(pods, "render_row", render)
    world.freeze([world.put("a", b"x")])
    assert stage_in.main(world.environ()) == 65
    assert "cannot be read" in sentence(world)
