"""Movers as processes of their own against a real S3 server: whole transfers, faults, kills, memory."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from functions.objects_s3 import S3Store
from functions.records import Input
from tests.faults import FaultProxy
from tests.functions.movers.world import World, serving
from tests.servers import SeaweedFS

MEBIBYTE = 1024 * 1024
ROOM = 256 * MEBIBYTE
Scale = Callable[[int, int, int], int]


@pytest.fixture
def proxy(seaweed: SeaweedFS) -> Iterator[FaultProxy]:
    """Stands between the pods and the store; the functions reach the store itself."""
    with FaultProxy(seaweed.endpoint, seed=7) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def bucket(seaweed: SeaweedFS) -> str:
    """One for all: SeaweedFS sets several volumes apart for each bucket."""
    return seaweed.new_bucket()


@pytest.fixture
def real(seaweed: SeaweedFS, bucket: str, proxy: FaultProxy, tmp_path: Path) -> Iterator[World]:
    with serving(make_world(seaweed, bucket, proxy.endpoint, tmp_path)) as world:
        yield world


@pytest.fixture
def direct(seaweed: SeaweedFS, bucket: str, tmp_path: Path) -> Iterator[World]:
    """A job whose pods reach the store itself."""
    with serving(make_world(seaweed, bucket, seaweed.endpoint, tmp_path)) as world:
        yield world


def make_world(seaweed: SeaweedFS, bucket: str, pod_endpoint: str, folder: Path) -> World:
    keys = {"access_key": seaweed.access_key, "secret_key": seaweed.secret_key}
    prefix = f"lab-{uuid.uuid4()}"
    store = S3Store(bucket=bucket, endpoint=seaweed.endpoint, pod_endpoint=pod_endpoint, prefix=prefix, **keys)
    return World(store, folder / "pod")


def fill(world: World, count: int, size: int = 1000) -> dict[str, bytes]:
    """So many inputs in the store and frozen; the pod holds its claim once stage-in has run."""
    bodies = {f"{number % 10}/{number:05}.dcm": os.urandom(size) for number in range(count)}
    world.freeze([world.put(path, body) for path, body in bodies.items()])
    return bodies


def tree(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def digests(outputs: dict[str, bytes]) -> dict[str, str]:
    return {path: hashlib.sha256(body).hexdigest() for path, body in outputs.items()}


def committed_digests(world: World) -> dict[str, str]:
    return {path: output.digest for path, output in world.outputs().items()}


def test_files_of_every_kind_go_in_and_out(real: World) -> None:
    bodies = {
        "empty": b"",
        "a/é ü#?%20+&=;:@$'()*!~.nii": b"odd",
        "n" * 255: b"long",
        "\u540d/\U0001f9e0": b"wide",
        "deep/" * 50 + "x": b"deep",
    }
    real.freeze([real.put(path, body) for path, body in bodies.items()])
    assert real.run("stage_in") == 0
    assert tree(real.incoming) == bodies
    for path, body in bodies.items():
        real.write(path, body)
    assert real.run("stage_out") == 0
    assert committed_digests(real) == digests(bodies)


@pytest.mark.slow
def test_a_large_file_goes_out_in_parts(real: World) -> None:
    real.freeze([])
    real.claim()
    body = os.urandom(130 * MEBIBYTE + 1)
    real.write("large", body)
    assert real.run("stage_out") == 0
    assert real.body("large") == body
    assert real.requests.count("POST /pods/publish/uploads/finish") == 1


@pytest.mark.slow
def test_urls_that_really_expire_are_asked_for_again(
    seaweed: SeaweedFS, bucket: str, proxy: FaultProxy, tmp_path: Path
) -> None:
    world = make_world(seaweed, bucket, proxy.endpoint, tmp_path)
    world.seconds = 1
    with serving(world):
        bodies = fill(world, 40, 20_000)
        proxy.rate = 100_000
        assert world.run("stage_in", CHRYSALIS_THREADS="2") == 0
        assert tree(world.incoming) == bodies
        for path, body in bodies.items():
            world.write(path, body)
        assert world.run("stage_out", CHRYSALIS_THREADS="2") == 0
        assert committed_digests(world) == digests(bodies)
    assert world.requests.count("GET /pods/stage/inputs") > 2
    assert world.requests.count("POST /pods/publish/uploads") > 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_faults_on_one_answer_in_twenty_lose_nothing(real: World, proxy: FaultProxy, scale: Scale) -> None:
    bodies = fill(real, scale(10_000, 2_000, 300))
    proxy.share = 0.05
    assert real.run("stage_in") == 0
    assert tree(real.incoming) == bodies
    for path, body in bodies.items():
        real.write(path, body)
    large = os.urandom(200 * MEBIBYTE)
    real.write("large", large)
    assert real.run("stage_out") == 0
    assert committed_digests(real) == digests({**bodies, "large": large})
    print(f"{proxy.requests} requests, faults: {dict(proxy.faults)}, busiest second: {proxy.busiest}")
    assert sum(proxy.faults.values()) > 0


@pytest.mark.slow
def test_a_store_that_is_down_is_not_stormed(real: World, proxy: FaultProxy, scale: Scale) -> None:
    bodies = fill(real, 500)
    proxy.down = True
    with real.start("stage_in", CHRYSALIS_PATIENCE="300") as process:
        seconds = scale(60, 20, 8)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(seconds)
        asked = proxy.requests
        proxy.down = False
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert tree(real.incoming) == bodies
    print(f"{asked} requests in {seconds} s of absence, busiest second: {proxy.busiest}")
    assert asked < 8 * 6 + seconds * 2


@pytest.mark.slow
def test_stage_in_that_is_killed_goes_on_when_it_is_started_again(real: World, proxy: FaultProxy, scale: Scale) -> None:
    large = os.urandom(scale(1000, 200, 40) * MEBIBYTE)
    bodies = {"large": large} | {f"small/{number}": os.urandom(1000) for number in range(50)}
    real.freeze([real.put(path, body) for path, body in bodies.items()])
    proxy.rate = len(large) // 2
    for kill in (1, 2):
        with real.start("stage_in") as process:
            target = proxy.bytes + len(large) // 4
            proxy.wait_for(lambda target=target: proxy.bytes > target)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, f"kill {kill}"
    assert "1/started/0" not in real.records.list(real.job).names
    proxy.rate = 0
    before = proxy.bytes
    assert real.run("stage_in") == 0
    assert proxy.bytes - before < len(large) * 0.7, "what was there is not brought again"
    assert tree(real.incoming) == bodies


def uploader_of(process: subprocess.Popen[bytes]) -> int:
    """The pid of stage-out's child; waits for it."""
    place = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while not (children := place.read_text().split()):
        assert process.poll() is None
    return int(children[0])


