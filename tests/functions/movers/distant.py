"""A store of plain files behind HTTP, as an S3 store looks to a mover; its answers can be spoilt one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from functions import stored_file
from functions.objects import Audience, Missing
from functions.objects_directory import DirectoryStore
from tests.functions.movers.script import Asked, Reply, ScriptedServer, reply

Spoil = Callable[[Asked], Reply | None]


class DistantStore(DirectoryStore):
    """Gives out URLs of its own small server. `stale`: URLs given out so far have expired."""

    part_bytes = 5 * 1024 * 1024  # type: ignore[assignment]

    def __init__(self, root: Path) -> None:
        super().__init__(root, durable=False)
        self.url, self.signed = "", 0
        self.oldest = 0
        self.spoil: Spoil = lambda asked: None
        self.server: ScriptedServer

    # --- URLs ---

    def expire(self) -> None:
        self.oldest = self.signed + 1

    def sign(self, key: str, **query: Any) -> str:
        self.signed += 1
        more = "".join(f"&{name}={value}" for name, value in query.items())
        return f"{self.url}/{quote(key)}?n={self.signed}{more}"

    def get_url(
        self, key: str, *, audience: Audience, seconds: int = 3600, version: str = "", filename: str = ""
    ) -> str:
        assert audience == "pods"
        return self.sign(key)

    def put_url(self, key: str, *, audience: Audience, seconds: int = 3600) -> str:
        return self.sign(key)

    def part_url(self, key: str, upload: str, number: int, *, audience: Audience, seconds: int = 3600) -> str:
        return self.sign(key, upload=upload, part=number)

    # --- answers ---

    def answer(self, asked: Asked) -> Reply:
        method, target, _ = asked.line.split()
        place = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(place.query).items()}
        if int(query["n"]) < self.oldest:
            return reply(403, b"<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>")
        if spoilt := self.spoil(asked):
            return spoilt
        key = unquote(place.path[1:])
        if method == "GET":
            return self.read(key, asked.headers)
        if "part" in query:
            return self.write_part(query["upload"], int(query["part"]), asked.body)
        return reply(200, ETag=f'"{self.put(key, asked.body).etag}"')

    def read(self, key: str, headers: dict[str, str]) -> Reply:
        try:
            info = self.head(key)
        except Missing:
            return reply(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if headers.get("if-match", f'"{info.etag}"') != f'"{info.etag}"':
            return reply(412)
        if "range" not in headers:
            return reply(200, self.get(key).read(), ETag=f'"{info.etag}"')
        start = int(headers["range"].removeprefix("bytes=").removesuffix("-"))
        body = self.get(key, start=start).read()
        return reply(206, body, ETag=f'"{info.etag}"', Content_Range=f"bytes {start}-{info.size - 1}/{info.size}")

    def write_part(self, upload: str, number: int, body: bytes) -> Reply:
        path = self._part(upload, number)
        with stored_file.draft(self._workshop) as (descriptor, draft):
            os.write(descriptor, body)
            Path(os.fsdecode(draft)).replace(os.fsdecode(path))
        return reply(200, ETag=f'"{stored_file.etag(Path(os.fsdecode(path)).stat())}"')


@contextmanager
def distant(root: Path) -> Iterator[DistantStore]:
    store = DistantStore(root)
    with ScriptedServer(store.answer) as server:
        store.server, store.url = server, server.url
        yield store
