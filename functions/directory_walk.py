"""Listing a DirectoryStore: the keys of a tree of files, in the order of keys as UTF-8 bytes.

A folder is read only if it can hold a key that is wanted: it lies on the way to the prefix, and not before `after`. The
order of keys is not the order of names: "a-b" comes before "a/c", since "-" comes before "/".
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from functions.key_names import MORE, SELF, WORKSHOP, piece_of


class Spot(NamedTuple):
    """A place in the tree. `key` of a folder ends in "/"; the keys of all that lies in it begin so."""

    key: bytes
    path: bytes
    folder: bool


@dataclass(frozen=True)
class Wanted:
    """Keys that begin with `prefix` and come after `after`, both as UTF-8."""

    prefix: bytes
    after: bytes

    def takes(self, spot: Spot) -> bool:
        """Is this object wanted, or can this folder hold one that is?"""
        key = spot.key
        if spot.folder:
            on_the_way = key.startswith(self.prefix) or self.prefix.startswith(key)
            return on_the_way and (self.after < key or self.after.startswith(key))
        return key > self.after and key.startswith(self.prefix)


def spots(folder: bytes, base: bytes) -> Iterator[Spot]:
    """What lies in a folder whose keys begin with `base`, in no order. Of a folder that has gone: nothing.

    A folder answers two spots, for the object of its own name may lie in it; whether it does is seen later, if asked.
    """
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        name = entry.name
        if name in (SELF, WORKSHOP):
            continue
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and name.endswith(MORE):
            piece = piece_of(name[: -len(MORE)])
            if piece:
                yield from spots(entry.path, base + piece)
            continue
        piece = piece_of(name)
        if piece is None:
            continue
        if is_folder:
            yield Spot(base + piece, os.path.join(entry.path, SELF), False)
            yield Spot(base + piece + b"/", entry.path, True)
        elif entry.is_file(follow_symlinks=False):
            yield Spot(base + piece, entry.path, False)


def ordered(folder: bytes, base: bytes, wanted: Wanted) -> Iterator[Spot]:
    return iter(sorted(spot for spot in spots(folder, base) if wanted.takes(spot)))


def walk(folder: bytes, base: bytes, wanted: Wanted) -> Iterator[tuple[bytes, os.stat_result]]:
    """All wanted objects in a folder and below it: key and stat, lazily."""
    stack = [ordered(folder, base, wanted)]
    while stack:
        spot = next(stack[-1], None)
        if spot is None:
            stack.pop()
        elif spot.folder:
            stack.append(ordered(spot.path, spot.key, wanted))
        else:
            with suppress(FileNotFoundError, NotADirectoryError):
                yield spot.key, os.lstat(spot.path)


def level(folder: bytes, base: bytes, wanted: Wanted) -> Iterator[tuple[bytes, os.stat_result | None]]:
    """One level: wanted objects, and folders (stat is None) that hold a wanted object.

    Where `after` is a folder of this level, the folder was listed before and is left out.
    """
    for spot in ordered(folder, base, wanted):
        if not spot.folder:
            with suppress(FileNotFoundError, NotADirectoryError):
                yield spot.key, os.lstat(spot.path)
        elif spot.key != wanted.after and next(walk(spot.path, spot.key, wanted), None) is not None:
            yield spot.key, None
