"""Files of this disk into the user's tree, several at a time, each as a multipart form that is read as it is sent."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gateway.cli.client import Client
from gateway.cli.faults import Fault

CHUNK_BYTES = 1 << 18
AT_ONCE = 4
Advance = Callable[[int], None]


@dataclass(frozen=True)
class Item:
    """A file here and its path there."""

    source: Path
    target: str
    size: int


def plan(sources: tuple[Path, ...], folder: str) -> list[Item]:
    """Every file below the given folders (their own name is not kept), and the given files; below `folder`.

    Raises Fault when there is nothing to send, when two files would have one path, or for a name that the server's tree
    cannot hold (commas are for lists of paths; .chrislink is for links).
    """
    items = [item for source in sources for item in beside(source, folder.strip("/"))]
    if not items:
        raise Fault(f"There is no file in {', '.join(map(str, sources))}: choose another folder.")
    targets: dict[str, Path] = {}
    for item in items:
        if item.target in targets:
            raise Fault(f"{targets[item.target]} and {item.source} would both become {item.target}: rename one.")
        if "," in item.target or item.target.endswith(".chrislink"):
            raise Fault(
                f"{item.source} cannot be uploaded: names may hold no comma and not end in .chrislink; rename it."
            )
        targets[item.target] = item.source
    return items


def beside(source: Path, folder: str) -> Iterator[Item]:
    if source.is_file():
        yield Item(source, f"{folder}/{source.name}", source.stat().st_size)
        return
    for place, folders, names in os.walk(source):
        folders.sort()
        for name in sorted(names):
            path = Path(place, name)
            if path.is_file():
                relative = PurePosixPath(*path.relative_to(source).parts)
                yield Item(path, f"{folder}/{relative}", path.stat().st_size)


def upload(client: Client, items: list[Item], *, advance: Advance) -> None:
    """Raises the first fault, once what was under way has ended. Safe to repeat."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(send, client, item, advance=advance) for item in items]
        try:
            for future in futures:
                future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def send(client: Client, item: Item, *, advance: Advance) -> None:
    boundary = secrets.token_hex(16)
    head, tail = frame(item, boundary)
    length = len(head) + item.size + len(tail)
    body = form(item, head, tail, advance)
    client.send("userfiles/", body, length=length, media=f"multipart/form-data; boundary={boundary}")


def frame(item: Item, boundary: str) -> tuple[bytes, bytes]:
    """What stands before and after the file's bytes (RFC 7578; the file field of CUBE is `fname`)."""
    name = item.source.name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="upload_path"\r\n\r\n{item.target}\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="fname"; filename="{name}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode(), f"\r\n--{boundary}--\r\n".encode()


def form(item: Item, head: bytes, tail: bytes, advance: Advance) -> Iterator[bytes]:
    yield head
    left = item.size
    with item.source.open("rb") as stream:
        while left:
            chunk = stream.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise Fault(
                    f"{item.source} became shorter while it was sent: wait until it is complete, and try again."
                )
            left -= len(chunk)
            yield chunk
            advance(len(chunk))
    yield tail
