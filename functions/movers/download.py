"""One input comes from the store to the disk: in a stream, resumed where it broke, and checked."""

from __future__ import annotations

import hashlib
import os
import re

from functions import stored_file
from functions.errors import Permanent, Temporary
from functions.movers import local
from functions.movers.courier import Courier, Expired, judge
from functions.movers.disk import CHUNK, Folder, explain, feed, write_all
from functions.movers.inputs import Pages, Row
from functions.movers.wire import Response

MOST_RENEWALS = 3
RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


def subject(row: Row) -> str:
    return f"the input {row.path!r}"


def vanished(row: Row) -> Permanent:
    return Permanent(f"The input {row.path!r} has vanished from the store. Upload it again and start the job anew.")


def changed(row: Row) -> Permanent:
    return Permanent(f"The input {row.path!r} was changed in the store after the job was submitted. Submit it anew.")


class Downloader:
    """Brings inputs into a folder. Safe for threads."""

    def __init__(self, courier: Courier, folder: Folder, pages: Pages, *, links: bool) -> None:
        self.courier, self.folder, self.pages, self.links = courier, folder, pages, links

    def bring(self, row: Row) -> None:
        """Raises Permanent (naming the file) or Temporary."""
        for _ in range(MOST_RENEWALS):
            try:
                self.fetch(row, self.folder.place(row.path))
                return
            except Expired as expired:
                reason = expired
                row = self.pages.renew(row)
            except OSError as error:
                raise explain(error, subject(row)) from error
        raise Temporary(f"{reason} A new URL does not help: do the clocks of the store and of stage agree?")

    def fetch(self, row: Row, target: bytes) -> None:
        if local.is_local(row.url):
            self.take(row, target)
        else:
            Download(self.courier, row, target).run()

    def take(self, row: Row, target: bytes) -> None:
        source = stored_file.path_of(row.url)
        try:
            stat, digest = local.take(source, target, links=self.links)
        except FileNotFoundError as error:
            fresh = self.pages.renew(row)  # an object may move when another is put "below" it
            if fresh.url == row.url:
                raise vanished(row) from error
            self.fetch(fresh, target)
            return
        if (stat.st_size, stored_file.etag(stat)) != (row.size, row.etag) or digest not in ("", row.digest or digest):
            raise changed(row)


class Download:
    """One object over HTTP. `offset` bytes of it are on the disk and in the hash."""

    def __init__(self, courier: Courier, row: Row, target: bytes) -> None:
        self.courier, self.row, self.target = courier, row, target
        self.file, self.offset, self.hasher = -1, 0, hashlib.sha256()

    def run(self) -> None:
        self.file = os.open(self.target, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            resumed = self.resume()
            self.complete()
            if not self.matches() and resumed:
                self.start_over()
                self.complete()
            if not self.matches():
                raise Permanent(f"The input {self.row.path!r} is damaged in the store: it has another digest.")
        finally:
            os.close(self.file)

    def resume(self) -> bool:
        """Go on where an earlier stage-in of this pod was killed; only a digest can tell that it is the same object."""
        size = os.fstat(self.file).st_size
        if not self.row.digest or not 0 < size <= self.row.size:
            self.start_over()
            return False
        self.offset = feed(self.file, self.hasher.update)
        os.lseek(self.file, self.offset, os.SEEK_SET)
        return True

    def start_over(self) -> None:
        os.ftruncate(self.file, 0)
        os.lseek(self.file, 0, os.SEEK_SET)
        self.offset, self.hasher = 0, hashlib.sha256()

    def matches(self) -> bool:
        return self.row.digest in ("", self.hasher.hexdigest())

    def complete(self) -> None:
        if self.offset < self.row.size or not self.row.size:
            self.courier.patience.insist(self.attempt, lambda: self.offset)

    def attempt(self) -> None:
        headers = {"Range": f"bytes={self.offset}-", "If-Match": f'"{self.row.etag}"'} if self.offset else {}
        with self.courier.open("GET", self.row.url, headers=headers) as response:
            self.check(response)
            for chunk in response.chunks(memoryview(bytearray(max(1, min(CHUNK, self.row.size - self.offset))))):
                if self.offset + len(chunk) > self.row.size:
                    raise changed(self.row)
                write_all(self.file, chunk)
                self.hasher.update(chunk)
                self.offset += len(chunk)
        if self.offset != self.row.size:
            raise changed(self.row)

    def check(self, response: Response) -> None:
        """Is this the object, from the offset on? Raises Permanent, Passing or Expired."""
        if response.status == 404:
            raise vanished(self.row)
        if response.status in (412, 416):
            raise changed(self.row)
        judge(response, subject(self.row))
        etag = response.headers.get("etag", "").removeprefix("W/").strip('"')
        if etag and self.row.etag and etag != self.row.etag:
            raise changed(self.row)
        if response.status == 206:
            self.check_range(response.headers.get("content-range", ""))
        else:
            if self.offset:  # the store does not know ranges
                self.start_over()
            if response.length not in (None, self.row.size):
                raise changed(self.row)

    def check_range(self, text: str) -> None:
        match = RANGE.match(text)
        if match is None or int(match[1]) != self.offset or int(match[2]) != self.row.size:
            raise changed(self.row)
