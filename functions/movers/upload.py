"""Outputs go from the disk to the store: small ones beside each other, large ones in parts beside each other."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from functions import stored_file
from functions.errors import Permanent, Temporary
from functions.movers import local
from functions.movers.courier import Courier, Expired, judge
from functions.movers.crew import Crew
from functions.movers.disk import explain, explained, feed, open_regular
from functions.movers.endpoint import Endpoint, Value
from functions.movers.errand import Errand
from functions.movers.harvest import Item
from functions.movers.ledger import Ledger
from functions.movers.wire import SMALL_BODY, Response
from functions.records import Output

MOST_RENEWALS = 3
RUN = 100
"""URLs of parts that are asked for at a time."""
SYNCED_ALONE = 16
"""Batches of up to so many files are put on the disk file by file; more of them by one call at the end."""
UNNOTED_FILES, UNNOTED_BYTES = 16, 4 * 1024 * 1024
"""A batch up to this size is sent again, rather than that notes are taken of it."""
Sent = TypeVar("Sent")


def subject(item: Item) -> str:
    return f"the output {item.path!r}"


def shrunk(item: Item) -> Permanent:
    return Permanent(f"The output {item.path!r} became shorter while it was uploaded: something still writes to it.")


def open_output(item: Item) -> int:
    """A descriptor to read an output. Raises Permanent, naming it."""
    with explained(subject(item)):
        try:
            return open_regular(item.source)
        except PermissionError:  # a plugin may take its own rights away
            os.chmod(item.source, stored_file.FILE_MODE)
            return open_regular(item.source)


@dataclass
class Large:
    """An output on its way in parts: what is known of it so far."""

    item: Item
    key: str
    upload: str
    part_bytes: int
    etags: dict[int, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def count(self) -> int:
        return -(-self.item.size // self.part_bytes)

    @property
    def missing(self) -> list[int]:
        return [number for number in range(1, self.count + 1) if number not in self.etags]


class Uploader:
    """Uploads batches of outputs. `finished` maps each path of the present batch to its line of the manifest."""

    def __init__(self, errand: Errand, endpoint: Endpoint, ledger: Ledger) -> None:
        self.errand, self.endpoint, self.ledger = errand, endpoint, ledger
        self.courier: Courier = endpoint.courier
        self.finished: dict[str, Output] = {}
        self.large: dict[str, Large] = {}
        self.manifest: Value | None = None
        self.unsynced: bytes = b""
        self.synced_alone = self.noted = True

    # --- asking ---

    def ask(self, items: Sequence[Item]) -> list[Value]:
        """Where each of the items goes; the answer also tells where the manifest goes."""
        body: Value = {"index": self.errand.index, "uid": self.errand.uid, "first": self.manifest is None}
        answer = self.endpoint.post("/uploads", body | {"files": [{"path": i.path, "size": i.size} for i in items]})
        self.manifest = answer["manifest"]
        offers: list[Value] = answer["files"]
        if [offer["path"] for offer in offers] != [item.path for item in items]:
            raise Permanent("publish answers with other files than it was asked for.")
        return offers

    def renewing(self, send: Callable[[str], Sent], url: str, renew: Callable[[], str]) -> Sent:
        """Send with a URL, and with another when it has expired."""
        for _ in range(MOST_RENEWALS):
            try:
                return send(url)
            except Expired as expired:
                reason = expired
                url = renew()
        raise Temporary(f"{reason} A new URL does not help: do the clocks of the store and of publish agree?")

    # --- a batch ---

    def upload(self, batch: Sequence[Item]) -> list[Output]:
        """Upload a batch, whatever of it an earlier uploader has left; answers its lines of the manifest."""
        self.finished, self.large = {}, {}
        self.synced_alone = len(batch) <= SYNCED_ALONE
        self.noted = len(batch) > UNNOTED_FILES or sum(item.size for item in batch) > UNNOTED_BYTES
        self.remember({item.path: item for item in batch})
        fresh = [item for item in batch if item.path not in self.finished and item.path not in self.large]
        with Crew[Callable[[], None]](self.errand.threads, lambda work: work(), self.courier.patience.stop) as crew:
            for large in list(self.large.values()):
                self.give_parts(crew, large, [])
            for item, offer in zip(fresh, self.ask(fresh) if fresh else [], strict=True):
                self.give(crew, item, offer)
            crew.drain()
        for large in self.large.values():
            self.finish(large)
        return [self.finished[item.path] for item in batch]

    def give(self, crew: Crew[Callable[[], None]], item: Item, offer: Value) -> None:
        if "url" in offer:
            crew.give(lambda: self.send_whole(item, offer["key"], offer["url"]))
            return
        large = Large(item, offer["key"], offer["upload"], offer["part_bytes"])
        self.large[item.path] = large
        begun = {"key": large.key, "upload": large.upload, "part_bytes": large.part_bytes}
        self.ledger.note({"begin": item.path, "size": item.size} | begun)
        self.give_parts(crew, large, offer["urls"])

    def give_parts(self, crew: Crew[Callable[[], None]], large: Large, urls: Sequence[str]) -> None:
        """Hand in the digest and the missing parts; `urls` are those of the first parts, if they are known."""
        if not large.digest:
            crew.give(lambda: self.take_digest(large))
        known = dict(enumerate(urls, 1))
        for number in large.missing:
            if number not in known:
                known = dict(enumerate(self.ask_parts(large, number, RUN), number))
            crew.give(self.part_work(large, number, known.pop(number)))

    def part_work(self, large: Large, number: int, url: str) -> Callable[[], None]:
        return lambda: self.send_part(large, number, url)

    def ask_parts(self, large: Large, first: int, count: int) -> list[str]:
        body = {"key": large.key, "upload": large.upload, "from": first, "count": min(count, large.count - first + 1)}
        urls: list[str] = self.endpoint.post("/parts", body)["urls"]
        return urls

    # --- what an earlier uploader has left ---

    def remember(self, items: dict[str, Item]) -> None:
        for note in self.ledger.notes():
            if path := note.get("done"):
                if path in items and items[path].size == note["size"]:
                    self.finished[path] = Output(path, note["key"], note["size"], note["etag"], note["digest"])
                    self.large.pop(path, None)
            elif (path := note.get("begin")) in items and items[path].size == note["size"]:
                self.large[path] = Large(items[path], note["key"], note["upload"], note["part_bytes"])
            elif large := self.large.get(note.get("of", "")):
                large.digest = note.get("digest", large.digest)
                if "number" in note:
                    large.etags[note["number"]] = note["etag"]

    def note_done(self, output: Output) -> None:
        line = {"key": output.key, "size": output.size, "etag": output.etag, "digest": output.digest}
        if self.noted:
            self.ledger.note({"done": output.path} | line)
        self.finished[output.path] = output

    # --- sending ---

    def send_whole(self, item: Item, key: str, url: str) -> None:
        descriptor = open_output(item)
        try:
            etag, digest = self.renewing(
                lambda fresh: self.put(item, descriptor, fresh), url, lambda: str(self.ask([item])[0]["url"])
            )
        except OSError as error:
            raise explain(error, subject(item)) from error
        finally:
            os.close(descriptor)
        self.note_done(Output(item.path, key, item.size, etag, digest))

    def put(self, item: Item, descriptor: int, url: str) -> tuple[str, str]:
        """Send a whole file once more until it is in: its ETag and its digest."""
        if local.is_local(url):
            return self.put_local(item, descriptor, stored_file.path_of(url))
        return self.courier.patience.insist(lambda: self.put_once(item, descriptor, url))

    def put_local(self, item: Item, descriptor: int, target: bytes) -> tuple[str, str]:
        self.unsynced = self.unsynced or (b"" if self.synced_alone else target)
        try:
            return local.give(descriptor, item.source, target, links=self.errand.links, sync=self.synced_alone)
        except FileNotFoundError as error:
            raise Expired(f"The folder of {subject(item)} has gone from the store.") from error

    def put_once(self, item: Item, descriptor: int, url: str) -> tuple[str, str]:
        hasher = hashlib.sha256()
        if item.size <= SMALL_BODY:
            body = os.pread(descriptor, item.size, 0)
            hasher.update(body)
            with self.courier.open("PUT", url, body=body) as response:
                return read_etag(response, item), hasher.hexdigest()

        def pour(connection: socket.socket) -> None:
            def pass_on(chunk: memoryview) -> None:
                hasher.update(chunk)
                connection.sendall(chunk)

            if feed(descriptor, pass_on, 0, item.size) != item.size:
                raise shrunk(item)

        with self.courier.open("PUT", url, length=item.size, pour=pour) as response:
            return read_etag(response, item), hasher.hexdigest()

    def take_digest(self, large: Large) -> None:
        hasher = hashlib.sha256()
        descriptor = open_output(large.item)
        try:
            with explained(subject(large.item)):
                feed(descriptor, hasher.update)
        finally:
            os.close(descriptor)
        large.digest = hasher.hexdigest()
        self.ledger.note({"of": large.item.path, "digest": large.digest})

    def send_part(self, large: Large, number: int, url: str) -> None:
        descriptor = open_output(large.item)
        try:
            etag = self.renewing(
                lambda fresh: self.put_part(large, number, descriptor, fresh),
                url,
                lambda: self.ask_parts(large, number, 1)[0],
            )
        except OSError as error:
            raise explain(error, subject(large.item)) from error
        finally:
            os.close(descriptor)
        large.etags[number] = etag
        self.ledger.note({"of": large.item.path, "number": number, "etag": etag})

    def put_part(self, large: Large, number: int, descriptor: int, url: str) -> str:
        start = (number - 1) * large.part_bytes
        length = min(large.part_bytes, large.item.size - start)
        if local.is_local(url):
            target = stored_file.path_of(url)
            return local.give_copy(descriptor, target, sync=True, start=start, length=length)[0]

        def pour(connection: socket.socket) -> None:
            with open(descriptor, "rb", closefd=False) as file:
                if connection.sendfile(file, start, length) != length:
                    raise shrunk(large.item)

        def attempt() -> str:
            with self.courier.open("PUT", url, length=length, pour=pour) as response:
                return read_etag(response, large.item)

        return self.courier.patience.insist(attempt)

    def finish(self, large: Large) -> None:
        etags = [large.etags[number] for number in range(1, large.count + 1)]
        answer = self.endpoint.post("/uploads/finish", {"key": large.key, "upload": large.upload, "etags": etags})
        item = large.item
        self.note_done(Output(item.path, large.key, item.size, str(answer["etag"]), large.digest))

    # --- the manifest ---

    def send_manifest(self) -> dict[str, Any]:
        """Put the manifest into the store; answers what a commit says of it, without count and bytes."""
        if self.manifest is None:
            self.ask([])
        assert self.manifest is not None  # ask has set it
        if self.unsynced:
            with explained("the outputs"):
                local.sync_all(self.unsynced)
        digest, size = self.ledger.seal()
        item = Item(os.fsencode(self.ledger.manifest), "manifest", size)
        self.synced_alone = True
        self.renewing(self.manifest_put(item), self.manifest["url"], self.renew_manifest)
        return {"key": self.manifest["key"], "digest": digest}

    def manifest_put(self, item: Item) -> Callable[[str], object]:
        def send(url: str) -> object:
            descriptor = open_output(item)
            try:
                if local.is_local(url):  # a copy: the ledger grows no more, but it may be read by the next uploader
                    return local.give_copy(descriptor, stored_file.path_of(url), sync=True)
                return self.put(item, descriptor, url)
            finally:
                os.close(descriptor)

        return send

    def renew_manifest(self) -> str:
        self.manifest = self.endpoint.post("/manifest", {"index": self.errand.index, "uid": self.errand.uid})
        return str(self.manifest["url"])


def read_etag(response: Response, item: Item) -> str:
    """The ETag in the answer to a PUT. Raises Passing, Expired, Permanent or Temporary."""
    if not 200 <= response.status < 300:
        judge(response, subject(item))
        raise Temporary(f"The store does not find the place for {subject(item)} ({response.status}).")
    response.read()
    return response.headers.get("etag", "").removeprefix("W/").strip('"')