@pytest.mark.slow
def test_an_uploader_that_is_killed_goes_on_where_it_was(real: World, proxy: FaultProxy, scale: Scale) -> None:
    real.freeze([])
    real.claim()
    size = scale(2000, 500, 300) * MEBIBYTE
    bodies = {"large": os.urandom(size)} | {f"small/{number}": os.urandom(1000) for number in range(50)}
    for path, body in bodies.items():
        real.write(path, body)
    proxy.rate = size // 16
    with real.start("stage_out") as process:
        for _ in range(3):
            target = proxy.bytes + size // 4
            proxy.wait_for(lambda target=target: proxy.bytes > target)  # type: ignore[misc]
            os.kill(uploader_of(process), signal.SIGKILL)
        proxy.rate = 0
        process.communicate(timeout=300)
    assert process.returncode == 0
    assert committed_digests(real) == digests(bodies)
    print(f"{proxy.bytes / size:.2f} of the bytes were sent")
    assert proxy.bytes < size * 2.5, "finished parts are not sent again"


@pytest.mark.slow
def test_a_supervisor_that_is_killed_is_followed_by_another(real: World, proxy: FaultProxy) -> None:
    real.freeze([])
    real.claim()
    bodies = {f"{number:04}": os.urandom(20_000) for number in range(400)}
    for path, body in bodies.items():
        real.write(path, body)
    proxy.rate = 200_000
    scratch = str(real.folder / "scratch")
    for _ in range(2):
        with real.start("stage_out", CHRYSALIS_SCRATCH=scratch) as process:
            target = proxy.bytes + 1_000_000
            proxy.wait_for(lambda target=target: proxy.bytes > target)  # type: ignore[misc]
            process.send_signal(signal.SIGKILL)
    assert real.committed() is None
    proxy.rate = 0
    assert real.run("stage_out", CHRYSALIS_SCRATCH=scratch) == 0
    assert committed_digests(real) == digests(bodies)


@pytest.mark.slow
def test_many_small_files_fit_into_flat_memory(direct: World, scale: Scale) -> None:
    count = scale(10_000, 10_000, 1_000)
    body = os.urandom(1000)
    info = direct.store.put("uploads/1/one", body)
    digest = hashlib.sha256(body).hexdigest()
    direct.freeze([Input(f"{n % 100}/{n:06}.dcm", info.key, info.size, info.etag, digest=digest) for n in range(count)])
    came = direct.measure("stage_in")
    for number in range(count):
        direct.write(f"{number % 100}/{number:06}.nii", body)
    went = direct.measure("stage_out")
    assert len(direct.outputs()) == count
    for name, used in (("in", came), ("out", went)):
        cost = f"{used.peak_bytes / 1e6:.0f} MB of memory, {used.cpu_seconds:.1f} s of CPU, {used.seconds:.1f} s"
        print(f"{count} files {name}: {cost}")
        assert used.peak_bytes < ROOM


def write_large(path: Path, size: int) -> str:
    """A file of that size with no two mebibytes alike; answers its SHA-256."""
    block, hasher = os.urandom(MEBIBYTE), hashlib.sha256()
    with path.open("wb") as file:
        for number in range(size // MEBIBYTE):
            chunk = number.to_bytes(8) + block[8:]
            hasher.update(chunk)
            file.write(chunk)
    return hasher.hexdigest()


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_one_huge_file_fits_into_flat_memory(direct: World, scale: Scale) -> None:
    size = scale(10_240, 1_024, 256) * MEBIBYTE
    digest = write_large(direct.outgoing / "huge", size)
    direct.freeze([])
    direct.claim()
    went = direct.measure("stage_out")
    [output] = direct.outputs().values()
    assert (output.size, output.digest) == (size, digest)
    (direct.outgoing / "huge").unlink()
    direct.job = "job-2"
    direct.freeze([Input("huge", output.key, output.size, output.etag, digest=digest)])
    came = direct.measure("stage_in")
    assert (direct.incoming / "huge").stat().st_size == size
    for name, used in (("out", went), ("in", came)):
        rate = size / used.seconds / 1e6
        print(f"{size / 1e9:.1f} GB {name}: {used.peak_bytes / 1e6:.0f} MB of memory, {rate:.0f} MB/s")
        assert used.peak_bytes < ROOM
