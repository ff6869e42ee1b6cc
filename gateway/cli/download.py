"""A folder of the user's tree onto this disk: sizes checked, every file whole or not there, nothing outside."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from gateway.cli.client import Client, Value
from gateway.cli.faults import Fault, Unreachable
from gateway.cli.upload import Advance

CHUNK_BYTES = 1 << 18
AT_ONCE = 4
TRIES = 4
PART = ".part"


@dataclass(frozen=True)
class Remote:
    """A file there: its number, its place below the folder that was asked for, its size in bytes."""

    number: int
    relative: str
    size: int


def listing(client: Client, path: str) -> list[Remote]:
    """Every file below a folder. Raises Fault when there is no such folder or a name in it would leave the target."""
    root = folder(client, path)
    return [remote(entry, path.strip("/")) for entry in walk(client, root)]


def folder(client: Client, path: str) -> Value:
    found = client.get("filebrowser/search/", path=path.strip("/"))["results"]
    if not found:
        raise Fault(
            f"There is no folder {path!r} that you may read: look it up with `chrysalis run` or in the browser."
        )
    return dict(found[0])


def walk(client: Client, root: Value) -> Iterator[Value]:
    yield from client.pages(f"filebrowser/{root['id']}/files/")
    for child in client.pages(f"filebrowser/{root['id']}/children/"):
        yield from walk(client, child)


def remote(entry: Value, root: str) -> Remote:
    name = str(entry["fname"])
    if not name.startswith(f"{root}/"):
        raise Fault(f"The server lists {name!r} below {root!r}: nothing was written.")
    return Remote(int(entry["id"]), safe(name.removeprefix(f"{root}/")), int(entry["fsize"]))


def safe(relative: str) -> str:
    """The path itself, if it stays below the folder that it is joined to. Raises Fault."""
    parts = relative.split("/")
    if any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise Fault(
            f"The server names a file {relative!r}, which would be written outside the folder: nothing was written."
        )
    return relative


def download(client: Client, files: list[Remote], into: Path, *, advance: Advance) -> None:
    """Raises the first fault. What is there already with the right size is left alone, so repeating it goes on."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(fetch, client, file, into, advance=advance) for file in files]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def fetch(client: Client, file: Remote, into: Path, *, advance: Advance) -> None:
    target = into / file.relative
    if not target.resolve().is_relative_to(into.resolve()):
        raise Fault(f"{target} leads out of {into} through a link: remove the link, or choose an empty folder.")
    if target.is_file() and target.stat().st_size == file.size:
        advance(file.size)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(target.name + PART)
    draft.unlink(missing_ok=True)
    for attempt in range(1, TRIES + 1):
        try:
            receive(client, file, draft, advance)
            break
        except Unreachable:
            if attempt == TRIES:
                raise
    draft.replace(target)


def receive(client: Client, file: Remote, draft: Path, advance: Advance) -> None:
    """Append what is missing to the draft. Raises Unreachable when the connection breaks: call it again."""
    have = draft.stat().st_size if draft.exists() else 0
    path = f"filebrowser/files/{file.number}/{quote(PurePosixPath(file.relative).name)}"
    with client.stream(path, start=have) as answer, draft.open("ab") as stream:
        if have and answer.status != http.client.PARTIAL_CONTENT:
            stream.truncate(0)
            advance(-have)
            have = 0
        while chunk := answer.read(CHUNK_BYTES):
            stream.write(chunk)
            have += len(chunk)
            advance(len(chunk))
    if have != file.size:
        raise Unreachable(f"{file.relative} came with {have} of {file.size} bytes: run the same command again.")
