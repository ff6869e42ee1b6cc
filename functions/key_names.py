"""How a key of an object becomes file names, and back. Pure; `DirectoryStore` is its user.

A key is cut at "/", and each piece is a file name as it stands, so that a person finds a file where its key says.
Escaped is only what no file can be called, or what would be in the way. "%" begins every escape, so it is escaped too:

    %XX        a byte: "%", a control character, "." or ".." as a whole piece
    %-         an empty piece ("a//b", or a key that ends in "/")
    <name>%+   a folder that holds the rest of a piece longer than a file name may be
    %          in a folder: the object whose key is the folder's ("a" beside "a/b")
    %~         in the root: files that are being written; no key begins so
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from functions.errors import Permanent

SELF = b"%"
WORKSHOP = b"%~"
EMPTY, MORE = b"%-", b"%+"
LONGEST_KEY = 1024
"""Bytes of UTF-8: the limit of S3."""
LONGEST_NAME = 250
"""Bytes; Linux allows 255, and MORE has to fit too."""

UNFIT = re.compile(r"[%\x00-\x1f\x7f]")
USUAL = re.compile(rb"[ !-$&-~]{1,%d}" % LONGEST_NAME)
"""Names of ASCII that stand for themselves: a shortcut, since listings ask it of every file."""


def check(key: str) -> bytes:
    """The key as UTF-8. Raises Permanent if no store could hold it."""
    try:
        raw = key.encode()
    except UnicodeEncodeError as error:
        raise Permanent(f"The key {key!r} is not valid Unicode; give the file another name.") from error
    if not raw:
        raise Permanent("An object needs a key that is not empty.")
    if len(raw) > LONGEST_KEY:
        raise Permanent(f"The key {key!r} is longer than {LONGEST_KEY} bytes; shorten the names of its folders.")
    return raw


def path_of(key: str) -> bytes:
    """The path, relative to the root, of the file that holds an object."""
    return b"/".join(name for piece in key.split("/") for name in names_of(piece))


def folder_of(prefix: str) -> bytes:
    """The path of the folder that holds all keys that begin with `prefix`, which is empty or ends in "/"."""
    return path_of(prefix[:-1]) if prefix else b"."


def names_of(piece: str) -> list[bytes]:
    """The file name of one piece of a key; several, each in the folder before it, if it is long."""
    if not piece:
        return [EMPTY]
    if piece in (".", ".."):
        return [b"%2E" * len(piece)]
    text = UNFIT.sub(lambda found: f"%{ord(found[0]):02X}", piece) if UNFIT.search(piece) else piece
    name = text.encode()
    return [name] if len(name) <= LONGEST_NAME else cut(piece)


def cut(piece: str) -> list[bytes]:
    """A long name in several, cut between characters."""
    names, last = [], b""
    for character in piece:
        unit = f"%{ord(character):02X}".encode() if UNFIT.match(character) else character.encode()
        if len(last) + len(unit) > LONGEST_NAME:
            names.append(last + MORE)
            last = b""
        last += unit
    return [*names, last]


def piece_of(name: bytes) -> bytes | None:
    """The piece of a key that a file name stands for (without MORE); None if no key has such a file: it is not ours."""
    if USUAL.fullmatch(name) and name not in (b".", b".."):
        return name
    if name == EMPTY:
        return b""
    raw = unquote_to_bytes(name) if b"%" in name else name
    try:
        ours = names_of(raw.decode())
    except UnicodeDecodeError:
        return None
    return raw if ours == [name] else None
