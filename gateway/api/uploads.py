"""An upload: bytes go from the request into the store while they arrive, then the file gets its row, then the answer.

What was answered with 201 is in the store and in the catalog. What breaks off, or is refused, leaves nothing to see:
the store keeps an object whole or not at all, and a row is written only for a whole one.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import BinaryIO, cast

from functions.errors import Failure
from functions.objects import ObjectStore
from gateway.api import parsers
from gateway.api.calls import Call
from gateway.api.errors import REQUIRED, Invalid
from gateway.api.multipart import FilePart, read_parts
from gateway.catalog import paths, uploads
from gateway.catalog.faults import Denied, Faulty
from gateway.catalog.lists import tree
from gateway.catalog.tree import File
from gateway.catalog.uploads import Stored

FIELD = "fname"
"""What CUBE's clients call the part that holds the file."""
HOME = "home/"
LONGEST_NAME = 200


def receive(call: Call) -> File:
    """Take a file; answers its row. Raises Invalid for what is wrong with it, by field."""
    stored, path = take(call)
    try:
        with call.server.catalog.transaction() as session:
            number = uploads.register(session, path, call.somebody, stored, now=call.server.hooks.now())
            file = tree.find_file(session, number)
    except (Faulty, Denied) as error:
        discard(call.server.store, stored)
        raise Invalid(error.faults if isinstance(error, Faulty) else {"upload_path": [str(error)]}) from error
    assert file is not None
    return file


def take(call: Call) -> tuple[Stored, str]:
    """The bytes of the file in the store, and the path that it shall have.

    The path is checked before the bytes are taken if it comes before them; a refused body is read to its end, so that
    the client hears why.
    """
    if parsers.media_type(call.request.content_type or "") != parsers.MULTIPART:
        missing = [name for name in ("upload_path", FIELD) if name not in call.data]
        raise Invalid({name: [REQUIRED] for name in missing} or {FIELD: ["The submitted data was not a file."]})
    given: dict[str, str] = {}
    stored: Stored | None = None
    fault: Invalid | None = None
    for part in read_parts(call.request.stream, call.request.content_type or ""):
        if isinstance(part, tuple):
            given[part[0]] = part[1]
        elif part.field == FIELD and stored is None and fault is None:
            fault = find_fault(call, given["upload_path"]) if "upload_path" in given else None
            stored = None if fault else put(call.server.store, part, given.get("upload_path", ""))
    fault = fault or check_given(call, given, stored)
    if fault is not None:
        discard(call.server.store, stored)
        raise fault
    assert stored is not None
    return stored, given["upload_path"].strip().strip("/")


def check_given(call: Call, given: dict[str, str], stored: Stored | None) -> Invalid | None:
    there = {"upload_path": "upload_path" in given, FIELD: stored is not None}
    missing = {name: [REQUIRED] for name, sent in there.items() if not sent}
    return Invalid(missing) if missing else find_fault(call, given["upload_path"])


def find_fault(call: Call, path: str) -> Invalid | None:
    """What is wrong with a path, before any byte is taken. The transaction ends, so that it does not last as long."""
    try:
        clean = uploads.check(path)
        if not clean.startswith(HOME):
            raise Faulty({"upload_path": ["Invalid path. Path must start with 'home/'."]})
        if not uploads.may_upload(call.session, clean, call.somebody):
            sentence = f"Invalid path. User does not have write permission under the folder '{paths.split(clean)[0]}'."
            raise Faulty({"upload_path": [sentence]})
    except Faulty as error:
        return Invalid(error.faults)
    finally:
        call.session.close()
    return None


def put(store: ObjectStore, part: FilePart, path: str) -> Stored:
    """Stream a file into the store under a key that nobody else has."""
    info = store.put(f"uploads/{secrets.token_hex(16)}/{key_name(path or part.filename)}", cast(BinaryIO, part))
    return Stored(info.key, part.size, info.etag, part.digest)


def key_name(path: str) -> str:
    """The last part of a key: the file's own name, if a store can hold it."""
    name = path.replace("\\", "/").rstrip("/ ").rpartition("/")[2]
    plain = name.isprintable() and name.strip(". ") == name and 0 < len(name.encode(errors="replace")) <= LONGEST_NAME
    return name if plain else "file"


def discard(store: ObjectStore, stored: Stored | None) -> None:
    """Take back bytes that got no row. If the store does not answer they stay, unseen."""
    if stored is not None:
        with suppress(Failure):
            store.delete(stored.key)
