"""One store is like the other: the same rules on plain files, on moto and on a real S3 server.

Some servers keep fewer rules than S3. `BROKEN` says which; each test of such a rule checks both ways, so that the table
stays true: a rule fails that is broken where it should be kept, and so does one that is kept unexpectedly.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from functions import objects_s3, stored_file
from functions.errors import Failure, Permanent, Temporary
from functions.objects import Missing, Page, Store
from functions.objects_directory import DirectoryStore
from functions.objects_s3 import CHUNK, S3Store
from functions.signing import Credentials, Place, presign
from tests.servers import SeaweedFS, free_ports

MIB = 1 << 20

SEAWEEDFS, MOTO = ("seaweedfs", "seaweedfs-versioned"), ("moto", "moto-versioned")
BROKEN = {
    "keys come in the order of UTF-8": SEAWEEDFS,
    "a start-after in a folder's name loses nothing": SEAWEEDFS,
    "every page keeps 'a' beside 'a/b'": ("seaweedfs-versioned",),
    "an empty piece of a key is kept": SEAWEEDFS,
    "'.' and '..' are names like others": SEAWEEDFS,
    "a name may be longer than 255 bytes": SEAWEEDFS,
    "a backslash is no slash": SEAWEEDFS,
    "a key may hold a line's end": MOTO,
    "'a' and 'a/b' are two objects": (),
    "'a' and 'a/' are two objects": SEAWEEDFS,
    "an empty folder is none": ("seaweedfs", "moto-versioned"),
    "an upload that was given up is told from a fault": MOTO,
    "an expired URL is refused": MOTO,
    "a URL for GET does not PUT": MOTO,
    "a URL for one key opens no other": MOTO,
    "a signed header must be sent": MOTO,
    "content that is not its digest is refused": MOTO,
}
"""The rules of S3, and who does not keep them. DirectoryStore keeps all; its URLs are files' and permit nothing."""
SERVERS = ("directory", "moto", "seaweedfs")

ODD_KEYS = {
    "plain": "feeds/feed_1/data.txt",
    "space": "a b/ c ",
    "percent": "100%/a%20b%2Fc",
    "plus": "a+b",
    "query": "a?b=c&d#e",
    "quotes": 'it\'s "so"/`x`',
    "brackets": "[a]{b}(c)<d>|^~",
    "commas": "a,b;c:d=e@f!$*",
    "umlaut": "Zürich/Ü",
    "decomposed": "Zu\u0308rich",
    "brain": "脳/😀",
    "control": "a\tb\x01\x7f",
    "dotfile": ".hidden/..two/...",
    "trailing dot": "a./b ",
    "like a draft": "%~/x",
    "like ourselves": "a/%",
    "tilde": "~/a",
    "dash": "-rf",
}


def kept(rule: str, backend: str) -> bool:
    return backend not in BROKEN[rule]


def pages(store: Store, prefix: str = "", *, limit: int, folders: bool = False) -> Iterator[Page]:
    after: str | None = ""
    while after is not None:
        page = store.list(prefix, after=after, limit=limit, folders=folders)
        yield page
        after = page.after


def listed(store: Store, prefix: str = "", *, limit: int = 1000) -> list[str]:
    return [info.key for page in pages(store, prefix, limit=limit) for info in page.objects]


def folders_of(store: Store, prefix: str = "", *, limit: int = 1000) -> list[str]:
    found = []
    for page in pages(store, prefix, limit=limit, folders=True):
        found += [info.key for info in page.objects] + list(page.folders)
    return found


def fill(store: Store, *keys: str) -> None:
    for key in keys:
        store.put(key, key.encode())


