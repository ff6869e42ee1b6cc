"""What a plugin has left in its folder: the files to upload, under their names in the store, and what is left out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from functions.errors import Permanent
from functions.movers.disk import explained
from functions.movers.names import assign, clean, is_link

LONGEST_PATH = 1024
"""Bytes; no store takes a longer key (and ours has a prefix besides)."""
MOST_NAMED = 10


@dataclass(frozen=True)
class Item:
    """A file to upload: where it lies, its path among the outputs, and its size in bytes."""

    source: bytes
    path: str
    size: int


@dataclass
class Skipped:
    """What is not uploaded: how many of each kind, and the first of them."""

    counts: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    def add(self, kind: str, path: str) -> None:
        self.counts[kind] += 1
        if len(self.first) < MOST_NAMED:
            self.first.append(path)

    def as_dict(self) -> dict[str, object]:
        return {**self.counts, "first": self.first} if self.counts else {}


@dataclass(frozen=True)
class Entry:
    """Something in a folder that is uploaded, or entered. `names`: its path from the folder that it will lie in."""

    source: bytes
    names: tuple[str, ...]
    size: int
    folder: bool


def read_name(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Permanent(
            f"The plugin wrote a file whose name is not UTF-8: {raw!r}. Let it write names in UTF-8."
        ) from error


class Harvest:
    """A walk through the outputs, always in the same order; `skipped` is complete at its end."""

    def __init__(self, root: str) -> None:
        self.root = os.fsencode(root)
        self.skipped = Skipped()

    def __iter__(self) -> Iterator[Item]:
        self.skipped = Skipped()
        waiting = [(self.root, "")]
        while waiting:
            source, prefix = waiting.pop()
            folders = []
            for name, entry in self.name_all(source, prefix):
                path = self.check_length(prefix + name)
                if entry.folder:
                    folders.append((entry.source, path + "/"))
                else:
                    yield Item(entry.source, path, entry.size)
            waiting += reversed(folders)

    def name_all(self, source: bytes, prefix: str) -> list[tuple[str, Entry]]:
        """The entries of one folder with their names, sorted by name."""
        entries = list(self.enter(source, prefix, ()))
        named = zip(assign([entry.names for entry in entries]), entries, strict=True)
        return sorted(named, key=lambda pair: pair[0])

    def enter(self, source: bytes, prefix: str, above: tuple[str, ...]) -> Iterator[Entry]:
        for found in self.scan(source):
            name = read_name(found.name)
            names, path = (*above, name), "/".join((*above, name))
            if found.is_symlink():
                self.skipped.add("links", prefix + path)
            elif found.is_dir(follow_symlinks=False):
                if clean(name):
                    yield Entry(found.path, names, 0, True)
                else:  # a folder of such a name is dissolved into the one above it
                    yield from self.enter(found.path, prefix, names)
            elif kind := unfit(found, name):
                self.skipped.add(kind, prefix + path)
            else:
                with explained(f"the output {prefix + path!r}"):
                    size = found.stat(follow_symlinks=False).st_size
                yield Entry(found.path, names, size, False)

    def scan(self, source: bytes) -> list[os.DirEntry[bytes]]:
        with explained(f"the output folder {source[len(self.root) :].decode(errors='replace')!r}"):
            try:
                entries = os.scandir(source)
            except PermissionError:  # a plugin may take its own rights away
                with suppress(OSError):
                    os.chmod(source, 0o700)
                entries = os.scandir(source)
            with entries:
                return sorted(entries, key=lambda entry: entry.name)

    def check_length(self, path: str) -> str:
        if len(path.encode()) > LONGEST_PATH:
            raise Permanent(f"The path of the output {path!r} is longer than a store takes ({LONGEST_PATH} bytes).")
        return path


def unfit(found: os.DirEntry[bytes], name: str) -> str:
    """Why something that is neither folder nor link is left out; empty if it is uploaded."""
    if not found.is_file(follow_symlinks=False):
        return "special"
    if not clean(name):
        return "nameless"
    return "chrislinks" if is_link(name) else ""