def send(method: str, url: str, body: bytes | None = None, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """What whoever holds a URL does with it: status, headers in lower case, body."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, data=body, method=method, headers={"Content-Type": "", **named})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status or 200, {k.lower(): v for k, v in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {k.lower(): v for k, v in error.headers.items()}, error.read()


def upload(url: str, body: bytes) -> str:
    """PUT to a URL as a mover does; the ETag."""
    if url.startswith("file:"):
        target = stored_file.path_of(url)
        with stored_file.draft(stored_file.workshop_of(target)) as (descriptor, path):
            with open(descriptor, "wb", closefd=False) as file:
                file.write(body)
            stored_file.stamp(descriptor)
            Path(os.fsdecode(path)).rename(os.fsdecode(target))
            return stored_file.etag(Path(os.fsdecode(target)).stat())
    status, headers, answer = send("PUT", url, body)
    assert status == 200, answer
    return headers["etag"].strip('"')


class TestObjects:
    @pytest.mark.parametrize("size", [0, 1, 300, MIB + 1])
    def test_what_is_stored_is_read(self, store: Store, size: int) -> None:
        body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        put = store.put("a/b", body)
        read = store.get("a/b")
        assert read.read() == body
        assert put.size == read.info.size == store.head("a/b").size == size
        assert put.etag == read.info.etag == store.head("a/b").etag
        assert put.version == read.info.version == store.head("a/b").version

    def test_a_stream_is_stored_as_it_comes(self, store: Store) -> None:
        class Trickle(io.RawIOBase):
            """A network stream: a few bytes at a time."""

            left = 5

            def read(self, size: int = -1) -> bytes:
                self.left -= 1
                return b"drop" if self.left >= 0 else b""

        assert store.put("a", Trickle()).size == 20  # type: ignore[arg-type]
        assert store.get("a").read() == b"drop" * 5

    def test_a_later_put_replaces_and_has_another_etag(self, store: Store) -> None:
        first, second = store.put("a", b"one"), store.put("a", b"two")
        assert first.etag != second.etag
        assert store.get("a").read() == b"two"

    def test_only_a_store_with_versions_tells_versions(self, store: Store, backend: str) -> None:
        first, second = store.put("a", b"one"), store.put("a", b"two")
        if backend.endswith("-versioned"):
            assert len({first.version, second.version, ""}) == 3
        else:
            assert first.version == second.version == ""

    def test_time_is_aware_and_now(self, store: Store) -> None:
        store.put("a", b"")
        modified = store.head("a").modified
        assert modified is not None
        assert abs(datetime.now(UTC) - modified) < timedelta(minutes=1)

    @pytest.mark.parametrize("key", ["a", "a/b", "a/b/c", "b"])
    def test_a_missing_object_is_missing(self, store: Store, key: str) -> None:
        fill(store, "a/b/d")
        for ask in (store.head, store.get):
            with pytest.raises(Missing) as caught:
                ask(key)
            assert caught.value.key == key

    def test_an_object_is_no_folder(self, store: Store) -> None:
        fill(store, "a")
        with pytest.raises(Missing):
            store.get("a/b")

    @pytest.mark.parametrize(
        ("start", "stop", "expected"),
        [
            *[(0, None, b"0123456789"), (3, None, b"3456789"), (0, 4, b"0123"), (3, 4, b"3"), (8, 99, b"89")],
            *[(4, 4, b""), (10, None, b""), (99, 100, b"")],
        ],
    )
    def test_a_range_is_cut_at_the_end(self, store: Store, start: int, stop: int | None, expected: bytes) -> None:
        for key in ("a", "odd//key"):
            store.put(key, b"0123456789")
            body = store.get(key, start=start, stop=stop)
            assert body.read() == expected
            assert body.info.size == 10

    def test_deleted_is_gone_and_deleting_again_is_no_error(self, store: Store, backend: str) -> None:
        fill(store, "a/b", "a/c")
        store.delete("a/b")
        store.delete("a/b")
        store.delete("never/was")
        with pytest.raises(Missing):
            store.head("a/b")
        assert listed(store) == ["a/c"]
        store.delete("a/c")
        assert listed(store) == []
        assert (folders_of(store) == []) == kept("an empty folder is none", backend)

    @pytest.mark.parametrize("key", ["", "x" * 1025, "a\ud800"])
    def test_a_key_that_no_store_can_hold_is_refused(self, store: Store, key: str) -> None:
        for act in acts(store, key)[:4]:
            with pytest.raises(Permanent) as caught:
                act()
            assert not isinstance(caught.value, Missing)


class TestCreate:
    def test_the_second_is_told_that_it_is_late(self, store: Store) -> None:
        first = store.create("records/a", b"first")
        assert first is not None and first.size == 5
        assert store.create("records/a", b"second") is None
        assert store.get("records/a").read() == b"first"

    def test_it_does_not_replace_what_was_put(self, store: Store) -> None:
        store.put("a", b"put")
        assert store.create("a", b"created") is None
        assert store.get("a").read() == b"put"

    def test_a_deleted_key_is_free_again(self, store: Store) -> None:
        store.create("a", b"one")
        store.delete("a")
        assert store.create("a", b"two") is not None
        assert store.get("a").read() == b"two"

    def test_of_racers_one_wins_and_all_read_its_bytes(self, store: Store, backend: str) -> None:
        racers = 4 if backend.startswith("seaweedfs") else 16  # SeaweedFS has those wait who come at the same moment
        gate = threading.Barrier(racers)

        def run(number: int) -> tuple[bool, bytes]:
            gate.wait()
            won = store.create("race", b"%d" % number) is not None
            return won, store.get("race").read()

        with ThreadPoolExecutor(racers) as pool:
            finishes = list(pool.map(run, range(racers)))
        winners = [read for won, read in finishes if won]
        assert len(winners) == 1
        assert {read for _, read in finishes} == set(winners)

    def test_odd_keys_are_created_once_too(self, store: Store) -> None:
        assert store.create("odd key?/a%", b"1") is not None
        assert store.create("odd key?/a%", b"2") is None


@pytest.mark.parametrize("backend", SERVERS)
class TestKeys:
    @pytest.mark.parametrize("key", ODD_KEYS.values(), ids=ODD_KEYS)
    def test_every_odd_key_is_kept_exactly(self, store: Store, key: str) -> None:
        store.put(key, key.encode())
        assert store.get(key).read() == key.encode()
        assert listed(store) == [key]
        assert send("GET", store.get_url(key, audience="pods"))[2] == key.encode()
        store.delete(key)
        assert listed(store) == []

    @pytest.mark.parametrize(
        ("rule", "keys"),
        [
            ("an empty piece of a key is kept", ["a//b", "/a"]),
            ("'.' and '..' are names like others", ["./a", "b/../c", ".."]),
            ("a name may be longer than 255 bytes", ["é" * 128, "x" * 700, "x" * 700 + "/y"]),
            ("a backslash is no slash", ["a\\b"]),
            ("a key may hold a line's end", ["a\nb"]),
            ("'a' and 'a/b' are two objects", ["a", "a/b", "a/b/c"]),
            ("'a' and 'a/' are two objects", ["a", "a/"]),
        ],
    )
    def test_keys_that_not_every_server_keeps(self, store: Store, backend: str, rule: str, keys: list[str]) -> None:
        with suppress(Failure):
            fill(store, *keys)
            for key in keys:
                assert store.get(key).read() == key.encode()
        assert (listed(store) == sorted(keys, key=str.encode)) == kept(rule, backend)

    def test_both_a_file_and_a_folder_live_and_die_alone(self, store: Store) -> None:
        fill(store, "a", "a/b")
        store.put("a", b"new")
        assert store.create("a", b"late") is None
        store.delete("a")
        assert listed(store) == ["a/b"]
        fill(store, "a")
        store.delete("a/b")
        assert listed(store) == ["a"]
        assert store.get("a").read() == b"a"


class TestListing:
    KEYS = ("a-b", "a/b", "a/c/d", "a0", "b/x", "b/y", "z\uffee", "z😀")

    @pytest.mark.parametrize("limit", [1, 2, 3, 1000])
    def test_pages_hold_every_key_once(self, store: Store, limit: int) -> None:
        fill(store, *self.KEYS)
        assert sorted(listed(store, limit=limit), key=str.encode) == list(self.KEYS)

    @pytest.mark.parametrize("limit", [1, 2, 3, 1000])
    def test_a_level_holds_every_object_and_folder_once(self, store: Store, limit: int) -> None:
        fill(store, *self.KEYS)
        expected = {"a-b", "a/", "a0", "b/", "z\uffee", "z😀"}
        assert len(folders_of(store, limit=limit)) == len(expected)
        assert set(folders_of(store, limit=limit)) == expected
        assert set(folders_of(store, "a/", limit=limit)) == {"a/b", "a/c/"}

    def test_keys_come_in_order(self, store: Store, backend: str) -> None:
        fill(store, *self.KEYS)
        assert (listed(store, limit=2) == list(self.KEYS)) == kept("keys come in the order of UTF-8", backend)

    def test_after_a_key_come_all_that_follow(self, store: Store, backend: str) -> None:
        fill(store, *self.KEYS)
        right = all(
            [info.key for info in store.list("", after=after).objects] == [key for key in self.KEYS if key > after]
            for after in ("a-b", "a/", "a/b", "a/c", "b/x", "b0")
        )
        assert right == kept("a start-after in a folder's name loses nothing", backend)

    def test_an_object_beside_its_folder_is_on_one_page(self, store: Store, backend: str) -> None:
        fill(store, "a", "a/b", "b")
        flat, level = listed(store, limit=1), folders_of(store, limit=1)
        assert (sorted(flat) == ["a", "a/b", "b"] and sorted(level) == ["a", "a/", "b"]) == kept(
            "every page keeps 'a' beside 'a/b'", backend
        )

    def test_a_folder_never_takes_in_its_neighbour(self, store: Store) -> None:
        fill(store, "feed_1/a", "feed_10/b", "feed_1.txt")
        assert listed(store, "feed_1/") == ["feed_1/a"]
        assert sorted(listed(store, "feed_1")) == ["feed_1.txt", "feed_1/a", "feed_10/b"]
        assert set(folders_of(store, "feed_1")) == {"feed_1.txt", "feed_1/", "feed_10/"}

    def test_a_listing_tells_what_head_tells(self, store: Store) -> None:
        fill(store, "a/b")
        (info,) = store.list("a/").objects
        head = store.head("a/b")
        assert (info.key, info.size, info.etag) == (head.key, head.size, head.etag)

    def test_nothing_is_an_empty_page(self, store: Store) -> None:
        assert store.list("no/such/") == Page((), (), None)
        assert store.list("no/such", folders=True) == Page((), (), None)


class TestUrls:
    def test_a_url_reads_what_was_stored(self, store: Store) -> None:
        store.put("a/b", b"bytes")
        for audience in ("functions", "pods", "browsers"):
            assert send("GET", store.get_url("a/b", audience=audience))[2] == b"bytes"

    def test_a_url_writes(self, store: Store) -> None:
        etag = upload(store.put_url("new/folder/a", audience="pods"), b"bytes")
        assert store.get("new/folder/a").read() == b"bytes"
        assert store.head("new/folder/a").etag == etag

    def test_parts_become_one_object(self, store: Store) -> None:
        first, last = b"1" * (5 * MIB), b"2" * 10
        number = store.begin_parts("a/big")
        etags = [
            upload(store.part_url("a/big", number, index, audience="pods"), body)
            for index, body in enumerate((first, last), 1)
        ]
        assert listed(store) == []
        info = store.finish_parts("a/big", number, etags)
        assert info == store.head("a/big")
        assert store.get("a/big").read() == first + last

    def test_a_lost_answer_of_the_end_is_asked_for_again(self, store: Store) -> None:
        number = store.begin_parts("a")
        etags = [upload(store.part_url("a", number, 1, audience="pods"), b"bytes")]
        first = store.finish_parts("a", number, etags)
        assert store.finish_parts("a", number, etags) == first
        assert store.get("a").read() == b"bytes"

    def test_an_end_that_is_told_late_takes_no_other_object_for_its_own(self, store: Store, backend: str) -> None:
        number = store.begin_parts("a")
        etags = [upload(store.part_url("a", number, 1, audience="pods"), b"mine")]
        store.abort_parts("a", number)
        store.put("a", b"yours")
        with pytest.raises(Failure) as caught:
            store.finish_parts("a", number, etags)
        assert isinstance(caught.value, Permanent) == kept("an upload that was given up is told from a fault", backend)
        assert store.get("a").read() == b"yours"

    def test_a_part_that_was_not_uploaded_is_missed(self, store: Store) -> None:
        number = store.begin_parts("a")
        etags = [upload(store.part_url("a", number, 1, audience="pods"), b"bytes")]
        with pytest.raises(Permanent, match="'a'"):
            store.finish_parts("a", number, [*etags, "d41d8cd98f00b204e9800998ecf8427e"])
        assert listed(store) == []

    def test_giving_up_twice_is_no_error(self, store: Store) -> None:
        number = store.begin_parts("a")
        store.abort_parts("a", number)
        store.abort_parts("a", number)


@pytest.mark.parametrize("backend", ["moto", "seaweedfs"])
class TestSignedUrls:
    """What a URL does not permit. moto asks for no permission at all."""

    @pytest.fixture
    def place(self, backend: str, open_bucket: Callable[[str], dict[str, Any]]) -> tuple[Place, Credentials]:
        known = open_bucket(backend)
        return Place(known["endpoint"], known["bucket"]), Credentials(known["access_key"], known["secret_key"])

    def test_an_expired_url_is_refused(self, store: S3Store, backend: str, place: tuple[Place, Credentials]) -> None:
        store.put("a", b"bytes")
        key, past = f"{store.prefix}a", datetime.now(UTC) - timedelta(minutes=2)
        assert send("GET", presign("GET", place[0], key, place[1], seconds=600, now=past))[0] == 200
        status, _, _ = send("GET", presign("GET", place[0], key, place[1], seconds=60, now=past))
        assert (status == 403) == kept("an expired URL is refused", backend)

    def test_a_url_for_reading_does_not_write(self, store: S3Store, backend: str) -> None:
        store.put("a", b"bytes")
        url = store.get_url("a", audience="pods")
        for method in ("PUT", "DELETE"):
            status, _, _ = send(method, url, b"" if method == "PUT" else None)
            assert (status == 403) == kept("a URL for GET does not PUT", backend)

    def test_a_url_opens_no_other_key(self, store: S3Store, backend: str) -> None:
        fill(store, "feed_1/a", "feed_10/a")
        url = store.get_url("feed_1/a", audience="pods").replace("feed_1/", "feed_10/")
        assert (send("GET", url)[0] == 403) == kept("a URL for one key opens no other", backend)

    def test_a_signed_header_must_be_sent(self, store: S3Store, backend: str, place: tuple[Place, Credentials]) -> None:
        headers = {"content-md5": "XUFAKrxLKna5cZ2REBfFkg=="}  # of b"hello"
        url = presign("PUT", place[0], f"{store.prefix}a", place[1], seconds=60, headers=headers)
        assert send("PUT", url, b"hello", content_md5=headers["content-md5"])[0] == 200
        status, _, _ = send("PUT", url, b"other")
        assert (status == 403) == kept("a signed header must be sent", backend)

    def test_wrong_content_is_refused(self, store: S3Store, backend: str, place: tuple[Place, Credentials]) -> None:
        headers = {"content-md5": "XUFAKrxLKna5cZ2REBfFkg=="}
        url = presign("PUT", place[0], f"{store.prefix}a", place[1], seconds=60, headers=headers)
        status, _, _ = send("PUT", url, b"wrong", content_md5=headers["content-md5"])
        assert (status == 400) == kept("content that is not its digest is refused", backend)
        assert (listed(store) == []) == kept("content that is not its digest is refused", backend)

    def test_a_url_may_name_the_file(self, store: S3Store) -> None:
        store.put("a", b"bytes")
        name = 'Bericht "Müller";\r\nX: 脳.pdf'
        header = send("GET", store.get_url("a", audience="browsers", filename=name))[1]["content-disposition"]
        assert header.startswith('attachment; filename="Bericht _M_ller_;__X: _.pdf"; filename*=UTF-8')

    def test_each_audience_has_its_own_host(self, open_bucket: Callable[[str], dict[str, Any]], backend: str) -> None:
        known = open_bucket(backend)
        ends: Any = {"pod_endpoint": "http://pods.local:1", "browser_endpoint": "https://lake.example.org"}
        store = S3Store(**known, **ends)
        hosts = [urlsplit(store.get_url("a", audience=who)).netloc for who in ("functions", "pods", "browsers")]
        assert hosts == [urlsplit(known["endpoint"]).netloc, "pods.local:1", "lake.example.org"]


@pytest.mark.parametrize("backend", ["moto-versioned", "seaweedfs-versioned"])
def test_a_url_reads_the_version_that_it_names(store: Store) -> None:
    first, second = store.put("a", b"one"), store.put("a", b"two")
    for info, body in ((first, b"one"), (second, b"two")):
        url = store.get_url("a", audience="pods", version=info.version)
        assert send("GET", url)[2] == body
    assert send("GET", store.get_url("a", audience="pods", version="0" * 32))[0] >= 400


FLAT = """
import io, resource, sys
from functions.objects_directory import DirectoryStore
from functions.objects_s3 import CHUNK, S3Store

class Zeros(io.RawIOBase):
    left = total = 12 * CHUNK + 1
    def read(self, size=-1):
        size = min(size, self.left, 1 << 20)
        self.left -= size
        return bytes(size)

known = eval(sys.argv[1])
store = S3Store(**known) if "bucket" in known else DirectoryStore(**known)
key = sys.argv[2]
store.put(key, b"warm")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert store.put(key, Zeros()).size == Zeros.total
assert sum(map(len, store.get(key).chunks)) == Zeros.total
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


class TestStreams:
    @pytest.mark.slow
    @pytest.mark.parametrize("key", ["plain", "odd key?/a"])
    @pytest.mark.parametrize("backend", ["directory", "seaweedfs"])
    def test_memory_stays_flat(
        self, backend: str, key: str, tmp_path: Path, open_bucket: Callable[[str], dict[str, Any]]
    ) -> None:
        """A body of 192 MiB in a process of its own; obstore has a few parts of 16 MiB under way at once."""
        known = {"root": str(tmp_path)} if backend == "directory" else {**open_bucket(backend), "prefix": "flat"}
        done = subprocess.run(
            [sys.executable, "-c", FLAT, repr(known), key], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) * 1024 < 128 * MIB

    @pytest.mark.parametrize("key", ["plain", "odd//key"])
    @pytest.mark.parametrize("size", [10, CHUNK + 10])
    def test_a_stream_that_breaks_stores_nothing(self, store: Store, key: str, size: int) -> None:
        class Breaks(io.RawIOBase):
            left = size

            def read(self, wanted: int = -1) -> bytes:
                if not self.left:
                    raise ValueError("the client went away")
                wanted = min(wanted, self.left)
                self.left -= wanted
                return bytes(wanted)

        with pytest.raises(Exception, match="the client went away"):
            store.put(key, Breaks())  # type: ignore[arg-type]
        assert listed(store) == []

    def test_a_body_that_nobody_reads_costs_nothing(self, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path, durable=False)
        store.put("a", b"bytes")
        before = len(list(Path("/proc/self/fd").iterdir()))
        for _ in range(100):
            store.get("a")
        assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize("backend", ["moto", "seaweedfs"])
class TestPrefix:
    def test_stores_in_one_bucket_do_not_see_each_other(
        self, backend: str, open_bucket: Callable[[str], dict[str, Any]]
    ) -> None:
        known = open_bucket(backend)
        one, ten = S3Store(**known, prefix="tenant-1"), S3Store(**known, prefix="/tenant-10/")
        one.put("a", b"one")
        ten.put("a", b"ten")
        assert one.get("a").read() == b"one"
        assert listed(one) == listed(ten) == ["a"]


class TestFaults:
    def test_a_wrong_secret_is_a_permanent_sentence(self, seaweed: SeaweedFS) -> None:
        store = S3Store(
            bucket=seaweed.new_bucket(), endpoint=seaweed.endpoint, access_key=seaweed.access_key, secret_key="x"
        )
        for act in acts(store):
            with pytest.raises(Permanent, match=r"secret key|access"):
                act()

    def test_a_bucket_that_is_not_there_is_no_missing_object(self, seaweed: SeaweedFS) -> None:
        keys: Any = {"access_key": seaweed.access_key, "secret_key": seaweed.secret_key}
        store = S3Store(bucket="no-such-bucket", endpoint=seaweed.endpoint, **keys)
        for act in acts(store)[1:]:  # the answer to a HEAD has no body that could tell
            with pytest.raises(Permanent, match="Create the bucket") as caught:
                act()
            assert not isinstance(caught.value, Missing)

    def test_a_server_that_is_not_there_is_temporary(self) -> None:
        store = S3Store(bucket="lake", endpoint=f"http://127.0.0.1:{free_ports(1)[0]}", access_key="a", secret_key="b")
        for act in acts(store):
            with pytest.raises(Temporary, match="does not answer"):
                act()

    @pytest.mark.parametrize(
        ("status", "code", "failure"),
        [
            (409, "ConditionalRequestConflict", Temporary),
            (409, "OperationAborted", Temporary),
            (503, "SlowDown", Temporary),
            (500, "InternalError", Temporary),
            (429, "TooManyRequests", Temporary),
            (400, "RequestTimeout", Temporary),
            (403, "AccessDenied", Permanent),
            (403, "InvalidAccessKeyId", Permanent),
            (403, "RequestTimeTooSkewed", Permanent),
            (400, "InvalidArgument", Permanent),
            (501, "NotImplemented", Permanent),
        ],
    )
    @pytest.mark.parametrize("key", ["plain", "odd//key"])
    def test_answers_are_translated_alike_by_both_clients(
        self, key: str, status: int, code: str, failure: type[Failure], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(objects_s3, "RETRIES", 0)  # their breath between tries is not what is tested
        with answering(status, code) as endpoint:
            store = S3Store(bucket="lake", endpoint=endpoint, access_key="a", secret_key="b-secret")
            for act in acts(store, key)[1:]:
                with pytest.raises(failure) as caught:
                    act()
                assert isinstance(caught.value, Temporary) == (failure is Temporary)
                assert "b-secret" not in str(caught.value) and "Signature" not in str(caught.value)

    @pytest.mark.parametrize("key", ["plain", "odd//key"])
    def test_a_connection_that_breaks_while_bytes_flow_is_temporary(self, key: str) -> None:
        with answering(200, "", short=True) as endpoint:
            store = S3Store(bucket="lake", endpoint=endpoint, access_key="a", secret_key="b")
            with pytest.raises(Temporary):
                store.get(key).read()


def acts(store: Store, key: str = "a") -> list[Callable[[], object]]:
    """Every kind of call."""
    return [
        lambda: store.head(key),
        lambda: store.get(key).read(),
        lambda: store.put(key, b""),
        lambda: store.create(key, b""),
        lambda: store.list(""),
        lambda: store.begin_parts(key),
        lambda: store.finish_parts(key, "word.id", ["e"]),
    ]


@contextmanager
def answering(status: int, code: str, *, short: bool = False) -> Iterator[str]:
    """A server that gives every request the same answer; `short`: of 1,000 promised bytes it sends ten and goes."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = b"0123456789" if short else f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", "1000" if short else str(len(body)))
            self.send_header("ETag", '"e"')
            self.send_header("Last-Modified", "Tue, 24 Nov 2026 08:00:00 GMT")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = short

        do_PUT = do_POST = do_GET

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
